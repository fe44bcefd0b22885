package runs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/store"
)

// on is a run of a model of an upstream.
func (w *world) on(upstream string) *runs.Run {
	return w.run(w.thread("Hi"), `"model":"`+upstream+`/m"`)
}

// hangingOn has the model of one upstream never answer, and the others at once.
func (w *world) hangingOn(upstream string) {
	w.model.choose = func(req chat.Request) turn {
		if w.model.UpstreamOf("", req.Model) == upstream {
			return hangs()
		}
		return says("Hello")
	}
}

// TestHangingUpstream has one upstream hang with far more runs than there are
// places: runs of another start at once all the same.
func TestHangingUpstream(t *testing.T) {
	w := open(t, worldOptions{maxRuns: 8, places: map[string]int{"dead": 8, "well": 8}})
	w.hangingOn("dead")
	var dead []*runs.Run
	for range 20 {
		dead = append(dead, w.on("dead"))
	}
	driven, _ := w.engine.Driven()
	require.Equal(t, []int{6, 14}, []int{driven, w.engine.Queued()}, "two of eight places are kept for the other upstream")
	for range 5 {
		require.Equal(t, runs.Completed, w.settled(w.on("well")).Status)
	}
	for _, r := range dead {
		require.False(t, w.get(r).Status.Terminal())
	}
}

// TestPlacesOfUpstream gives an upstream no more runs than it takes, in the
// order they came, also by way of a header that names it.
func TestPlacesOfUpstream(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{places: map[string]int{"small": 1, "large": 9}}, waits(gate, says("1")), says("large"), says("2"), says("3"))
	first := w.on("small")
	<-w.model.called
	second, third := w.on("small"), w.on("small")
	require.Equal(t, runs.Completed, w.settled(w.on("large")).Status)
	for _, r := range []*runs.Run{second, third} {
		require.Equal(t, runs.Queued, w.get(r).Status)
	}
	close(gate)
	for text, r := range map[string]*runs.Run{"1": first, "2": second, "3": third} {
		require.Equal(t, runs.Completed, w.settled(r).Status)
		require.Equal(t, []string{"user: Hi", "assistant: " + text}, w.texts(r.ThreadID))
	}
}

// TestQueueFull refuses new runs when as many wait as may, and leaves nothing
// of them behind. What exists already is not refused.
func TestQueueFull(t *testing.T) {
	w := open(t, worldOptions{maxRuns: 1, limits: runs.Limits{Queue: 2}}, calls("add"), hangs(), says("2"), says("3"), says("4"))
	asking := w.settled(w.run(w.thread("Hi")))
	hanging := w.run(w.thread("Hi"))
	<-w.model.called
	<-w.model.called
	second, third := w.run(w.thread("Hi")), w.run(w.thread("Hi"))

	refused := w.thread("Hi")
	_, _, err := w.create(refused)
	var full *wire.Error
	require.ErrorAs(t, err, &full)
	require.Equal(t, wire.RateLimited, full.Kind)
	require.Equal(t, "rate_limit_exceeded", full.Code)
	require.Positive(t, full.RetryAfter)
	_, err = w.say(refused, "The thread is free.")
	require.NoError(t, err)
	_, _, err = w.submit(asking, false, "1")
	require.NoError(t, err, "outputs of a run that was let in")

	_, err = w.cancel(second)
	require.NoError(t, err)
	require.Equal(t, runs.Cancelled, w.settled(second).Status, "a run ends without a place")
	_, _, err = w.create(refused)
	require.ErrorAs(t, err, &full, "the run with its outputs waits, too")
	_, err = w.cancel(hanging)
	require.NoError(t, err)
	for _, r := range []*runs.Run{asking, third} {
		require.Equal(t, runs.Completed, w.settled(r).Status)
	}
	require.Equal(t, runs.Completed, w.settled(w.run(refused)).Status)
}

// TestQueueSurvives finds the queue again in the rows, in its order and before
// any new run.
func TestQueueSurvives(t *testing.T) {
	w := open(t, worldOptions{maxRuns: 1, limits: runs.Limits{Queue: 3}}, hangs())
	waiting := []*runs.Run{w.run(w.thread("Hi"))}
	<-w.model.called
	for range 3 {
		waiting = append(waiting, w.run(w.thread("Hi")))
	}
	gate := make(chan struct{})
	w.model.play(waits(gate, says("0")), says("1"), says("2"), says("3"), says("4"))
	w.crash()
	<-w.model.called
	_, _, err := w.create(w.thread("Hi"))
	require.ErrorContains(t, err, "rate limit", "those that waited before count")
	close(gate)
	for i, r := range waiting {
		require.Equal(t, runs.Completed, w.settled(r).Status)
		require.Equal(t, []string{"user: Hi", "assistant: " + string(rune('0'+i))}, w.texts(r.ThreadID))
	}
	require.Equal(t, runs.Completed, w.settled(w.run(w.thread("Hi"))).Status)
}

// TestReroute lets runs that wait for one upstream go to where their model goes now.
func TestReroute(t *testing.T) {
	w := open(t, worldOptions{places: map[string]int{"full": 1}})
	w.hangingOn("full")
	w.on("full")
	<-w.model.called
	r := w.on("full")
	require.Equal(t, runs.Queued, w.get(r).Status)
	w.model.choose = func(chat.Request) turn { return says("Hello") }
	w.model.setPlaces(map[string]int{"full": 2})
	w.engine.Reroute()
	require.Equal(t, runs.Completed, w.settled(r).Status)
}

// countingStore counts how often it is asked for work.
type countingStore struct {
	*store.DB
	asked chan string
}

func (s *countingStore) Due(ctx context.Context, now time.Time, known func(string) bool) ([]runs.Due, []string, error) {
	s.asked <- "due"
	return s.DB.Due(ctx, now, known)
}

func (s *countingStore) Claim(ctx context.Context, lease runs.Lease, now time.Time, runIDs []string) ([]*runs.Record, error) {
	s.asked <- "claim"
	return s.DB.Claim(ctx, lease, now, runIDs)
}

// TestEndedRunsCostNoClaim reads nothing when a run ends and nobody waits.
func TestEndedRunsCostNoClaim(t *testing.T) {
	asked := make(chan string, 1000)
	w := open(t, worldOptions{stored: func(db *store.DB) runs.Store { return &countingStore{db, asked} }})
	w.hangingOn("nothing")
	begun := time.Now()
	for range 50 {
		require.Equal(t, runs.Completed, w.settled(w.on("well")).Status)
	}
	require.LessOrEqual(t, len(asked), 3+int(time.Since(begun)/time.Second), "at the start and once a second")
}
