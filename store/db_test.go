package store

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettingsOfTheConnections(t *testing.T) {
	for durability, synchronous := range map[Durability]string{"": "2", Full: "2", Normal: "1"} {
		db := openTest(t, durability)
		require.NoError(t, db.Write(t.Context(), func(_ context.Context, tx *Tx) error {
			for pragma, want := range map[string]string{
				"synchronous": synchronous, "journal_mode": "wal", "foreign_keys": "1",
				"busy_timeout": "5000", "wal_autocheckpoint": "0", "query_only": "0",
			} {
				var got string
				require.NoError(t, tx.QueryRow("PRAGMA "+pragma).Scan(&got))
				require.Equal(t, want, got, pragma)
			}
			return nil
		}))
		for range 2 * defaultReaders {
			var got string
			require.NoError(t, db.QueryRow(t.Context(), "PRAGMA query_only").Scan(&got))
			require.Equal(t, "1", got)
		}
	}
}

func TestDirectoryIsHeld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "is it? 100% #1", "data")
	db := reopen(t, Options{Dir: dir})
	write(t, db, testSchema)

	_, err := Open(t.Context(), Options{Dir: dir})
	require.EqualError(t, err, "the data directory "+dir+
		" is in use by another understudy: stop that one, or choose another directory")

	shared, err := OpenShared(t.Context(), Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, shared.Write(t.Context(), insert("beside")))
	require.NoError(t, db.Write(t.Context(), insert("within")))
	require.NoError(t, shared.Close())
	require.Equal(t, []string{"beside", "within"}, ids(t, db))

	require.NoError(t, db.Close())
	again := reopen(t, Options{Dir: dir})
	require.Equal(t, []string{"beside", "within"}, ids(t, again))
}

func TestOnlyTheOwnerReadsTheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := reopen(t, Options{Dir: dir})
	write(t, db, testSchema)
	held, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), held.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(entries), 3)
	for _, entry := range entries {
		file, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), file.Mode().Perm(), entry.Name())
	}
}

func TestOpenSharedCreatesTheDatabase(t *testing.T) {
	dir := t.TempDir()
	shared, err := OpenShared(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer shared.Close()
	require.NoError(t, shared.Ping(t.Context()))
	server := reopen(t, Options{Dir: dir})
	require.NoError(t, server.Ping(t.Context()), "a shared database does not hold the directory")
}

func TestSchemaVersions(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, Options{Dir: dir})
	write(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	_, err := OpenShared(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "written by a newer understudy (schema 999, ")
	require.NoError(t, db.Close())
	_, err = Open(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "run that version again, or restore a backup")

	old := t.TempDir()
	db = reopen(t, Options{Dir: old})
	write(t, db, "DELETE FROM goose_db_version WHERE version_id > 0")
	_, err = OpenShared(t.Context(), Options{Dir: old})
	require.ErrorContains(t, err, "the running server uses an older schema")
}

func TestOpenSaysWhatToDo(t *testing.T) {
	t.Run("a file that is no database", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, databaseFile), make([]byte, 8192), 0o600))
		_, err := Open(t.Context(), Options{Dir: dir})
		require.ErrorContains(t, err, "restore it from a backup, or move it away")
		require.True(t, IsCorrupt(err))
		_, err = Open(t.Context(), Options{Dir: dir})
		require.NotContains(t, err.Error(), "in use", "a failed Open gives the directory free")
	})
	t.Run("an unknown durability", func(t *testing.T) {
		_, err := Open(t.Context(), Options{Dir: t.TempDir(), Durability: "ful"})
		require.ErrorContains(t, err, `the durability "ful" is unknown: use "full" or "normal"`)
	})
	t.Run("a directory that is a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		_, err := Open(t.Context(), Options{Dir: path})
		require.ErrorContains(t, err, "create the data directory "+path)
	})
	t.Run("a directory that cannot be written", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write everywhere")
		}
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o500))
		_, err := Open(t.Context(), Options{Dir: dir})
		require.ErrorContains(t, err, "make it writable for this user")
	})
	t.Run("a database file that cannot be opened", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, databaseFile), 0o700))
		_, err := Open(t.Context(), Options{Dir: dir})
		require.ErrorContains(t, err, "make the file and its directory writable")
	})
}

