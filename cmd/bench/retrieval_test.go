package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
	"understudy/store"
)

// TestRetrievalRows measures stores far too small to judge.
func TestRetrievalRows(t *testing.T) {
	b := &bench{settings: settings{rounds: 2}, work: t.TempDir()}
	rows := retrievalPlan{dims: 128, sizes: []int{200, 1200}, searches: 3, foreign: 1, ingest: 1}.rows()
	require.Len(t, rows, 6)
	for _, row := range rows[1:] { // the first one is a test of package index
		values, err := row.measure(t.Context(), b)
		require.NoError(t, err)
		require.Len(t, values, len(row.figures), row.name)
		for i, value := range values {
			require.False(t, math.IsNaN(spreadOf(value).median), row.figures[i].name)
		}
	}
}

// TestWaysOfSearchingAgree asks all three for the rows nearest to a stored one.
func TestWaysOfSearchingAgree(t *testing.T) {
	require.NoError(t, withDatabase(t.Context(), t.TempDir(), func(db *store.DB, dir string) error {
		f, err := fill(t.Context(), db, dir, clusteredRecipe(1100, 32))
		require.NoError(t, err)
		question := f.row(1050)
		exact := f.scan(question, 5)
		require.Equal(t, 1050, exact[0])
		foreign, err := f.nearest(t.Context(), question, 5)
		require.NoError(t, err)
		require.Equal(t, exact, foreign)
		ours, err := f.search(t.Context(), index.New(db, index.Options{}), index.Question{Vector: question}, 5)
		require.NoError(t, err)
		require.Equal(t, exact, ours)
		return f.close()
	}))
}
