package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// The loads, by name.
const (
	direct  = "direct"
	proxied = "proxied"
	commit  = "commit"
	flow    = "flow"
)

// load is one kind of work to measure.
type load struct {
	name string
	// worker returns the work of one worker, which does its thing once and
	// says how long that took.
	worker func() work
}

type work func(context.Context) (time.Duration, error)

// round holds what the slices of one round measured, by load.
type round map[string]sample

// sample is what one slice measured.
type sample struct {
	p50, p99 time.Duration
	done     int
	rate     float64 // per second
}

// offer has workers do their work over and over for the length of a slice.
func offer(ctx context.Context, l load, workers int, slice time.Duration) (sample, error) {
	times := make([][]time.Duration, workers)
	failures := make([]error, workers)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range workers {
		work := l.worker()
		wg.Go(func() {
			for more := true; more; more = failures[i] == nil && time.Since(began) < slice {
				var took time.Duration
				took, failures[i] = work(ctx)
				times[i] = append(times[i], took)
			}
		})
	}
	wg.Wait()
	lasted := time.Since(began)
	all := slices.Concat(times...)
	slices.Sort(all)
	return sample{
		p50: percentile(all, 50), p99: percentile(all, 99), done: len(all), rate: float64(len(all)) / lasted.Seconds(),
	}, errors.Join(failures...)
}

// percentile takes it from sorted times.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100]
}
