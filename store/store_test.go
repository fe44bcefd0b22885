package store

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const testSchema = `
	CREATE TABLE parents (id text PRIMARY KEY);
	CREATE TABLE items (
		seq integer PRIMARY KEY, id text NOT NULL UNIQUE, parent text REFERENCES parents (id), nick text,
		body text NOT NULL DEFAULT '');
	CREATE UNIQUE INDEX items_body ON items (parent, body) WHERE parent IS NOT NULL;
	CREATE UNIQUE INDEX items_nick ON items (lower(nick));`

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirVariable); dir != "" {
		writeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// openTest opens a database in a directory of its own, with the test tables.
func openTest(t testing.TB, durability Durability) *DB {
	t.Helper()
	db := reopen(t, Options{Dir: t.TempDir(), Durability: durability})
	write(t, db, testSchema)
	return db
}

func reopen(t testing.TB, options Options) *DB {
	t.Helper()
	options.Logger = slog.New(slog.DiscardHandler)
	db, err := Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func write(t testing.TB, db *DB, query string) {
	t.Helper()
	require.NoError(t, db.Write(t.Context(), exec(query)))
}

// exec is an operation of one statement.
func exec(query string, args ...any) func(context.Context, *Tx) error {
	return func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}
}

func insert(id string) func(context.Context, *Tx) error {
	return exec("INSERT INTO items (id) VALUES ($1)", id)
}

// ids are the stored items in their order.
func ids(t testing.TB, db *DB) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT id FROM items ORDER BY seq")
	require.NoError(t, err)
	defer rows.Close()
	var found []string
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		found = append(found, id)
	}
	require.NoError(t, rows.Err())
	return found
}

// together runs the operations as one batch, in their order, and answers their errors.
func together(t testing.TB, db *DB, operations ...func(context.Context, *Tx) error) []error {
	t.Helper()
	calls := make([]func() error, len(operations))
	for i, operation := range operations {
		calls[i] = func() error { return db.Write(t.Context(), operation) }
	}
	return inOneTransaction(db, calls...)
}

// inOneTransaction makes calls that write once each, as one batch, in their order, and answers their errors: the writer
// is held until all of them are queued.
func inOneTransaction(db *DB, calls ...func() error) []error {
	db.writer.baton <- struct{}{}
	failures := make([]error, len(calls))
	finished := make(chan struct{})
	for i, call := range calls {
		go func() {
			defer func() { finished <- struct{}{} }()
			failures[i] = errAbandoned // unless it returns
			failures[i] = call()
		}()
		awaitQueued(db, i+1)
	}
	<-db.writer.baton
	for range calls {
		<-finished
	}
	return failures
}

func awaitQueued(db *DB, n int) {
	for db.writer.waiting.Load() < int64(n) {
		runtime.Gosched()
	}
}
