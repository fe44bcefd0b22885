package runs

import (
	"cmp"
	"slices"
)

// Limits bound the runs that are driven at once and those that wait for it.
type Limits struct {
	Runs       int // driven at once; 0 means DefaultRuns
	PerProject int // of one project driven at once; 0 means no bound of its own
	Queue      int // of one project waiting, beyond which new ones are refused; 0 means DefaultQueue
	Answers    int // bytes of long answers under way; 0 means DefaultAnswers
}

// The values that zero fields of Limits stand for.
const (
	DefaultRuns    = 256
	DefaultQueue   = 1000
	DefaultAnswers = 512 << 20
)

// class is what decides which bounds a run is under beside the common one.
type class struct{ project, upstream string }

// waiter is a run that waits for a place. What is stored says so, too: a run
// in the queue has no lease. This is the order of the queue, found again from
// the rows at the start.
type waiter struct {
	id    string
	class class

	chosen, model string // what its class is told by

	stored bool // its row is committed
	called bool // a place is taken for it, and its row will be leased
}

// places hands out the engine's places: first come, first served among runs
// under the same bounds. It is not safe for concurrent use.
type places struct {
	limits    Limits
	upstreams map[string]int // how many each has

	taken      int
	ofProject  map[string]int
	ofUpstream map[string]int

	waiters map[string]*waiter
	lines   map[class][]*waiter // not called yet, oldest id first
	queued  map[string]int      // waiters by project
}

func newPlaces(limits Limits, upstreams map[string]int) *places {
	limits.Runs = cmp.Or(limits.Runs, DefaultRuns)
	limits.Queue = cmp.Or(limits.Queue, DefaultQueue)
	return &places{
		limits: limits, upstreams: upstreams, ofProject: map[string]int{}, ofUpstream: map[string]int{},
		waiters: map[string]*waiter{}, lines: map[class][]*waiter{}, queued: map[string]int{},
	}
}

// fits reports whether there is a place for a run of the class.
func (p *places) fits(c class) bool {
	if bound, known := p.upstreams[c.upstream]; known && p.ofUpstream[c.upstream] >= bound {
		return false
	}
	if p.limits.PerProject > 0 && p.ofProject[c.project] >= p.limits.PerProject {
		return false
	}
	return p.taken < p.limits.Runs-p.reserved(c.upstream)
}

// reserved is how many places are kept for the other upstreams. Half of all
// places are divided among the upstreams, so that those that hang cannot keep
// the runs of others from starting.
func (p *places) reserved(upstream string) int {
	reserved := 0
	for name, bound := range p.upstreams {
		if name != upstream {
			reserved += max(0, min(p.limits.Runs/(2*len(p.upstreams)), bound)-p.ofUpstream[name])
		}
	}
	return reserved
}

func (p *places) take(c class) {
	p.taken++
	p.ofProject[c.project]++
	p.ofUpstream[c.upstream]++
}

func (p *places) giveBack(c class) {
	p.taken--
	less(p.ofProject, c.project)
	less(p.ofUpstream, c.upstream)
}

// less keeps no zeros.
func less(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

// full reports whether no more new runs of a project may wait.
func (p *places) full(project string) bool { return p.queued[project] >= p.limits.Queue }

// wait puts a run into the queue, once.
func (p *places) wait(w *waiter) {
	if known := p.waiters[w.id]; known != nil {
		known.stored = known.stored || w.stored
		return
	}
	p.waiters[w.id] = w
	p.queued[w.class.project]++
	p.line(w)
}

// line puts a waiter where its id belongs: a run whose outputs came is older
// than runs that have not begun.
func (p *places) line(w *waiter) {
	line := p.lines[w.class]
	at, _ := slices.BinarySearchFunc(line, w.id, func(other *waiter, id string) int { return cmp.Compare(other.id, id) })
	p.lines[w.class] = slices.Insert(line, at, w)
}

// leaveLine undoes line.
func (p *places) leaveLine(w *waiter) {
	line := slices.DeleteFunc(p.lines[w.class], func(other *waiter) bool { return other == w })
	if len(line) == 0 {
		delete(p.lines, w.class)
		return
	}
	p.lines[w.class] = line
}

// remove takes a run out of the queue and gives back the place it was called
// to.
func (p *places) remove(id string) {
	w := p.waiters[id]
	if w == nil {
		return
	}
	delete(p.waiters, id)
	less(p.queued, w.class.project)
	if w.called {
		p.giveBack(w.class)
	} else {
		p.leaveLine(w)
	}
}

// call takes a place for each run that fits, the oldest first, and lists them.
func (p *places) call() (called []string) {
	for {
		var first *waiter
		for c, line := range p.lines {
			if at := slices.IndexFunc(line, func(w *waiter) bool { return w.stored }); at >= 0 && (first == nil || line[at].id < first.id) && p.fits(c) {
				first = line[at]
			}
		}
		if first == nil {
			return called
		}
		p.leaveLine(first)
		first.called = true
		p.take(first.class)
		called = append(called, first.id)
	}
}

// putBack lets a run that was called wait on.
func (p *places) putBack(id string) {
	if w := p.waiters[id]; w != nil && w.called {
		p.giveBack(w.class)
		w.called = false
		p.line(w)
	}
}

// reroute takes over other upstreams; classOf tells where a waiter belongs now.
func (p *places) reroute(upstreams map[string]int, classOf func(*waiter) class) {
	p.upstreams = upstreams
	p.lines = map[class][]*waiter{}
	for _, w := range p.waiters {
		if !w.called {
			w.class = classOf(w)
			p.line(w)
		}
	}
}
