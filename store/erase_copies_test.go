package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/threads"
)

// TestCopiesOfAnErasedThread: the threads that are shown and have an answer in common with it are named, hidden forks go
// with it, and one that goes too is not among what stays.
func TestCopiesOfAnErasedThread(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	for i, c := range []struct{ of, id, after string }{
		{"", "thread_a", ""},
		{"", "thread_stranger", ""},
		{"thread_a", "thread_early", "msg_thread_a_1"},
		{"thread_a", "thread_b", ""},
		{"thread_b", "thread_c", ""},
		{"thread_a", "thread_gone", ""},
		{"thread_a", "thread_hidden", ""},
	} {
		if c.of != "" {
			_, err := db.ForkThread(t.Context(), "p", threads.Fork{Of: c.of, ID: c.id, At: time.Unix(int64(i), 0), After: c.after, Hidden: c.id == "thread_hidden"})
			require.NoError(t, err)
			continue
		}
		write(t, db, fmt.Sprintf(`INSERT INTO threads (project_id, id, body) VALUES ('p', '%s', '{"id":"%[1]s"}')`, c.id))
		for seq, run := range []string{"NULL", "'run_" + c.id + "'"} {
			write(t, db, fmt.Sprintf(`INSERT INTO messages (thread_id, seq, project_id, id, by_user, run_id, tokens, body)
				VALUES ('%s', %d, 'p', 'msg_%[1]s_%[2]d', 1, %s, 1, '{}')`, c.id, seq+1, run))
		}
	}
	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_gone"))
	write(t, db, "UPDATE messages SET body = NULL WHERE thread_id = 'thread_c' AND seq = 2") // deleted: its question is still there
	copiesOf := func(erased ...string) (lists [][]string) {
		found, err := db.ThreadsToErase(t.Context(), func(_ string, th *threads.Thread, _ int64) bool {
			return slices.Contains(erased, th.ID)
		})
		require.NoError(t, err)
		for _, e := range found {
			lists = append(lists, e.Copies)
		}
		return lists
	}
	require.Equal(t, [][]string{{"thread_b", "thread_c"}}, copiesOf("thread_a"))
	require.Equal(t, [][]string{{"thread_a", "thread_c"}}, copiesOf("thread_b"), "the original is one, too")
	require.Equal(t, [][]string{{"thread_c"}, {"thread_c"}}, copiesOf("thread_a", "thread_b"))
	require.Equal(t, [][]string{{}, {}}, copiesOf("thread_stranger", "thread_early"), "what was forked ahead of the first answer is not known")
	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_a"))
	require.Equal(t, [][]string{{"thread_c"}}, copiesOf("thread_b"), "a copy is known without the original")
}
