package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/threads"
)

// TestFirstSearchReadsEverything says what the first search costs, and the next ones.
func TestFirstSearchReadsEverything(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	const many = 20
	for i := range many {
		fill(t, db, fmt.Sprintf("thread_%d", i), 500)
	}
	for range 2 {
		begun := time.Now()
		ids, _, err := db.SearchThreads(t.Context(), "p", "hello", threads.Query{})
		require.NoError(t, err)
		require.Len(t, ids, many)
		t.Logf("a search of %d messages took %v", many*500, time.Since(begun))
	}
}

// TestErasedThreadsLeaveNoWords looks for a word in the index itself.
func TestErasedThreadsLeaveNoWords(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 3)
	fill(t, db, "thread_b", 3)
	words := func() (n int) {
		require.NoError(t, db.QueryRow(t.Context(), "SELECT COUNT(*) FROM message_terms WHERE message_terms MATCH 'hello'").Scan(&n))
		return n
	}
	_, _, err := db.SearchThreads(t.Context(), "p", "hello", threads.Query{})
	require.NoError(t, err)
	require.Equal(t, 6, words())
	require.NoError(t, db.EraseThreads(t.Context(), []ErasedThread{{ID: "thread_a", Project: "p"}}))
	require.Zero(t, words())
	ids, _, err := db.SearchThreads(t.Context(), "p", "hello", threads.Query{})
	require.NoError(t, err)
	require.Equal(t, []string{"thread_b"}, ids)
	require.Equal(t, 3, words())

	_, err = db.UpdateThread(t.Context(), "p", "thread_b", func(t *threads.Thread) { t.Metadata = map[string]string{"a": "hello"} })
	require.NoError(t, err)
	_, _, err = db.SearchThreads(t.Context(), "p", "hello", threads.Query{})
	require.NoError(t, err)
	require.Equal(t, 4, words(), "what was read before is removed")
	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_b"))
	_, _, err = db.SearchThreads(t.Context(), "p", "hello", threads.Query{})
	require.NoError(t, err)
	require.Zero(t, words())
}

// TestSearchPassesOverWhatIsGone takes threads out between the index and the rows.
func TestSearchPassesOverWhatIsGone(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	fill(t, db, "thread_a", 1)
	_, err := db.UpdateThread(t.Context(), "p", "thread_a", func(t *threads.Thread) { t.Metadata = map[string]string{"k": "v"} })
	require.NoError(t, err)
	ids, err := carriers(db.Read(t.Context()), "p", []string{"thread_gone", "thread_a"}, map[string]string{"k": "v"})
	require.NoError(t, err)
	require.Equal(t, []string{"thread_a"}, ids)

	_, show, err := db.SearchThreads(t.Context(), "p", "hello", threads.Query{})
	require.NoError(t, err)
	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_a"))
	_, err = show("thread_a")
	require.ErrorIs(t, err, wire.ErrNotFound)
}
