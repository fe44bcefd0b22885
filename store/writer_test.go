package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestConcurrentWritesShareOneCommit(t *testing.T) {
	db := openTest(t, Full)
	before := db.Stats()
	var operations []func(context.Context, *Tx) error
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("item_%d", i))
		operations = append(operations, insert(want[i]))
	}

	for _, err := range together(t, db, operations...) {
		require.NoError(t, err)
	}

	after := db.Stats()
	require.EqualValues(t, 1, after.Commits-before.Commits)
	require.EqualValues(t, 10, after.Operations-before.Operations)
	require.EqualValues(t, 10, after.LargestBatch)
	require.Equal(t, want, ids(t, db), "operations run in the order they were queued")
}

func TestBatchIsBounded(t *testing.T) {
	db := openTest(t, Normal)
	before := db.Stats()
	operations := make([]func(context.Context, *Tx) error, maxBatch+44)
	for i := range operations {
		operations[i] = insert(fmt.Sprint(i))
	}
	for _, err := range together(t, db, operations...) {
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, db.Stats().Commits-before.Commits)
	require.EqualValues(t, maxBatch, db.Stats().LargestBatch)
}

func TestFailedOperationHarmsNoOther(t *testing.T) {
	refusal := errors.New("refused")
	failing := map[string]struct {
		operation func(context.Context, *Tx) error
		check     func(t *testing.T, err error)
	}{
		"its own error": {
			func(_ context.Context, tx *Tx) error {
				_, _ = tx.Exec("INSERT INTO items (id) VALUES ('half')")
				return refusal
			},
			func(t *testing.T, err error) { require.ErrorIs(t, err, refusal) },
		},
		"a constraint": {
			func(_ context.Context, tx *Tx) error {
				_, _ = tx.Exec("INSERT INTO items (id) VALUES ('half')")
				_, err := tx.Exec("INSERT INTO items (id) VALUES ('half')")
				return err
			},
			func(t *testing.T, err error) {
				name, unique := IsUnique(err)
				require.True(t, unique)
				require.Equal(t, "items.id", name)
			},
		},
		"a failed statement it did not report": {
			func(_ context.Context, tx *Tx) error {
				_, _ = tx.Exec("INSERT INTO items (id) VALUES ('half')")
				_, _ = tx.Exec("INSERT INTO items (id) VALUES (NULL)")
				_, err := tx.Exec("INSERT INTO items (id) VALUES ('more')")
				require.Error(t, err, "statements after a failed one are refused")
				return nil
			},
			func(t *testing.T, err error) { require.ErrorContains(t, err, "NOT NULL") },
		},
		"a panic": {
			func(_ context.Context, tx *Tx) error {
				_, _ = tx.Exec("INSERT INTO items (id) VALUES ('half')")
				panic("out of cheese")
			},
			func(t *testing.T, err error) { require.ErrorContains(t, err, "out of cheese") },
		},
	}
	for name, c := range failing {
		t.Run(name+", in a batch", func(t *testing.T) {
			db := openTest(t, Normal)
			failures := together(t, db, insert("first"), c.operation, insert("last"))
			require.NoError(t, failures[0])
			c.check(t, failures[1])
			require.NoError(t, failures[2])
			require.Equal(t, []string{"first", "last"}, ids(t, db))
		})
		t.Run(name+", alone", func(t *testing.T) {
			db := openTest(t, Normal)
			before := db.Stats()
			c.check(t, db.Write(t.Context(), c.operation))
			require.Empty(t, ids(t, db))
			require.Equal(t, before, db.Stats())
			require.NoError(t, db.Write(t.Context(), insert("next")))
		})
	}
}

// foreignKey is how SQLite words an orphan.
const foreignKey = "FOREIGN KEY constraint failed"

