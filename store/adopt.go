package store

import (
	"context"

	"understudy/api/wire"
	"understudy/threads"
)

// AdoptThread implements threads.Store.
func (db *DB) AdoptThread(ctx context.Context, project string, t *threads.Thread) error {
	var known bool
	err := db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM threads WHERE id = $1)", t.ID).Scan(&known)
	if err != nil || known {
		return err
	}
	body, err := wire.Marshal(t)
	if err != nil {
		return err
	}
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		n, err := tx.Exec("INSERT INTO threads (project_id, id, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", project, t.ID, string(body))
		if n > 0 {
			tx.onCommit(func(db *DB) { db.tails.created(project, t.ID) })
		}
		return err
	})
}
