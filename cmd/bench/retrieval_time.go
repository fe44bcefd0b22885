package main

import (
	"context"
	"runtime"
	"slices"
	"time"

	"understudy/files/vectorstores/index"
)

// wanted is how many hits every search asks for, and what recall is measured at.
const wanted = 20

// timed is what was measured of one store, a value for each round.
type timed struct {
	first                   time.Duration // the search that finds nothing in memory
	memory                  float64       // MB per 100,000 chunks
	index50, index99        []float64     // ms
	hybrid50, hybrid99      []float64     // nil for a store without texts
	scan50, scan99          []float64
	foreign50               []float64
	againstScan, againstVec []float64 // how many times as fast the index is
	recall                  []float64
}

// time measures a store. A round times each way of searching in turn, with the same questions.
func (f *filled) time(ctx context.Context, p retrievalPlan, rounds int) (*timed, error) {
	t := &timed{}
	searched := index.New(f.db, index.Options{})
	before := heap()
	began := time.Now()
	if _, err := f.search(ctx, searched, index.Question{Vector: f.vector(f.n)}, wanted); err != nil {
		return nil, err
	}
	t.first = time.Since(began)
	t.memory = per(float64(heap()-before), float64(f.n)) * 100_000 / (1 << 20)
	for round := range rounds {
		if err := f.round(ctx, p, searched, t, f.n+1+round*p.searches); err != nil {
			return nil, err
		}
	}
	runtime.KeepAlive(searched)
	return t, nil
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // no heap has 8 EiB
}

// round asks the questions from a number on.
func (f *filled) round(ctx context.Context, p retrievalPlan, searched *index.Index, t *timed, from int) error {
	questions := make([][]float32, p.searches)
	for i := range questions {
		questions[i] = f.vector(from + i)
	}
	found := make([][]int, p.searches)
	ours, err := stopwatch(p.searches, func(i int) (err error) {
		found[i], err = f.search(ctx, searched, index.Question{Vector: questions[i]}, wanted)
		return err
	})
	if err != nil {
		return err
	}
	right := 0
	scans, err := stopwatch(p.searches, func(i int) error {
		for _, row := range f.scan(questions[i], wanted) {
			if slices.Contains(found[i], row) {
				right++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	foreign, err := stopwatch(p.foreign, func(i int) error {
		_, err := f.nearest(ctx, questions[i], wanted)
		return err
	})
	if err != nil {
		return err
	}
	t.index50, t.index99 = append(t.index50, percentileMillis(ours, 50)), append(t.index99, percentileMillis(ours, 99))
	t.scan50, t.scan99 = append(t.scan50, percentileMillis(scans, 50)), append(t.scan99, percentileMillis(scans, 99))
	t.foreign50 = append(t.foreign50, percentileMillis(foreign, 50))
	t.againstScan = append(t.againstScan, per(percentileMillis(scans, 50), percentileMillis(ours, 50)))
	t.againstVec = append(t.againstVec, per(percentileMillis(foreign, 50), percentileMillis(ours, 50)))
	t.recall = append(t.recall, per(right, wanted*p.searches))
	if f.spectrum == nil {
		return nil
	}
	both, err := stopwatch(p.searches, func(i int) error {
		_, err := f.search(ctx, searched, index.Question{Text: f.text(from+i, questionWords), Vector: questions[i]}, wanted)
		return err
	})
	t.hybrid50, t.hybrid99 = append(t.hybrid50, percentileMillis(both, 50)), append(t.hybrid99, percentileMillis(both, 99))
	return err
}

// stopwatch times each of n calls.
func stopwatch(n int, call func(i int) error) ([]time.Duration, error) {
	times := make([]time.Duration, n)
	for i := range times {
		began := time.Now()
		if err := call(i); err != nil {
			return nil, err
		}
		times[i] = time.Since(began)
	}
	return times, nil
}
