package store

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// threadTables are the tables whose rows belong to a thread.
var threadTables = []string{"message_versions", "thread_queue", "messages", "steps", "model_calls", "prompt_messages", "runs", "webhook_deliveries"}

// fill makes a thread with something in each of threadTables.
func fill(t *testing.T, db *DB, id string, messages int) {
	t.Helper()
	first := make([]*threads.Message, messages)
	for i := range first {
		first[i] = threads.NewMessage{Role: threads.User, Content: []threads.Part{threads.NewText("hello")}}.Build(fmt.Sprintf("msg_%s_%d", id, i), id, 1)
	}
	_, err := db.CreateThread(t.Context(), "p", &threads.Thread{ID: id}, first, nil)
	require.NoError(t, err)
	write(t, db, fmt.Sprintf("INSERT INTO message_versions (thread_id, project_id, id, message_id, body) VALUES ('%[1]s', 'p', 'ver_%[1]s', 'msg_x', '{}')", id))
	write(t, db, fmt.Sprintf("INSERT INTO thread_queue (thread_id, seq, project_id, id, tokens) VALUES ('%[1]s', 1, 'p', 'msg_%[1]s', 1)", id))
	r := &runs.Run{ID: "run_" + id, ThreadID: id, Status: runs.Completed}
	_, err = db.CreateRun(t.Context(), "p", runs.NewRun{Run: r, Notices: []*runs.Notice{{ID: "evt_" + id, Payload: json.RawMessage(`{}`)}}})
	require.NoError(t, err)
	for i := range 2 { // the second call repeats the first one's messages
		_, err = db.ChangeRun(t.Context(), "p", id, r.ID, func(*runs.Record) (*runs.Change, error) {
			step := &runs.Step{ID: fmt.Sprintf("step_%s_%d", id, i), RunID: r.ID, ThreadID: id, Type: runs.ToolCalls}
			return &runs.Change{
				Run: r, Steps: []*runs.StepRecord{{Step: step, Turn: i}},
				Calls: []*runs.ModelCall{{Request: json.RawMessage(`{"messages":[{"a":1},{"b":2},{"a":1}]}`)}},
			}, nil
		})
		require.NoError(t, err)
	}
}

func rowsOf(t *testing.T, db *DB, threadID string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range threadTables {
		var n int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+table+" WHERE thread_id = $1", threadID).Scan(&n))
		if n > 0 {
			counts[table] = n
		}
	}
	return counts
}

// TestDeletedThreadIsPurged deletes one of two threads; a thread longer than
// one purge's batch goes as well.
func TestDeletedThreadIsPurged(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 2*purgeBatch)
	fill(t, db, "thread_b", 2)
	full := map[string]int{"message_versions": 1, "thread_queue": 1, "messages": 2, "steps": 2, "model_calls": 2, "prompt_messages": 2, "runs": 1, "webhook_deliveries": 1}
	require.Equal(t, full, rowsOf(t, db, "thread_b"), "the tape keeps a message once")

	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_a"))
	require.Empty(t, rowsOf(t, db, "thread_a"))
	require.Equal(t, full, rowsOf(t, db, "thread_b"))
}

// TestPurgeAfterCrash finds threads that were deleted but not emptied.
func TestPurgeAfterCrash(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 2)
	fill(t, db, "thread_b", 2)
	write(t, db, "UPDATE threads SET body = NULL WHERE id = 'thread_a'")
	require.NotEmpty(t, rowsOf(t, db, "thread_a"))
	for range 2 { // the second time there is nothing left to do
		require.NoError(t, db.PurgeThreads(t.Context()))
		require.Empty(t, rowsOf(t, db, "thread_a"))
		require.NotEmpty(t, rowsOf(t, db, "thread_b"))
	}
	var left int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT COUNT(*) FROM threads WHERE body IS NULL AND purged = 0").Scan(&left))
	require.Zero(t, left)

	list, err := db.Threads(t.Context(), "p", threads.Query{Page: wire.Page{Limit: 9, Asc: true, After: "thread_a"}})
	require.NoError(t, err, "a purged thread still is a cursor")
	require.Len(t, list.Items, 1)
}
