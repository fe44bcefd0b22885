package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"understudy/files/vectorstores/index"
)

// Outcome is what became of an entry.
type Outcome int

// The outcomes. An entry that was there already is left as it is.
const (
	Added     Outcome = iota
	Same              // it was there, as it comes
	Different         // it was there, and has changed or was deleted since
)

// Importer puts entries into the database, inside one transaction.
type Importer struct {
	tx      *Tx
	columns map[string][]string // of each table
	fate    map[string]Outcome  // of what others belong to, by fateKey
	places  map[int64]int64     // of files of vector stores: seq in the archive, seq here
}

// Import runs fn inside one transaction: when fn fails, nothing of it is kept. Nothing else is written meanwhile, so the
// database must be held by Open.
func (db *DB) Import(ctx context.Context, fn func(*Importer) error) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		tx.onCommit(func(db *DB) { db.tails.clear() })
		tx.onCommit(func(db *DB) { db.assistants.forget() })
		return fn(&Importer{tx: tx, columns: map[string][]string{}, fate: map[string]Outcome{}, places: map[int64]int64{}})
	})
}

// Has says what Add would make of an entry whose place can be known from it alone: one that belongs to nothing.
func (i *Importer) Has(e Entry) (Outcome, error) {
	t, ok := archivedKind(e.Kind)
	if !ok || t.parent != "" {
		return Added, nil
	}
	return i.compare(t, e, t.identity(e))
}

// Add puts an entry into its table, unless it is there. What it belongs to must have come before it.
func (i *Importer) Add(e Entry) (Outcome, error) {
	if e.Kind == ChunksKind {
		return i.addChunks(e)
	}
	t, ok := archivedKind(e.Kind)
	if !ok {
		return 0, fmt.Errorf("the kind %q is unknown: a newer understudy wrote it", e.Kind)
	}
	if e.Row == nil {
		e.Row = Columns{}
	}
	id, _ := e.Row["id"].(string)
	known := t.identity(e)
	for k, value := range known {
		if value == nil || value == "" {
			return 0, fmt.Errorf("it has no %s", t.key[k])
		}
	}
	outcome, err := i.place(t, e, known)
	if err == nil {
		i.fate[fateKey(t.kind, e.Project, id)] = outcome
	}
	return outcome, err
}

func fateKey(kind, project, id string) string { return kind + " " + project + " " + id }

// identity is what the row is known by.
func (t archivedTable) identity(e Entry) []any {
	values := make([]any, len(t.key))
	for i, column := range t.key {
		values[i] = e.Row[column]
	}
	return values
}

func (i *Importer) place(t archivedTable, e Entry, known []any) (Outcome, error) {
	fresh := false // it belongs to what this import has brought: only then its own place is free for certain
	if t.parent != "" {
		belongs, _ := e.Row[t.parentID].(string)
		fate, err := i.parent(t, e.Project, belongs)
		if err != nil || fate == Different {
			return fate, err
		}
		fresh = fate == Added
	}
	if !fresh {
		if outcome, err := i.compare(t, e, known); err != nil || outcome != Added {
			return outcome, err
		}
		if t.parent != "" && t.body && e.Object == nil {
			return Same, nil // the place of something deleted, in a list that has places of its own
		}
		if t.table == string(queueTable) || e.Row["active"] == int64(isEnqueued) {
			return Same, nil // what waits in a thread that is there has its turn where it comes from
		}
	}
	return Added, i.insert(t, e, fresh)
}

// parent says whether what an entry belongs to came with this import, was there, or is there no more.
func (i *Importer) parent(t archivedTable, project, id string) (Outcome, error) {
	key := fateKey(t.parent, project, id)
	fate, came := i.fate[key]
	if came && fate != Different {
		return fate, nil
	}
	parent, _ := archivedKind(t.parent)
	var owner string
	var gone bool
	err := i.tx.QueryRow("SELECT project_id, body IS NULL FROM "+parent.table+" WHERE id = $1", id).Scan(&owner, &gone)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("it belongs to the %s %q, which is not in the archive", t.parent, id)
	case err != nil:
		return 0, err
	case owner != project:
		return 0, fmt.Errorf("it belongs to the %s %q of another project", t.parent, id)
	case gone:
		return Different, nil
	}
	i.fate[key] = Same
	return Same, nil
}

