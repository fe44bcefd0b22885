package main

import (
	"context"

	"understudy/files/vectorstores/index"
	"understudy/files/vectorstores/index/indextest"
	"understudy/runs/chat/builtin"
	"understudy/store"
)

// builtinDims is how long the offline model's vectors are unless a client asks otherwise.
const builtinDims = 256

var qualityFigures = []figure{
	{name: "hybrid recall@5 - the better half's", must: atLeast(-0.01, "")},
	{name: "hybrid nDCG@10 - the better half's", must: atLeast(-0.01, "")},
	{name: "lexical recall@5"},
	{name: "nDCG@10"},
	{name: "vector recall@5"},
	{name: "nDCG@10"},
	{name: "hybrid recall@5"},
	{name: "nDCG@10"},
}

// quality asks the corpus's questions by words, by vectors and by both. The vectors are the offline model's hashed word
// features, which know no meanings.
func quality(ctx context.Context, b *bench) (values [][]float64, err error) {
	corpus, err := indextest.Load()
	if err != nil {
		return nil, err
	}
	err = withDatabase(ctx, b.work, func(db *store.DB, _ string) error {
		embed := func(text string) []float32 { return builtin.Embed(text, builtinDims) }
		const storeID = "vs_docs"
		places, err := corpus.Fill(ctx, db, storeID, embed)
		if err != nil {
			return err
		}
		searched := index.New(db, index.Options{})
		var all [3]indextest.Quality
		for i, ask := range []func(text string) index.Question{
			func(text string) index.Question { return index.Question{Text: text} },
			func(text string) index.Question { return index.Question{Vector: embed(text)} },
			func(text string) index.Question { return index.Question{Text: text, Vector: embed(text)} },
		} {
			all[i], err = corpus.Measure(func(q indextest.Question) ([]int, error) {
				hits, err := searched.Search(ctx, index.Query{
					Scopes: []index.Scope{{StoreID: storeID}}, Questions: []index.Question{ask(q.Text)}, Limit: 10,
				})
				return places.Passages(hits), err
			})
			if err != nil {
				return err
			}
		}
		lexical, vector, hybrid := all[0], all[1], all[2]
		values = [][]float64{
			{hybrid.Recall5 - max(lexical.Recall5, vector.Recall5)}, {hybrid.NDCG10 - max(lexical.NDCG10, vector.NDCG10)},
		}
		for _, q := range all {
			values = append(values, []float64{q.Recall5}, []float64{q.NDCG10})
		}
		return nil
	})
	return values, err
}
