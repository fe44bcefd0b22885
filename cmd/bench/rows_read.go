package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	longList  = "list of a long thread"
	shortList = "list of a short thread"
	runGets   = "GET run"
	// readers is how many clients read at once where rates are compared.
	readers = 16
	// pages is how many places in a thread are read in turn.
	pages = 25
)

// reads measures pages of long threads, and what the server adds to a bare GET.
func reads(ctx context.Context, b *bench) ([][]float64, error) {
	lists, err := b.visit(ctx, func(l *library, s *server) ([][]float64, error) {
		long, err1 := newClosed(1, nil, s.listing(l.threads[100_000][0], 100_000))
		short, err2 := newClosed(1, nil, s.listing(l.untouched(), 100))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		rounds, err := b.alternate(ctx, named{shortList, short}, named{longList, long})
		return [][]float64{over(rounds, func(r round) float64 { return per(r[longList].whole.p50, r[shortList].whole.p50) })}, err
	})
	if err != nil {
		return nil, err
	}
	rates, err := b.readRates(ctx)
	return [][]float64{lists[0], rates}, err
}

func (b *bench) readRates(ctx context.Context) ([]float64, error) {
	upstream, err1 := b.upstream()
	server, err2 := b.full()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	run, err := server.completedRun()
	if err != nil {
		return nil, err
	}
	served, err1 := newClosed(readers, nil, getting(server.base, run))
	bareGets, err2 := newClosed(readers, nil, getting(upstream.base, "/object"))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	rounds, err := b.alternate(ctx, named{bare, bareGets}, named{runGets, served})
	return over(rounds, func(r round) float64 { return per(r[runGets].rate, r[bare].rate) }), err
}

// completedRun returns the path of a new run that has ended.
func (s *server) completedRun() (string, error) {
	c, err := newConn(s.base)
	if err != nil {
		return "", err
	}
	defer c.close()
	thread, err := c.create("/threads", `{"messages":[`+userMessage+`]}`)
	if err != nil {
		return "", err
	}
	return c.complete("/threads/"+thread, `{"assistant_id":"`+s.assistants[plain]+`"}`)
}

// lister lists 20 messages at a time, in many places of a thread one after the
// other: the newest, the oldest, and between them.
type lister struct {
	*conn
	paths []string
	next  int
}

func (s *server) listing(t libraryThread, length int) func() (*lister, error) {
	return func() (*lister, error) {
		c, err := newConn(s.base)
		l := &lister{conn: c}
		for i := range pages {
			path, off := "/threads/"+t.id+"/messages?limit=20", i*(length-21)/pages
			switch {
			case i%2 > 0:
				path += "&order=asc&after=" + t.message(1+off)
			case i > 0:
				path += "&after=" + t.message(length-off)
			}
			l.paths = append(l.paths, path)
		}
		return l, err
	}
}

func (l *lister) work(context.Context) (times, error) {
	path := l.paths[l.next%len(l.paths)]
	l.next++
	began := time.Now()
	answer, err := l.exchange(http.MethodGet, path, "", version)
	took := time.Since(began)
	if err == nil && len(answer) < 20*500 {
		err = fmt.Errorf("%s has no 20 messages: %.300s", path, answer)
	}
	return times{whole: took}, err
}
