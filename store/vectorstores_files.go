package store

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"understudy/api/wire"
	"understudy/files"
	"understudy/files/vectorstores"
)

// inStore is the condition that a row belongs to a store of a project that
// still exists; the row's table must be named o.
const inStore = "o.store_id = $1 AND o.project_id = $2 AND EXISTS (SELECT 1 FROM vector_stores v WHERE v.id = o.store_id AND v.body IS NOT NULL)"

// StoreFile implements vectorstores.Store.
func (db *DB) StoreFile(ctx context.Context, project, storeID, fileID string) (json.RawMessage, error) {
	return readBody(db.Read(ctx), "SELECT body FROM vector_store_files o WHERE "+inStore+" AND o.id = $3 AND body IS NOT NULL", storeID, project, fileID)
}

// StoreFiles implements vectorstores.Store. The project is the caller's to check.
func (db *DB) StoreFiles(ctx context.Context, project, storeID string, q vectorstores.FileQuery) (wire.List, error) {
	all := listing{table: "vector_store_files", where: "store_id = $1", args: []any{storeID}}
	shown := listing{table: "vector_store_files", where: "store_id = $1 AND project_id = $2", args: []any{storeID, project}}
	if q.BatchID != "" { // the expression keeps the planner from walking the whole store for a small batch
		shown = listing{table: "vector_store_files", where: "store_id || '' = $1 AND project_id = $2 AND " + ofBatch, args: []any{storeID, project, q.BatchID}}
	}
	if q.Status != "" {
		column := "status"
		if q.BatchID != "" {
			column = "status || ''"
		}
		shown.args = append(shown.args, string(q.Status))
		shown.where += " AND " + column + " = $" + strconv.Itoa(len(shown.args))
	}
	return all.page(db.Read(ctx), q.Page, shown.live())
}

// UpdateAttributes implements vectorstores.Store.
func (db *DB) UpdateAttributes(ctx context.Context, project, storeID, fileID string, a vectorstores.Attributes) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		row, err := ownRow(tx, project, storeID, fileID)
		if err != nil {
			return err
		}
		row.file.Attributes = a
		body, err = row.save(tx)
		return err
	})
	return body, err
}

// DetachFile implements vectorstores.Store.
func (db *DB) DetachFile(ctx context.Context, project, storeID, fileID string) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		row, err := ownRow(tx, project, storeID, fileID)
		if err != nil {
			return err
		}
		counts := newCensus()
		if err := row.detach(tx, counts); err != nil {
			return err
		}
		return counts.write(tx)
	})
}

// FileNames implements vectorstores.Store.
func (db *DB) FileNames(ctx context.Context, project string, ids []string) (map[string]string, error) {
	r := db.Read(ctx)
	names := make(map[string]string, len(ids))
	for _, id := range ids {
		body, err := filesTable.read(r, project, id)
		if errors.Is(err, wire.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var f files.File
		if err := decode(r, body, &f); err != nil {
			return nil, err
		}
		names[id] = f.Filename
	}
	return names, nil
}

// FoundFiles implements vectorstores.Store.
func (db *DB) FoundFiles(ctx context.Context, project string, keys []int64) (map[int64]vectorstores.FoundFile, error) {
	found := make(map[int64]vectorstores.FoundFile, len(keys))
	r := db.Read(ctx)
	for _, key := range keys {
		if _, known := found[key]; known {
			continue
		}
		rows, err := readFileRows(r, "seq = $1 AND project_id = $2 AND status = 'completed'", key, project)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			continue
		}
		names, err := db.FileNames(ctx, project, []string{rows[0].file.ID})
		if err != nil {
			return nil, err
		}
		if name, ok := names[rows[0].file.ID]; ok {
			found[key] = vectorstores.FoundFile{FileID: rows[0].file.ID, Filename: name, Attributes: rows[0].file.Attributes}
		}
	}
	return found, nil
}

// FilesByAttributes implements vectorstores.Store.
func (db *DB) FilesByAttributes(ctx context.Context, storeID string, match func(vectorstores.Attributes) bool) ([]int64, error) {
	rows, err := db.Query(ctx, "SELECT seq, attributes FROM vector_store_files WHERE store_id = $1 AND status = 'completed'", storeID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []int64
	for rows.Next() {
		var key int64
		var text []byte
		if err := rows.Scan(&key, &text); err != nil {
			return nil, err
		}
		var a vectorstores.Attributes
		if text != nil {
			if err := decode(rows, text, &a); err != nil {
				return nil, err
			}
		}
		if match(a) {
			keys = append(keys, key)
		}
	}
	return keys, rows.Err()
}

// FileText implements vectorstores.Store.
func (db *DB) FileText(ctx context.Context, project, storeID, fileID string) (text string, err error) {
	err = db.View(ctx, func(r Reader) error {
		row, err := ownRow(r, project, storeID, fileID)
		if err != nil || row.file.Status != vectorstores.Completed {
			return err
		}
		text, err = chunkText(r, row.seq)
		return err
	})
	return text, err
}

// chunkText puts a file's text together from its chunks, which overlap. White
// space that stood between chunks is a blank line.
func chunkText(r Reader, fileSeq int64) (string, error) {
	var text strings.Builder
	end := 0
	for next := 0; ; {
		chunks, err := readChunks(r, fileSeq, next, purgeBatch)
		if err != nil || len(chunks) == 0 {
			return text.String(), err
		}
		for _, c := range chunks {
			fresh := []rune(c.Text)
			switch {
			case c.Start > end && end > 0:
				text.WriteString("\n\n")
			case c.Start < end:
				fresh = fresh[min(end-c.Start, len(fresh)):]
			}
			text.WriteString(string(fresh))
			end, next = max(end, c.End), c.Ordinal+1
		}
	}
}
