package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"understudy/files/vectorstores/index"
)

// Entry is one row of an archive: what [DB.Export] reads and [Importer.Add] puts back.
type Entry struct {
	Kind    string          `json:"kind"`
	Project string          `json:"project,omitempty"`
	Object  json.RawMessage `json:"object,omitempty"` // as it is shown; nil = deleted, its place in the list is kept
	Row     Columns         `json:"row,omitempty"`    // the row's other columns
	Chunks  []ArchivedChunk `json:"chunks,omitempty"` // only of kind ChunksKind
}

// ArchivedChunk is a chunk of a file of a vector store, with its vector as it is stored.
type ArchivedChunk struct {
	Ordinal int    `json:"ordinal"`
	Text    string `json:"text"`
	Tokens  int    `json:"tokens"`
	Page    int    `json:"page,omitempty"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
	Vector  []byte `json:"vector,omitempty"` // little-endian float32
}

// The kinds that are more than a row: content travels behind a file, chunks behind a file of a vector store.
const (
	FileKind   = "file"
	ChunksKind = "vector_store.file.chunks"
)

// archivedTable is a table that travels.
type archivedTable struct {
	kind, table string
	key         []string // what a row is known by
	order       string
	parent      string // kind of what it belongs to, "" = nothing
	parentID    string // column that names it
	renumber    bool   // seq is the database's own, and given anew
	body        bool   // has an object
	unowned     bool   // has no project_id; it is its parent's
	unlisted    bool   // has rows with a hidden_of, which do not travel
	reset       map[string]any
}

// archived lists what an archive holds, parents first. Left out are keys, the answers kept for Idempotency-Key, uploads
// that were not completed, events that endpoints have not taken yet, and the tables of chunks, whose ids are the
// database's own: chunks travel with their file.
var archived = []archivedTable{
	{kind: FileKind, table: "files", key: []string{"id"}, order: "seq", renumber: true, body: true},
	{kind: "assistant", table: "assistants", key: []string{"id"}, order: "seq", renumber: true, body: true},
	{kind: "vector_store", table: "vector_stores", key: []string{"id"}, order: "seq", renumber: true, body: true},
	{kind: "vector_store.file_batch", table: "vector_store_batches", key: []string{"id"}, order: "seq", renumber: true, body: true, parent: "vector_store", parentID: "store_id"},
	{kind: storeFileKind, table: "vector_store_files", key: []string{"store_id", "id"}, order: "seq", renumber: true, body: true, parent: "vector_store", parentID: "store_id"},
	{
		kind: "vector_store.file_batch.file", table: "vector_store_batch_files", key: []string{"batch_id", "file_id"},
		order: "batch_id, file_id", unowned: true, parent: "vector_store", parentID: "store_id",
	},
	{kind: "thread", table: "threads", key: []string{"id"}, order: "seq", renumber: true, body: true, unlisted: true},
	{kind: "thread.message", table: "messages", key: []string{"id"}, order: "thread_id, seq", body: true, parent: "thread", parentID: "thread_id"},
	{
		// In the order in which they were made, which is that of all runs over all threads, and of those of each thread.
		kind: "thread.run", table: "runs", key: []string{"id"}, order: "rowid", body: true, parent: "thread", parentID: "thread_id",
		reset: map[string]any{"lease_owner": "", "lease_until": int64(0)},
	},
	{kind: "thread.run.step", table: "steps", key: []string{"id"}, order: "run_id, seq", body: true, parent: "thread", parentID: "thread_id"},
	{kind: "thread.message.version", table: "message_versions", key: []string{"id"}, order: "seq", renumber: true, body: true, parent: "thread", parentID: "thread_id"},
	{kind: "thread.queued", table: "thread_queue", key: []string{"id"}, order: "thread_id, seq", parent: "thread", parentID: "thread_id"},
	{kind: "model_call", table: "model_calls", key: []string{"run_id", "seq"}, order: "run_id, seq", parent: "thread", parentID: "thread_id"},
	{kind: "prompt_message", table: "prompt_messages", key: []string{"thread_id", "hash"}, order: "thread_id, hash", unowned: true, parent: "thread", parentID: "thread_id"},
}

const storeFileKind = "vector_store.file"

// notArchived are the other tables.
var notArchived = []string{
	"answers", "keys", "uploads", "upload_parts",
	"webhook_deliveries",
	"message_terms", "threads_indexed", // made by searches
	"chunk_files", "chunk_stores", "chunk_terms", "chunk_vectors", "chunks", // see ChunksKind
	"goose_db_version",
}

func archivedKind(kind string) (archivedTable, bool) {
	i := slices.IndexFunc(archived, func(t archivedTable) bool { return t.kind == kind })
	if i < 0 {
		return archivedTable{}, false
	}
	return archived[i], true
}

// Export hands every row that travels to add, parents first and in their order, as of one moment. The blob of a file is
// in the column blob. The write-ahead log cannot be reused meanwhile.
func (db *DB) Export(ctx context.Context, add func(Entry) error) error {
	return db.View(ctx, func(r Reader) error {
		for _, t := range archived {
			if err := t.export(r, add); err != nil {
				return fmt.Errorf("export %s: %w", t.table, err)
			}
		}
		return nil
	})
}

// export leaves out what belonged to something that is deleted, which is about to be removed, and hidden forks.
func (t archivedTable) export(r Reader, add func(Entry) error) error {
	columns, where := "*", ""
	if t.unlisted {
		where = " WHERE hidden_of IS NULL"
	}
	if t.parent != "" {
		parent, _ := archivedKind(t.parent)
		travels := "p.body IS NOT NULL"
		if parent.unlisted {
			travels += " AND p.hidden_of IS NULL"
		}
		where = " WHERE EXISTS (SELECT 1 FROM " + parent.table + " p WHERE p.id = o." + t.parentID + " AND " + travels + ")"
		if t.unowned {
			columns = "o.*, (SELECT p.project_id FROM " + parent.table + " p WHERE p.id = o." + t.parentID + ") AS project_id"
		}
	}
	rows, err := r.Query("SELECT " + columns + " FROM " + t.table + " o" + where + " ORDER BY " + t.order)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e, err := t.scan(rows)
		if err != nil {
			return err
		}
		if err := add(e); err != nil {
			return err
		}
		if t.kind == storeFileKind && e.Object != nil {
			if err := exportChunks(r, e, add); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// scan reads a row, whatever columns the schema has come to give it.
func (t archivedTable) scan(rows *Rows) (Entry, error) {
	names, err := rows.Columns()
	if err != nil {
		return Entry{}, err
	}
	values, places := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		places[i] = &values[i]
	}
	if err := rows.Scan(places...); err != nil {
		return Entry{}, err
	}
	e := Entry{Kind: t.kind, Row: Columns{}}
	for i, name := range names {
		switch value := values[i]; {
		case name == "project_id":
			e.Project, _ = value.(string)
		case name == "body" && t.body:
			e.Object = rawJSON(value)
		default:
			e.Row[name] = value
		}
	}
	for name, value := range t.reset {
		e.Row[name] = value
	}
	return e, nil
}

func rawJSON(value any) json.RawMessage {
	switch text := value.(type) {
	case string:
		return json.RawMessage(text)
	case []byte:
		return slices.Clone(text)
	}
	return nil
}

// archivedChunks is how many chunks make one entry.
const archivedChunks = 64

// exportChunks reads the chunks of a file that can be found; those of a file still being indexed are made again.
func exportChunks(r Reader, file Entry, add func(Entry) error) error {
	seq := file.Row["seq"]
	var store, number int64
	err := r.QueryRow("SELECT store, number FROM chunk_files WHERE file_seq = $1 AND published IS NOT NULL", seq).Scan(&store, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	next, last := index.OfFile(store, number)
	for {
		chunks, err := readArchivedChunks(r, next, last)
		if err != nil {
			return err
		}
		full := len(chunks) == archivedChunks
		e := Entry{Kind: ChunksKind, Project: file.Project, Row: Columns{"file_seq": seq, "store_id": file.Row["store_id"], "last": int64(flag(!full))}, Chunks: chunks}
		if err := add(e); err != nil || !full {
			return err
		}
		next += archivedChunks
	}
}

// readArchivedChunks reads on from an id; the ordinals of a file have no gaps.
func readArchivedChunks(r Reader, first, last int64) ([]ArchivedChunk, error) {
	rows, err := r.Query(`SELECT c.id, c.tokens, c.page, c.start, c."end", c.text, v.vector FROM chunks c
		LEFT JOIN chunk_vectors v ON v.id = c.id WHERE c.id BETWEEN $1 AND $2 ORDER BY c.id LIMIT $3`, first, last, archivedChunks)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var chunks []ArchivedChunk
	for rows.Next() {
		var id int64
		var c ArchivedChunk
		if err := rows.Scan(&id, &c.Tokens, &c.Page, &c.Start, &c.End, &c.Text, &c.Vector); err != nil {
			return nil, err
		}
		c.Ordinal = index.Ordinal(id)
		chunks = append(chunks, c)
	}
	return chunks, rows.Err()
}

// Columns are some of a row by their names: int64, string, []byte or nil.
type Columns map[string]any

// archivedBytes is how bytes stand in JSON, apart from text.
type archivedBytes struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (c Columns) MarshalJSON() ([]byte, error) {
	shown := make(map[string]any, len(c))
	for name, value := range c {
		switch value := value.(type) {
		case nil, int64, string:
			shown[name] = value
		case []byte:
			shown[name] = archivedBytes{present(value)}
		default:
			return nil, fmt.Errorf("the column %s holds a %T, which no archive can", name, value)
		}
	}
	return json.Marshal(shown)
}

// present tells no bytes from no value: SQLite's driver hands out both as nil slices, but the latter not as a []byte.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Columns) UnmarshalJSON(raw []byte) error {
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(raw, &columns); err != nil {
		return err
	}
	*c = Columns{}
	for name, value := range columns {
		read, err := readColumn(value)
		if err != nil {
			return fmt.Errorf("the column %s: %w", name, err)
		}
		(*c)[name] = read
	}
	return nil
}

func readColumn(raw json.RawMessage) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case '{':
		var bytes archivedBytes
		err := json.Unmarshal(raw, &bytes)
		return present(bytes.Base64), err
	}
	var number int64
	err := json.Unmarshal(raw, &number)
	return number, err
}
