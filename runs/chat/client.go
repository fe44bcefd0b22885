package chat

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Client makes model calls. It is safe for concurrent use.
type Client struct {
	config   Config
	routes   []route
	http     *http.Client
	gates    map[string]*gate // by upstream
	images   *images
	profiles profiles
	models   modelList
}

// New checks the configuration and returns a Client. Its errors say what to
// write instead.
func New(config Config) (*Client, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	routes, err := readRoutes(config.Models, config.Upstreams)
	if err != nil {
		return nil, err
	}
	images, err := newImages(config)
	if err != nil {
		return nil, err
	}
	return &Client{config: config, routes: routes, http: newHTTPClient(config), gates: newGates(config), images: images}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) upstream(name string) *Upstream {
	for i := range c.config.Upstreams {
		if c.config.Upstreams[i].Name == name {
			return &c.config.Upstreams[i]
		}
	}
	return &c.config.Upstreams[0]
}

// Complete makes one model call: it routes, adapts the request to what the
// backend takes, repeats what is worth repeating and goes on to the next
// backend of a route. Text goes to sink as it comes, and nothing is repeated
// after that; with a nil sink, a broken answer can be asked for again.
//
// The error is an *Error, or the cause of the context's end. With an error,
// the Answer is what there was, with the record of the last exchange; it is never nil.
func (c *Client) Complete(ctx context.Context, req Request, sink Sink) (*Answer, error) {
	targets, err := c.targets(req)
	if err != nil {
		return &Answer{}, err
	}
	shown := &shownSink{sink: sink}
	var failed []Try
	for i, target := range targets {
		last := i == len(targets)-1
		t := &turn{client: c, target: target, upstream: c.upstream(target.Upstream), request: req, sink: shown, last: last}
		answer, f := t.run(ctx)
		failed = append(failed, t.failures...)
		answer.Exchange.Retries = failed
		switch {
		case f == nil:
			return answer, nil
		case ctx.Err() != nil:
			return answer, context.Cause(ctx)
		case last || shown.used || f.code == InvalidPrompt:
			return answer, t.failed(f)
		}
		c.config.Logger.LogAttrs(ctx, slog.LevelWarn, "model call goes to the next upstream",
			slog.String("from", target.String()), slog.String("to", targets[i+1].String()),
			slog.String("code", string(f.code)), slog.Int("status", f.status))
		failed = append(failed, t.try(f, answer.Exchange))
	}
	return &Answer{}, &Error{Code: ServerError, Message: "The model has no upstream."}
}

// shownSink notes that something was shown, after which no retry can take it
// back. Without a sink nothing is ever shown.
type shownSink struct {
	sink Sink
	used bool
}

func (s *shownSink) Text(delta string) {
	if s.sink != nil {
		s.used = true
		s.sink.Text(delta)
	}
}

func (s *shownSink) Refusal(delta string) {
	if s.sink != nil {
		s.used = true
		s.sink.Refusal(delta)
	}
}

// turn is one model call at one target.
type turn struct {
	client   *Client
	target   Target
	upstream *Upstream
	request  Request
	sink     *shownSink
	last     bool // no other target waits
	tries    int
	failures []Try // that were followed by another try
}

// run repeats the exchange until it succeeds or cannot. When another target
// waits, a dead upstream is not waited for long, and one that is known to be
// sick not at all.
func (t *turn) run(ctx context.Context) (*Answer, *failure) {
	limit := t.upstream.MaxRetries
	if !t.last {
		limit = min(limit, 1)
	}
	var f *failure
	if t.request.Messages, f = t.client.images.prepared(ctx, t.request.Messages, t.upstream.Images); f != nil {
		at := t.client.config.Now()
		return &Answer{Exchange: Exchange{Upstream: t.target.Upstream, Model: t.target.Model, Started: at, Ended: at}}, f
	}
	retries := newRetries(limit, t.client.config)
	p := t.client.profiles.of(t.target, t.upstream)
	var learnt []string
	for {
		answer, wire, f := t.once(ctx, p)
		if f == nil {
			t.remember(ctx, p, learnt)
			return answer, nil
		}
		if ctx.Err() != nil || t.sink.used || f.resting && !t.last {
			return answer, f
		}
		if what := changed(&p, wire, f); what != "" {
			learnt = append(learnt, what)
			try := t.try(f, answer.Exchange)
			try.Changed = what
			t.failures = append(t.failures, try)
			continue
		}
		wait, again := retries.next(f)
		if !again {
			return answer, f
		}
		t.logRetry(ctx, f, wait)
		try := t.try(f, answer.Exchange)
		try.Waited = wait
		if t.client.config.Sleep(ctx, wait) != nil {
			return answer, f
		}
		t.failures = append(t.failures, try)
	}
}

// try is the record of an exchange that failed.
func (t *turn) try(f *failure, x Exchange) Try {
	return Try{Upstream: x.Upstream, Model: x.Model, Status: x.Status, Error: redact(f.message, t.upstream.secrets()), Started: x.Started}
}

