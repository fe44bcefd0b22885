package store

import (
	"context"
	"encoding/json"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files/vectorstores"
)

// CreateAssistant implements assistants.Store.
func (db *DB) CreateAssistant(ctx context.Context, project string, a *assistants.Assistant, store *vectorstores.New) (json.RawMessage, error) {
	body, err := wire.Marshal(a)
	if err != nil {
		return nil, err
	}
	return body, db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if err := applyChange(tx, project, vectorstores.Change{New: store}); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO assistants (project_id, id, body) VALUES ($1, $2, $3)", project, a.ID, string(body))
		return taken(err, a.ID)
	})
}

// Assistant implements assistants.Store.
func (db *DB) Assistant(ctx context.Context, project, id string) (json.RawMessage, error) {
	kept, changes := db.assistants.get(project, id)
	if kept != nil {
		return kept, nil
	}
	body, err := assistantsTable.read(db.Read(ctx), project, id)
	if err == nil {
		db.assistants.put(project, id, body, changes)
	}
	return body, err
}

// UpdateAssistant implements assistants.Store.
func (db *DB) UpdateAssistant(ctx context.Context, project, id string, change func(*assistants.Assistant) vectorstores.Change) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		tx.onCommit(func(db *DB) { db.assistants.changed(id) })
		var stores vectorstores.Change
		body, err = update(tx, assistantsTable, project, id, func(a *assistants.Assistant) { stores = change(a) })
		if err != nil {
			return err
		}
		return applyChange(tx, project, stores)
	})
	return body, err
}

// DeleteAssistant implements assistants.Store.
func (db *DB) DeleteAssistant(ctx context.Context, project, id string) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		tx.onCommit(func(db *DB) { db.assistants.changed(id) })
		return assistantsTable.remove(tx, project, id)
	})
}

// Assistants implements assistants.Store.
func (db *DB) Assistants(ctx context.Context, project string, page wire.Page) (wire.List, error) {
	all := listing{table: "assistants", where: "project_id = $1", args: []any{project}}
	return all.page(db.Read(ctx), page, all.live())
}
