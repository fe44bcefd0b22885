package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// load is one kind of work to measure.
type load interface {
	// offer works for the length of a slice.
	offer(ctx context.Context, slice time.Duration) (sample, error)
	close()
}

// sample is what one slice measured.
type sample struct {
	whole, part  quantiles
	done         int
	rate         float64       // per second
	cpu          time.Duration // of the watched process, all in all
	transactions uint32        // of the watched process
}

// perDone is the CPU time of the watched process for each piece of work.
func (s sample) perDone() float64 { return per(s.cpu, s.done) }

// quantiles are of one piece of work.
type quantiles struct{ p50, p99 time.Duration }

func quantilesOf(times []time.Duration) quantiles {
	slices.Sort(times)
	return quantiles{percentile(times, 50), percentile(times, 99)}
}

// times say how long one piece of work took, and a part of it that matters by
// itself: each worker says which.
type times struct{ whole, part time.Duration }

// worker does one piece of work after the other.
type worker interface {
	work(context.Context) (times, error)
	close()
}

// closed is a load of workers who wait for one answer before they send the next
// request.
type closed struct {
	workers []worker
	watched *process // nil = none
}

// newClosed makes n workers.
func newClosed[W worker](n int, watched *process, make func() (W, error)) (*closed, error) {
	c := &closed{watched: watched}
	for range n {
		w, err := make()
		if err != nil {
			c.close()
			return nil, err
		}
		c.workers = append(c.workers, w)
	}
	return c, nil
}

func (c *closed) close() {
	for _, w := range c.workers {
		w.close()
	}
}

// offer implements load. What began within the slice is waited for.
func (c *closed) offer(ctx context.Context, slice time.Duration) (sample, error) {
	wholes, parts := make([][]time.Duration, len(c.workers)), make([][]time.Duration, len(c.workers))
	failures := make([]error, len(c.workers))
	before, err := c.watched.read()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i, w := range c.workers {
		wg.Go(func() {
			for more := true; more; more = failures[i] == nil && time.Since(began) < slice {
				var took times
				took, failures[i] = w.work(ctx)
				wholes[i], parts[i] = append(wholes[i], took.whole), append(parts[i], took.part)
			}
		})
	}
	wg.Wait()
	lasted := time.Since(began)
	for _, err := range failures { // they are all alike
		if err != nil {
			return sample{}, err
		}
	}
	after, err := c.watched.read()
	all := slices.Concat(wholes...)
	return sample{
		whole: quantilesOf(all), part: quantilesOf(slices.Concat(parts...)),
		done: len(all), rate: float64(len(all)) / lasted.Seconds(),
		cpu: after.cpu - before.cpu, transactions: after.transactions - before.transactions,
	}, err
}

// round holds what the slices of one round measured, by load.
type round map[string]sample

// named is a load under the name that rounds have it by.
type named struct {
	name string
	load
}

// alternate offers one slice of each load in turn, round after round, after a
// slice of each that is not counted. It closes the loads.
func (b *bench) alternate(ctx context.Context, loads ...named) ([]round, error) {
	defer func() {
		for _, l := range loads {
			l.close()
		}
	}()
	rounds := make([]round, 0, b.rounds)
	for i := range b.rounds + 1 {
		r := round{}
		for _, l := range loads {
			var err error
			if r[l.name], err = l.offer(ctx, b.slice); err != nil {
				return nil, err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		if i > 0 {
			rounds = append(rounds, r)
		}
	}
	return rounds, nil
}
