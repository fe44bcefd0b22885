package archive

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// order is what is known of the order in which objects come.
type order int

const (
	asListed    order = iota // newest first, as the hosted API lists, unless the times say otherwise
	oldestFirst              // the layout says so
	alone                    // in a file of its own: unknown but for the times
)

// inOrder is the list of a kind, oldest first. Within one second the order is
// that of the list.
func (d *dump) inOrder(kind string) []*dumped {
	all := slices.Clone(d.objects[kind])
	slices.SortFunc(all, func(a, b *dumped) int { return cmp.Compare(a.place, b.place) })
	lists := map[list][]*dumped{}
	var names []list
	for _, o := range all {
		name := o.list()
		if lists[name] == nil {
			names = append(names, name)
		}
		lists[name] = append(lists[name], o)
	}
	all = all[:0]
	for _, name := range names {
		all = append(all, turned(lists[name], name.order)...)
	}
	slices.SortStableFunc(all, byTime)
	return all
}

func byTime(a, b *dumped) int { return cmp.Compare(a.known.CreatedAt, b.known.CreatedAt) }

// list names a list: the messages and the runs of a thread, the steps of a run.
type list struct {
	order           order
	threadID, runID string
}

func (o *dumped) list() list {
	l := list{order: o.order, threadID: o.known.ThreadID}
	if o.known.Object == "thread.run.step" {
		l.runID = o.known.RunID
	}
	return l
}

// turned puts a list into the order in which it was made.
func turned(objects []*dumped, order order) []*dumped {
	first, last := objects[0].known.CreatedAt, objects[len(objects)-1].known.CreatedAt
	if order == asListed && first >= last || order == alone && first > last {
		slices.Reverse(objects)
	}
	if order == alone {
		slices.SortStableFunc(objects, byTime)
		for begin, end := 0, 0; begin < len(objects); begin = end {
			for end = begin; end < len(objects) && byTime(objects[begin], objects[end]) == 0; end++ {
			}
			if objects[begin].answers() && !objects[end-1].answers() { // nothing is answered before it is asked
				slices.Reverse(objects[begin:end])
			}
		}
	}
	return objects
}

// answers reports whether a run made the message.
func (o *dumped) answers() bool { return o.known.Object == "thread.message" && o.known.RunID != "" }

// comparePaths orders paths by their parts, and these as people do.
func comparePaths(a, b string) int {
	separator := string(filepath.Separator)
	return cmp.Or(slices.CompareFunc(strings.Split(a, separator), strings.Split(b, separator), compareNames), strings.Compare(a, b))
}

// compareNames orders names as people do: page-2 comes before page-10.
func compareNames(a, b string) int {
	for a != "" && b != "" {
		m, n := digits(a), digits(b)
		if m == 0 || n == 0 {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, y := strings.TrimLeft(a[:m], "0"), strings.TrimLeft(b[:n], "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
		a, b = a[m:], b[n:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many digits the text begins with.
func digits(text string) int { return len(text) - len(strings.TrimLeft(text, "0123456789")) }
