package runs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/store"
)

// stages are the places where a process may end; each leaves a run that the
// next process brings to the same end.
var stages = []struct {
	name   string
	before []turn                      // played by the first process
	reach  func(w *world, r *runs.Run) // lets the run come to the stage
	status runs.Status                 // as it is stored then
	after  []turn                      // played by the second process
	texts  []string                    // of the thread at the end
	submit bool                        // outputs are still to be sent
}{
	{
		name: "queued", before: []turn{hangs()}, reach: func(w *world, _ *runs.Run) { <-w.model.called }, status: runs.Queued,
		after: []turn{says("Hello")}, texts: []string{"user: Hi", "assistant: Hello"},
	},
	{
		name: "mid-stream", before: []turn{hangs("Hel")}, reach: func(w *world, _ *runs.Run) { <-w.model.called }, status: runs.Queued,
		after: []turn{says("Hello")}, texts: []string{"user: Hi", "assistant: Hello"},
	},
	{
		name: "requires action", before: []turn{saysAndCalls("I add.", "add")}, reach: func(w *world, r *runs.Run) { w.settled(r) },
		status: runs.RequiresAction, after: []turn{says("3")}, submit: true, texts: []string{"user: Hi", "assistant: I add.", "assistant: 3"},
	},
	{
		name: "after outputs", before: []turn{saysAndCalls("I add.", "add"), hangs("thr")}, reach: func(w *world, r *runs.Run) {
			_, _, err := w.submit(w.settled(r), false, "3")
			require.NoError(w.t, err)
			<-w.model.called
			<-w.model.called
		}, status: runs.Queued, after: []turn{says("3")}, texts: []string{"user: Hi", "assistant: I add.", "assistant: 3"},
	},
	{
		name: "completed", before: []turn{says("Hello")}, reach: func(w *world, r *runs.Run) { w.settled(r) }, status: runs.Completed,
		texts: []string{"user: Hi", "assistant: Hello"},
	},
}

// TestRestart ends the process at each stage, orderly and not, and without a
// tape: a run goes on from its steps.
func TestRestart(t *testing.T) {
	stop := func(w *world) { w.stop(); w.start() }
	for _, way := range []struct {
		name    string
		end     func(*world)
		untaped bool
	}{
		{"stop", stop, false}, {"crash", (*world).crash, false}, {"crash without a tape", (*world).crash, true},
	} {
		for _, stage := range stages {
			t.Run(way.name+" when "+stage.name, func(t *testing.T) {
				w := open(t, worldOptions{untaped: way.untaped}, stage.before...)
				thread := w.thread("Hi")
				r := w.run(thread)
				stage.reach(w, r)
				w.model.play(stage.after...)
				way.end(w)
				if stage.submit {
					r = w.settled(r)
					require.Equal(t, stage.status, r.Status)
					_, _, err := w.submit(r, false, "3")
					require.NoError(t, err)
				}
				r = w.settled(r)
				require.Equal(t, runs.Completed, r.Status)
				require.Equal(t, stage.texts, w.texts(thread))
				require.Len(t, w.model.sent(), len(stage.after))
				if way.untaped {
					require.Empty(t, w.calls(r))
				} else {
					require.Equal(t, usageOf(len(w.calls(r))), r.Usage)
				}
				_, err := w.say(thread, "free again")
				require.NoError(t, err)
				require.NotContains(t, w.logs.String(), "level=ERROR")
			})
		}
	}
}

// TestDrain stops while one run works and one waits: both streams are told, and
// both runs are left as they are stored.
func TestDrain(t *testing.T) {
	w := open(t, worldOptions{maxRuns: 1}, hangs("Hel"))
	working, workingLog := w.stream(w.thread("Hi"))
	untilText(workingLog)
	_, waitingLog := w.stream(w.thread("Hi"))
	w.engine.Stop()
	w.engine.Stop() // a second stop finds nothing to do
	for _, log := range []*stream{workingLog, waitingLog} {
		events := read(log)
		require.Equal(t, "error", story(t, events)[len(events)-1])
	}
	require.Equal(t, runs.Queued, w.get(working).Status)

	// A run made while the server stops waits for the next start, and its stream is told so.
	late, log := w.stream(w.thread("Hi"))
	require.Equal(t, []string{"run.created", "run.queued", "error"}, story(t, read(log)))
	answer, err := w.cancel(late)
	require.NoError(t, err)
	require.Equal(t, runs.Cancelling, answer.Status)

	w.model.play(says("1"), says("2"))
	require.NoError(t, w.db.Close())
	w.start()
	require.Equal(t, runs.Completed, w.settled(working).Status)
	require.Equal(t, runs.Cancelled, w.settled(late).Status)
	require.NotContains(t, w.logs.String(), "level=ERROR")
}

