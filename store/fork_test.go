package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/threads"
)

// TestLongThreadIsForkedPieceByPiece counts the transactions that a long fork takes.
func TestLongThreadIsForkedPieceByPiece(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	const long = 10_000
	fill(t, db, "thread_a", long)
	before := db.Stats().Commits
	begun := time.Now()
	_, err := db.ForkThread(t.Context(), "p", threads.Fork{Of: "thread_a", ID: "thread_b", At: time.Unix(7, 0)})
	require.NoError(t, err)
	t.Logf("%d messages forked in %v", long, time.Since(begun))
	require.Equal(t, int64((long+3)/forkBatch+1), db.Stats().Commits-before)
	require.Equal(t, map[string]int{"messages": long, "steps": 2}, rowsOf(t, db, "thread_b"))

	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_b"))
	require.Empty(t, rowsOf(t, db, "thread_b"))
}

// TestBrokenForkLeavesNothing: a fork that fails in the middle, or whose process
// is killed there, is not seen and is removed.
func TestBrokenForkLeavesNothing(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 2*forkBatch)
	ctx, cancel := context.WithCancelCause(t.Context())
	first := true
	db.writer.onCommit = func(time.Duration, int) {
		if first {
			cancel(errors.New("the client has gone"))
		}
		first = false
	}
	_, err := db.ForkThread(ctx, "p", threads.Fork{Of: "thread_a", ID: "thread_b", At: time.Unix(7, 0)})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, rowsOf(t, db, "thread_b"))

	write(t, db, "INSERT INTO threads (project_id, id) VALUES ('p', 'thread_c')") // as a fork begins
	write(t, db, "INSERT INTO messages (thread_id, seq, project_id, id, by_user, tokens, body) VALUES ('thread_c', 1, 'p', 'msg_c', 1, 1, '{}')")
	write(t, db, "INSERT INTO steps (run_id, seq, project_id, thread_id, id, calls, turn, after, tokens, used, body) VALUES ('fork_thread_c', 1, 'p', 'thread_c', 'step_c', 1, 1, 1, 1, '{}', '{}')")
	_, err = db.Thread(t.Context(), "p", "thread_c")
	require.ErrorIs(t, err, wire.ErrNotFound)
	list, err := db.Threads(t.Context(), "p", threads.Query{Page: wire.Page{Limit: 9}})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.NoError(t, db.PurgeThreads(t.Context()))
	require.Empty(t, rowsOf(t, db, "thread_c"))
}
