package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"

	"understudy/files/vectorstores/index"
)

// ChunkState implements index.Store.
func (db *DB) ChunkState(ctx context.Context, storeID string) (index.State, error) {
	var s index.State
	err := db.QueryRow(ctx, "SELECT seq, published, dropped FROM chunk_stores WHERE store_id = $1", storeID).Scan(&s.Key, &s.Published, &s.Dropped)
	if errors.Is(err, sql.ErrNoRows) {
		return index.State{}, nil
	}
	return s, err
}

// ChunkFiles implements index.Store.
func (db *DB) ChunkFiles(ctx context.Context, store, after int64) ([]index.File, error) {
	rows, err := db.Query(ctx, `SELECT number, file_seq, chunks, published FROM chunk_files
		WHERE store = $1 AND published > $2 ORDER BY published`, store, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []index.File
	for rows.Next() {
		var f index.File
		if err := rows.Scan(&f.Number, &f.Key, &f.Chunks, &f.Published); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, rows.Err()
}

// vectorPage is how many vectors a scan reads before it gives the reader free for others.
const vectorPage = 256

// ScanVectors implements index.Store.
func (db *DB) ScanVectors(ctx context.Context, first, last int64, fn func(id int64, packed []byte)) error {
	for more := true; more; {
		n := 0
		err := db.eachVector(ctx, func(id int64, packed []byte) {
			fn(id, packed)
			n++
			first = id + 1
		}, "SELECT id, vector FROM chunk_vectors WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3", first, last, vectorPage)
		if err != nil {
			return err
		}
		more = n == vectorPage && first <= last
	}
	return nil
}

// eachVector calls fn with what a query for ids and vectors answers.
func (db *DB) eachVector(ctx context.Context, fn func(id int64, packed []byte), query string, args ...any) error {
	rows, err := db.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var packed sql.RawBytes
		if err := rows.Scan(&id, &packed); err != nil {
			return err
		}
		fn(id, packed)
	}
	return rows.Err()
}

// vectorsAtOnce is how many single vectors one query reads: a query for each would cost more than the vectors do.
const vectorsAtOnce = 32

// vectorsByID reads them. Fewer are asked for by naming one several times, so that there is one statement to prepare.
var vectorsByID = func() string {
	parameters := make([]string, vectorsAtOnce)
	for i := range parameters {
		parameters[i] = "$" + strconv.Itoa(i+1)
	}
	return "SELECT id, vector FROM chunk_vectors WHERE id IN (" + strings.Join(parameters, ", ") + ") ORDER BY id"
}()

// ReadVectors implements index.Store.
func (db *DB) ReadVectors(ctx context.Context, ids []int64, fn func(id int64, packed []byte)) error {
	args := make([]any, vectorsAtOnce)
	for batch := range slices.Chunk(ids, vectorsAtOnce) {
		for i := range args {
			args[i] = batch[min(i, len(batch)-1)]
		}
		if err := db.eachVector(ctx, fn, vectorsByID, args...); err != nil {
			return err
		}
	}
	return nil
}

// anyTerm is the full-text expression that finds each of the terms. Every term is a string of the query language, so
// that none can be an operator of it.
func anyTerm(terms []string) string {
	quoted := make([]string, len(terms))
	for i, term := range terms {
		quoted[i] = `"` + strings.ReplaceAll(term, `"`, `""`) + `"`
	}
	return strings.Join(quoted, " OR ")
}

// MatchTerms implements index.Store. The range of ids is part of the match: what lies outside is not read.
func (db *DB) MatchTerms(ctx context.Context, first, last int64, terms []string, fn func(id int64, score float64) bool) error {
	rows, err := db.Query(ctx, "SELECT rowid, rank FROM chunk_terms WHERE chunk_terms MATCH $1 AND rowid BETWEEN $2 AND $3 ORDER BY rank",
		anyTerm(terms), first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var rank float64
		if err := rows.Scan(&id, &rank); err != nil {
			return err
		}
		if !fn(id, -rank) {
			return nil
		}
	}
	return rows.Err()
}

// CountTerm implements index.Store.
func (db *DB) CountTerm(ctx context.Context, first, last int64, term string, limit int) (n int, err error) {
	err = db.QueryRow(ctx, `SELECT COUNT(*) FROM
		(SELECT 1 FROM chunk_terms WHERE chunk_terms MATCH $1 AND rowid BETWEEN $2 AND $3 LIMIT $4)`,
		anyTerm([]string{term}), first, last, limit).Scan(&n)
	return n, err
}

// ReadChunks implements index.Store.
func (db *DB) ReadChunks(ctx context.Context, ids []int64) (map[int64]index.Chunk, error) {
	chunks := make(map[int64]index.Chunk, len(ids))
	err := db.View(ctx, func(r Reader) error {
		for _, id := range ids {
			c := index.Chunk{Ordinal: index.Ordinal(id)}
			err := r.QueryRow(`SELECT tokens, page, start, "end", text FROM chunks WHERE id = $1`, id).
				Scan(&c.Tokens, &c.Page, &c.Start, &c.End, &c.Text)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			chunks[id] = c
		}
		return nil
	})
	return chunks, err
}
