package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	databaseFile = "understudy.db"
	lockFile     = "understudy.lock"

	defaultReaders = 4
)

// Options say where and how to open a DB. Only Dir is required.
type Options struct {
	Dir        string       // data directory; created, closed to other users, when it does not exist
	Durability Durability   // default Full
	Readers    int          // connections for reading, default 4
	Logger     *slog.Logger // default slog.Default()

	// OnCommit is told of each transaction that was committed: how long it took, and how many operations took effect in
	// it. It has to be quick; nil = nobody is told.
	OnCommit func(took time.Duration, operations int)
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	writes      *sql.DB
	reads       *sql.DB
	connections []*connection // all that are open, of both pools
	writer      *writer
	readers     *readers
	checkpoints *checkpointer
	tails       *tails
	tape        tape
	assistants  *assistantCache
	queues      queues
	indexing    chan struct{} // has a value while a search reads threads into the full-text index
	lock        *flock.Flock  // nil when the database is shared
	close       func() error  // Close's work, done once
}

// Open opens the database in options.Dir, creating or upgrading it as needed, and holds the directory until Close: no
// second server can open it.
func Open(ctx context.Context, options Options) (*DB, error) {
	dir, err := prepareDir(options.Dir)
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, lockFile))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory %s: %w: make it writable for this user, or choose another directory", dir, err)
	}
	if !held {
		return nil, fmt.Errorf("the data directory %s is in use by another understudy: stop that one, or choose another directory", dir)
	}
	db, err := open(ctx, dir, options, true, newTails(maxTails), newAssistantCache(maxAssistants))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	db.lock = lock
	for _, name := range []string{databaseFile, lockFile} {
		p, err := placeOf(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		db.writer.places = append(db.writer.places, p)
	}
	return db, nil
}

// OpenShared opens the database beside a process that may be serving it, for short commands. When nobody serves it, it
// is created or upgraded as by Open; otherwise its schema must be the one this binary knows.
func OpenShared(ctx context.Context, options Options) (*DB, error) {
	dir, err := prepareDir(options.Dir)
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, lockFile))
	alone, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	db, err := open(ctx, dir, options, alone, newTails(0), newAssistantCache(0))
	return db, errors.Join(err, lock.Close())
}

// prepareDir makes sure that the data directory exists and answers its absolute path.
func prepareDir(dir string) (string, error) {
	dir, err := filepath.Abs(cmp.Or(dir, "."))
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create the data directory %s: %w: create it for this user, or choose another directory", dir, err)
	}
	return dir, nil
}

func open(ctx context.Context, dir string, options Options, mayMigrate bool, kept *tails, known *assistantCache) (*DB, error) {
	path := filepath.Join(dir, databaseFile)
	db := &DB{indexing: make(chan struct{}, 1), tails: kept, assistants: known}
	if err := db.connect(ctx, path, options, mayMigrate); err != nil {
		return nil, errors.Join(explain(path, err), db.disconnect())
	}
	db.close = sync.OnceValue(db.shutDown)
	return db, nil
}

// connect opens the connections and upgrades the schema between the writer's, which creates the file, and the readers'.
func (db *DB) connect(ctx context.Context, path string, options Options, mayMigrate bool) error {
	logger := cmp.Or(options.Logger, slog.Default())
	durability := cmp.Or(options.Durability, Full)
	if durability != Full && durability != Normal {
		return fmt.Errorf("the durability %q is unknown: use %q or %q", durability, Full, Normal)
	}
	err := createPrivate(path)
	if err != nil {
		return err
	}
	health := newHealth(path, logger)
	if db.writes, err = openPool(writerDSN(path, durability), 1); err != nil {
		return err
	}
	if err := migrate(ctx, db.writes, logger, mayMigrate); err != nil {
		return err
	}
	size := cmp.Or(options.Readers, defaultReaders)
	if db.reads, err = openPool(readerDSN(path), size+1); err != nil { // one more for the checkpointer
		return err
	}
	writing, err := connect(ctx, db.writes, health)
	if err != nil {
		return err
	}
	db.connections = append(db.connections, writing)
	for range size + 1 {
		reading, err := connect(ctx, db.reads, health)
		if err != nil {
			return err
		}
		db.connections = append(db.connections, reading)
	}
	db.readers = newReaders(db.connections[2:])
	if err := db.startWriter(writing, db.connections[1], logger); err != nil {
		return err
	}
	db.writer.onCommit = options.OnCommit
	return readQueues(ctx, db)
}

func (db *DB) startWriter(writing, checkpointing *connection, logger *slog.Logger) (err error) {
	baton := make(chan struct{}, 1)
	if db.checkpoints, err = startCheckpointer(checkpointing, baton, logger); err != nil {
		return err
	}
	db.writer = &writer{db: db, conn: writing, checkpoints: db.checkpoints, health: writing.health, logger: logger, baton: baton}
	return nil
}

// createPrivate creates the database file before SQLite does, which would let other users read it. An existing file is
// not opened: closing it again would drop the locks that SQLite holds on it in this process.
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // a name of our own in the data directory
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// openPool opens size connections at most and keeps them.
func openPool(dsn string, size int) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// explain says what to do about an error that kept the database from opening.
func explain(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) || isUnavailable(err) {
		return fmt.Errorf("open %s: %w: %s", path, withHolder(path, err), advise(err))
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// Close refuses new work, waits for what is queued and what is being read, and gives the directory free. Calling it
// again answers the same.
func (db *DB) Close() error {
	return db.close()
}

func (db *DB) shutDown() error {
	db.writer.close()
	db.writer.health.awaitProbe()
	db.checkpoints.stop()
	db.readers.close()
	err := db.disconnect()
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	return err
}

// disconnect closes the readers first: the last connection to close, the writer's, empties the write-ahead log.
func (db *DB) disconnect() error {
	var failures []error
	for _, connection := range db.connections {
		failures = append(failures, connection.close())
	}
	for _, pool := range []*sql.DB{db.reads, db.writes} {
		if pool != nil {
			failures = append(failures, pool.Close())
		}
	}
	return errors.Join(failures...)
}
