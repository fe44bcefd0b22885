package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const benchSchema = `CREATE TABLE rows (
	seq integer PRIMARY KEY, id text NOT NULL UNIQUE, thread text NOT NULL, body text NOT NULL)`

const benchInsert = "INSERT INTO rows (id, thread, body) VALUES ($1, $2, $3)"

var benchBody = strings.Repeat("x", 500)

// BenchmarkWrite is one 500-byte row per operation, by callers at a time, beside a plain transaction per row on a bare
// connection: the floor that grouping is measured against.
func BenchmarkWrite(b *testing.B) {
	for _, durability := range []Durability{Full, Normal} {
		b.Run(string(durability)+"/plain", func(b *testing.B) { benchPlain(b, durability) })
		for _, callers := range []int{1, 2, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", durability, callers), func(b *testing.B) {
				benchWrite(b, durability, callers)
			})
		}
	}
}

func benchWrite(b *testing.B, durability Durability, callers int) {
	db := reopen(b, Options{Dir: b.TempDir(), Durability: durability})
	write(b, db, benchSchema)
	before := db.Stats()
	var next atomic.Int64
	finished := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		go func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				id := fmt.Sprintf("row_%012d", n)
				if err := db.Write(b.Context(), exec(benchInsert, id, "thread", benchBody)); err != nil {
					finished <- err
					return
				}
			}
			finished <- nil
		}()
	}
	for range callers {
		require.NoError(b, <-finished)
	}
	b.StopTimer()
	after := db.Stats()
	b.ReportMetric(float64(after.Operations-before.Operations)/float64(after.Commits-before.Commits), "ops/commit")
}

func benchPlain(b *testing.B, durability Durability) {
	pool, err := openPool(writerDSN(filepath.Join(b.TempDir(), databaseFile), durability), 1)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, pool.Close()) })
	_, err = pool.Exec(benchSchema)
	require.NoError(b, err)
	_, err = pool.Exec("PRAGMA wal_autocheckpoint(1000)")
	require.NoError(b, err)
	insert, err := pool.Prepare(benchInsert)
	require.NoError(b, err)
	b.ResetTimer()
	for n := range b.N {
		require.NoError(b, plainInsert(pool, insert, n))
	}
}

func plainInsert(pool *sql.DB, insert *sql.Stmt, n int) error {
	tx, err := pool.Begin()
	if err != nil {
		return err
	}
	if _, err := tx.Stmt(insert).Exec(fmt.Sprintf("row_%012d", n), "thread", benchBody); err != nil { //nolint:sqlclosecheck // the transaction closes it
		return err
	}
	return tx.Commit()
}
