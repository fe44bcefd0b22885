package store

import (
	"context"
	"time"
)

// SaveAnswer implements api.Answers.
func (db *DB) SaveAnswer(ctx context.Context, scope string, bodyHash, answer []byte, at time.Time) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("INSERT INTO answers (scope, body_hash, answer, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			scope, bodyHash, answer, at.Unix())
		return err
	})
}

// Answer implements api.Answers.
func (db *DB) Answer(ctx context.Context, scope string) (bodyHash, answer []byte, err error) {
	err = db.QueryRow(ctx, "SELECT body_hash, answer FROM answers WHERE scope = $1", scope).Scan(&bodyHash, &answer)
	return bodyHash, answer, notFound(err)
}

// ForgetAnswers removes the answers given before a time.
func (db *DB) ForgetAnswers(ctx context.Context, before time.Time) error {
	var old int
	if err := db.QueryRow(ctx, "SELECT COUNT(*) FROM answers WHERE created_at < $1", before.Unix()).Scan(&old); err != nil || old == 0 {
		return err
	}
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("DELETE FROM answers WHERE created_at < $1", before.Unix())
		return err
	})
}
