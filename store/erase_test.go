package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/threads"
)

// TestEraseLeavesNothing erases every other one of threads that grew side by side, so that pages were split and have
// copies of what lies elsewhere by now.
func TestEraseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, Options{Dir: dir, Durability: Normal})
	owners := []string{"alice", "bob"}
	const each = 10
	var list []ErasedThread
	for i := range each * len(owners) {
		id := fmt.Sprintf("thread_%d", i)
		fill(t, db, id, 1)
		if i%len(owners) == 0 {
			list = append(list, ErasedThread{ID: id, Project: "p"})
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		i := random.IntN(each * len(owners))
		id, owner := fmt.Sprintf("thread_%d", i), owners[i%len(owners)]
		said := owner + strings.Repeat(" and", random.IntN(500))
		m := threads.NewMessage{Role: threads.User, Content: []threads.Part{threads.NewText(said)}}.Build(fmt.Sprintf("msg_%d", n), id, 1)
		_, err := db.AddMessage(t.Context(), "p", m)
		require.NoError(t, err)
		_, err = db.UpdateThread(t.Context(), "p", id, func(t *threads.Thread) { t.Metadata = map[string]string{"said": said[:min(len(said), 512)]} })
		require.NoError(t, err)
	}
	_, _, err := db.SearchThreads(t.Context(), "p", "alice", threads.Query{}) // which are indexed then
	require.NoError(t, err)

	require.NoError(t, db.EraseThreads(t.Context(), list))
	require.NoError(t, db.Close())
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil {
			require.Zero(t, bytes.Count(content, []byte("alice")), file)
		}
	}

	db = reopen(t, Options{Dir: dir, Durability: Normal})
	ids, _, err := db.SearchThreads(t.Context(), "p", "bob", threads.Query{})
	require.NoError(t, err)
	require.Len(t, ids, each)
}
