package telemetry

import (
	"sync"
	"time"
)

// leg is what is known of a run between two of its states.
type leg struct {
	asked  time.Time // since when it has waited for a place; zero = it does not
	rested time.Time // since when it has waited for its client; zero = it does not
}

// maxLegs bounds each of the two halves of legs.
const maxLegs = 8192

// legs are the runs that have not ended, as far as this process has seen them.
// Those that were not touched for longest are forgotten first, so that a run
// whose end is never seen costs nothing that lasts.
type legs struct {
	mu            sync.Mutex
	recent, older map[string]*leg
}

// change shows f what is known of a run. Nothing is kept of a run that f answers
// false for.
func (l *legs) change(runID string, f func(*leg) (keep bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.recent[runID]
	if known == nil {
		if known = l.older[runID]; known == nil {
			known = &leg{}
		}
		delete(l.older, runID)
		if len(l.recent) >= maxLegs {
			l.recent, l.older = nil, l.recent
		}
		if l.recent == nil {
			l.recent = map[string]*leg{}
		}
		l.recent[runID] = known
	}
	if !f(known) {
		delete(l.recent, runID)
	}
}
