package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// fileRow is a row of vector_store_files that still has its file.
type fileRow struct {
	seq     int64
	batchID *string
	lexical bool
	file    *vectorstores.StoreFile
}

// readFileRows reads the rows that a condition selects.
func readFileRows(r Reader, where string, args ...any) ([]*fileRow, error) {
	rows, err := r.Query("SELECT seq, batch_id, lexical, body FROM vector_store_files o WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*fileRow
	for rows.Next() {
		row := &fileRow{file: &vectorstores.StoreFile{}}
		var body []byte
		if err := rows.Scan(&row.seq, &row.batchID, &row.lexical, &body); err != nil {
			return nil, err
		}
		if err := decode(rows, body, row.file); err != nil {
			return nil, fmt.Errorf("decode a file of a vector store: %w", err)
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// liveRow is the row of a file in a store, nil when it is not there.
func liveRow(r Reader, storeID, fileID string) (*fileRow, error) {
	rows, err := readFileRows(r, "store_id = $1 AND id = $2 AND body IS NOT NULL", storeID, fileID)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// ownRow is the row of a file in a store of a project.
func ownRow(r Reader, project, storeID, fileID string) (*fileRow, error) {
	rows, err := readFileRows(r, inStore+" AND o.id = $3 AND body IS NOT NULL", storeID, project, fileID)
	if err == nil && len(rows) == 0 {
		return nil, wire.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// save writes the row's file as it is now.
func (r *fileRow) save(tx *Tx) (json.RawMessage, error) {
	body, err := wire.Marshal(r.file)
	if err != nil {
		return nil, err
	}
	attributes, err := attributesColumn(r.file.Attributes)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec("UPDATE vector_store_files SET status = $1, batch_id = $2, lexical = $3, attributes = $4, body = $5 WHERE seq = $6",
		string(r.file.Status), r.batchID, flag(r.lexical), attributes, string(body), r.seq)
	return body, err
}

// change edits the file, its status too, which its store and batches count.
func (r *fileRow) change(tx *Tx, counts *census, edit func()) error {
	batches, err := r.batches(tx)
	if err != nil {
		return err
	}
	r.count(counts, batches, -1)
	edit()
	r.count(counts, batches, 1)
	_, err = r.save(tx)
	return err
}

// count counts the file n times as what it is now.
func (r *fileRow) count(counts *census, batches []string, n int) {
	store := counts.store(r.file.VectorStoreID)
	store.add(r.file.Status, n)
	store.usage += int64(n) * r.file.UsageBytes
	for _, id := range batches {
		counts.batch(id).add(r.file.Status, n)
	}
}

// batches are those that wait for a file in progress, its own first. What has
// ended changes the counts of none.
func (r *fileRow) batches(tx *Tx) ([]string, error) {
	if r.file.Status != vectorstores.InProgress {
		return nil, nil
	}
	ids, err := readStrings(tx, "SELECT batch_id FROM vector_store_batch_files WHERE store_id = $1 AND file_id = $2", r.file.VectorStoreID, r.file.ID)
	if r.batchID != nil {
		ids = slices.Insert(ids, 0, *r.batchID)
	}
	return ids, err
}

// detach takes the file out of its store. Its batches keep what became of it; a
// file that was still to be indexed counts as cancelled there.
func (r *fileRow) detach(tx *Tx, counts *census) error {
	batches, err := r.batches(tx)
	if err != nil {
		return err
	}
	store := counts.store(r.file.VectorStoreID)
	store.add(r.file.Status, -1)
	store.usage -= r.file.UsageBytes
	store.review = store.review || r.lexical
	for _, id := range batches {
		counts.batch(id).cancelOne()
	}
	if _, err := tx.Exec("DELETE FROM vector_store_batch_files WHERE store_id = $1 AND file_id = $2", r.file.VectorStoreID, r.file.ID); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE vector_store_files SET status = $1, lexical = 0, attributes = NULL, body = NULL WHERE seq = $2", detached, r.seq); err != nil {
		return err
	}
	return dropChunks(tx, r.seq)
}

// census gathers what a transaction changes of counts, so that each store and
// batch is written once.
type census struct {
	stores, batches map[string]*recount
}

// recount is how the counts of one store or batch change.
type recount struct {
	statuses map[vectorstores.Status]int
	usage    int64
	review   bool // whether all files have their vectors may have changed
	foreign  bool // a file can have no vectors that fit the store's
}

func newCensus() *census {
	return &census{stores: map[string]*recount{}, batches: map[string]*recount{}}
}

func (c *census) store(id string) *recount { return recountOf(c.stores, id) }
func (c *census) batch(id string) *recount { return recountOf(c.batches, id) }

func recountOf(all map[string]*recount, id string) *recount {
	if all[id] == nil {
		all[id] = &recount{statuses: map[vectorstores.Status]int{}}
	}
	return all[id]
}

func (r *recount) add(status vectorstores.Status, n int) { r.statuses[status] += n }

// cancelOne counts a file as cancelled that was in progress.
func (r *recount) cancelOne() {
	r.add(vectorstores.InProgress, -1)
	r.add(vectorstores.Cancelled, 1)
}

// write brings every count up to date. A store that is gone counts no more.
func (c *census) write(tx *Tx) error {
	for id, change := range c.stores {
		lexical := false
		if change.review {
			if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM vector_store_files WHERE store_id = $1 AND lexical = 1)", id).Scan(&lexical); err != nil {
				return err
			}
		}
		err := changeVectorStore(tx, id, func(v *vectorstores.VectorStore) error {
			for status, n := range change.statuses {
				v.Count(status, n)
			}
			v.Weigh(change.usage)
			if change.review {
				v.FoundByWords(lexical, change.foreign)
			}
			return nil
		})
		if err != nil && !errors.Is(err, wire.ErrNotFound) {
			return err
		}
	}
	for id, change := range c.batches {
		if err := recountBatch(tx, id, change); err != nil {
			return err
		}
	}
	return nil
}
