package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	_ "modernc.org/sqlite/vec" // its KNN is measured beside ours

	"understudy/files/vectorstores/index"
	"understudy/store"
)

// filled is one store of a recipe's rows, in the three forms that are measured: the server's, bare numbers in memory,
// and a table of sqlite-vec.
type filled struct {
	*recipe
	db      *store.DB
	flat    []float32
	foreign *sql.DB
}

const (
	filledStore = "vs_filled"
	fileRows    = 1000 // in a file
)

// fill makes a store. Only clustered ones have texts.
func fill(ctx context.Context, db *store.DB, dir string, r *recipe) (*filled, error) {
	f := &filled{recipe: r, db: db, flat: r.rows()}
	for from := 0; from < r.n; from += fileRows {
		chunks := make([]index.Chunk, min(fileRows, r.n-from))
		for i := range chunks {
			chunks[i] = index.Chunk{Ordinal: i, Vector: f.row(from + i)}
			if r.spectrum != nil {
				chunks[i].Text = r.text(from+i, chunkWords)
			}
		}
		key := int64(1 + from/fileRows)
		if err := errors.Join(db.AddChunks(ctx, filledStore, key, chunks), db.PublishChunks(ctx, key)); err != nil {
			return nil, err
		}
	}
	var err error
	if f.foreign, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "vec.db")+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)"); err != nil {
		return nil, err
	}
	if err := f.fillForeign(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// row is the vector of a row.
func (f *filled) row(i int) []float32 {
	return f.flat[i*f.dims : (i+1)*f.dims]
}

// fillForeign makes the table of sqlite-vec.
func (f *filled) fillForeign(ctx context.Context) error {
	f.foreign.SetMaxOpenConns(1)
	if _, err := f.foreign.ExecContext(ctx, fmt.Sprintf("CREATE VIRTUAL TABLE rows USING vec0(vector float[%d] distance_metric=cosine)", f.dims)); err != nil {
		return err
	}
	tx, err := f.foreign.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i := range f.n {
		if _, err := tx.ExecContext(ctx, "INSERT INTO rows (rowid, vector) VALUES ($1, $2)", i+1, littleEndian(f.row(i))); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// littleEndian is a vector in the form that sqlite-vec reads.
func littleEndian(v []float32) []byte {
	packed := make([]byte, 0, 4*len(v))
	for _, x := range v {
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(x))
	}
	return packed
}

func (f *filled) close() error {
	f.flat = nil
	return f.foreign.Close()
}

// nearest asks sqlite-vec.
func (f *filled) nearest(ctx context.Context, question []float32, n int) ([]int, error) {
	rows, err := f.foreign.QueryContext(ctx, "SELECT rowid FROM rows WHERE vector MATCH $1 AND k = $2 ORDER BY distance", littleEndian(question), n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		found = append(found, id-1)
	}
	return found, rows.Err()
}

// search asks the index.
func (f *filled) search(ctx context.Context, from *index.Index, question index.Question, n int) ([]int, error) {
	hits, err := from.Search(ctx, index.Query{Scopes: []index.Scope{{StoreID: filledStore}}, Questions: []index.Question{question}, Limit: n})
	found := make([]int, len(hits))
	for i, h := range hits {
		found[i] = int(h.File-1)*fileRows + h.Ordinal
	}
	return found, err
}

// scan compares a question with all rows: the least that an exact search costs when all rows are in memory already.
func (f *filled) scan(question []float32, n int) []int {
	type scored struct {
		row   int
		score float32
	}
	best := make([]scored, 0, n+1)
	for i := range f.n {
		score := dot(f.row(i), question)
		if len(best) == n && score <= best[n-1].score {
			continue
		}
		at := len(best)
		for at > 0 && best[at-1].score < score {
			at--
		}
		best = append(best[:at], append([]scored{{i, score}}, best[at:]...)...)
		best = best[:min(len(best), n)]
	}
	rows := make([]int, len(best))
	for i, s := range best {
		rows[i] = s.row
	}
	return rows
}

// dot is an inner product, four numbers at a time.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, x := range a {
		s0 += x * b[i]
	}
	return s0 + s1 + s2 + s3
}
