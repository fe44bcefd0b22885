package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"understudy/store"
)

// retrievalPlan says how large the measurement is.
type retrievalPlan struct {
	dims     int
	sizes    []int // chunks of the clustered stores, rising
	rounds   int
	searches int // timed in a round, by the index and by the full scan
	foreign  int // timed in a round by sqlite-vec, which takes longest
}

// retrieval measures how well and how fast vector stores are searched.
func measureRetrieval(ctx context.Context, s settings, out io.Writer) (int, error) {
	fmt.Fprintf(out, "Retrieval; %d rounds: median (min..max), must\n", s.rounds)
	began := time.Now()
	missed, err := measureQuality(ctx, s.dir, out)
	if err != nil {
		return missed, err
	}
	plan := retrievalPlan{dims: 1536, sizes: []int{1_000, 10_000, 100_000}, rounds: s.rounds, searches: 12, foreign: 1}
	n, err := plan.measure(ctx, s.dir, out)
	missed += n
	fmt.Fprintf(out, "%d missed, %v\n", missed, time.Since(began).Round(time.Second))
	return missed, err
}

// withDatabase opens a database in a directory of its own under dir and removes both again.
func withDatabase(ctx context.Context, dir string, use func(db *store.DB, dir string) error) (err error) {
	if dir, err = os.MkdirTemp(dir, ".bench-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := store.Open(ctx, store.Options{Dir: dir, Durability: store.Normal})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(db, dir)
}

// measure times the searches of every size and judges the largest one.
func (p retrievalPlan) measure(ctx context.Context, dir string, out io.Writer) (missed int, err error) {
	err = withDatabase(ctx, dir, func(db *store.DB, dir string) error {
		recipes := make([]*recipe, 0, len(p.sizes)+1)
		for _, n := range p.sizes {
			recipes = append(recipes, clusteredRecipe(n, p.dims))
		}
		recipes = append(recipes, isotropicRecipe(p.sizes[len(p.sizes)-1], p.dims))
		p50 := map[string][]float64{}
		for i, r := range recipes {
			shelf, err := fill(ctx, db, dir, int64(i), r)
			if err != nil {
				return err
			}
			timed, err := shelf.time(ctx, p)
			if err = errors.Join(err, shelf.close()); err != nil {
				return err
			}
			p50[r.name] = timed.index50
			missed += timed.print(out, len(p.sizes) == i+1)
		}
		small, large := recipes[max(len(p.sizes)-2, 0)], recipes[len(p.sizes)-1]
		growth := make([]float64, p.rounds)
		for i := range growth {
			growth[i] = per(p50[large.name][i], p50[small.name][i])
		}
		bound := float64(large.n) / float64(small.n)
		missed += figures{{"vector p50 of " + large.name + " / of " + small.name, atMost(bound, ""), growth}}.print(out)
		return nil
	})
	return missed, err
}

// figures are lines of this section's tables.
type figures []struct {
	name   string
	must   aim
	values []float64
}

func (f figures) print(out io.Writer) (missed int) {
	for _, line := range f {
		all := spreadOf(line.values)
		verdict := ""
		if line.must.bound != 0 {
			verdict = "pass"
			if !line.must.met(all.median) {
				verdict = "FAIL"
				missed++
			}
		}
		fmt.Fprintf(out, "   %-72s %-28v %-12v %s\n", line.name, all, line.must, verdict)
	}
	return missed
}

// percentileMillis takes a percentile in milliseconds.
func percentileMillis(times []time.Duration, p int) float64 {
	slices.Sort(times)
	return float64(percentile(times, p)) / float64(time.Millisecond)
}
