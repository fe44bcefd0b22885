package store

import (
	"context"
	"encoding/json"
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// detached is the status of a row whose file is no longer in the store.
const detached = "deleted"

// AttachFiles implements vectorstores.Store.
func (db *DB) AttachFiles(ctx context.Context, project, storeID string, list []vectorstores.NewFile, batch *vectorstores.FileBatch, now time.Time) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if err := requireUsable(tx, project, storeID); err != nil {
			return err
		}
		a := attachment{tx: tx, project: project, storeID: storeID, at: now.Unix()}
		if batch == nil {
			body, err = a.attach(list)
			return err
		}
		counted := *batch
		a.batch = &counted
		if _, err := a.attach(list); err != nil {
			return err
		}
		body, err = insertBatch(tx, project, a.batch)
		return err
	})
	return body, err
}

// attachment adds files to a store that may take them.
type attachment struct {
	tx               *Tx
	project, storeID string
	batch            *vectorstores.FileBatch // nil = they come alone; it counts all as in progress
	at               int64                   // unix seconds
}

// attach adds the files and answers the last.
func (a *attachment) attach(list []vectorstores.NewFile) (body json.RawMessage, err error) {
	counts := newCensus()
	for _, f := range list {
		row, err := liveRow(a.tx, a.storeID, f.FileID)
		if err != nil {
			return nil, err
		}
		if row != nil && f.Attributes == nil {
			f.Attributes = row.file.Attributes
		}
		switch {
		case row == nil:
			body, err = a.insert(f, counts)
		case row.file.Status == vectorstores.InProgress:
			body, err = a.join(row, f)
		case row.file.Status == vectorstores.Completed && row.file.Chunking == f.Chunking && !row.lexical:
			body, err = a.keep(row, f)
		default:
			if err := row.detach(a.tx, counts); err != nil {
				return nil, err
			}
			body, err = a.insert(f, counts)
		}
		if err != nil {
			return nil, err
		}
	}
	return body, counts.write(a.tx)
}

// insert adds a file that the store does not have.
func (a *attachment) insert(f vectorstores.NewFile, counts *census) (json.RawMessage, error) {
	counts.store(a.storeID).add(vectorstores.InProgress, 1) // the batch has counted it itself
	var batchID *string
	if a.batch != nil {
		batchID = &a.batch.ID
	}
	return insertStoreFile(a.tx, a.project, f.Build(a.storeID, a.at), batchID)
}

// join lets one more wait for a file that is in progress. With another chunking
// it is read from its beginning.
func (a *attachment) join(row *fileRow, f vectorstores.NewFile) (json.RawMessage, error) {
	joining := row.batchID
	if a.batch != nil {
		joining = &a.batch.ID
	} else {
		row.batchID = nil // from now on it is in the store for itself
	}
	if joining != nil {
		_, err := a.tx.Exec("INSERT INTO vector_store_batch_files (batch_id, store_id, file_id) VALUES ($1, $2, $3)", *joining, a.storeID, f.FileID)
		if err != nil {
			return nil, err
		}
	}
	if row.file.Chunking != f.Chunking {
		if _, err := a.tx.Exec("UPDATE vector_store_files SET epoch = epoch + 1 WHERE seq = $1", row.seq); err != nil {
			return nil, err
		}
		if err := dropChunks(a.tx, row.seq); err != nil {
			return nil, err
		}
	}
	row.file.Chunking, row.file.Attributes = f.Chunking, f.Attributes
	return row.save(a.tx)
}

// keep leaves a completed file as it is. It is the new batch's now; the one it
// came in has counted it.
func (a *attachment) keep(row *fileRow, f vectorstores.NewFile) (json.RawMessage, error) {
	if a.batch != nil {
		row.batchID = &a.batch.ID
		a.batch.Count(vectorstores.InProgress, -1)
		a.batch.Count(vectorstores.Completed, 1)
	}
	row.file.Attributes = f.Attributes
	return row.save(a.tx)
}

func insertStoreFile(tx *Tx, project string, f *vectorstores.StoreFile, batchID *string) (json.RawMessage, error) {
	body, err := wire.Marshal(f)
	if err != nil {
		return nil, err
	}
	attributes, err := attributesColumn(f.Attributes)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec("INSERT INTO vector_store_files (project_id, store_id, id, batch_id, status, attributes, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		project, f.VectorStoreID, f.ID, batchID, string(f.Status), attributes, string(body))
	return body, err
}

// attributesColumn is null for a file without any, which most are.
func attributesColumn(a vectorstores.Attributes) (any, error) {
	if len(a) == 0 {
		return nil, nil
	}
	text, err := wire.Marshal(a)
	return string(text), err
}

// detachPiece is how many rows are detached or cancelled in one transaction.
const detachPiece = 200

// detachEverywhere takes a file that is deleted out of stores, a piece of them
// at a time: more is whether there may be others.
func detachEverywhere(tx *Tx, fileID string) (more bool, err error) {
	rows, err := readFileRows(tx, "id = $1 AND body IS NOT NULL LIMIT $2", fileID, detachPiece)
	if err != nil {
		return false, err
	}
	counts := newCensus()
	for _, row := range rows {
		if err := row.detach(tx, counts); err != nil {
			return false, err
		}
	}
	return len(rows) == detachPiece, counts.write(tx)
}
