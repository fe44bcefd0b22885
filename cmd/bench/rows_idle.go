package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// idleStreams are open at once. Each takes two sockets of the server.
	idleStreams = 2000
	// settling is how long a process has to come to rest before it is looked at.
	settling = time.Second
	// watching is how long a process at rest is looked at.
	watching = 3 * time.Second
)

// idling is what open streams cost in which nothing happens.
type idling struct {
	memory float64 // bytes for each stream
	cpu    float64 // milliseconds per second, for all of them
}

// idleCost opens streams through a proxy and to a server of their own: what has
// been used before stays in a process's memory. It is measured once.
func idleCost(ctx context.Context, b *bench) ([][]float64, error) {
	upstream, err := b.upstream()
	if err != nil {
		return nil, err
	}
	proxy, err := start(ctx, anyAddress, b.self, roleWord, "proxy", "-target="+upstream.base)
	if err != nil {
		return nil, err
	}
	bare, err := idle(ctx, proxy, "/"+silent+"/chat/completions", modelCall, `"content":"Fine, "`)
	if err := errors.Join(err, proxy.stop()); err != nil {
		return nil, err
	}
	server, err := b.serve(ctx, nil, "full", b.folder("idle"))
	if err != nil {
		return nil, err
	}
	defer server.kill() // it would give the runs time to end
	run := fmt.Sprintf(`{"assistant_id":"%s","stream":true,"thread":{"messages":[%s]}}`, server.assistants[silent], userMessage)
	served, err := idle(ctx, server.process, "/threads/runs", run, firstDelta)
	return [][]float64{{per(served.memory, bare.memory)}, {served.cpu}}, err
}

// idle opens streams with a request, one first and then all, and looks at the
// process when each has shown the mark.
func idle(ctx context.Context, p *process, path, body, mark string) (idling, error) {
	held := make([]*conn, idleStreams+1)
	defer func() {
		for _, c := range held {
			if c != nil {
				c.close()
			}
		}
	}()
	hold := func(i int) error {
		c, err := newConn(p.base)
		if err != nil {
			return err
		}
		held[i] = c
		response, err := c.send(http.MethodPost, path, body, version) //nolint:bodyclose // it stays open; the connection is closed
		if err != nil {
			return err
		}
		return c.reach(response, mark)
	}
	if err := hold(idleStreams); err != nil {
		return idling{}, err
	}
	before, err := p.memory()
	if err != nil {
		return idling{}, err
	}
	var opening errgroup.Group
	opening.SetLimit(crowd)
	for i := range idleStreams {
		opening.Go(func() error { return hold(i) })
	}
	if err := opening.Wait(); errors.Is(err, os.ErrDeadlineExceeded) {
		return idling{}, &notMeasured{fmt.Sprintf("the server did not drive all of %d runs at once", idleStreams)}
	} else if err != nil {
		return idling{}, err
	}
	if err := wait(ctx, settling); err != nil {
		return idling{}, err
	}
	after, err1 := p.memory()
	began, err2 := p.cpu()
	err3 := wait(ctx, watching)
	ended, err4 := p.cpu()
	return idling{
		memory: (after - before) / idleStreams,
		cpu:    float64((ended - began).Microseconds()) / 1000 / watching.Seconds(),
	}, errors.Join(err1, err2, err3, err4)
}

// wait lets time pass, unless ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
