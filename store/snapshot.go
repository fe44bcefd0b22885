package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"understudy/api/wire"
)

// Snapshot copies the database of the data directory dir into the directory to, as of one moment, and checks the copy
// through and through. A server may use dir meanwhile; its schema must be the one this binary knows.
func Snapshot(ctx context.Context, dir, to string) (err error) {
	from, err := databaseIn(dir)
	if err != nil {
		return err
	}
	copied, err := databaseIn(to)
	if err != nil {
		return err
	}
	source, err := openPool(dsn(from, url.Values{}), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := createPrivate(copied); err != nil {
		return err
	}
	if _, err := source.ExecContext(ctx, "VACUUM INTO $1", copied); err != nil {
		return fmt.Errorf("copy %s: %w", from, classify(err))
	}
	pool, err := openPool(dsn(copied, url.Values{}), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := migrate(ctx, pool, slog.New(slog.DiscardHandler), false); err != nil { // the copy stays what it is
		return err
	}
	return Check(ctx, to)
}

// databaseIn is the absolute path, which is what [dsn] takes, of the database of a directory.
func databaseIn(dir string) (string, error) {
	return filepath.Abs(filepath.Join(dir, databaseFile))
}

// Check reads the whole database of a directory that no server uses, and insists on its being sound.
func Check(ctx context.Context, dir string) (err error) {
	file, err := databaseIn(dir)
	if err != nil {
		return err
	}
	pool, err := openPool(dsn(file, url.Values{}), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	found, err := complaints(ctx, pool)
	if err == nil && found != "ok" {
		err = fmt.Errorf("the database is damaged: %s", found)
	}
	return err
}

// complaints are what SQLite finds wrong with a database, "ok" when nothing is.
func complaints(ctx context.Context, pool *sql.DB) (string, error) {
	rows, err := pool.QueryContext(ctx, "PRAGMA integrity_check(5)")
	if err != nil {
		return "", classify(err)
	}
	defer func() { _ = rows.Close() }() // they were read to their end
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return "", err
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; "), rows.Err()
}

// ForgetBlob deletes the files and the parts of uploads whose content is a blob.
func (db *DB) ForgetBlob(ctx context.Context, blob string) error {
	_, err := db.removeFile(ctx, "blob = $1", blob)
	if !errors.Is(err, wire.ErrNotFound) {
		return err
	}
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("DELETE FROM upload_parts WHERE blob = $1", blob)
		return err
	})
}
