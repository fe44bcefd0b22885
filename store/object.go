package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"understudy/api/wire"
)

// notFound turns the absence of a row into the domain's word for it.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return wire.ErrNotFound
	}
	return err
}

// readBody runs a query for the JSON of one object, which may be NULL.
func readBody(r Reader, query string, args ...any) (json.RawMessage, error) {
	body, err := readBytes(r, query, args...)
	if err == nil && !looksSound(body) && !json.Valid(body) {
		return nil, r.damaged(fmt.Errorf("%w: an object is no JSON", wire.ErrDamaged))
	}
	return body, err
}

// readBytes runs a query for one column of bytes.
func readBytes(r Reader, query string, args ...any) ([]byte, error) {
	var body []byte
	err := r.QueryRow(query, args...).Scan(&body)
	return body, notFound(err)
}

// table names one of the tables whose rows are objects: id, body. But for
// messages they are a project's, in a list of their own: seq, project_id.
type table string

const (
	assistantsTable table = "assistants"
	threadsTable    table = "threads"
	filesTable      table = "files"
	messagesTable   table = "messages"
	queueTable      table = "thread_queue"
	versionsTable   table = "message_versions"

	vectorStoresTable table = "vector_stores"
	batchesTable      table = "vector_store_batches"
)

func (t table) read(r Reader, project, id string) (json.RawMessage, error) {
	return readBody(r, "SELECT body FROM "+string(t)+" WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", id, project)
}

// update rewrites an object inside the transaction it was read in.
func update[T any](tx *Tx, t table, project, id string, change func(*T)) (json.RawMessage, error) {
	body, err := t.read(tx, project, id)
	if err != nil {
		return nil, err
	}
	return rewrite(tx, t, id, body, change)
}

// rewrite changes the object whose body was just read.
func rewrite[T any](tx *Tx, t table, id string, body json.RawMessage, change func(*T)) (json.RawMessage, error) {
	var object T
	if err := decode(tx, body, &object); err != nil {
		return nil, fmt.Errorf("decode %s: %w", id, err)
	}
	change(&object)
	body, err := wire.Marshal(&object)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec("UPDATE "+string(t)+" SET body = $1 WHERE id = $2", string(body), id)
	return body, err
}

// remove deletes an object but keeps its place in the list.
func (t table) remove(tx *Tx, project, id string) error {
	n, err := tx.Exec("UPDATE "+string(t)+" SET body = NULL WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", id, project)
	if err == nil && n == 0 {
		return wire.ErrNotFound
	}
	return err
}

// errTaken answers the creation of an object under an id that is in use, maybe
// by another project, which is not told.
func errTaken(id string) error {
	return wire.InvalidValue("Understudy-Id", "The id '%s' is already in use; choose another one or leave it out.", id)
}

// taken turns the violation of a table's unique id into errTaken.
func taken(err error, id string) error {
	if _, ok := IsUnique(err); ok {
		return errTaken(id)
	}
	return err
}
