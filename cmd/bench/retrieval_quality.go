package main

import (
	"context"
	"fmt"
	"io"

	"understudy/files/vectorstores/index"
	"understudy/files/vectorstores/index/indextest"
	"understudy/runs/chat/builtin"
	"understudy/store"
)

// builtinDims is how long the offline model's vectors are unless a client asks otherwise.
const builtinDims = 256

// measureQuality asks the corpus's questions by words, by vectors and by both, and judges the last. The vectors are the
// offline model's hashed word features, which know no meanings.
func measureQuality(ctx context.Context, dir string, out io.Writer) (missed int, err error) {
	corpus, err := indextest.Load()
	if err != nil {
		return 0, err
	}
	err = withDatabase(ctx, dir, func(db *store.DB, _ string) error {
		const storeID = "vs_docs"
		places, err := corpus.Fill(ctx, db, storeID, func(text string) []float32 { return builtin.Embed(text, builtinDims) })
		if err != nil {
			return err
		}
		found := index.New(db, index.Options{})
		fmt.Fprintf(out, "   %d questions about %d chunks of documentation: recall@5 and nDCG@10\n", len(corpus.Questions), len(corpus.Passages))
		for _, kind := range []string{"identifier", "keyword", "paraphrase", ""} {
			measure := func(byText, byVector bool) indextest.Quality {
				quality, failure := corpus.Measure(kind, func(q indextest.Question) ([]int, error) {
					var asked index.Question
					if byText {
						asked.Text = q.Text
					}
					if byVector {
						asked.Vector = builtin.Embed(q.Text, builtinDims)
					}
					hits, err := found.Search(ctx, index.Query{Scopes: []index.Scope{{StoreID: storeID}}, Questions: []index.Question{asked}, Limit: 10})
					return places.Passages(hits), err
				})
				if err == nil {
					err = failure
				}
				return quality
			}
			lexical, vector, hybrid := measure(true, false), measure(false, true), measure(true, true)
			if kind == "" {
				missed = figures{
					{"hybrid recall@5 - the better half's", atLeast(-0.01, ""), []float64{hybrid.Recall5 - max(lexical.Recall5, vector.Recall5)}},
					{"hybrid nDCG@10 - the better half's", atLeast(-0.01, ""), []float64{hybrid.NDCG10 - max(lexical.NDCG10, vector.NDCG10)}},
				}.print(out)
				kind = "all"
			}
			fmt.Fprintf(out, "   %-12s lexical %.3f %.3f   vector %.3f %.3f   hybrid %.3f %.3f\n", kind,
				lexical.Recall5, lexical.NDCG10, vector.Recall5, vector.NDCG10, hybrid.Recall5, hybrid.NDCG10)
		}
		return err
	})
	return missed, err
}
