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
	places := map[int64]int{} // the first passage of a file
	var chunks []index.Chunk
	for i, p := range corpus.Passages {
		chunks = append(chunks, index.Chunk{Text: p.Text, Vector: builtin.Embed(p.Text, 256)})
		if i+1 == len(corpus.Passages) || corpus.Passages[i+1].File != p.File {
			key := int64(len(places) + 1)
			places[key] = i + 1 - len(chunks)
			f.file("vs_docs", key, chunks...)
			chunks = nil
		}
	}
	measure := func(text, vector bool) indextest.Quality {
		quality, err := corpus.Measure("", func(q indextest.Question) ([]int, error) {
			var asked index.Question
			if text {
				asked.Text = q.Text
			}
			if vector {
				asked.Vector = builtin.Embed(q.Text, 256)
			}
			hits, err := f.index.Search(t.Context(), index.Query{Scopes: in("vs_docs"), Questions: []index.Question{asked}, Limit: 10})
			var passages []int
			for _, h := range hits {
				passages = append(passages, places[h.File]+h.Ordinal)
			}
			return passages, err
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
