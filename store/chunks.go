package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"understudy/files/vectorstores/index"
)

// newChunk is a chunk with what its rows hold that takes time to make, and is therefore made before the transaction.
type newChunk struct {
	index.Chunk
	terms  string
	packed []byte // nil for a chunk without a vector
}

func newChunks(chunks []index.Chunk) []newChunk {
	made := make([]newChunk, len(chunks))
	for i, c := range chunks {
		made[i] = newChunk{Chunk: c, terms: termsOf(c.Text), packed: index.Pack(c.Vector)}
	}
	return made
}

// termsOf are the terms of a text as the full-text table takes them.
func termsOf(text string) string { return strings.Join(index.Terms(text), " ") }

// insertChunks adds chunks to a file of a store. They are found when the file is published; until then they may come in
// several batches, each chunk once.
func insertChunks(tx *Tx, storeID string, fileSeq int64, chunks []newChunk) error {
	store, number, err := chunkFile(tx, storeID, fileSeq)
	if err != nil {
		return err
	}
	for _, c := range chunks {
		if err := insertChunk(tx, store, number, c); err != nil {
			return err
		}
	}
	_, err = tx.Exec("UPDATE chunk_files SET chunks = chunks + $1 WHERE store = $2 AND number = $3", len(chunks), store, number)
	return err
}

// insertChunk adds a chunk at its place.
func insertChunk(tx *Tx, store, number int64, c newChunk) error {
	id, err := index.ID(store, number, c.Ordinal)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO chunks (id, tokens, page, start, "end", text) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, c.Tokens, c.Page, c.Start, c.End, c.Text); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO chunk_terms (rowid, terms) VALUES ($1, $2)", id, c.terms); err != nil {
		return err
	}
	if c.packed == nil {
		return nil
	}
	_, err = tx.Exec("INSERT INTO chunk_vectors (id, vector) VALUES ($1, $2)", id, c.packed)
	return err
}

// chunkFile finds a file's place among the chunks, or makes one.
func chunkFile(tx *Tx, storeID string, fileSeq int64) (store, number int64, err error) {
	err = tx.QueryRow("SELECT store, number FROM chunk_files WHERE file_seq = $1", fileSeq).Scan(&store, &number)
	if !errors.Is(err, sql.ErrNoRows) {
		return store, number, err
	}
	err = tx.QueryRow(`INSERT INTO chunk_stores (store_id, files) VALUES ($1, 1)
		ON CONFLICT (store_id) DO UPDATE SET files = files + 1 RETURNING seq, files`, storeID).Scan(&store, &number)
	if err != nil {
		return 0, 0, err
	}
	_, err = tx.Exec("INSERT INTO chunk_files (store, number, file_seq) VALUES ($1, $2, $3)", store, number, fileSeq)
	return store, number, err
}

// countChunks answers how many chunks of a file are stored.
func countChunks(r Reader, fileSeq int64) (n int, err error) {
	err = r.QueryRow("SELECT chunks FROM chunk_files WHERE file_seq = $1", fileSeq).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// readChunks answers up to limit chunks of a file, published or not, from an ordinal on, without their vectors.
func readChunks(r Reader, fileSeq int64, from, limit int) ([]index.Chunk, error) {
	var store, number int64
	err := r.QueryRow("SELECT store, number FROM chunk_files WHERE file_seq = $1", fileSeq).Scan(&store, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	first, last := index.OfFile(store, number)
	rows, err := r.Query(`SELECT id, tokens, page, start, "end", text FROM chunks WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3`,
		first+int64(from), last, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var chunks []index.Chunk
	for rows.Next() {
		var id int64
		var c index.Chunk
		if err := rows.Scan(&id, &c.Tokens, &c.Page, &c.Start, &c.End, &c.Text); err != nil {
			return nil, err
		}
		c.Ordinal = index.Ordinal(id)
		chunks = append(chunks, c)
	}
	return chunks, rows.Err()
}

// publishChunks lets a file's chunks be found. A file without chunks, or a published one, is left as it is.
func publishChunks(tx *Tx, fileSeq int64) error {
	var store, published int64
	err := tx.QueryRow(`UPDATE chunk_stores SET published = published + 1
		WHERE seq = (SELECT store FROM chunk_files WHERE file_seq = $1 AND published IS NULL) RETURNING seq, published`, fileSeq).Scan(&store, &published)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec("UPDATE chunk_files SET published = $1 WHERE file_seq = $2", published, fileSeq)
	return err
}

// dropChunks takes a file's chunks out of every search, at once; [DB.PurgeChunks] removes them. The same key can be used
// for a new file's chunks.
func dropChunks(tx *Tx, fileSeq int64) error {
	if _, err := tx.Exec(`UPDATE chunk_stores SET dropped = dropped + 1
		WHERE seq = (SELECT store FROM chunk_files WHERE file_seq = $1)`, fileSeq); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE chunk_files SET file_seq = NULL, published = NULL WHERE file_seq = $1", fileSeq)
	return err
}

// dropStoreChunks takes the chunks of a whole store out of every search, at once; [DB.PurgeChunks] removes them.
func dropStoreChunks(tx *Tx, storeID string) error {
	_, err := tx.Exec("UPDATE chunk_stores SET store_id = NULL WHERE store_id = $1", storeID)
	return err
}

// AddChunks is insertChunks in a transaction of its own.
func (db *DB) AddChunks(ctx context.Context, storeID string, fileSeq int64, chunks []index.Chunk) error {
	made := newChunks(chunks)
	return db.Write(ctx, func(_ context.Context, tx *Tx) error { return insertChunks(tx, storeID, fileSeq, made) })
}

// PublishChunks is publishChunks in a transaction of its own.
func (db *DB) PublishChunks(ctx context.Context, fileSeq int64) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error { return publishChunks(tx, fileSeq) })
}

// DropChunks is dropChunks in a transaction of its own.
func (db *DB) DropChunks(ctx context.Context, fileSeq int64) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error { return dropChunks(tx, fileSeq) })
}

