package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files"
)

// TestSnapshotBesideAServer copies a database that is open and written to.
func TestSnapshotBesideAServer(t *testing.T) {
	db := openTest(t, Normal)
	require.NoError(t, db.Write(t.Context(), insert("one")))
	from, to := filepath.Dir(path(t, db)), t.TempDir()
	require.NoError(t, Snapshot(t.Context(), from, to))
	require.NoError(t, db.Write(t.Context(), insert("two")))
	copied := reopen(t, Options{Dir: to, Durability: Normal})
	require.Equal(t, []string{"one"}, ids(t, copied))
	require.ErrorContains(t, Snapshot(t.Context(), from, to), "copy ") // where there is one already
}

// TestSnapshotOfRelativePaths takes directories as they are written on a command line.
func TestSnapshotOfRelativePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("copy", 0o700))
	db := reopen(t, Options{Dir: "data", Durability: Normal})
	write(t, db, testSchema)
	require.NoError(t, db.Write(t.Context(), insert("one")))
	require.NoError(t, Snapshot(t.Context(), "data", "copy"))
	require.NoError(t, Check(t.Context(), "./copy"))
	require.Equal(t, []string{"one"}, ids(t, reopen(t, Options{Dir: "copy", Durability: Normal})))
}

// path is the file of an open database.
func path(t *testing.T, db *DB) (file string) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file))
	return file
}

func TestCheckFindsDamage(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), Options{Dir: dir, Durability: Normal})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, Check(t.Context(), dir))
	file := filepath.Join(dir, databaseFile)
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	for at := 4096; at < 3*4096; at++ {
		content[at] ^= 0x55
	}
	require.NoError(t, os.WriteFile(file, content, 0o600))
	require.Error(t, Check(t.Context(), dir))
}

func TestForgetBlob(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	for id, blob := range map[string]string{"file-1": "a", "file-2": "b"} {
		_, err := db.CreateFile(t.Context(), "p", &files.File{ID: id, Purpose: "assistants"}, blob)
		require.NoError(t, err)
	}
	write(t, db, "INSERT INTO upload_parts (id, project_id, upload_id, blob, size) VALUES ('part_1', 'p', 'upload_1', 'c', 1)")
	for _, blob := range []string{"a", "c", "of nothing"} {
		require.NoError(t, db.ForgetBlob(t.Context(), blob))
	}
	left, err := db.Blobs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, left)
}
