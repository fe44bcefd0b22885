package runs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
	"understudy/store"
)

// inVirtualTime runs a test whose clock stands still until all wait for it.
func inVirtualTime(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

const lifetime = 600 * time.Second

// TestExpiry lets the time of a run pass in each state.
func TestExpiry(t *testing.T) {
	for _, tc := range []struct {
		name  string
		turn  turn
		wait  bool // for a place that never comes free
		texts []string
		steps []string
		story []string // behind the opening
	}{
		{"waiting for a place", nil, true, []string{"user: Hi"}, nil, []string{"run.expired usage=0"}},
		{"silent model", hangs(), false, []string{"user: Hi"}, nil, []string{"run.in_progress", "run.expired usage=0"}},
		{
			"mid-stream", hangs("so far"), false,
			[]string{"user: Hi", "assistant: so far [run_expired]"},
			[]string{"message_creation expired"},
			concat([]string{"run.in_progress"}, spoken("so far")[:5], []string{
				"message.incomplete [so far] reason=run_expired", "run.step.expired message_creation", "run.expired usage=0",
			}),
		},
		{"requires action", saysAndCalls("I add.", "add"), false, []string{"user: Hi", "assistant: I add."}, []string{"message_creation completed usage=0", "tool_calls[add=null] expired"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) {
				w := open(t, worldOptions{maxRuns: 1})
				if tc.wait {
					gate := make(chan struct{}) // a model call that nothing breaks off
					defer close(gate)
					w.model.add(waits(gate, says("late")))
					w.run(w.thread("Hi"))
					synctest.Wait() // it has the only place
				} else {
					w.model.add(tc.turn)
				}
				thread := w.thread("Hi")
				r, log := w.stream(thread)
				created := time.Unix(r.CreatedAt, 0)
				require.Equal(t, created.Add(lifetime).Unix(), *r.ExpiresAt)

				time.Sleep(time.Until(created.Add(lifetime - time.Second)))
				synctest.Wait()
				require.True(t, w.get(r).Status.Active())
				time.Sleep(3 * time.Second)
				synctest.Wait()
				r = w.get(r)
				require.Equal(t, runs.Expired, r.Status)
				require.Nil(t, r.ExpiresAt)
				require.Nil(t, r.RequiredAction)
				require.NotNil(t, r.Usage)
				require.Equal(t, tc.texts, w.texts(thread))
				require.Equal(t, tc.steps, tellSteps(w.steps(r)))
				if tc.story != nil {
					require.Equal(t, append([]string{"run.created", "run.queued"}, tc.story...), story(t, read(log)))
				}
				_, err := w.say(thread, "free again")
				require.NoError(t, err)
			})
		})
	}
}

// several makes the store one that several processes share: no process may
// free the leases of another.
type several struct{ *store.DB }

func (several) ReleaseDead(context.Context) error { return nil }

func sharedStore(db *store.DB) runs.Store { return several{db} }

// TestTakeOver crashes one process; another one takes its run when the lease ends.
func TestTakeOver(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{stored: sharedStore}, hangs("Hel"), says("Hello"))
		thread := w.thread("Hi")
		began := time.Now()
		r := w.run(thread)
		<-w.model.called
		w.engine.Crash()
		w.attach()
		require.NoError(t, w.engine.Start(w.ctx))
		time.Sleep(29 * time.Second)
		synctest.Wait()
		require.Len(t, w.model.sent(), 1, "the lease still holds")
		require.Equal(t, runs.Completed, w.settled(r).Status)
		require.InDelta(t, 31, time.Since(began).Seconds(), 1.5)
		require.Equal(t, []string{"user: Hi", "assistant: Hello"}, w.texts(thread))
	})
}

// TestRenewal drives one run for minutes beside a second process that sweeps
// the same database: nobody takes it over.
func TestRenewal(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{stored: sharedStore}, hangsFor(5*time.Minute, says("Hello")))
		first := w.engine
		r := w.run(w.thread("Hi"))
		<-w.model.called
		w.attach()
		require.NoError(t, w.engine.Start(w.ctx))
		defer first.Stop()
		require.Equal(t, runs.Completed, w.settled(r).Status)
		require.Len(t, w.model.sent(), 1)
	})
}

func hangsFor(d time.Duration, then turn) turn {
	return func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
		time.Sleep(d)
		return then(ctx, req, sink)
	}
}

// awayStore is a store that cannot be used for a while.
type awayStore struct {
	runs.Store
	away atomic.Bool
}

func (s *awayStore) err() error {
	if s.away.Load() {
		return store.ErrUnavailable
	}
	return nil
}

func (s *awayStore) Advance(ctx context.Context, runID string, lease runs.Lease, decide func(*runs.Record) (*runs.Change, error)) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Advance(ctx, runID, lease, decide)
}

func (s *awayStore) Extend(ctx context.Context, owner string, runIDs []string, until time.Time) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Extend(ctx, owner, runIDs, until)
}

func (s *awayStore) Due(ctx context.Context, now time.Time, known func(string) bool) ([]runs.Due, []string, error) {
	if err := s.err(); err != nil {
		return nil, nil, err
	}
	return s.Store.Due(ctx, now, known)
}

// TestStoreStaysAway for longer than any lease: the answer is kept, and stored as
// soon as the store is back.
func TestStoreStaysAway(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		var seen *awayStore
		w := open(t, worldOptions{stored: func(db *store.DB) runs.Store {
			seen = &awayStore{Store: db}
			return seen
		}}, hangsFor(time.Second, says("Hello")))
		thread := w.thread("Hi")
		r := w.run(thread)
		seen.away.Store(true)
		time.Sleep(5 * time.Minute)
		require.Len(t, w.model.sent(), 1)
		seen.away.Store(false)
		back := time.Now()
		require.Equal(t, runs.Completed, w.settled(r).Status)
		require.LessOrEqual(t, time.Since(back), time.Second)
		require.Len(t, w.model.sent(), 1, "it was not asked again")
		require.Equal(t, []string{"user: Hi", "assistant: Hello"}, w.texts(thread))
	})
}
