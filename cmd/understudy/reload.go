package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"

	"understudy/runs/chat"
	"understudy/runs/chat/builtin"
)

// newChat returns the client of the configured upstreams. Hop names this
// process in every call, so that a call that comes back is known.
func newChat(config Config, repeats *repetition, hop string, logger *slog.Logger) (*chat.Client, error) {
	c := config.Chat()
	c.Logger = logger
	repeats.through(&c)
	c.Schemes = map[string]http.RoundTripper{"builtin": chat.HandlerTransport(builtin.New(builtin.Options{}))}
	for i := range c.Upstreams {
		if c.Upstreams[i].Headers == nil {
			c.Upstreams[i].Headers = map[string]string{}
		}
		c.Upstreams[i].Headers[chat.HopHeader] = hop
	}
	return chat.New(c)
}

// backends is the chat client in use. When another takes its place, the calls
// under way come to their end on the old one, which is closed behind the last.
type backends struct {
	mu      sync.Mutex
	current *generation
}

// generation is a chat client with the number of its calls.
type generation struct {
	client *chat.Client
	calls  int
	old    bool
}

func newBackends(client *chat.Client) *backends {
	return &backends{current: &generation{client: client}}
}

// begin returns the client in use for a call, and what must be called when
// that has ended.
func (b *backends) begin() (client *chat.Client, end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.current
	g.calls++
	return g.client, func() {
		b.mu.Lock()
		g.calls--
		last := g.old && g.calls == 0
		b.mu.Unlock()
		if last {
			g.client.Close()
		}
	}
}

// replace gives all calls from now on another client.
func (b *backends) replace(client *chat.Client) {
	b.mu.Lock()
	old := b.current
	old.old = true
	idle := old.calls == 0
	b.current = &generation{client: client}
	b.mu.Unlock()
	if idle {
		old.client.Close()
	}
}

// Close lets go of idle connections.
func (b *backends) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current.client.Close()
}

// Complete implements runs.Model.
func (b *backends) Complete(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
	client, end := b.begin()
	defer end()
	return client.Complete(ctx, req, sink)
}

// Render implements runs.Model.
func (b *backends) Render(ctx context.Context, req chat.Request) (chat.Exchange, error) {
	client, end := b.begin()
	defer end()
	return client.Render(ctx, req)
}

// ContextWindow implements runs.Model.
func (b *backends) ContextWindow(model string) int {
	client, end := b.begin()
	defer end()
	return client.ContextWindow(model)
}

// UpstreamOf implements runs.Model.
func (b *backends) UpstreamOf(chosen, model string) string {
	client, end := b.begin()
	defer end()
	return client.UpstreamOf(chosen, model)
}

// Places implements runs.Model.
func (b *backends) Places() map[string]int {
	client, end := b.begin()
	defer end()
	return client.Places()
}

// Strict implements api.Upstreams.
func (b *backends) Strict() bool {
	client, end := b.begin()
	defer end()
	return client.Strict()
}

// Outgoing implements api.Upstreams.
func (b *backends) Outgoing(model, upstream string) (ways []chat.Outgoing, done func(), err error) {
	client, end := b.begin()
	ways, sent, err := client.Outgoing(model, upstream)
	if err != nil {
		end()
		return nil, nil, err
	}
	return ways, func() { sent(); end() }, nil
}

// reloadOn takes over the configuration that load reads whenever a signal
// comes, until the app is closed.
func (a *app) reloadOn(signals <-chan os.Signal, load func() (Config, error)) {
	a.tasks.Go(func() {
		for {
			select {
			case <-signals:
				a.reload(load())
			case <-a.stop:
				return
			}
		}
	})
}

// reload takes over what may change of a configuration while the server runs:
// upstreams, models and models_strict, relay, cors_origins, webhooks, run_webhooks.
// When anything is wrong with it, all stays as it was.
func (a *app) reload(config Config, err error) {
	var client *chat.Client
	if err == nil && config.Recordings.Replay == "" {
		served := config
		served.Listen = cmp.Or(a.address, a.config.Listen) // a changed one does not count yet
		err = refuseOwnAddress(context.Background(), served, machine)
	}
	if err == nil && config.Offline && !a.config.Offline {
		err = fmt.Errorf("%s: it names no upstream, maybe because it is just being written; write the upstreams again", config.File)
	}
	if err == nil {
		client, err = newChat(config, a.repeats, a.hop, a.logger)
	}
	if err != nil {
		for _, problem := range problems(err) {
			a.logger.Error("the configuration was read again and is not taken over; the old one stays", "problem", problem)
		}
		return
	}
	for _, c := range []struct{ name, old, now string }{
		{"listen", a.config.Listen, config.Listen},
		{"data", a.config.Data, cmp.Or(config.Data, a.config.Data)},
		{"durability", string(a.config.Durability), string(config.Durability)},
		{"auth", string(a.config.Auth), string(config.Auth)},
		{"limits", a.config.Limits.fixed(), config.Limits.fixed()},
		{"tape", a.config.Tape.String(), config.Tape.String()},
		{"record", a.config.Recordings.Record, config.Recordings.Record},
		{"replay", a.config.Recordings.Replay, config.Recordings.Replay},
		{"adopt", strconv.FormatBool(a.config.Adopt), strconv.FormatBool(config.Adopt)},
		{"log_format", string(a.config.LogFormat), string(config.LogFormat)},
	} {
		if c.old != c.now {
			a.logger.Warn("a changed setting counts from the next start on", "setting", c.name, "now", c.old, "then", c.now)
		}
	}
	a.chat.replace(client)
	if err := a.webhooks.Configure(config.Webhooks.reveal()); err != nil { // what is wrong was found when it was read
		a.logger.Error("the webhooks stay as they were", "problem", err)
	}
	a.engine.Reroute()
	a.handler.Change(config.CORSOrigins, config.Relay, config.Limits.RequestsPerMinute)
	a.logger.Info("the configuration was read again and is taken over", "upstreams", config.Upstreams, "models", len(config.Models))
}

// problems are the single mistakes that an error joins.
func problems(err error) []error {
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
