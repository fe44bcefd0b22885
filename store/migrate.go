package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

// migrations are append-only: the statements of a file that was released are never changed; each file runs once and in
// its own transaction. It is SQL and nothing else: goose's own comments (Up, Down) mean nothing here.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the version this binary knows. When it may not change anything (another process is
// serving the database) it only insists on that version.
func migrate(ctx context.Context, pool *sql.DB, logger *slog.Logger, mayChange bool) error {
	provider, err := migrator(pool)
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", cmp.Or(readVersions(ctx, pool), err))
	}
	switch {
	case current > known:
		return fmt.Errorf("the data was written by a newer understudy (schema %d, this one knows %d): "+
			"run that version again, or restore a backup made before the upgrade", current, known)
	case current == known:
		return nil
	case !mayChange:
		return fmt.Errorf("the running server uses an older schema (%d, this understudy expects %d): "+
			"use the server's own binary, or restart the server with this one", current, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("upgrade the schema from version %d to %d: %w", current, known, err)
	}
	logger.Info("database schema upgraded", "from", current, "to", known)
	return nil
}

// readVersions reads goose's table and answers what keeps it from being read. goose takes any error for the table's absence,
// and then fails at making it.
func readVersions(ctx context.Context, pool *sql.DB) error {
	var versions int
	err := classify(pool.QueryRowContext(ctx, "SELECT count(version_id) FROM goose_db_version").Scan(&versions))
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return nil
}

// migrator gives SQLite each file as a whole. goose would take it apart first, with buffers of 4 MB whose garbage is a
// third of what hundreds of tests with databases of their own cost.
func migrator(pool *sql.DB) (*goose.Provider, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		script, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		up := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, string(script))
			return err
		}
		steps = append(steps, goose.NewGoMigration(version, &goose.GoFunc{RunTx: up}, nil))
	}
	return goose.NewProvider(goose.DialectSQLite3, pool, nil,
		goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(steps...))
}
