package store

import (
	"context"
	"encoding/json"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

func insertBatch(tx *Tx, project string, b *vectorstores.FileBatch) (json.RawMessage, error) {
	body, err := wire.Marshal(b)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec("INSERT INTO vector_store_batches (project_id, store_id, id, body) VALUES ($1, $2, $3, $4)", project, b.VectorStoreID, b.ID, string(body))
	return body, taken(err, b.ID)
}

// FileBatch implements vectorstores.Store.
func (db *DB) FileBatch(ctx context.Context, project, storeID, id string) (json.RawMessage, error) {
	return readBatch(db.Read(ctx), project, storeID, id)
}

func readBatch(r Reader, project, storeID, id string) (json.RawMessage, error) {
	return readBody(r, "SELECT body FROM vector_store_batches o WHERE "+inStore+" AND o.id = $3", storeID, project, id)
}

// recountBatch changes the counts of a batch.
func recountBatch(tx *Tx, id string, change *recount) error {
	body, err := readBody(tx, "SELECT body FROM vector_store_batches WHERE id = $1", id)
	if err != nil {
		return err
	}
	_, err = rewrite(tx, batchesTable, id, body, func(b *vectorstores.FileBatch) {
		for status, n := range change.statuses {
			b.Count(status, n)
		}
	})
	return err
}

// CancelFileBatch implements vectorstores.Store.
func (db *DB) CancelFileBatch(ctx context.Context, project, storeID, id string) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if body, err = readBatch(tx, project, storeID, id); err != nil {
			return err
		}
		rows, err := readFileRows(tx, "batch_id = $1 AND status || '' = $2", id, string(vectorstores.InProgress))
		if err != nil || len(rows) == 0 {
			return err
		}
		if _, err := rewrite(tx, batchesTable, id, body, func(b *vectorstores.FileBatch) { b.Status = vectorstores.Cancelled }); err != nil {
			return err
		}
		counts := newCensus()
		for _, row := range rows {
			if err := row.move(tx, counts, vectorstores.Cancelled); err != nil {
				return err
			}
			if err := dropChunks(tx, row.seq); err != nil {
				return err
			}
		}
		if err := counts.write(tx); err != nil {
			return err
		}
		body, err = readBatch(tx, project, storeID, id)
		return err
	})
	return body, err
}
