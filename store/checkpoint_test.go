package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const logBound = 64 << 20

// The writes put some two hundred megabytes through the write-ahead log, with readers in it most of the time.
func TestLogStaysBounded(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, Options{Dir: dir, Durability: Normal})
	write(t, db, testSchema)
	body := strings.Repeat("x", 4000)
	largest := make([]int64, 8)
	var callers sync.WaitGroup
	for caller := range largest {
		callers.Go(func() {
			for n := range 2500 {
				var last int
				err := errors.Join(
					db.Write(t.Context(), exec("INSERT INTO items (id, body) VALUES ($1, $2)", fmt.Sprintf("%d_%d", n, caller), body)),
					db.QueryRow(t.Context(), "SELECT max(seq) FROM items").Scan(&last),
				)
				if err != nil {
					t.Error(err)
					return
				}
				largest[caller] = max(largest[caller], logSize(t, dir))
			}
		})
	}
	callers.Wait()
	require.Less(t, slices.Max(largest), int64(logBound))
	require.Len(t, ids(t, db), 20000)
}

// A view that is left open keeps the log from starting over, but not the writer from writing; once it ends, the log
// shrinks again.
func TestLogRecoversFromALongView(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, Options{Dir: dir, Durability: Normal})
	write(t, db, testSchema)
	grow := exec("INSERT INTO items (id, body) VALUES (hex(randomblob(16)), hex(randomblob(8)) || hex(zeroblob(500000)))")
	require.NoError(t, db.View(t.Context(), func(view Reader) error {
		var n int
		if err := view.QueryRow("SELECT count(*) FROM items").Scan(&n); err != nil {
			return err
		}
		for range 80 {
			require.NoError(t, db.Write(t.Context(), grow))
		}
		return nil
	}))
	require.Greater(t, logSize(t, dir), int64(logBound))
	for n := 0; logSize(t, dir) > logBound; n++ {
		require.Less(t, n, 500)
		require.NoError(t, db.Write(t.Context(), grow))
	}
}

func TestCheckpointerSleepsUntilEnoughIsWritten(t *testing.T) {
	c := &checkpointer{wake: make(chan struct{}, 1)}
	c.wrote(checkpointPages - 1)
	require.Empty(t, c.wake)
	c.wrote(1)
	require.Len(t, c.wake, 1)
	c.wrote(3 * checkpointPages)
	require.Len(t, c.wake, 1, "it is woken once, however much there is to do")
}

func logSize(t testing.TB, dir string) int64 {
	file, err := os.Stat(filepath.Join(dir, databaseFile+"-wal"))
	if err != nil {
		t.Error(err)
		return 0
	}
	return file.Size()
}
