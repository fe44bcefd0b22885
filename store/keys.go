package store

import (
	"context"
	"time"

	"understudy/api/keys"
	"understudy/api/wire"
)

// CreateKey implements keys.Store.
func (db *DB) CreateKey(ctx context.Context, k keys.Key) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("INSERT INTO keys (id, project_id, name, hash, created_at) VALUES ($1, $2, $3, $4, $5)",
			k.ID, k.Project, k.Name, k.Hash, k.CreatedAt.Unix())
		return err
	})
}

const keyColumns = "id, project_id, name, hash, created_at, revoked_at"

func scanKey(scan func(...any) error) (keys.Key, error) {
	var k keys.Key
	var created int64
	var revoked *int64
	if err := scan(&k.ID, &k.Project, &k.Name, &k.Hash, &created, &revoked); err != nil {
		return keys.Key{}, notFound(err)
	}
	k.CreatedAt = time.Unix(created, 0)
	if revoked != nil {
		k.RevokedAt = wire.Ptr(time.Unix(*revoked, 0))
	}
	return k, nil
}

// Key implements keys.Store.
func (db *DB) Key(ctx context.Context, id string) (keys.Key, error) {
	return scanKey(db.QueryRow(ctx, "SELECT "+keyColumns+" FROM keys WHERE id = $1", id).Scan)
}

// Keys implements keys.Store.
func (db *DB) Keys(ctx context.Context) ([]keys.Key, error) {
	rows, err := db.Query(ctx, "SELECT "+keyColumns+" FROM keys ORDER BY created_at, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []keys.Key
	for rows.Next() {
		k, err := scanKey(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

// RevokeKey implements keys.Store.
func (db *DB) RevokeKey(ctx context.Context, id string, at time.Time) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		n, err := tx.Exec("UPDATE keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL", at.Unix(), id)
		if err == nil && n == 0 {
			return wire.ErrNotFound
		}
		return err
	})
}
