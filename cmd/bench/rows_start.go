package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// starts measures how long a server takes until it is ready, on a million
// messages and on none, and what it then holds in memory.
func starts(ctx context.Context, b *bench) ([][]float64, error) {
	l, err := b.library()
	if err != nil {
		return nil, err
	}
	empty := b.folder("empty")
	if _, _, err := b.startOnce(ctx, empty, 0); err != nil { // makes the tables
		return nil, err
	}
	var ratios, full []float64
	for range b.rounds {
		fast, _, err1 := b.startOnce(ctx, empty, 0)
		slow, _, err2 := b.startOnce(ctx, l.dir, 0)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		ratios = append(ratios, per(slow, fast))
		full = append(full, float64(slow.Microseconds())/1000)
	}
	_, memory, err := b.startOnce(ctx, l.dir, settling)
	return [][]float64{ratios, full, {memory / megabyte}}, err
}

// startOnce starts a server, says when it was ready and what it held in memory
// after a rest, and stops it.
func (b *bench) startOnce(ctx context.Context, data string, rest time.Duration) (took time.Duration, memory float64, err error) {
	began := time.Now()
	s, err := b.launch(ctx, nil, "full", data)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	c, err := newConn(strings.TrimSuffix(s.base, "/v1"))
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	if _, err := c.exchange(http.MethodGet, "/readyz", "", ""); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	if err := wait(ctx, rest); err != nil {
		return 0, 0, err
	}
	memory, err = s.memory()
	return took, memory, err
}
