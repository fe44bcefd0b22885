package store

import (
	"context"
	"encoding/json"
	"time"

	"understudy/api/wire"
)

// SaveAnswer implements api.Answers.
func (db *DB) SaveAnswer(ctx context.Context, scope string, bodyHash, answer []byte, at time.Time) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error { return saveAnswer(tx, scope, bodyHash, answer, at) })
}

func saveAnswer(tx *Tx, scope string, bodyHash, answer []byte, at time.Time) error {
	_, err := tx.Exec(`INSERT INTO answers (scope, body_hash, answer, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (scope) DO UPDATE SET answer = excluded.answer`, scope, bodyHash, answer, at.Unix())
	return err
}

// change is Write for an operation that a client is answered with an object, which fn sets or leaves as it is. When the
// call behind ctx must not be carried out twice, its answer is kept in the same transaction.
func (db *DB) change(ctx context.Context, object *json.RawMessage, fn func(context.Context, *Tx) error) error {
	receipt := wire.WantedReceipt(ctx)
	if receipt == nil {
		return db.Write(ctx, fn)
	}
	hash := receipt.BodyHash() // outside of the transaction: it may read from the client
	var answer json.RawMessage
	err := db.Write(ctx, func(ctx context.Context, tx *Tx) (err error) {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		if answer, err = receipt.Render(*object); err != nil {
			return err
		}
		return saveAnswer(tx, receipt.Scope, hash, answer, receipt.At)
	})
	if err == nil {
		receipt.Kept = answer
	}
	return err
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
