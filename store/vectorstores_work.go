package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"understudy/files/vectorstores"
	"understudy/files/vectorstores/index"
)

// NextFile implements vectorstores.Store.
func (db *DB) NextFile(ctx context.Context, behind string, inHand []int64) (*vectorstores.Work, error) {
	for _, start := range []string{behind, ""} { // once around, from behind the last store
		seq, err := waitingFile(db.Read(ctx), start, inHand)
		if err != nil {
			return nil, err
		}
		if seq == 0 {
			continue
		}
		var w *vectorstores.Work
		err = db.Write(ctx, func(_ context.Context, tx *Tx) error {
			w, err = takeUp(tx, seq)
			return err
		})
		return w, err
	}
	return nil, nil
}

// waitingFile answers the first row in progress of the stores behind one, 0
// when there is none. No more rows are in hand than there are workers.
func waitingFile(r Reader, behind string, inHand []int64) (int64, error) {
	rows, err := r.Query(`SELECT f.seq FROM vector_store_files f JOIN vector_stores v ON v.id = f.store_id
		WHERE f.status = 'in_progress' AND f.store_id > $1 AND v.gone = 0 ORDER BY f.store_id, f.seq LIMIT $2`, behind, len(inHand)+1)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return 0, err
		}
		if !slices.Contains(inHand, seq) {
			return seq, nil
		}
	}
	return 0, rows.Err()
}

// takeUp begins a new epoch of a row, nil when it is no longer in progress.
func takeUp(tx *Tx, seq int64) (*vectorstores.Work, error) {
	w := &vectorstores.Work{Seq: seq}
	err := tx.QueryRow("UPDATE vector_store_files SET epoch = epoch + 1 WHERE seq = $1 AND status = 'in_progress' RETURNING epoch, project_id", seq).
		Scan(&w.Epoch, &w.Project)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := readFileRows(tx, "seq = $1", seq)
	if err != nil {
		return nil, err
	}
	w.StoreID, w.FileID, w.Chunking = rows[0].file.VectorStoreID, rows[0].file.ID, rows[0].file.Chunking
	if w.Of, err = embeddingOf(tx, w.StoreID); err != nil {
		return nil, err
	}
	if w.Stored, err = countChunks(tx, seq); err != nil || w.Stored == 0 {
		return w, err
	}
	last, err := readChunks(tx, seq, w.Stored-1, 1)
	if err == nil && len(last) == 1 {
		w.End = last[0].End
	}
	return w, err
}

// held answers the row of a file that is still the caller's to index.
func held(tx *Tx, w *vectorstores.Work) (*fileRow, error) {
	rows, err := readFileRows(tx, "seq = $1 AND epoch = $2 AND status = 'in_progress' AND EXISTS (SELECT 1 FROM vector_stores v WHERE v.id = o.store_id AND v.gone = 0)", w.Seq, w.Epoch)
	if err == nil && len(rows) == 0 {
		return nil, vectorstores.ErrLost
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// StoreChunks implements vectorstores.Store.
func (db *DB) StoreChunks(ctx context.Context, w *vectorstores.Work, of vectorstores.Embedding, chunks []index.Chunk) error {
	made := newChunks(chunks)
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		if _, err := held(tx, w); err != nil {
			return err
		}
		if err := pinEmbedding(tx, w.StoreID, of); err != nil {
			return err
		}
		if chunks[0].Ordinal == 0 {
			if err := dropChunks(tx, w.Seq); err != nil {
				return err
			}
		} else if n, err := countChunks(tx, w.Seq); err != nil || n != chunks[0].Ordinal {
			return errors.Join(err, vectorstores.ErrLost)
		}
		return insertChunks(tx, w.StoreID, w.Seq, made)
	})
}

// pinEmbedding makes sure that all vectors of a store are of the same.
func pinEmbedding(tx *Tx, storeID string, of vectorstores.Embedding) error {
	if of == (vectorstores.Embedding{}) {
		return nil
	}
	have, err := embeddingOf(tx, storeID)
	switch {
	case err != nil || have == of:
		return err
	case have != vectorstores.Embedding{}:
		return vectorstores.ErrOtherVectors
	}
	_, err = tx.Exec("UPDATE vector_stores SET embedding = $1, dimensions = $2 WHERE id = $3", of.Model, of.Dimensions, storeID)
	return err
}

// FinishFile implements vectorstores.Store.
func (db *DB) FinishFile(ctx context.Context, w *vectorstores.Work, done vectorstores.Done) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		row, err := held(tx, w)
		if err != nil {
			return err
		}
		counts := newCensus()
		to := vectorstores.Completed
		if done.Err != nil {
			to = vectorstores.Failed
			err = dropChunks(tx, w.Seq)
		} else {
			err = publishChunks(tx, w.Seq)
		}
		if err != nil {
			return err
		}
		counts.store(w.StoreID).review, counts.store(w.StoreID).foreign = done.Lexical, done.Foreign
		err = row.change(tx, counts, func() {
			row.file.Status, row.file.UsageBytes, row.file.LastError, row.lexical = to, done.Usage, done.Err, done.Lexical
		})
		if err != nil {
			return err
		}
		return counts.write(tx)
	})
}
