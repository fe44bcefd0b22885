package main

import (
	"context"
	"errors"
)

// slowLatency measures a single flow and the first delta of a stream in commits,
// on a disk that takes 2 ms longer.
func slowLatency(ctx context.Context, b *bench) ([][]float64, error) {
	disk, err1 := b.slowDisk()
	server, err2 := b.slowFull()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	onDisk, err1 := newCommits(disk)
	asking, err2 := newClosed(1, nil, server.joining())
	flowing, err3 := newClosed(1, nil, server.flowing())
	streaming, err4 := newClosed(1, nil, server.streaming(plain))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	rounds, err := b.alternate(ctx, named{commit, onDisk}, named{asks, asking}, named{flows, flowing}, named{streams, streaming})
	return [][]float64{
		over(rounds, func(r round) float64 { return per(r[asks].whole.p50, r[commit].whole.p50) }),
		over(rounds, func(r round) float64 { return per(r[flows].whole.p50, r[commit].whole.p50) }),
		over(rounds, func(r round) float64 { return per(r[streams].part.p50, r[commit].whole.p50) }),
	}, err
}

// slowThroughput measures what full durability costs on the same disk.
func slowThroughput(ctx context.Context, b *bench) ([][]float64, error) {
	full, err1 := b.slowFull()
	relaxed, err2 := b.slowNormal()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	durable, err1 := newClosed(crowd, nil, full.flowing())
	quick, err2 := newClosed(crowd, nil, relaxed.flowing())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	rounds, err := b.alternate(ctx, named{flows, durable}, named{normal, quick})
	return [][]float64{over(rounds, func(r round) float64 { return per(r[flows].rate, r[normal].rate) })}, err
}
