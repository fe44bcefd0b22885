package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/threads"
)

// TestQueueOfADeletedThreadIsForgotten deletes a thread for which a message waits.
func TestQueueOfADeletedThreadIsForgotten(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	_, err := db.CreateThread(t.Context(), "p", &threads.Thread{ID: "thread_1"}, nil, nil)
	require.NoError(t, err)
	_, err = db.CreateRun(t.Context(), "p", runs.NewRun{Run: &runs.Run{ID: "run_1", ThreadID: "thread_1", Status: runs.Queued}})
	require.NoError(t, err)
	_, ahead, err := db.EnqueueMessage(t.Context(), "p", &threads.Message{ID: "msg_1", ThreadID: "thread_1", Role: threads.User})
	require.NoError(t, err)
	require.Equal(t, []string{"run_1"}, ahead)
	require.Equal(t, 1, db.queues.marks("thread_1"))

	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_1"))
	require.Empty(t, rowsOf(t, db, "thread_1"))
	require.Zero(t, db.queues.marks("thread_1"))
}
