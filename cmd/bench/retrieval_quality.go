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

// kindsOfQuestions are indextest's.
var kindsOfQuestions = []string{"identifier", "keyword", "paraphrase"}

// qualityFigures are those of all questions, of which the hybrid ones are judged, and those of each kind.
func qualityFigures() []figure {
	figures := []figure{
		{name: "hybrid recall@5 - the better half's", must: atLeast(-0.01, "")},
		{name: "hybrid nDCG@10 - the better half's", must: atLeast(-0.01, "")},
	}
	for _, kind := range append([]string{"all"}, kindsOfQuestions...) {
		for _, way := range []string{"lexical", "vector", "hybrid"} {
			figures = append(figures, figure{name: kind + ", " + way + ": recall@5"}, figure{name: "nDCG@10"})
		}
	}
	return figures
}

// quality asks the corpus's questions by words, by vectors and by both. The vectors are the offline model's hashed word
// features, which know no meanings.
func quality(ctx context.Context, b *bench) (values [][]float64, err error) {
	corpus, err := indextest.Load()
	if err != nil {
		return nil, err
	}
	err = withDatabase(ctx, b.work, func(db *store.DB, _ string) error {
		const storeID = "vs_docs"
		places, err := corpus.Fill(ctx, db, storeID, embedOffline)
		if err != nil {
			return err
		}
		searched := index.New(db, index.Options{})
		ways := make([][]indextest.Quality, 3) // of all questions first, then of each kind
		for i, ask := range []func(text string) index.Question{
			func(text string) index.Question { return index.Question{Text: text} },
			func(text string) index.Question { return index.Question{Vector: embedOffline(text)} },
			func(text string) index.Question { return index.Question{Text: text, Vector: embedOffline(text)} },
		} {
			ways[i], err = qualityByKind(corpus, func(q indextest.Question) ([]int, error) {
				hits, err := searched.Search(ctx, index.Query{
					Scopes: []index.Scope{{StoreID: storeID}}, Questions: []index.Question{ask(q.Text)}, Limit: 10,
				})
				return places.Passages(hits), err
			})
			if err != nil {
				return err
			}
		}
		lexical, vector, hybrid := ways[0][0], ways[1][0], ways[2][0]
		values = [][]float64{
			{hybrid.Recall5 - max(lexical.Recall5, vector.Recall5)}, {hybrid.NDCG10 - max(lexical.NDCG10, vector.NDCG10)},
		}
		for kind := range ways[0] {
			for _, way := range ways {
				values = append(values, []float64{way[kind].Recall5}, []float64{way[kind].NDCG10})
			}
		}
		return nil
	})
	return values, err
}

// embedOffline is the offline model's vector of a text.
func embedOffline(text string) []float32 {
	return builtin.Embed(text, builtinDims)
}

// qualityByKind measures all questions, and those of each kind.
func qualityByKind(corpus *indextest.Corpus, ask func(indextest.Question) ([]int, error)) ([]indextest.Quality, error) {
	all, err := corpus.Measure(ask)
	if err != nil {
		return nil, err
	}
	list := []indextest.Quality{all}
	for _, kind := range kindsOfQuestions {
		one, err := corpus.Of(kind).Measure(ask)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}