func TestFailedCommitFailsTheBatch(t *testing.T) {
	db := openTest(t, Normal)
	before := db.Stats().Commits
	orphan := func(_ context.Context, tx *Tx) error {
		if _, err := tx.Exec("PRAGMA defer_foreign_keys = ON"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO items (id, parent) VALUES ('orphan', 'nobody')")
		return err
	}
	refusal := errors.New("refused")

	failures := together(t, db, insert("first"), orphan, func(context.Context, *Tx) error { return refusal })

	require.ErrorContains(t, failures[0], foreignKey)
	require.ErrorContains(t, failures[1], foreignKey)
	require.ErrorIs(t, failures[0], ErrUnavailable)
	require.ErrorIs(t, failures[2], refusal, "an operation that failed by itself keeps its own error")
	require.Empty(t, ids(t, db))
	require.Equal(t, before, db.Stats().Commits)
	require.NoError(t, db.Write(t.Context(), insert("next")))
}

// A full disk may make SQLite give up the whole transaction: what ran before in it must not be reported as stored, and
// what comes after must not slip out of it.
func TestFullDisk(t *testing.T) {
	db := openTest(t, Normal)
	write(t, db, "PRAGMA max_page_count = 40")
	big := exec("INSERT INTO items (id, body) VALUES ('big', hex(zeroblob(1000000)))")

	failures := together(t, db, insert("first"), big, insert("last"))

	require.True(t, IsFull(failures[1]), "%v", failures[1])
	require.ErrorIs(t, failures[1], ErrUnavailable)
	require.Equal(t, failures[0] == nil, slices.Contains(ids(t, db), "first"))
	require.Equal(t, failures[2] == nil, slices.Contains(ids(t, db), "last"))
	write(t, db, "PRAGMA max_page_count = 1000000")
	require.NoError(t, db.Write(t.Context(), big))
}

// After some errors, as of a failing disk, SQLite has no transaction any more.
func TestLostTransactionFailsTheBatch(t *testing.T) {
	db := openTest(t, Normal)
	gone := func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("INSERT OR ROLLBACK INTO items (id) VALUES (NULL)")
		return err
	}
	failures := together(t, db, insert("first"), gone, insert("last"))
	require.ErrorContains(t, failures[1], "NOT NULL")
	require.ErrorIs(t, failures[0], ErrUnavailable)
	require.ErrorIs(t, failures[2], ErrUnavailable)
	require.Empty(t, ids(t, db))
	require.NoError(t, db.Write(t.Context(), insert("next")))
}

func TestCancelledWhileQueuedIsNotRun(t *testing.T) {
	db := openTest(t, Normal)
	ctx, cancel := context.WithCancel(t.Context())
	db.writer.baton <- struct{}{}
	failure := make(chan error)
	go func() { failure <- db.Write(ctx, insert("cancelled")) }()
	awaitQueued(db, 1)
	cancel()
	require.ErrorIs(t, <-failure, context.Canceled)
	<-db.writer.baton

	require.NoError(t, db.Write(t.Context(), insert("other")))
	require.Equal(t, []string{"other"}, ids(t, db))
	require.ErrorIs(t, db.Write(ctx, insert("late")), context.Canceled)
}

func TestCancelledWhileRunningIsFinished(t *testing.T) {
	db := openTest(t, Normal)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), t, "value"))
	require.NoError(t, db.Write(ctx, func(inner context.Context, tx *Tx) error {
		cancel()
		require.NoError(t, inner.Err())
		require.Equal(t, "value", inner.Value(t))
		_, err := tx.Exec("INSERT INTO items (id) VALUES ('kept')")
		return err
	}))
	require.Equal(t, []string{"kept"}, ids(t, db))
}

// testify's require ends the goroutine of a failing test, perhaps inside an operation that carries those of others.
func TestGoroutineEndedInsideAnOperation(t *testing.T) {
	db := openTest(t, Normal)
	leave := func(_ context.Context, tx *Tx) error {
		_, _ = tx.Exec("INSERT INTO items (id) VALUES ('half')")
		runtime.Goexit()
		return nil
	}
	for _, err := range together(t, db, insert("first"), leave, insert("last")) {
		require.ErrorIs(t, err, errAbandoned)
	}
	require.Empty(t, ids(t, db))
	require.NoError(t, db.Write(t.Context(), insert("next")))
}

func TestTxReadsItsOwnWrites(t *testing.T) {
	db := openTest(t, Normal)
	require.NoError(t, db.Write(t.Context(), func(_ context.Context, tx *Tx) error {
		var seq int64
		if err := tx.QueryRow("INSERT INTO items (id) VALUES ($1) RETURNING seq", "a").Scan(&seq); err != nil {
			return err
		}
		require.EqualValues(t, 1, seq)
		_, err := tx.Query("SELECT id FROM items") // left open on purpose: the operation's end closes it
		if err != nil {
			return err
		}
		changed, err := tx.Exec("UPDATE items SET body = $2 WHERE id = $1 AND body <> $2", "a", "text")
		require.EqualValues(t, 1, changed)
		return err
	}))
	require.NoError(t, db.Write(t.Context(), insert("b")))
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	db := openTest(t, Normal)
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for i := range 50 {
				if err := db.Write(t.Context(), insert(fmt.Sprintf("%d_%d", caller, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	require.Len(t, ids(t, db), 16*50)
}

// In a bubble the clock stands still while anyone runs, so a wait that only watched the clock would never end.
func TestRefillEndsInASynctestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openTest(t, Normal)
		for _, err := range together(t, db, insert("a"), insert("b"), insert("c")) {
			require.NoError(t, err)
		}
		require.NoError(t, db.Write(t.Context(), insert("alone")))
	})
}
