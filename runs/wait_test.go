package runs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

// longest is how long a hold may last.
const longest = 25 * time.Second

// TestWait holds the answer about a run until there is something to tell.
func TestWait(t *testing.T) {
	for name, tc := range map[string]struct {
		turns  []turn
		before func(w *world)              // leaves one place taken, maybe
		during func(w *world, r *runs.Run) // runs beside the wait
		hold   time.Duration
		status runs.Status
		after  time.Duration
	}{
		"the end":           {turns: []turn{hangsFor(10*time.Second, says("Hello"))}, hold: longest, status: runs.Completed, after: 10 * time.Second},
		"calls":             {turns: []turn{hangsFor(3*time.Second, calls("add"))}, hold: longest, status: runs.RequiresAction, after: 3 * time.Second},
		"no end":            {turns: []turn{hangs()}, hold: 4 * time.Second, status: runs.InProgress, after: 4 * time.Second},
		"no end, half said": {turns: []turn{hangs("so ")}, hold: 4 * time.Second, status: runs.InProgress, after: 4 * time.Second},
		"a wait for a place": {
			turns:  []turn{hangsFor(7*time.Second, says("first")), hangsFor(2*time.Second, says("second"))},
			before: func(w *world) { w.run(w.thread("Hi")); <-w.model.called },
			hold:   longest, status: runs.Completed, after: 9 * time.Second,
		},
		"a cancel": {
			turns: []turn{hangs()}, hold: longest, status: runs.Cancelled, after: 3 * time.Second,
			during: func(w *world, r *runs.Run) {
				time.Sleep(3 * time.Second)
				_, err := w.cancel(r)
				require.NoError(w.t, err)
			},
		},
		"a stop of the server": {
			turns: []turn{hangsFor(time.Minute, says("late"))}, hold: longest, status: runs.InProgress, after: 5 * time.Second,
			during: func(w *world, _ *runs.Run) {
				time.Sleep(5 * time.Second)
				w.engine.Stop()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				w := open(t, worldOptions{maxRuns: 1, grace: time.Hour}, tc.turns...)
				if tc.before != nil {
					tc.before(w)
				}
				began := time.Now()
				r := w.run(w.thread("Hi"))
				var beside sync.WaitGroup
				defer beside.Wait()
				if tc.during != nil {
					beside.Go(func() { tc.during(w, r) })
				}
				raw, err := w.runs.Wait(w.ctx, project, r.ThreadID, r.ID, tc.hold)
				require.NoError(t, err)
				require.Equal(t, tc.status, decode[runs.Run](t, raw).Status)
				require.InDelta(t, tc.after.Seconds(), time.Since(began).Seconds(), 0.2)
				if !tc.status.Terminal() && tc.status != runs.RequiresAction && tc.during == nil {
					_, err := w.cancel(r)
					require.NoError(t, err)
				}
			})
		})
	}
}

// TestWaitForExpiry tells of the end that the time brings.
func TestWaitForExpiry(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{}, calls("add"))
		r := w.settled(w.run(w.thread("Hi")))
		time.Sleep(time.Until(time.Unix(*r.ExpiresAt, 0)) + 2*time.Second)
		raw, err := w.runs.Wait(w.ctx, project, r.ThreadID, r.ID, longest)
		require.NoError(t, err)
		require.Equal(t, runs.Expired, decode[runs.Run](t, raw).Status)
	})
}

// TestWaitOfAClientThatLeaves ends with the client.
func TestWaitOfAClientThatLeaves(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{}, hangs())
		r := w.run(w.thread("Hi"))
		began := time.Now()
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		defer cancel()
		_, err := w.runs.Wait(ctx, project, r.ThreadID, r.ID, longest)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}
