package main

import (
	"context"
	"errors"
)

// The loads of rounds, by name.
const (
	direct  = "direct"
	bare    = "bare GET"
	proxied = "proxied"
	commit  = "commit"
	flows   = "flow" // its message in a request of its own
	asks    = "flow whose message comes with the run"
	streams = "stream"
	normal  = "normal"
)

// crowd is how many clients many are.
const crowd = 64

// oneClient alternates everything that a single flow is measured by.
func (b *bench) oneClient(ctx context.Context) ([]round, error) {
	upstream, err1 := b.upstream()
	proxy, err2 := b.proxy()
	disk, err3 := b.disk()
	server, err4 := b.full()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	directly, err1 := newClosed(1, nil, calling(upstream.base, plain))
	gets, err2 := newClosed(1, nil, getting(upstream.base, "/object"))
	throughProxy, err3 := newClosed(1, nil, calling(proxy.base, plain))
	onDisk, err4 := newCommits(disk)
	flowing, err5 := newClosed(1, server.process, server.flowing())
	asking, err6 := newClosed(1, nil, server.joining())
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	return b.alternate(ctx, named{direct, directly}, named{asks, asking}, named{flows, flowing}, named{bare, gets}, named{proxied, throughProxy}, named{commit, onDisk})
}

// manyClients alternates flows and proxied calls, a crowd of them in flight.
func (b *bench) manyClients(ctx context.Context) ([]round, error) {
	proxy, err1 := b.proxy()
	server, err2 := b.full()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	throughProxy, err1 := newClosed(crowd, proxy, calling(proxy.base, plain))
	flowing, err2 := newClosed(crowd, server.process, server.flowing())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return b.alternate(ctx, named{proxied, throughProxy}, named{flows, flowing})
}

// addedLatency compares what a flow adds to the direct call with what it cannot
// do without.
func addedLatency(_ context.Context, b *bench) ([][]float64, error) {
	rounds, err := b.single()
	if err != nil {
		return nil, err
	}
	floor := func(r round) float64 {
		return float64(2*r[bare].whole.p50 + r[proxied].whole.p50 - r[direct].whole.p50 + 2*r[commit].whole.p50)
	}
	return [][]float64{
		over(rounds, func(r round) float64 { return per(r[asks].whole.p50-r[direct].whole.p50, floor(r)) }),
		over(rounds, func(r round) float64 { return per(r[flows].whole.p50-r[direct].whole.p50, floor(r)) }),
	}, nil
}

func transactionsPerFlow(_ context.Context, b *bench) ([][]float64, error) {
	many, err1 := b.many()
	single, err2 := b.single()
	each := func(r round) float64 { return per(uint64(r[flows].transactions), r[flows].done) }
	return [][]float64{over(many, each), over(single, each)}, errors.Join(err1, err2)
}

func cpuPerFlow(_ context.Context, b *bench) ([][]float64, error) {
	rounds, err := b.many()
	return [][]float64{over(rounds, func(r round) float64 { return per(r[flows].perDone(), r[proxied].perDone()) })}, err
}

func throughput(_ context.Context, b *bench) ([][]float64, error) {
	rounds, err := b.many()
	return [][]float64{over(rounds, func(r round) float64 { return per(r[flows].rate, r[proxied].rate) })}, err
}
