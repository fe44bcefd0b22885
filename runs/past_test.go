package runs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

// TestRunAtWorkIsInProgress: that a run is in progress is stored with its next
// commit, but wherever it is asked for or named it is what it is shown as.
func TestRunAtWorkIsInProgress(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("Hello")))
	r := w.run(w.thread("Hi"))
	<-w.model.called
	in := func(status runs.Status) (ids []string) {
		list, err := w.runs.Past(w.ctx, project, runs.PastRuns{Limit: 9, Statuses: []runs.Status{status}})
		require.NoError(t, err)
		for _, found := range decodeAll[runs.Run](t, list) {
			require.Equal(t, status, found.Status)
			ids = append(ids, found.ID)
		}
		return ids
	}
	require.Equal(t, []string{r.ID}, in(runs.InProgress))
	require.Empty(t, in(runs.Queued))
	diff, err := w.runs.Diff(w.ctx, project, r.ID, r.ID)
	require.NoError(t, err)
	require.Equal(t, runs.InProgress, diff.A.Status)
	_, _, err = w.replay(r)
	require.ErrorContains(t, err, "is still active (status 'in_progress')")

	close(gate)
	w.settled(r)
	require.Equal(t, []string{r.ID}, in(runs.Completed))
	require.Empty(t, in(runs.InProgress))
}
