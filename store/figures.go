package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// Waiting counts the runs that nobody drives: those that wait for a place, and those that wait for their client's tool
// outputs.
func (db *DB) Waiting(ctx context.Context, now time.Time) (queued, client int, err error) {
	err = db.QueryRow(ctx, `SELECT
		coalesce(sum(CASE WHEN runnable = 1 AND lease_until <= $1 THEN 1 ELSE 0 END), 0),
		coalesce(sum(CASE WHEN runnable = 0 THEN 1 ELSE 0 END), 0) FROM runs WHERE active = 1`, millis(now)).Scan(&queued, &client)
	return queued, client, err
}

// Empty reports whether no project has any object.
func (db *DB) Empty(ctx context.Context) (bool, error) {
	var some bool
	err := db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM assistants) OR EXISTS (SELECT 1 FROM threads) OR EXISTS (SELECT 1 FROM files)
		OR EXISTS (SELECT 1 FROM uploads) OR EXISTS (SELECT 1 FROM vector_stores)`).Scan(&some)
	return !some, err
}

// Size is what the database file and its write-ahead log occupy, in bytes.
func (db *DB) Size() (database, log int64, err error) {
	if database, err = sizeOf(db.writer.health.path); err != nil {
		return 0, 0, err
	}
	log, err = sizeOf(db.writer.health.path + "-wal")
	return database, log, err
}

// sizeOf is 0 for a file that is not there.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
