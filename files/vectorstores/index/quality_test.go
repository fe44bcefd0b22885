//go:build !race

// Under the race detector the corpus takes minutes.

package index_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
	"understudy/files/vectorstores/index/indextest"
	"understudy/runs/chat/builtin"
)

// TestHybridIsAsGoodAsTheBetterHalf asks 150 questions about real documentation. The vectors are the offline model's.
func TestHybridIsAsGoodAsTheBetterHalf(t *testing.T) {
	corpus, err := indextest.Load()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(corpus.Passages), 3000)
	require.Len(t, corpus.Questions, 150)
	f := open(t, index.Options{})
	places, err := corpus.Fill(t.Context(), f.db, "vs_docs", func(text string) []float32 { return builtin.Embed(text, 256) })
	require.NoError(t, err)
	measure := func(text, vector bool) indextest.Quality {
		quality, err := corpus.Measure(func(q indextest.Question) ([]int, error) {
			var asked index.Question
			if text {
				asked.Text = q.Text
			}
			if vector {
				asked.Vector = builtin.Embed(q.Text, 256)
			}
			hits, err := f.index.Search(t.Context(), index.Query{Scopes: in("vs_docs"), Questions: []index.Question{asked}, Limit: 10})
			return places.Passages(hits), err
		})
		require.NoError(t, err)
		return quality
	}
	lexical, vector, hybrid := measure(true, false), measure(false, true), measure(true, true)
	t.Logf("lexical %.3f, vector %.3f, hybrid %.3f", lexical, vector, hybrid)
	require.GreaterOrEqual(t, hybrid.Recall5, max(lexical.Recall5, vector.Recall5)-0.01)
	require.GreaterOrEqual(t, hybrid.NDCG10, max(lexical.NDCG10, vector.NDCG10)-0.01)
	require.Greater(t, lexical.Recall5, 0.7)
	require.Greater(t, vector.Recall5, 0.45)
}
