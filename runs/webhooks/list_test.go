package webhooks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/webhooks"
)

// listed is an undelivered event as the list shows it.
type listed struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	RunID    string `json:"run_id"`
	ThreadID string `json:"thread_id"`
}

// pages reads page after page of two the way SDKs do; seen is told of each.
func (w *world) pages(q webhooks.Query, seen func([]listed)) (all []listed) {
	q.Limit = 2
	for {
		list, err := w.service.Waiting(w.Context(), project, q)
		require.NoError(w, err)
		page := make([]listed, len(list.Items))
		for i, item := range list.Items {
			require.NoError(w, json.Unmarshal(item.JSON, &page[i]))
			require.Equal(w, item.ID, page[i].ID)
		}
		if len(page) == 0 { // what was left has gone since the page before
			require.False(w, list.HasMore)
			return all
		}
		all = append(all, page...)
		seen(page)
		if !list.HasMore {
			return all
		}
		q.After = page[len(page)-1].ID
	}
}

// TestPagesOfDeliveries: they show every event once, those of one moment in their order, and go on when what a page ended
// with is there no more.
func TestPagesOfDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(attempt) (int, http.Header) { return http.StatusServiceUnavailable, nil }
		const count = 9
		for i := range count {
			id := fmt.Sprint("run_", i)
			w.run(id, "")
			w.moves(id, runs.Completed) // it began and ended at the same moment
		}
		synctest.Wait()
		every := w.pages(webhooks.Query{}, func([]listed) {})
		require.Len(t, every, 3*count)
		place := map[string]int{}
		for i, d := range every {
			place[d.RunID+d.Type] = i
		}
		require.Len(t, place, 3*count, "each is there once")
		for i := range count {
			run := fmt.Sprint("run_", i)
			require.Less(t, place[run+"thread.run.completed"], place[run+"thread.run.in_progress"], "the newest first")
		}

		gone := map[string]bool{}
		rest := w.pages(webhooks.Query{}, func(page []listed) {
			last := page[len(page)-1].ThreadID
			gone[last] = true
			require.NoError(t, w.db.DeleteThread(t.Context(), project, last))
		})
		seen := map[string]bool{}
		for _, d := range rest {
			require.False(t, seen[d.ID], "shown twice")
			seen[d.ID] = true
		}
		for _, d := range every {
			require.True(t, seen[d.ID] || gone[d.ThreadID], "%s is left out", d.ID)
		}
	})
}
