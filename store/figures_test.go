package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/store"
)

// TestOnCommitTellsWhatTookEffect counts operations that were kept, and no
// transaction of which nothing was.
func TestOnCommitTellsWhatTookEffect(t *testing.T) {
	var told []int
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), OnCommit: func(took time.Duration, operations int) {
		require.Positive(t, took)
		told = append(told, operations)
	}})
	require.NoError(t, err)
	defer db.Close()
	refuse := context.Canceled
	for _, outcome := range []error{nil, refuse, nil} {
		require.Equal(t, outcome, db.Write(t.Context(), func(context.Context, *store.Tx) error { return outcome }))
	}
	require.Equal(t, []int{1, 1}, told)
}

// TestSize grows with what is stored.
func TestSize(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer db.Close()
	database, log, err := db.Size()
	require.NoError(t, err)
	require.NoError(t, db.Write(t.Context(), func(_ context.Context, tx *store.Tx) error {
		_, err := tx.Exec("CREATE TABLE large AS SELECT randomblob(100000) AS bytes")
		return err
	}))
	databaseAfter, logAfter, err := db.Size()
	require.NoError(t, err)
	require.Greater(t, databaseAfter+logAfter, database+log+100000)
}
