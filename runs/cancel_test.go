package runs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
	"understudy/store"
)

// soon is how long a cancel may take.
const soon = time.Second

// mustCancel cancels, and expects the answer and the end that the API promises.
func (w *world) mustCancel(t *testing.T, r *runs.Run) *runs.Run {
	t.Helper()
	asked := time.Now()
	answer, err := w.cancel(r)
	require.NoError(t, err)
	require.Equal(t, runs.Cancelling, answer.Status)
	require.Nil(t, answer.CancelledAt)
	require.Nil(t, answer.RequiredAction)
	ended := w.settled(r)
	require.Less(t, time.Since(asked), soon)
	require.Equal(t, runs.Cancelled, ended.Status)
	require.NotNil(t, ended.CancelledAt)
	require.Nil(t, ended.ExpiresAt)
	require.NotNil(t, ended.Usage)
	return ended
}

func TestCancelQueued(t *testing.T) {
	w := open(t, worldOptions{maxRuns: 1}, hangs())
	busy := w.run(w.thread("Hi"))
	r, log := w.stream(w.thread("Hi"))
	require.Equal(t, runs.Queued, w.get(r).Status)
	w.mustCancel(t, r)
	require.Equal(t, []string{"run.created", "run.queued", "run.cancelling", "run.cancelled usage=0"}, story(t, read(log)))
	w.mustCancel(t, busy)
}

func TestCancelMidStream(t *testing.T) {
	w := open(t, worldOptions{}, hangs("so ", "far"))
	thread := w.thread("Hi")
	r, log := w.stream(thread)
	untilText(log)
	r = w.mustCancel(t, r)
	require.NotNil(t, r.StartedAt)
	require.Equal(t, concat(opening, spoken("so ", "far")[:6], []string{
		"run.cancelling", "message.incomplete [so far] reason=run_cancelled", "run.step.cancelled message_creation", "run.cancelled usage=0",
	}), story(t, read(log)))
	require.Equal(t, []string{"user: Hi", "assistant: so far [run_cancelled]"}, w.texts(thread))
	require.Equal(t, []string{"message_creation cancelled"}, tellSteps(w.steps(r)))
	require.Len(t, w.calls(r), 1, "the tape has the call that was broken off")
}

func TestCancelSilentModel(t *testing.T) {
	w := open(t, worldOptions{}, hangs())
	r := w.run(w.thread("Hi"))
	<-w.model.called
	shown := w.get(r)
	require.Equal(t, runs.InProgress, shown.Status)
	r = w.mustCancel(t, r)
	require.Equal(t, shown.StartedAt, r.StartedAt)
	require.Empty(t, w.steps(r))
}

func TestCancelRequiresAction(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("I add.", "add"), says("Again."))
	thread := w.thread("Hi")
	r := w.settled(w.run(thread))
	r = w.mustCancel(t, r)
	require.Equal(t, usageOf(1), r.Usage)
	require.Equal(t, []string{"message_creation completed usage=0", "tool_calls[add=null] cancelled"}, tellSteps(w.steps(r)))
	_, _, err := w.submit(r, false)
	require.EqualError(t, err, `Runs in status "cancelled" do not accept tool outputs.`)
	require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status, "the thread is free again")
}

// TestCancelAtOnce cancels right behind each commit that hands a run to the
// engine, when its goroutine may not run yet: none may be missed.
func TestCancelAtOnce(t *testing.T) {
	w := open(t, worldOptions{})
	for range 20 {
		w.model.add(hangs())
		w.mustCancel(t, w.run(w.thread("Hi")))
	}
	for range 20 {
		w.model.play(calls("add")) // a cancel that came before the call left its turn
		r := w.settled(w.run(w.thread("Hi")))
		w.model.add(hangs())
		_, _, err := w.submit(r, false, "1")
		require.NoError(t, err)
		w.mustCancel(t, r)
	}
	for range 20 {
		w.model.play(calls("add"))
		w.mustCancel(t, w.settled(w.run(w.thread("Hi"))))
	}
}

