package runs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
)

// next waits for the feed's next word.
func next(t *testing.T, f *runs.Follower) runs.Progress {
	t.Helper()
	p, more := <-f.More()
	require.True(t, more, "the feed has ended")
	return p
}

// TestFeed follows a run with a function from its creation to its end: each of
// its states once, in their order, with what it has used so far.
func TestFeed(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{}, calls("add"), says("Three."))
		feed, leave := w.runs.Follow(project)
		defer leave()
		foreign, leaveForeign := w.runs.Follow("another project")
		defer leaveForeign()
		time.Sleep(400 * time.Millisecond) // the clock is not at a full second
		run := w.run(w.thread("1+2?"))
		want := func(status runs.Status, calls int, seconds float64) runs.Progress {
			t.Helper()
			p := next(t, feed)
			require.Equal(t, []any{"thread.run.progress", run.ID, run.ThreadID, run.AssistantID, "m"}, []any{p.Object, p.ID, p.ThreadID, p.AssistantID, p.Model})
			require.Equal(t, status, p.Status)
			require.Equal(t, calls, p.ModelCalls)
			require.Equal(t, 15*calls, p.Usage.TotalTokens)
			require.Equal(t, seconds, p.Seconds, "%s", status)
			require.InDelta(t, float64(time.Now().UnixMilli())/1000, p.At, 0.001)
			return p
		}
		want(runs.Queued, 0, 0)
		want(runs.InProgress, 0, 0)
		require.Equal(t, []string{"add"}, want(runs.RequiresAction, 1, 0).WaitsFor)

		time.Sleep(90 * time.Second)
		active, err := w.runs.Active(t.Context(), project)
		require.NoError(t, err)
		require.Len(t, active, 1)
		require.Equal(t, runs.RequiresAction, active[0].Status)
		require.Equal(t, []string{"add"}, active[0].WaitsFor)
		require.InDelta(t, 90.4, active[0].Seconds, 0.001, "the stored time has no fraction")

		_, _, err = w.submit(w.get(run), false, "3")
		require.NoError(t, err)
		require.Empty(t, want(runs.Queued, 1, 90).WaitsFor)
		want(runs.InProgress, 1, 90)
		ended := want(runs.Completed, 2, 90)
		require.Nil(t, ended.LastError)
		active, err = w.runs.Active(t.Context(), project)
		require.NoError(t, err)
		require.Empty(t, active)
		require.Empty(t, foreign.More(), "a project's runs are its own")

		w.engine.Stop()
		_, more := <-feed.More()
		require.False(t, more, "a server that stops says so")
		late, _ := w.runs.Follow(project)
		_, more = <-late.More()
		require.False(t, more)
	})
}

// TestFeedOfFailures says why runs ended otherwise than they should.
func TestFeedOfFailures(t *testing.T) {
	w := open(t, worldOptions{}, fails(chat.RateLimitExceeded, "Too fast."), ends(chat.FinishLength, "Cut"))
	feed, leave := w.runs.Follow(project)
	defer leave()
	ended := func(status runs.Status) runs.Progress {
		t.Helper()
		w.run(w.thread("a"))
		for _, before := range []runs.Status{runs.Queued, runs.InProgress} {
			require.Equal(t, before, next(t, feed).Status)
		}
		p := next(t, feed)
		require.Equal(t, status, p.Status)
		return p
	}
	failed := ended(runs.Failed)
	require.Equal(t, &runs.LastError{Code: "rate_limit_exceeded", Message: "Too fast."}, failed.LastError)
	require.Nil(t, failed.Incomplete)
	require.Equal(t, "max_completion_tokens", *ended(runs.Incomplete).Incomplete)
}

// TestSlowFollower loses what it does not take, is told how much, and keeps
// nobody waiting.
func TestSlowFollower(t *testing.T) {
	w := open(t, worldOptions{})
	w.model.choose = func(chat.Request) turn { return says("Yes.") }
	slow, leave := w.runs.Follow(project)
	defer leave()
	thread := w.thread("a")
	const n = 100
	for range n {
		require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status)
	}
	w.engine.Stop() // all that was to be said was said
	told := 0
	for range slow.More() {
		told++
	}
	require.Equal(t, 256, told)
	require.Equal(t, 3*n-256, slow.Lost())
	require.Zero(t, slow.Lost(), "it was told")
}
