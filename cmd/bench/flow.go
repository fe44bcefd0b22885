package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// modelCall is the body of the direct call: what the server sends for a flow.
const modelCall = `{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"How are you today?"}],` +
	`"stream":true,"stream_options":{"include_usage":true}}`

// caller calls a model, past the server.
type caller struct {
	*conn
	path string
}

// calling returns workers that call the upstream in one of its ways, at a base
// URL that leads to it.
func calling(base, way string) func() (*caller, error) {
	return func() (*caller, error) {
		c, err := newConn(base)
		return &caller{c, "/" + way + "/chat/completions"}, err
	}
}

func (c *caller) work(context.Context) (times, error) {
	began := time.Now()
	answer, err := c.exchange(http.MethodPost, c.path, modelCall, "")
	took := time.Since(began)
	if err == nil && !bytes.HasSuffix(answer, []byte(ended)) {
		err = fmt.Errorf("the upstream answered %q", answer)
	}
	return times{whole: took}, err
}

// getter gets an object over and over.
type getter struct {
	*conn
	path string
}

func (g *getter) work(context.Context) (times, error) {
	began := time.Now()
	_, err := g.exchange(http.MethodGet, g.path, "", version)
	return times{whole: time.Since(began)}, err
}

// flowsPerThread keeps the prompts of flows short: what long threads cost is
// another question.
const flowsPerThread = 5

// flow does what a client of the server does for one answer: add a message,
// create a run, and learn of its end by a held request. New threads are not timed.
type flow struct {
	*conn
	run    string // body that creates a run
	thread string // path
	left   int    // flows until another thread is made
}

// flowing returns workers with threads of their own.
func (s *server) flowing() func() (*flow, error) {
	return func() (*flow, error) {
		c, err := newConn(s.base)
		return &flow{conn: c, run: `{"assistant_id":"` + s.assistants[plain] + `"}`}, err
	}
}

const userMessage = `{"role":"user","content":"How are you today?"}`

// next makes another thread when it is time.
func (f *flow) next() error {
	if f.left == 0 {
		id, err := f.create("/threads", "{}")
		if err != nil {
			return err
		}
		f.thread, f.left = "/threads/"+id, flowsPerThread
	}
	f.left--
	return nil
}

func (f *flow) work(context.Context) (times, error) {
	if err := f.next(); err != nil {
		return times{}, err
	}
	began := time.Now()
	if _, err := f.create(f.thread+"/messages", userMessage); err != nil {
		return times{}, err
	}
	_, err := f.complete(f.thread, f.run)
	return times{whole: time.Since(began)}, err
}

// joined is a flow in two requests: its message comes along with the run.
type joined struct {
	flow
}

// joining returns workers with threads of their own.
func (s *server) joining() func() (*joined, error) {
	return func() (*joined, error) {
		c, err := newConn(s.base)
		run := `{"assistant_id":"` + s.assistants[plain] + `","additional_messages":[` + userMessage + `]}`
		return &joined{flow{conn: c, run: run}}, err
	}
}

func (j *joined) work(context.Context) (times, error) {
	if err := j.next(); err != nil {
		return times{}, err
	}
	began := time.Now()
	_, err := j.complete(j.thread, j.run)
	return times{whole: time.Since(began)}, err
}

// complete creates a run on a thread and waits until it is completed; it
// returns the run's path.
func (c *conn) complete(thread, body string) (path string, err error) {
	run, err := c.create(thread+"/runs", body)
	if err != nil {
		return "", err
	}
	path = thread + "/runs/" + run
	answer, err := c.exchange(http.MethodGet, path, "", version+"Prefer: wait=20\r\n")
	if err == nil && !bytes.Contains(answer, []byte(`"status":"completed"`)) {
		err = fmt.Errorf("the run did not complete: %s", answer)
	}
	return path, err
}

// streamed is a run that is streamed, with a message that comes along. Its part
// is the time to the first delta.
type streamed struct {
	flow
}

// streaming returns workers whose runs are streamed, in one of the upstream's ways.
func (s *server) streaming(way string) func() (*streamed, error) {
	return func() (*streamed, error) {
		c, err := newConn(s.base)
		run := `{"assistant_id":"` + s.assistants[way] + `","stream":true,"additional_messages":[` + userMessage + `]}`
		return &streamed{flow{conn: c, run: run}}, err
	}
}

const firstDelta = "event: thread.message.delta\n"

func (s *streamed) work(context.Context) (times, error) {
	if err := s.next(); err != nil {
		return times{}, err
	}
	began := time.Now()
	response, err := s.send(http.MethodPost, s.thread+"/runs", s.run, version)
	if err != nil {
		return times{}, err
	}
	first, err := s.until(response, firstDelta)
	if err == nil && !bytes.Contains(s.answer.Bytes(), []byte("event: thread.run.completed\n")) {
		err = fmt.Errorf("the run did not complete: %s", s.answer.Bytes())
	}
	return times{whole: time.Since(began), part: first.Sub(began)}, err
}

// getting returns workers that get an object.
func getting(base, path string) func() (*getter, error) {
	return func() (*getter, error) {
		c, err := newConn(base)
		return &getter{c, path}, err
	}
}
