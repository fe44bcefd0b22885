package main

import (
	"context"
	"time"
)

// A steady load: flows per second, and for how long. Percentiles are formed in
// windows, as other figures are in rounds.
const (
	openRate    = 300
	openWindow  = 3 * time.Second
	openWindows = 10
)

// tail measures how much longer than the median the slowest of a steady load of
// flows take, and how large the write-ahead log becomes.
func tail(ctx context.Context, b *bench) ([][]float64, error) {
	data := b.folder("open")
	server, err := b.serve(ctx, nil, "full", data)
	if err != nil {
		return nil, err
	}
	load := &openLoop{make: server.flowing(), rate: openRate}
	defer load.close()
	if _, err := load.offer(ctx, b.slice); err != nil {
		return nil, err
	}
	var tails []float64
	largest := 0.0
	for range b.windows() {
		s, err := load.offer(ctx, openWindow)
		if err != nil {
			return nil, err
		}
		tails = append(tails, per(s.whole.p99, s.whole.p50))
		size, err := logSize(data)
		if err != nil {
			return nil, err
		}
		largest = max(largest, float64(size)/megabyte)
	}
	return [][]float64{tails, {largest}}, nil
}

// windows are fewer where rounds are.
func (b *bench) windows() int { return min(openWindows, b.rounds+1) }