func TestClose(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, Options{Dir: dir})
	write(t, db, testSchema)

	// Held by the test, the writer has one operation queued when Close begins.
	db.writer.baton <- struct{}{}
	queued := make(chan error, 1)
	go func() { queued <- db.Write(t.Context(), insert("queued")) }()
	awaitQueued(db, 1)
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- db.Close() }()
	}
	<-db.writer.baton
	require.NoError(t, <-queued)
	require.NoError(t, <-closed)
	require.NoError(t, <-closed)
	require.NoError(t, db.Close())

	require.ErrorIs(t, db.Write(t.Context(), insert("late")), ErrClosed)
	require.ErrorIs(t, db.Ping(t.Context()), ErrClosed)
	require.ErrorIs(t, db.View(t.Context(), func(Reader) error { return nil }), ErrUnavailable)
	require.NoFileExists(t, filepath.Join(dir, databaseFile+"-wal"), "a clean end leaves nothing to recover")

	require.Equal(t, []string{"queued"}, ids(t, reopen(t, Options{Dir: dir})))
}

func TestReadersCannotWrite(t *testing.T) {
	db := openTest(t, Normal)
	_, err := db.Query(t.Context(), "INSERT INTO items (id) VALUES ('x') RETURNING id")
	require.True(t, IsReadOnly(err), "%v", err)
	require.Empty(t, ids(t, db))
}

func TestQueryRow(t *testing.T) {
	db := openTest(t, Normal)
	var id string
	require.ErrorIs(t, db.QueryRow(t.Context(), "SELECT id FROM items").Scan(&id), sql.ErrNoRows)
	require.Error(t, db.QueryRow(t.Context(), "SELECT nonsense").Scan(&id))
	require.Error(t, db.QueryRow(t.Context(), "SELECT 1, 2").Scan(&id))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, db.QueryRow(ctx, "SELECT 'x'").Scan(&id), context.Canceled)
	for range 3 * defaultReaders { // every reader came back each time
		require.NoError(t, db.Read(t.Context()).QueryRow("SELECT $2 || $1 || $2", "a", "b").Scan(&id))
		require.Equal(t, "bab", id)
	}
}

func TestViewIsOneSnapshot(t *testing.T) {
	db := openTest(t, Normal)
	count := func(r Reader) (n int) {
		require.NoError(t, r.QueryRow("SELECT count(*) FROM items").Scan(&n))
		return n
	}
	require.NoError(t, db.View(t.Context(), func(view Reader) error {
		require.Equal(t, 0, count(view))
		require.NoError(t, db.Write(t.Context(), insert("meanwhile")))
		require.Equal(t, 0, count(view))
		require.Equal(t, 1, count(db.Read(t.Context())))
		_, err := view.Query("SELECT id FROM items") // left open on purpose
		return err
	}))
	require.ErrorContains(t, db.View(t.Context(), func(view Reader) error {
		require.Equal(t, 1, count(view))
		return os.ErrDeadlineExceeded
	}), "timeout")
}

func TestConstraintNames(t *testing.T) {
	db := openTest(t, Normal)
	write(t, db, "INSERT INTO parents (id) VALUES ('p')")
	write(t, db, "INSERT INTO items (id, nick, parent, body) VALUES ('a', 'Al', 'p', 'text')")
	for query, want := range map[string]string{
		"INSERT INTO items (id) VALUES ('a')":                            "items.id",
		"INSERT INTO items (seq, id) VALUES (1, 'b')":                    "items.seq",
		"INSERT INTO parents (id) VALUES ('p')":                          "parents.id",
		"INSERT INTO items (id, parent, body) VALUES ('b', 'p', 'text')": "items.parent, items.body",
		"INSERT INTO items (id, nick) VALUES ('b', 'aL')":                "items_nick",
	} {
		name, unique := IsUnique(db.Write(t.Context(), exec(query)))
		require.True(t, unique, query)
		require.Equal(t, want, name, query)
	}
	err := db.Write(t.Context(), exec("INSERT INTO items (id, parent) VALUES ('b', 'nobody')"))
	require.ErrorContains(t, err, foreignKey)
	require.NotErrorIs(t, err, ErrUnavailable)
	_, unique := IsUnique(err)
	require.False(t, unique)
	_, unique = IsUnique(nil)
	require.False(t, unique)
}