// DropStoreChunks is dropStoreChunks in a transaction of its own.
func (db *DB) DropStoreChunks(ctx context.Context, storeID string) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error { return dropStoreChunks(tx, storeID) })
}

// chunkPurges remove up to $3 rows each of what belongs to the ids from $1 to $2. The chunks go last: they say which
// terms there are.
var chunkPurges = []string{
	"DELETE FROM chunk_vectors WHERE id IN (SELECT id FROM chunks WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3)",
	"DELETE FROM chunk_terms WHERE rowid IN (SELECT id FROM chunks WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3)",
	"DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3)",
}

// chunkPurgeBatch is how many chunks are removed at a time, so that a large file does not hold up other writers.
const chunkPurgeBatch = 100

// PurgeChunks removes the chunks of files and stores that were dropped, piece by piece. It is called after a drop and at
// the start, for what a crash left behind. It looks before it writes, since there is mostly nothing to remove.
func (db *DB) PurgeChunks(ctx context.Context) error {
	for {
		dropped, err := hasDroppedChunks(db.Read(ctx))
		if err != nil || !dropped {
			return err
		}
		err = db.Write(ctx, func(_ context.Context, tx *Tx) error { return purgeChunks(tx) })
		if err != nil {
			return err
		}
	}
}

// hasDroppedChunks reports whether a file or a store was dropped and is not removed yet.
func hasDroppedChunks(r Reader) (dropped bool, err error) {
	err = r.QueryRow(`SELECT EXISTS (SELECT 1 FROM chunk_files WHERE file_seq IS NULL)
		OR EXISTS (SELECT 1 FROM chunk_stores WHERE store_id IS NULL)`).Scan(&dropped)
	return dropped, err
}

// purgeChunks removes one piece.
func purgeChunks(tx *Tx) error {
	var store, number int64
	err := tx.QueryRow("SELECT store, number FROM chunk_files WHERE file_seq IS NULL ORDER BY store, number LIMIT 1").Scan(&store, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return purgeChunkStore(tx)
	}
	if err != nil {
		return err
	}
	first, last := index.OfFile(store, number)
	removed := int64(0)
	for _, purge := range chunkPurges {
		if removed, err = tx.Exec(purge, first, last, chunkPurgeBatch); err != nil {
			return err
		}
	}
	if removed < chunkPurgeBatch {
		_, err = tx.Exec("DELETE FROM chunk_files WHERE store = $1 AND number = $2", store, number)
	}
	return err
}

// purgeChunkStore gives the files of one dropped store up to purgeChunks, or removes a dropped store that has none.
func purgeChunkStore(tx *Tx) error {
	var store int64
	err := tx.QueryRow("SELECT seq FROM chunk_stores WHERE store_id IS NULL ORDER BY seq LIMIT 1").Scan(&store)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE chunk_files SET file_seq = NULL, published = NULL
		WHERE store = $1 AND number IN (SELECT number FROM chunk_files WHERE store = $1 LIMIT $2)`, store, chunkPurgeBatch)
	if err == nil && n == 0 {
		_, err = tx.Exec("DELETE FROM chunk_stores WHERE seq = $1", store)
	}
	return err
}