// TestGrace lets a model call that ends in time have its run completed.
func TestGrace(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{grace: time.Hour}, waits(gate, says("Hello")))
	r, log := w.stream(w.thread("Hi"))
	<-w.model.called
	stopped := make(chan struct{})
	go func() {
		w.engine.Stop()
		close(stopped)
	}()
	close(gate)
	<-stopped
	require.Equal(t, runs.Completed, w.get(r).Status)
	require.Equal(t, "run.completed usage=15", story(t, read(log))[10])
}

// TestLeaseLost has another process take the run over: the first one stops
// without a word, and writes nothing.
func TestLeaseLost(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("mine")))
	thread := w.thread("Hi")
	r, log := w.stream(thread)
	<-w.model.called
	other := runs.Lease{Owner: "other", Until: time.Now().Add(2 * time.Hour)}
	claimed, err := w.db.Claim(w.ctx, other, time.Now().Add(time.Minute), []string{r.ID})
	require.NoError(t, err)
	require.Equal(t, r.ID, claimed[0].Run.ID)
	require.Greater(t, claimed[0].Lease.Epoch, int64(1))
	close(gate)
	lines := story(t, read(log))
	require.Equal(t, "error", lines[len(lines)-1])
	require.Equal(t, []string{"user: Hi"}, w.texts(thread))
	require.NotContains(t, w.logs.String(), "level=ERROR")

	// The other one ends it.
	require.NoError(t, w.db.Advance(w.ctx, r.ID, claimed[0].Lease, func(rec *runs.Record) (*runs.Change, error) {
		rec.Run.Status = runs.Completed
		return &runs.Change{Run: rec.Run, Lease: runs.Lease{Epoch: rec.Lease.Epoch}}, nil
	}))
	require.Equal(t, runs.Completed, w.get(r).Status)
}

// TestPlaces has one place for three runs: they wait queued and go on in their
// order, and the streams of those that wait work.
func TestPlaces(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{maxRuns: 1}, waits(gate, calls("add")), says("two"), says("three"), says("one"))
	first := w.run(w.thread("Hi"))
	<-w.model.called
	second, log := w.stream(w.thread("Hi"))
	third := w.run(w.thread("Hi"))
	require.Equal(t, runs.Queued, w.get(second).Status)
	driven, waiting := w.engine.Driven()
	require.Equal(t, []int{1, 1, 2}, []int{driven, waiting, w.engine.Queued()})
	close(gate)
	require.Equal(t, concat(opening, spoken("two"), []string{"run.completed usage=15"}), story(t, read(log)))
	require.Equal(t, runs.Completed, w.settled(third).Status)

	_, log, err := w.submit(w.settled(first), true, "1") // a run that waits for the client needs no place
	require.NoError(t, err)
	events := story(t, read(log))
	require.Equal(t, "run.completed usage=30", events[len(events)-1])
	require.Less(t, second.ID, third.ID)
}

// failingStore fails the next writes of the engine.
type failingStore struct {
	*store.DB
	fail chan error
}

func (s *failingStore) Advance(ctx context.Context, runID string, lease runs.Lease, decide func(*runs.Record) (*runs.Change, error)) error {
	select {
	case err := <-s.fail:
		return err
	default:
		return s.DB.Advance(ctx, runID, lease, decide)
	}
}

// TestStoreComesBack keeps an answer while the store is away rather than ask again.
func TestStoreComesBack(t *testing.T) {
	fail := make(chan error, 2)
	fail <- wire.ErrUnavailable
	fail <- wire.ErrUnavailable
	w := open(t, worldOptions{stored: func(db *store.DB) runs.Store { return &failingStore{db, fail} }}, says("Hello"))
	thread := w.thread("Hi")
	require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status)
	require.Len(t, w.model.sent(), 1)
	require.Equal(t, []string{"user: Hi", "assistant: Hello"}, w.texts(thread))
	require.Empty(t, fail)
}
