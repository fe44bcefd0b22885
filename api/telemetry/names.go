package telemetry

import "sync"

// other stands for whatever has no label of its own.
const other = "other"

// maxModels bounds the labels that clients can bring about: they name models.
const maxModels = 100

// names are the models that have been given a label.
type names struct {
	mu    sync.Mutex
	known map[string]bool
}

// label is the name itself, or "other" when there are too many.
func (n *names) label(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.known[name]:
		return name
	case len(n.known) >= maxModels:
		return other
	case n.known == nil:
		n.known = map[string]bool{}
	}
	n.known[name] = true
	return name
}