// compare looks an entry up: Added means that it is not there.
func (i *Importer) compare(t archivedTable, e Entry, known []any) (Outcome, error) {
	var conditions []string
	for n, column := range t.key {
		conditions = append(conditions, column+" = $"+strconv.Itoa(n+1))
	}
	body, project := "NULL", "project_id"
	if t.body {
		body = "body"
	}
	if t.unowned {
		project = "''"
	}
	if t.kind == storeFileKind { // a file may have been in a store before
		conditions = append(conditions, "body IS NOT NULL")
	}
	var owner string
	var stored []byte
	err := i.tx.QueryRow("SELECT "+project+", "+body+" FROM "+t.table+" WHERE "+strings.Join(conditions, " AND "), known...).Scan(&owner, &stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Added, nil
	case err != nil:
		return 0, err
	case owner != e.Project && !t.unowned:
		return 0, fmt.Errorf("the id %v is in use by another project", known[len(known)-1])
	case t.body && string(stored) != string(e.Object):
		return Different, nil
	}
	return Same, nil
}

// insert adds the row. Where the list is not this import's, a place that is taken becomes the next one.
func (i *Importer) insert(t archivedTable, e Entry, fresh bool) error {
	row := maps.Clone(e.Row)
	if !t.unowned {
		row["project_id"] = e.Project
	}
	if t.body {
		row["body"] = nil
		if e.Object != nil {
			row["body"] = string(e.Object)
		}
	}
	seq, _ := row["seq"].(int64)
	if t.renumber {
		delete(row, "seq")
	} else if !fresh && slices.Contains([]string{"messages", "runs", "steps", "thread_queue"}, t.table) {
		free, err := i.freePlace(t, row)
		if err != nil {
			return err
		}
		row["seq"] = free
	}
	if err := i.checkColumns(t, row); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(row))
	values, places := make([]any, len(names)), make([]string, len(names))
	for n, name := range names {
		values[n], places[n] = row[name], "$"+strconv.Itoa(n+1)
	}
	into := "INSERT INTO " + t.table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
	if !t.renumber {
		_, err := i.tx.Exec(into, values...)
		return err
	}
	var place int64
	err := i.tx.QueryRow(into+" RETURNING seq", values...).Scan(&place)
	if err == nil && t.kind == storeFileKind {
		i.places[seq] = place
	}
	return err
}

// freePlace is the entry's own place in its list when it is free, else the next.
func (i *Importer) freePlace(t archivedTable, row Columns) (seq int64, err error) {
	list := "thread_id"
	if t.table == "steps" {
		list = "run_id"
	}
	err = i.tx.QueryRow("SELECT CASE WHEN EXISTS (SELECT 1 FROM "+t.table+" WHERE "+list+" = $1 AND seq = $2) THEN"+
		" (SELECT MAX(seq) + 1 FROM "+t.table+" WHERE "+list+" = $1) ELSE $2 END", row[list], row["seq"]).Scan(&seq)
	return seq, err
}

// checkColumns refuses a row that the schema has no place for; what an older one did not have has its default.
func (i *Importer) checkColumns(t archivedTable, row Columns) error {
	if i.columns[t.table] == nil {
		names, err := readStrings(i.tx, "SELECT name FROM pragma_table_info('"+t.table+"')")
		if err != nil {
			return err
		}
		i.columns[t.table] = names
	}
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if !slices.Contains(i.columns[t.table], name) {
			return fmt.Errorf("the column %q is unknown: a newer understudy wrote it", name)
		}
	}
	return nil
}

// addChunks adds chunks to a file that this import has brought.
func (i *Importer) addChunks(e Entry) (Outcome, error) {
	seq, _ := e.Row["file_seq"].(int64)
	place, brought := i.places[seq]
	if !brought {
		return Same, nil
	}
	storeID, _ := e.Row["store_id"].(string)
	store, number, err := chunkFile(i.tx, storeID, place)
	if err != nil {
		return 0, err
	}
	for _, c := range e.Chunks {
		if len(c.Vector)%4 != 0 {
			return 0, fmt.Errorf("the vector of chunk %d has %d bytes, which is no multiple of 4", c.Ordinal, len(c.Vector))
		}
		chunk := index.Chunk{Ordinal: c.Ordinal, Text: c.Text, Tokens: c.Tokens, Page: c.Page, Start: c.Start, End: c.End}
		if err := insertChunk(i.tx, store, number, newChunk{chunk, termsOf(c.Text), c.Vector}); err != nil {
			return 0, err
		}
	}
	if _, err := i.tx.Exec("UPDATE chunk_files SET chunks = chunks + $1 WHERE store = $2 AND number = $3", len(e.Chunks), store, number); err != nil {
		return 0, err
	}
	if e.Row["last"] == int64(1) {
		return Added, publishChunks(i.tx, place)
	}
	return Added, nil
}