// once makes one exchange.
func (t *turn) once(ctx context.Context, p profile) (*Answer, wireRequest, *failure) {
	t.tries++
	t.request.Memory.Release() // of the answer before
	wire := buildRequest(t.request, t.target, p)
	x := t.client.exchange(t.upstream)
	if !t.last {
		x.firstByte = t.upstream.IdleTimeout
	}
	x.record.Upstream, x.record.Kind, x.record.Model = t.target.Upstream, t.upstream.Kind, t.target.Model
	x.keepThink, x.memory = p.keepThink, t.request.Memory
	body, err := marshal(wire)
	if err != nil {
		return &Answer{Exchange: x.record}, wire, unwritable()
	}
	checked := mustBeChecked(t.request, p)
	var sink Sink = t.sink
	if checked {
		sink = nil
	}
	r, f := x.complete(ctx, body, wire.Stream, sink)
	answer := &Answer{}
	if f == nil {
		answer, f = r.fold.settle(r.ended, t.request.Tools)
	}
	if ctx.Err() == nil {
		x.gate.judge(ctx, t.tries, f)
	}
	answer.Exchange = x.record
	if f != nil {
		return answer, wire, f
	}
	if t.request.ParallelToolCalls != nil && !*t.request.ParallelToolCalls && len(answer.Calls) > 1 {
		answer.Calls = answer.Calls[:1]
	}
	answer.State = r.fold.state(t.target, len(answer.Calls))
	if f = check(answer, t.request, p); f != nil {
		return answer, wire, f
	}
	if r.fold.sink == nil {
		t.showWhole(answer)
	}
	return answer, wire, nil
}

// showWhole hands on an answer that was held back until it was judged.
func (t *turn) showWhole(answer *Answer) {
	if answer.Refusal != "" {
		t.sink.Refusal(answer.Refusal)
	}
	if answer.Text != "" {
		t.sink.Text(answer.Text)
	}
}

// mustBeChecked tells whether the request asks by weaker means, such as words,
// for something that the API client was promised.
func mustBeChecked(req Request, p profile) bool {
	return weakerJSON(req, p) || p.noToolChoice && forcesCall(req)
}

// weakerJSON tells whether JSON is asked for by less than the API client did: in
// words, or as any object where a schema was given.
func weakerJSON(req Request, p profile) bool {
	switch formatOf(req) {
	case "":
		return false
	case "json_schema":
		return p.json != jsonAsAsked
	default:
		return p.json == jsonInWords
	}
}

func forcesCall(req Request) bool {
	return req.ToolChoice.Mode == "required" || req.ToolChoice.Mode == "function"
}

// checkTries is how often a model that did not do as it was told is asked
// again.
const checkTries = 2

// check holds an answer against what was asked for by weaker means.
func check(answer *Answer, req Request, p profile) *failure {
	if !mustBeChecked(req, p) || answer.Finish != FinishStop || answer.Refusal != "" {
		return nil
	}
	if forcesCall(req) && p.noToolChoice && len(answer.Calls) == 0 {
		return &failure{
			code: ServerError, retry: true, tries: checkTries,
			message: "The backend takes no tool_choice, and the model did not call a function when it was told to.",
		}
	}
	if !weakerJSON(req, p) || len(answer.Calls) > 0 {
		return nil
	}
	text, ok := bareJSON(answer.Text)
	if !ok {
		return &failure{
			code: ServerError, retry: true, tries: checkTries,
			message: "The backend does not take the response_format, and the model did not answer with JSON when it was told to.",
		}
	}
	answer.Text = text
	return nil
}

// failed turns the last failure into the error that the run shows.
func (t *turn) failed(f *failure) *Error {
	message := f.message
	if f.unknown {
		message = fmt.Sprintf("%s (The model %q went to the upstream %q as %q; the models: map in the server's configuration can send it elsewhere.)",
			message, t.request.Model, t.target.Upstream, t.target.Model)
	}
	return &Error{
		Code:     f.code,
		Message:  redact(message, t.upstream.secrets()),
		Overflow: f.overflow,
	}
}

// remember keeps what the backend refused, once the changed request went
// through.
func (t *turn) remember(ctx context.Context, p profile, learnt []string) {
	if len(learnt) == 0 || t.client.config.Repeatable {
		return
	}
	t.client.profiles.remember(t.target, p)
	for _, what := range learnt {
		t.client.config.Logger.LogAttrs(ctx, slog.LevelInfo, "learnt from a refused request: from now on this model "+what,
			slog.String("upstream", t.target.Upstream), slog.String("model", t.target.Model))
	}
}

func (t *turn) logRetry(ctx context.Context, f *failure, wait time.Duration) {
	t.client.config.Logger.LogAttrs(ctx, slog.LevelWarn, "model call is repeated",
		slog.String("upstream", t.target.Upstream), slog.String("model", t.target.Model),
		slog.Duration("wait", wait), slog.Int("status", f.status), slog.String("code", string(f.code)))
}
