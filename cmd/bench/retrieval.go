package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"understudy/store"
)

// rowsOfRetrieval are numbered from 1.
var rowsOfRetrieval = retrievalPlan{dims: 1536, sizes: []int{1_000, 10_000, 100_000}, searches: 12, foreign: 1, ingest: 1 << 18}.rows()

// retrievalPlan says how large the measurement is.
type retrievalPlan struct {
	dims     int
	sizes    []int // chunks of the clustered stores, rising
	searches int   // timed in a round, by the index and by the full scan
	foreign  int   // timed in a round by sqlite-vec, which takes longest
	ingest   int   // bytes of each type's files that a round reads, at least
}

// rows are the quality, a row for each store, of which the largest clustered one is judged, how searches grow, and how
// fast files are read in.
func (p retrievalPlan) rows() []row {
	rows := []row{{"150 questions about documentation", qualityFigures(), quality}}
	var clustered []func(context.Context, *bench) (*timed, error)
	largest := len(p.sizes) - 1
	for i, n := range p.sizes {
		clustered = append(clustered, p.timing(clusteredRecipe, n))
		rows = append(rows, storeRow(fmt.Sprintf("%d chunks, clustered", n), true, i == largest, clustered[i]))
	}
	isotropic := p.timing(isotropicRecipe, p.sizes[largest])
	rows = append(rows, storeRow(fmt.Sprintf("%d chunks, isotropic", p.sizes[largest]), false, false, isotropic))
	small, large := p.sizes[largest-1], p.sizes[largest]
	rows = append(rows, row{
		fmt.Sprintf("vector search p50 of %d chunks / of %d", large, small),
		[]figure{{must: atMost(float64(large)/float64(small), "")}},
		func(ctx context.Context, b *bench) ([][]float64, error) {
			ofSmall, failure := clustered[largest-1](ctx, b)
			ofLarge, err := clustered[largest](ctx, b)
			if err = errors.Join(failure, err); err != nil {
				return nil, err
			}
			growth := make([]float64, len(ofLarge.index50))
			for i := range growth {
				growth[i] = per(ofLarge.index50[i], ofSmall.index50[i])
			}
			return [][]float64{growth}, nil
		},
	})
	return append(rows, ingestionRow(p.ingest))
}

// timing makes a store of a recipe and times its searches, once.
func (p retrievalPlan) timing(make func(n, dims int) *recipe, n int) func(context.Context, *bench) (*timed, error) {
	var once sync.Once
	var t *timed
	var err error
	return func(ctx context.Context, b *bench) (*timed, error) {
		once.Do(func() {
			err = withDatabase(ctx, b.work, func(db *store.DB, dir string) error {
				filled, err := fill(ctx, db, dir, make(n, p.dims))
				if err != nil {
					return err
				}
				t, err = filled.time(ctx, p, b.rounds)
				return errors.Join(err, filled.close())
			})
		})
		return t, err
	}
}

// withDatabase opens a database in a directory of its own under dir and removes both again.
func withDatabase(ctx context.Context, dir string, use func(db *store.DB, dir string) error) (err error) {
	if dir, err = os.MkdirTemp(dir, "retrieval-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := store.Open(ctx, store.Options{Dir: dir, Durability: store.Normal, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(db, dir)
}

// storeRow shows what was measured of one store; what is judged must reach something.
func storeRow(name string, hasTexts, judged bool, measure func(context.Context, *bench) (*timed, error)) row {
	must := func(a aim) aim {
		if judged {
			return a
		}
		return aim{}
	}
	figures := []figure{
		{name: "vector search p50 ms"},
		{name: "p99 ms"},
		{name: "full scan in memory p50 ms"},
		{name: "p99 ms"},
		{name: "sqlite-vec p50 ms"},
		{name: "times as fast as the full scan", must: must(atLeast(10, ""))},
		{name: "times as fast as sqlite-vec"},
		{name: "recall@20", must: must(atLeast(0.99, ""))},
		{name: "MB in memory per 100,000 chunks"},
		{name: "first search, which codes the store, s"},
	}
	if hasTexts {
		figures = append(figures, figure{name: "hybrid search p50 ms", must: must(atMost(25, " ms"))}, figure{name: "p99 ms"})
	}
	return row{name, figures, func(ctx context.Context, b *bench) ([][]float64, error) {
		t, err := measure(ctx, b)
		if err != nil {
			return nil, err
		}
		values := [][]float64{
			t.index50, t.index99, t.scan50, t.scan99, t.foreign50, t.againstScan, t.againstVec, t.recall,
			{t.memory},
			{t.first.Seconds()},
		}
		if hasTexts {
			values = append(values, t.hybrid50, t.hybrid99)
		}
		return values, nil
	}}
}

// percentileMillis takes a percentile in milliseconds.
func percentileMillis(times []time.Duration, p int) float64 {
	slices.Sort(times)
	return float64(percentile(times, p)) / float64(time.Millisecond)
}