// TestCancelWhileClaimed cancels between the commit of a claim and the launch.
func TestCancelWhileClaimed(t *testing.T) {
	claimed, gate := make(chan chan struct{}), make(chan struct{})
	held := func(db *store.DB) runs.Store { return &heldClaims{Store: db, claimed: claimed} }
	w := open(t, worldOptions{maxRuns: 1, stored: held}, waits(gate, says("first")), hangs())
	w.run(w.thread("Hi"))
	r, log := w.stream(w.thread("Hi")) // waits for the first one's place
	close(gate)
	goOn := <-claimed
	answer, err := w.cancel(r)
	require.NoError(t, err)
	require.Equal(t, runs.Cancelling, answer.Status)
	close(goOn)
	require.Equal(t, runs.Cancelled, w.settled(r).Status)
	events := read(log)
	require.Equal(t, "thread.run.cancelled", events[len(events)-1].Name)
}

// heldClaims stops behind every claim that found something.
type heldClaims struct {
	runs.Store
	claimed chan chan struct{}
}

func (s *heldClaims) Claim(ctx context.Context, lease runs.Lease, now time.Time, runIDs []string) ([]*runs.Record, error) {
	records, err := s.Store.Claim(ctx, lease, now, runIDs)
	if len(records) > 0 {
		goOn := make(chan struct{})
		s.claimed <- goOn
		<-goOn
	}
	return records, err
}

// TestCancelBeatsCompletion commits the cancel while a whole answer is on its way.
func TestCancelBeatsCompletion(t *testing.T) {
	for _, tc := range []struct {
		name  string
		turn  turn
		texts []string
		steps []string
	}{
		{"text", says("Hello"), []string{"user: Hi", "assistant: Hello [run_cancelled]"}, []string{"message_creation cancelled"}},
		{"calls", calls("add"), []string{"user: Hi"}, nil},
		{"failure", fails(chat.ServerError, "broken", "So"), []string{"user: Hi", "assistant: So [run_cancelled]"}, []string{"message_creation cancelled"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			gate := make(chan struct{})
			w := open(t, worldOptions{}, waits(gate, tc.turn))
			thread := w.thread("Hi")
			r, log := w.stream(thread)
			<-w.model.called
			_, err := w.cancel(r)
			require.NoError(t, err)
			close(gate)
			require.Equal(t, runs.Cancelled, w.settled(r).Status)
			require.Equal(t, tc.texts, w.texts(thread))
			require.Equal(t, tc.steps, tellSteps(w.steps(r)))
			lines := story(t, read(log))
			require.Contains(t, lines, "run.cancelling")
			require.Regexp(t, "^run.cancelled", lines[len(lines)-1])
			require.NotContains(t, lines, "message.completed [Hello]")
		})
	}
}

// TestCancelRaces cancels at whatever moment: one of the two ends wins, whole.
func TestCancelRaces(t *testing.T) {
	w := open(t, worldOptions{})
	for range 50 {
		w.model.add(says("Hello"))
	}
	var racing sync.WaitGroup
	for range 50 {
		thread := w.thread("Hi")
		r := w.run(thread)
		racing.Go(func() {
			_, refused := w.cancel(r)
			ended := w.settled(r)
			if refused != nil && ended.Status != runs.Completed || refused == nil && ended.Status != runs.Cancelled {
				t.Errorf("cancel: %v, but the run is %s", refused, ended.Status)
			}
		})
	}
	racing.Wait()
}

// TestDeleteThreadDuringRun ends the run and takes everything away.
func TestDeleteThreadDuringRun(t *testing.T) {
	for name, script := range map[string]turn{"mid-stream": hangs("so far"), "requires action": calls("add")} {
		t.Run(name, func(t *testing.T) {
			w := open(t, worldOptions{}, script)
			thread := w.thread("Hi")
			r, log := w.stream(thread)
			if name == "mid-stream" {
				untilText(log)
			} else {
				w.settled(r)
			}
			require.NoError(t, w.runs.DeleteThread(w.ctx, project, thread))
			if events := read(log); name == "mid-stream" {
				require.Equal(t, "thread.run.cancelled", events[len(events)-1].Name)
			}
			_, err := w.runs.Get(w.ctx, project, thread, r.ID)
			require.EqualError(t, err, "No thread found with id '"+thread+"'.")
			require.EqualError(t, w.runs.DeleteThread(w.ctx, project, thread), "No thread found with id '"+thread+"'.")
		})
	}
}
