package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The loads on threads of the library, by what they measure.
const (
	longThread  = "long thread"
	shortThread = "short thread"
	longPrompt  = "prompt from a long thread"
	somePrompt  = "prompt from a shorter thread"
	noPrompt    = "prompt of one message"
)

// threadGrowth measures whether what a thread holds beyond the prompt costs
// anything.
func threadGrowth(ctx context.Context, b *bench) ([][]float64, error) {
	return b.visit(ctx, func(l *library, s *server) ([][]float64, error) {
		upstream, err := b.upstream()
		if err != nil {
			return nil, err
		}
		long, err1 := newClosed(1, nil, s.revisiting(l.threads[10_000]))
		short, err2 := newClosed(1, nil, s.revisiting(l.visited()))
		fromLong, err3 := newClosed(1, nil, s.prompting(upstream, l.threads[10_000]))
		fromSome, err4 := newClosed(1, nil, s.prompting(upstream, l.threads[1_000]))
		fromNone, err5 := newClosed(1, nil, s.prompting(upstream, nil))
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return nil, err
		}
		rounds, err := b.alternate(ctx, named{shortThread, short}, named{longThread, long},
			named{noPrompt, fromNone}, named{somePrompt, fromSome}, named{longPrompt, fromLong})
		return [][]float64{
			over(rounds, func(r round) float64 { return per(r[longThread].whole.p50, r[shortThread].whole.p50) }),
			over(rounds, func(r round) float64 {
				return per(r[longPrompt].whole.p50-r[noPrompt].whole.p50, r[somePrompt].whole.p50-r[noPrompt].whole.p50)
			}),
		}, err
	})
}

// flowsPerVisit is how often a thread is used before the next one is. It grows
// by that, and what the server keeps in memory of it is of use.
const flowsPerVisit = 20

// revisit is the flow of a client with long threads, of which the newest
// messages are kept.
type revisit struct {
	*flow
	threads []libraryThread
	next    int
}

func (s *server) revisiting(threads []libraryThread) func() (*revisit, error) {
	return func() (*revisit, error) {
		c, err := newConn(s.base)
		run := `{"assistant_id":"` + s.assistants[plain] + `","truncation_strategy":{"type":"last_messages","last_messages":50}}`
		return &revisit{flow: &flow{conn: c, run: run}, threads: threads}, err
	}
}

func (r *revisit) work(ctx context.Context) (times, error) {
	if r.left == 0 {
		r.thread, r.left = "/threads/"+r.threads[r.next%len(r.threads)].id, flowsPerVisit
		r.next++
	}
	return r.flow.work(ctx)
}

// promptTokens bounds the prompts of prompting.
const promptTokens = 16_000

// prompt creates a run and finds out when its model call arrives: until then the
// run has been stored and the prompt has been built and sent.
type prompt struct {
	*conn
	upstream *conn
	threads  []libraryThread
	run      string // body that creates a run, without its model
	marks    int    // model calls so far
}

// prompting returns workers on threads of the library; on none, they make a
// thread of one message for each run.
func (s *server) prompting(upstream *process, threads []libraryThread) func() (*prompt, error) {
	return func() (*prompt, error) {
		c, err1 := newConn(s.base)
		u, err2 := newConn(upstream.base)
		run := fmt.Sprintf(`{"assistant_id":"%s","max_prompt_tokens":%d,"model":"%s/%%s"}`, s.assistants[marked], promptTokens, marked)
		return &prompt{conn: c, upstream: u, threads: threads, run: run}, errors.Join(err1, err2)
	}
}

func (p *prompt) close() {
	p.conn.close()
	p.upstream.close()
}

func (p *prompt) work(context.Context) (times, error) {
	id := ""
	if len(p.threads) > 0 {
		id = p.threads[p.marks/flowsPerVisit%len(p.threads)].id
	} else {
		var err error
		if id, err = p.create("/threads", `{"messages":[`+userMessage+`]}`); err != nil {
			return times{}, err
		}
	}
	p.marks++
	mark := fmt.Sprintf("%p-%d", p, p.marks)
	began := time.Now()
	if _, err := p.complete("/threads/"+id, fmt.Sprintf(p.run, mark)); err != nil {
		return times{}, err
	}
	arrival, err := p.upstream.exchange(http.MethodGet, "/arrival/"+mark, "", "")
	if err != nil {
		return times{}, err
	}
	nanoseconds, err := strconv.ParseInt(string(arrival), 10, 64)
	return times{whole: time.Unix(0, nanoseconds).Sub(began)}, err
}
