package main

import (
	"context"
	"errors"
)

// cpuPerDelta streams slowly to a crowd. What a run costs beside its deltas
// counts, too: it is shared out among them.
func cpuPerDelta(ctx context.Context, b *bench) ([][]float64, error) {
	proxy, err1 := b.proxy()
	server, err2 := b.full()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	throughProxy, err1 := newClosed(crowd, proxy, calling(proxy.base, steady))
	streaming, err2 := newClosed(crowd, server.process, server.streaming(steady))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	rounds, err := b.alternate(ctx, named{proxied, throughProxy}, named{streams, streaming})
	return [][]float64{over(rounds, func(r round) float64 { return per(r[streams].perDone(), r[proxied].perDone()) })}, err
}
