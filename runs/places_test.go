package runs

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestBounds tells who fits beside whom.
func TestBounds(t *testing.T) {
	upstreams := map[string]int{"a": 6, "b": 2}
	for name, tc := range map[string]struct {
		limits Limits
		taken  map[class]int
		next   class
		fits   bool
	}{
		"the first":                         {Limits{Runs: 8}, nil, class{"p", "a"}, true},
		"the last":                          {Limits{Runs: 8}, map[class]int{{"p", "a"}: 6, {"p", "b"}: 2}, class{"p", "a"}, false},
		"an upstream that is full":          {Limits{Runs: 99}, map[class]int{{"p", "b"}: 2}, class{"q", "b"}, false},
		"another than the full one":         {Limits{Runs: 99}, map[class]int{{"p", "b"}: 2}, class{"p", "a"}, true},
		"what is kept for others":           {Limits{Runs: 6}, map[class]int{{"p", "a"}: 5}, class{"p", "a"}, false},
		"those it is kept for":              {Limits{Runs: 6}, map[class]int{{"p", "a"}: 5}, class{"p", "b"}, true},
		"what others have is kept no more":  {Limits{Runs: 6}, map[class]int{{"p", "a"}: 4, {"p", "b"}: 1}, class{"p", "a"}, true},
		"no more is kept than can be taken": {Limits{Runs: 20}, map[class]int{{"p", "a"}: 5}, class{"p", "a"}, true},
		"a project that is full":            {Limits{Runs: 8, PerProject: 2}, map[class]int{{"p", "a"}: 1, {"p", "b"}: 1}, class{"p", "a"}, false},
		"another project":                   {Limits{Runs: 8, PerProject: 2}, map[class]int{{"p", "a"}: 2}, class{"q", "a"}, true},
		"a model without an upstream":       {Limits{Runs: 8}, map[class]int{{"p", "a"}: 2}, class{"p", ""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlaces(tc.limits, upstreams)
			for c, n := range tc.taken {
				for range n {
					p.take(c)
				}
			}
			require.Equal(t, tc.fits, p.fits(tc.next))
		})
	}
}

// queue drives places the way the engine does, at random.
type queue struct {
	*places
	next    int
	driven  []*waiter
	waiting []*waiter // in the order they came
	called  []string
}

// arrive lets a run in, or into the queue.
func (q *queue) arrive(t *rapid.T) {
	w := &waiter{
		id:     fmt.Sprintf("run_%04d", q.next),
		class:  class{rapid.SampledFrom([]string{"p", "q"}).Draw(t, "project"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "upstream")},
		stored: true,
	}
	q.next++
	switch {
	case q.fits(w.class):
		q.take(w.class)
		q.driven = append(q.driven, w)
	case !q.full(w.class.project):
		q.wait(w)
		q.waiting = append(q.waiting, w)
	}
}

// end lets a run give its place back.
func (q *queue) end(t *rapid.T) {
	if len(q.driven) == 0 {
		t.Skip("nothing is driven")
	}
	i := rapid.IntRange(0, len(q.driven)-1).Draw(t, "ended")
	q.giveBack(q.driven[i].class)
	q.driven = slices.Delete(q.driven, i, i+1)
	q.called = append(q.called, q.call()...)
}

// claim finds a called run there, or gone, or its store away.
func (q *queue) claim(t *rapid.T) {
	if len(q.called) == 0 {
		t.Skip("nobody was called")
	}
	id := q.called[0]
	q.called = q.called[1:]
	w := q.waiters[id]
	switch rapid.SampledFrom([]string{"there", "there", "gone", "away"}).Draw(t, "claim") {
	case "there":
		q.remove(id)
		q.take(w.class)
		q.driven = append(q.driven, w)
		q.leave(w)
	case "gone":
		q.remove(id)
		q.leave(w)
		q.called = append(q.called, q.call()...)
	case "away":
		q.putBack(id)
		q.called = append(q.called, q.call()...)
	}
}

// cancel takes a run out of the queue.
func (q *queue) cancel(t *rapid.T) {
	if len(q.waiting) == 0 {
		t.Skip("nobody waits")
	}
	w := rapid.SampledFrom(q.waiting).Draw(t, "cancelled")
	q.remove(w.id)
	q.leave(w)
	q.called = slices.DeleteFunc(q.called, func(id string) bool { return id == w.id })
	q.called = append(q.called, q.call()...)
}

func (q *queue) leave(w *waiter) {
	q.waiting = slices.DeleteFunc(q.waiting, func(other *waiter) bool { return other == w })
}

// check holds the books against what is driven and called, and the queue
// against its order.
func (q *queue) check(t *rapid.T) {
	ofProject, ofUpstream := map[string]int{}, map[string]int{}
	for _, w := range q.driven {
		ofProject[w.class.project]++
		ofUpstream[w.class.upstream]++
	}
	for _, id := range q.called {
		ofProject[q.waiters[id].class.project]++
		ofUpstream[q.waiters[id].class.upstream]++
	}
	require.Equal(t, ofProject, q.ofProject)
	require.Equal(t, ofUpstream, q.ofUpstream)
	require.Equal(t, len(q.driven)+len(q.called), q.taken)
	require.LessOrEqual(t, q.taken, q.limits.Runs)
	for project, n := range ofProject {
		require.LessOrEqual(t, n, q.limits.PerProject, project)
	}
	for upstream, n := range ofUpstream {
		require.LessOrEqual(t, n, q.upstreams[upstream], upstream)
	}
	calledAll := map[class]bool{}
	for _, w := range slices.Backward(q.waiting) {
		require.False(t, !w.called && q.fits(w.class), "%s waits beside a free place", w.id)
		require.False(t, !w.called && calledAll[w.class], "%s was overtaken", w.id)
		calledAll[w.class] = calledAll[w.class] || w.called
	}
	require.Len(t, q.waiters, len(q.waiting))
	for project, n := range q.queued {
		require.LessOrEqual(t, n, q.limits.Queue, project)
	}
}

// TestQueue is first come, first served under all bounds at once, and leaves
// no place free that somebody waits for.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{
			Runs: rapid.IntRange(1, 8).Draw(t, "runs"), PerProject: rapid.IntRange(1, 6).Draw(t, "per project"), Queue: rapid.IntRange(1, 5).Draw(t, "queue"),
		}
		q := &queue{places: newPlaces(limits, map[string]int{"a": 2, "b": 3, "c": 9})}
		t.Repeat(map[string]func(*rapid.T){"arrive": q.arrive, "end": q.end, "claim": q.claim, "cancel": q.cancel, "": q.check})
	})
}
