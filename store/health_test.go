package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// watched is a database whose log is read, with little patience for other processes.
func watched(t *testing.T) (*DB, string, *bytes.Buffer) {
	t.Helper()
	dir, log := t.TempDir(), &bytes.Buffer{}
	db, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() }) // one with a damaged page may say so
	write(t, db, testSchema)
	write(t, db, "PRAGMA busy_timeout = 20")
	return db, dir, log
}

// ripe lets the proof of the last commit run out.
func (db *DB) ripe() {
	db.writer.health.mutex.Lock()
	defer db.writer.health.mutex.Unlock()
	db.writer.health.committed = time.Time{}
}

func isMoved(err error) bool { return errors.Is(err, errMoved) }

// moves takes a file of the data directory out of its place.
func moves(name string) func(*testing.T, *DB, string) func() {
	return func(t *testing.T, _ *DB, dir string) func() {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.Rename(path, path+".moved"))
		return func() { require.NoError(t, os.Rename(path+".moved", path)) }
	}
}

// replaces puts another file into the place of one.
func replaces(name string) func(*testing.T, *DB, string) func() {
	return func(t *testing.T, db *DB, dir string) func() {
		t.Helper()
		back := moves(name)(t, db, dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		return back
	}
}

// Whatever keeps writes from succeeding shows in Ping even when nobody writes, is told once with what to do, and is over
// when the cause is.
func TestReadinessFollowsTheDisk(t *testing.T) {
	for name, c := range map[string]struct {
		hinder func(t *testing.T, db *DB, dir string) (cure func())
		is     func(error) bool
		advice string
		silent bool // a write that needs no space does succeed
	}{
		"held by another process": {func(t *testing.T, _ *DB, dir string) func() {
			t.Helper()
			return heldByOther(t, dir)
		}, IsBusy, "another program keeps it locked: close that one", false},
		"moved away":        {moves(databaseFile), isMoved, "put it back, or start the server again", false},
		"without its lock":  {moves(lockFile), isMoved, "put it back, or start the server again", false},
		"another's by name": {replaces(databaseFile), isMoved, "put it back, or start the server again", false},
		"read-only": {func(t *testing.T, db *DB, _ string) func() {
			t.Helper()
			write(t, db, "PRAGMA query_only = 1")
			return func() { require.NoError(t, db.writer.conn.exec("PRAGMA query_only = 0")) }
		}, IsReadOnly, "make the file and its directory writable for this user", false},
		"full": {func(t *testing.T, db *DB, _ string) func() {
			t.Helper()
			write(t, db, "PRAGMA max_page_count = 1")
			return func() { write(t, db, "PRAGMA max_page_count = 1000000") }
		}, IsFull, "the disk, or the quota, is full: free some space", true},
	} {
		t.Run(name, func(t *testing.T) {
			db, dir, log := watched(t)
			cure := c.hinder(t, db, dir)
			db.ripe()
			if !c.silent {
				require.True(t, c.is(db.Ping(t.Context())))
			}
			for range 3 {
				err := db.Write(t.Context(), exec("INSERT INTO items (id, body) VALUES ('x', hex(zeroblob(9000)))"))
				require.ErrorIs(t, err, ErrUnavailable)
				require.True(t, c.is(err), "%v", err)
			}
			require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
			require.Contains(t, log.String(), c.advice)
			require.Empty(t, ids(t, db), "what is stored can be read meanwhile")
			cure()
			require.NoError(t, db.Ping(t.Context()))
			require.NoError(t, db.Write(t.Context(), insert("after")))
			require.Equal(t, 1, strings.Count(log.String(), "the database can be written again"), log.String())
			require.Equal(t, []string{"after"}, ids(t, db))
		})
	}
}

func TestFailureIsToldAgainAfterAMinute(t *testing.T) {
	db, _, log := watched(t)
	now := time.Now()
	db.writer.health.now = func() time.Time { return now }
	write(t, db, "PRAGMA query_only = 1")
	for range 3 {
		require.Error(t, db.Write(t.Context(), insert("x")))
		require.Error(t, db.Write(t.Context(), insert("x")))
		now = now.Add(remindEvery)
	}
	require.Equal(t, 3, strings.Count(log.String(), "level=ERROR"), log.String())
}

func TestPingWritesOnlyWhenNobodyElseDid(t *testing.T) {
	db, _, _ := watched(t)
	before := db.Stats().Commits
	require.NoError(t, db.Write(t.Context(), insert("x")))
	for range 5 {
		require.NoError(t, db.Ping(t.Context()))
	}
	require.EqualValues(t, 1, db.Stats().Commits-before)
	db.ripe()
	require.NoError(t, db.Ping(t.Context()))
	require.NoError(t, db.Ping(t.Context()))
	require.EqualValues(t, 2, db.Stats().Commits-before)
}

// overwrite fills the pages of a file from one up to another, counted from 0.
func overwrite(t *testing.T, path string, from, to int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	for page := from; page < to; page++ {
		_, err = file.WriteAt(bytes.Repeat([]byte{0xff}, 4096), page*4096)
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
}

// A damaged page fails what needs it and nothing else, but the server is no longer ready: it cannot know what else is
// damaged.
func TestDamagedPage(t *testing.T) {
	db, dir, log := watched(t)
	write(t, db, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "+
		"INSERT INTO items (id, body) SELECT i, hex(zeroblob(2000)) FROM n")
	require.NoError(t, db.checkpoints.checkpoint())
	require.NoError(t, db.Close())
	info, err := os.Stat(filepath.Join(dir, databaseFile))
	require.NoError(t, err)
	overwrite(t, filepath.Join(dir, databaseFile), info.Size()/2/4096, info.Size()/4096)

	db, err = Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Ping(t.Context()), "nothing has read the damage yet")
	for range 3 {
		var length int
		err = db.QueryRow(t.Context(), "SELECT sum(length(body)) FROM items").Scan(&length)
		require.ErrorIs(t, err, ErrUnavailable)
		require.True(t, IsCorrupt(err), "%v", err)
	}
	require.True(t, IsCorrupt(db.Ping(t.Context())))
	require.NoError(t, db.Write(t.Context(), exec("INSERT INTO parents (id) VALUES ('sound')")))
	require.True(t, IsCorrupt(db.Ping(t.Context())), "a write elsewhere does not repair it")
	require.Equal(t, 1, strings.Count(log.String(), "restore it from a backup"), log.String())
}

// What a failed commit left in the log is not there after a crash: the probe has taken its place.
func TestDisownedTransactionIsOverwritten(t *testing.T) {
	db, _, _ := watched(t)
	write(t, db, "PRAGMA user_version = 7")
	db.writer.disown()
	require.NoError(t, db.View(context.Background(), func(r Reader) error {
		var version int
		require.NoError(t, r.QueryRow("PRAGMA user_version").Scan(&version))
		require.Zero(t, version, "it wrote")
		return nil
	}))
}
