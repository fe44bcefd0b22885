package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"understudy/store"
)

// rowsOfTape are numbered from 1.
var rowsOfTape = []row{
	{"a flow with the tape / without, 1 client", []figure{
		{"", atMost(1.1, ""), ""},
	}, tapeLatency},
	{"64 in flight, with the tape / without", []figure{
		{"CPU per flow", atMost(1.35, ""), ""},
		{"flows/s", atLeast(0.75, ""), ""},
	}, tapeThroughput},
	{"bytes of a flow", []figure{
		{"database with the tape / without", aim{}, ""},
		{"on the tape", atMost(2500, " B"), ""},
	}, tapeBytes},
	{"bytes on the tape of a run that adds two messages", []figure{
		{"to 1,000 / to 100", atMost(1.5, ""), ""},
		{"to 1,000", atMost(4096, " B"), ""},
	}, tapeGrowth},
}

// The loads of a round, by name.
const (
	taped   = "taped"
	untaped = "untaped"
)

// tapePair are two servers that differ in nothing else.
func (b *bench) tapePair(ctx context.Context, name string) (with, without *server, err error) {
	with, err1 := b.serve(ctx, nil, "full", b.folder(name+"-taped"))
	without, err2 := b.serve(ctx, nil, "full", b.folder(name+"-untaped"), "tape: off\n")
	return with, without, errors.Join(err1, err2)
}

// compare alternates flows on both of two servers.
func (b *bench) compare(ctx context.Context, clients int) ([]round, error) {
	with, without, err := b.tapePair(ctx, fmt.Sprint("flows-", clients))
	if err != nil {
		return nil, err
	}
	first, err1 := newClosed(clients, with.process, with.flowing())
	second, err2 := newClosed(clients, without.process, without.flowing())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return b.alternate(ctx, named{taped, first}, named{untaped, second})
}

func tapeLatency(ctx context.Context, b *bench) ([][]float64, error) {
	rounds, err := b.compare(ctx, 1)
	return [][]float64{over(rounds, func(r round) float64 { return per(r[taped].whole.p50, r[untaped].whole.p50) })}, err
}

func tapeThroughput(ctx context.Context, b *bench) ([][]float64, error) {
	rounds, err := b.compare(ctx, crowd)
	return [][]float64{
		over(rounds, func(r round) float64 { return per(r[taped].perDone(), r[untaped].perDone()) }),
		over(rounds, func(r round) float64 { return per(r[taped].rate, r[untaped].rate) }),
	}, err
}

// sizedFlows is how many flows the bytes of one are measured over.
const sizedFlows = 500

// tapeBytes lets both servers do the same and looks at what they have then.
func tapeBytes(ctx context.Context, b *bench) ([][]float64, error) {
	with, without, err := b.tapePair(ctx, "bytes")
	if err != nil {
		return nil, err
	}
	var sizes []int64
	var onTape int64
	for _, s := range []*server{with, without} {
		if err := s.flow(ctx, sizedFlows); err != nil {
			return nil, err
		}
		if s == with {
			if onTape, err = tapeSize(ctx, s.data()); err != nil {
				return nil, err
			}
		}
		if err := s.stop(); err != nil { // the write-ahead log is in the database then
			return nil, err
		}
		info, err := os.Stat(filepath.Join(s.data(), databaseFile))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size())
	}
	return [][]float64{{per(sizes[0], sizes[1])}, {per(onTape, sizedFlows)}}, nil
}

// flow has one client do n flows.
func (s *server) flow(ctx context.Context, n int) error {
	worker, err := s.flowing()()
	if err != nil {
		return err
	}
	defer worker.close()
	for range n {
		if _, err := worker.work(ctx); err != nil {
			return err
		}
	}
	return nil
}

// grownRuns is how many runs a thread's growth is measured over.
const grownRuns = 100

// tapeGrowth runs a short and a long thread over and over, whole.
func tapeGrowth(ctx context.Context, b *bench) ([][]float64, error) {
	s, err := b.serve(ctx, nil, "full", b.folder("growth"))
	if err != nil {
		return nil, err
	}
	c, err := newConn(s.base)
	if err != nil {
		return nil, err
	}
	defer c.close()
	short, err1 := s.growth(ctx, c, 100)
	long, err2 := s.growth(ctx, c, 1_000)
	return [][]float64{{per(long, short)}, {long}}, errors.Join(err1, err2)
}

// growth is how many bytes the tape grows by with each run of a thread.
func (s *server) growth(ctx context.Context, c *conn, messages int) (float64, error) {
	all := make([]string, messages)
	for i := range all {
		all[i] = fmt.Sprintf(`{"role":"user","content":"message %d of a long conversation"}`, i)
	}
	id, err := c.create("/threads", `{"messages":[`+strings.Join(all, ",")+`]}`)
	if err != nil {
		return 0, err
	}
	run := func(i int) error {
		_, err := c.complete("/threads/"+id, fmt.Sprintf(`{"assistant_id":"%s","additional_messages":[{"role":"user","content":"and %d"}]}`, s.assistants[plain], i))
		return err
	}
	if err := run(0); err != nil { // all that is there comes onto the tape
		return 0, err
	}
	before, err := tapeSize(ctx, s.data())
	if err != nil {
		return 0, err
	}
	for i := range grownRuns {
		if err := run(i + 1); err != nil {
			return 0, err
		}
	}
	after, err := tapeSize(ctx, s.data())
	return per(after-before, grownRuns), err
}

// data is the server's data directory.
func (s *server) data() string { return filepath.Dir(s.walIdx) }

// tapeSize reads the size of the tape beside a server at work.
func tapeSize(ctx context.Context, data string) (int64, error) {
	db, err := store.OpenShared(ctx, store.Options{Dir: data})
	if err != nil {
		return 0, err
	}
	size, err := db.TapeSize(ctx)
	return size, errors.Join(err, db.Close())
}
