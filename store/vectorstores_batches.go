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

// ofBatch is the condition that a row is of the batch $3.
const ofBatch = `seq IN (SELECT seq FROM vector_store_files WHERE batch_id = $3 UNION ALL
	SELECT f.seq FROM vector_store_batch_files b JOIN vector_store_files f ON f.store_id = b.store_id AND f.id = b.file_id AND f.body IS NOT NULL WHERE b.batch_id = $3)`

// CancelFileBatch implements vectorstores.Store, in pieces. The last goes along
// with the answer.
func (db *DB) CancelFileBatch(ctx context.Context, project, storeID, id string) (body json.RawMessage, err error) {
	for more := true; more; {
		if body, err = readBatch(db.Read(ctx), project, storeID, id); err != nil {
			return nil, err
		}
		var b vectorstores.FileBatch
		if err := decode(db.writer.health, body, &b); err != nil {
			return nil, err
		}
		if b.FileCounts.InProgress <= detachPiece {
			break
		}
		err = db.Write(ctx, func(_ context.Context, tx *Tx) error {
			more, err = cancelFiles(tx, project, storeID, id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if _, err = cancelFiles(tx, project, storeID, id); err != nil {
			return err
		}
		body, err = readBatch(tx, project, storeID, id)
		return err
	})
	return body, err
}

// cancelFiles cancels a piece of what a batch has in progress, and the batch
// when that is anything; more is whether there may be others.
func cancelFiles(tx *Tx, project, storeID, id string) (more bool, err error) {
	body, err := readBatch(tx, project, storeID, id)
	if err != nil {
		return false, err
	}
	rows, err := readFileRows(tx, "store_id || '' = $1 AND status || '' = $2 AND "+ofBatch+" LIMIT $4", storeID, string(vectorstores.InProgress), id, detachPiece)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	if _, err := rewrite(tx, batchesTable, id, body, func(b *vectorstores.FileBatch) { b.Status = vectorstores.Cancelled }); err != nil {
		return false, err
	}
	counts := newCensus()
	for _, row := range rows {
		if err := row.leave(tx, counts, id); err != nil {
			return false, err
		}
	}
	return len(rows) == detachPiece, counts.write(tx)
}

// leave takes a batch's claim to a file in progress back, and cancels the file
// unless somebody else attached it too.
func (r *fileRow) leave(tx *Tx, counts *census, batchID string) error {
	batches, err := r.batches(tx)
	if err != nil {
		return err
	}
	own := r.batchID != nil && *r.batchID == batchID
	if own && len(batches) == 1 {
		if err := r.change(tx, counts, func() { r.file.Status = vectorstores.Cancelled }); err != nil {
			return err
		}
		return dropChunks(tx, r.seq)
	}
	counts.batch(batchID).cancelOne()
	if own {
		r.batchID, batchID = &batches[1], batches[1]
		if _, err := r.save(tx); err != nil {
			return err
		}
	}
	_, err = tx.Exec("DELETE FROM vector_store_batch_files WHERE batch_id = $1 AND file_id = $2", batchID, r.file.ID)
	return err
}
