package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

const (
	// busyTimeout is how long, in milliseconds, a statement waits for another process. Inside this process nobody waits
	// for a lock: there is one writer, and readers see a snapshot.
	busyTimeout = "5000"

	// walKeepBytes is what remains of a write-ahead log that once grew beyond it. A log that is overwritten in place
	// is faster than one that grows again, so this is above the size a busy server needs.
	walKeepBytes = "33554432"
)

// Durability says what a committed write survives.
type Durability string

const (
	// Full survives power loss: every commit waits for the disk. It is the default.
	Full Durability = "full"

	// Normal survives the death of the process; power loss may take the last commits, but never damages the file.
	Normal Durability = "normal"
)

// dsn names the database at path, which is absolute, with pragmas in "name(value)" form, as modernc.org/sqlite reads it. The path is
// escaped because the directory may hold '?', '#' or '%'.
func dsn(path string, settings url.Values) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	settings.Set("_busy_timeout", busyTimeout)
	settings.Set("_dqs", "0")
	settings.Set("_error_rc", "1")
	address := url.URL{Scheme: "file", Path: slashed, RawQuery: settings.Encode()}
	return address.String()
}

// writerDSN opens the connection that writes. It leaves checkpoints to the checkpointer.
func writerDSN(path string, durability Durability) string {
	return dsn(path, url.Values{
		"_journal_mode": {"WAL"},
		"_synchronous":  {string(durability)},
		"_foreign_keys": {"1"},
		"_txlock":       {"immediate"},
		"_pragma": {
			"cache_size(-65536)",
			"temp_store(MEMORY)",
			"wal_autocheckpoint(0)",
			"journal_size_limit(" + walKeepBytes + ")",
		},
	})
}

// readerDSN opens a connection that cannot change the database. Its cache is small because every commit empties it.
func readerDSN(path string) string {
	return dsn(path, url.Values{
		"_query_only": {"1"},
		"_pragma":     {"cache_size(-4096)", "temp_store(MEMORY)"},
	})
}

// connection is one SQLite connection and its prepared statements. One goroutine uses it at a time. The statements are
// kept for good: SQL texts are constants of this package, so their number is bounded.
type connection struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	health     *health // is told the errors of queries
}

func connect(ctx context.Context, pool *sql.DB, health *health) (*connection, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &connection{conn: conn, statements: map[string]*sql.Stmt{}, health: health}, nil
}

// prepare compiles query once and then finds it again by its text.
func (c *connection) prepare(query string) (*sql.Stmt, error) {
	if statement, ok := c.statements[query]; ok {
		return statement, nil
	}
	statement, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	c.statements[query] = statement
	return statement, nil
}

// exec runs a statement of the store itself: BEGIN, COMMIT, SAVEPOINT …
func (c *connection) exec(query string) error {
	statement, err := c.prepare(query)
	if err != nil {
		return classify(err)
	}
	_, err = statement.ExecContext(context.Background())
	return classify(err)
}

// close ends the statements, which database/sql does not do for those of a single connection, and gives the connection
// back to its pool.
func (c *connection) close() error {
	var failures []error
	for _, statement := range c.statements {
		failures = append(failures, statement.Close())
	}
	return errors.Join(append(failures, c.conn.Close())...)
}
