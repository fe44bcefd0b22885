package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
	"understudy/store"
)

// TestRetrievalPlan measures stores far too small to judge, and looks at what came out.
func TestRetrievalPlan(t *testing.T) {
	var out strings.Builder
	plan := retrievalPlan{dims: 128, sizes: []int{200, 1200}, rounds: 2, searches: 3, foreign: 1}
	_, err := plan.measure(t.Context(), t.TempDir(), &out)
	require.NoError(t, err)
	for _, line := range []string{"200 clustered chunks", "1200 clustered chunks", "1200 isotropic chunks", "recall@20", "hybrid search p99 ms", "vector p50 of 1200 clustered / of 200 clustered"} {
		require.Contains(t, out.String(), line)
	}
	require.NotContains(t, out.String(), "NaN")
}

// TestWaysOfSearchingAgree asks all three for the rows nearest to a stored one.
func TestWaysOfSearchingAgree(t *testing.T) {
	require.NoError(t, withDatabase(t.Context(), t.TempDir(), func(db *store.DB, dir string) error {
		f, err := fill(t.Context(), db, dir, 3, clusteredRecipe(1100, 32))
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

func TestFiguresAreJudged(t *testing.T) {
	var out strings.Builder
	missed := figures{
		{"fast", atLeast(10, ""), []float64{9, 11, 12}},
		{"slow", atMost(25, " ms"), []float64{30, 20, 40}},
		{"shown", aim{}, []float64{1}},
	}.print(&out)
	require.Equal(t, 1, missed)
	require.Regexp(t, `(?s)fast .*pass.*slow .*FAIL`, out.String())
}
