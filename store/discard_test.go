package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDiscard removes what was named and nothing else, and nothing that is in use.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"files", "other"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name, "inside"), 0o700))
	}
	db := reopen(t, Options{Dir: dir, Durability: Normal})
	require.ErrorContains(t, Discard(dir, "files"), "in use by another understudy")
	require.FileExists(t, filepath.Join(dir, databaseFile))
	require.DirExists(t, filepath.Join(dir, "files"))
	require.NoError(t, db.Close())
	require.NoError(t, Discard(dir, "files", "absent"))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "other", left[0].Name())
	require.ErrorContains(t, Discard(filepath.Join(dir, "absent")), "lock the data directory")
}
