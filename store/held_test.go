package store

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// heldByOther keeps the database from being written by others until it is released.
func heldByOther(t *testing.T, dir string) (release func()) {
	t.Helper()
	other, err := sql.Open("sqlite", writerDSN(filepath.Join(dir, databaseFile), Full))
	require.NoError(t, err)
	holding, err := other.Begin()
	require.NoError(t, err)
	return func() {
		require.NoError(t, holding.Rollback())
		require.NoError(t, other.Close())
	}
}

// Once it is known that others hold the database, nobody who asks waits for them; the end of it is noticed all the same.
func TestPingDoesNotWaitForWhatIsKnown(t *testing.T) {
	db, dir, _ := watched(t)
	release := heldByOther(t, dir)
	db.ripe()
	require.True(t, IsBusy(db.Ping(t.Context())))
	require.NoError(t, db.writer.conn.exec("PRAGMA busy_timeout = 600000"))
	require.True(t, IsBusy(db.Ping(t.Context())))
	waiting := db.probe()
	select {
	case <-waiting.done:
		t.Fatal("the probe is to wait for the other process")
	default:
	}
	require.True(t, IsBusy(db.Ping(t.Context())), "and is the only one")
	require.Same(t, waiting, db.probe())
	release()
	<-waiting.done
	require.NoError(t, db.Ping(t.Context()))
}

// Who was queued while another write waited in vain does not wait once more.
func TestOneWaitForAll(t *testing.T) {
	db, dir, _ := watched(t)
	release := heldByOther(t, dir)
	defer release()
	operations := make([]*operation, maxBatch+40)
	for i := range operations {
		operations[i] = &operation{ctx: t.Context(), fn: insert("x"), done: make(chan struct{})}
		require.NoError(t, db.writer.enqueue(t.Context(), operations[i]))
	}
	db.writer.baton <- struct{}{}
	db.writer.lead()
	for _, op := range operations {
		require.True(t, op.answered())
		require.True(t, IsBusy(op.err), "%v", op.err)
		require.ErrorIs(t, op.err, ErrUnavailable)
	}
	require.Empty(t, ids(t, db))
}

func TestDamagedVersions(t *testing.T) {
	db, dir, _ := watched(t)
	var page int64
	require.NoError(t, db.QueryRow(t.Context(), "SELECT rootpage FROM sqlite_schema WHERE name = 'goose_db_version'").Scan(&page))
	require.NoError(t, db.checkpoints.checkpoint())
	require.NoError(t, db.Close())
	overwrite(t, filepath.Join(dir, databaseFile), page-1, page)
	_, err := Open(t.Context(), Options{Dir: dir})
	require.True(t, IsCorrupt(err), "%v", err)
	require.ErrorContains(t, err, "restore it from a backup, or move it away")
	require.NotContains(t, err.Error(), "already exists")
}
