package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// TestForksExpire deletes old hidden forks that are at rest, and nothing else.
func TestForksExpire(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 3)
	fork := func(id string, at int64, hidden bool) {
		_, err := db.ForkThread(t.Context(), "p", threads.Fork{Of: "thread_a", ID: id, At: time.Unix(at, 0), Hidden: hidden})
		require.NoError(t, err)
	}
	fork("thread_old", 10, true)
	fork("thread_shown", 10, false)
	fork("thread_busy", 10, true)
	fork("thread_new", 20, true)
	_, err := db.CreateRun(t.Context(), "p", runs.NewRun{Run: &runs.Run{ID: "run_busy", ThreadID: "thread_busy", Status: runs.Queued}})
	require.NoError(t, err)

	require.NoError(t, db.ExpireForks(t.Context(), time.Unix(20, 0)))
	for id, gone := range map[string]bool{"thread_a": false, "thread_old": true, "thread_shown": false, "thread_busy": false, "thread_new": false} {
		_, err := db.Thread(t.Context(), "p", id)
		if gone {
			require.ErrorIs(t, err, wire.ErrNotFound, id)
			require.Empty(t, rowsOf(t, db, id))
		} else {
			require.NoError(t, err, id)
		}
	}
}

// TestHiddenForksDoNotTravel: what will be deleted in a day is in no archive.
func TestHiddenForksDoNotTravel(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 3)
	_, err := db.ForkThread(t.Context(), "p", threads.Fork{Of: "thread_a", ID: "thread_hidden", At: time.Unix(9, 0), Hidden: true})
	require.NoError(t, err)
	seen := map[any]int{}
	require.NoError(t, db.Export(t.Context(), func(e Entry) error {
		if e.Kind == "thread" {
			seen[e.Row["id"]]++
			return nil
		}
		seen[e.Row["thread_id"]]++
		return nil
	}))
	require.Contains(t, seen, any("thread_a"))
	require.NotContains(t, seen, any("thread_hidden"))
}
