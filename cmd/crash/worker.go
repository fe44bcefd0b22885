package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// worker is one client of the server, which does one thing after the other.
type worker struct {
	*client
	n         int
	upstream  *upstream
	shelf     *shelf
	due       deadlines
	forgetful bool // checks a thread once and deletes it, as a load that lasts needs

	assistant string
	current   *conversation
	flows     int // begun
	left      int // flows in the current thread
	threads   []*conversation
}

// flowsPerThread keeps threads short enough to be checked often.
const flowsPerThread = 6

// work goes on until it is told to stop, and then comes to the end of its flow.
func (w *worker) work(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		default:
			w.step(ctx)
		}
	}
}

// step is one flow and, now and then, something beside it.
func (w *worker) step(ctx context.Context) {
	w.flows++
	if w.assistant == "" && !w.begin(ctx) {
		return
	}
	if w.left == 0 && !w.turn(ctx) {
		return
	}
	w.left--
	w.aside(ctx)
	w.flow(ctx)
}

// begin makes the assistant that the worker's runs are made from.
func (w *worker) begin(ctx context.Context) bool {
	i := &item{name: fmt.Sprintf("worker %d %d", w.n, w.flows)}
	i.enter(w.send(ctx, "POST", "/v1/assistants", map[string]any{"model": "m", "name": i.name, "tools": []any{
		map[string]any{"type": "function", "function": map[string]any{"name": "look", "parameters": map[string]any{"type": "object"}}},
	}}))
	w.shelf.helps = append(w.shelf.helps, i)
	w.assistant = i.id
	return i.id != ""
}

// turn checks the thread that was worked on and begins another one.
func (w *worker) turn(ctx context.Context) bool {
	if w.current != nil {
		w.current.check(ctx)
		if w.forgetful || w.chance(10) {
			w.current.leave(ctx)
		}
		w.retire()
	}
	begun := &conversation{client: w.client, upstream: w.upstream, assistant: w.assistant, due: w.due}
	if orphan := begun.create(ctx, w.name("mark")); orphan != nil {
		w.shelf.orphans = append(w.shelf.orphans, orphan)
		return false
	}
	w.current, w.left = begun, flowsPerThread
	if !w.forgetful {
		w.threads = append(w.threads, w.current)
	}
	return true
}

// retire forgets what the upstream need not know any more.
func (w *worker) retire() {
	for _, e := range w.current.entries {
		if e.run != nil {
			w.upstream.forget(e.run.token)
		}
	}
	w.current = nil
}

func (w *worker) name(what string) string { return fmt.Sprintf("%s %d-%d", what, w.n, w.flows) }

// chance is true in one of n cases.
func (w *worker) chance(n int) bool { return rand.N(n) == 0 } //nolint:gosec // chance, not secrecy

// kinds are the kinds of flows, the more frequent ones more often.
var kinds = []string{say, say, say, say, call, call, call, flaky, wrong, hang, dawdle}

// flow is a message and a run that answers it.
func (w *worker) flow(ctx context.Context) {
	kind := kinds[rand.N(len(kinds))] //nolint:gosec // chance, not secrecy
	streamed := w.chance(3) && kind != hang && kind != dawdle
	e := w.current.speak(ctx, kind, fmt.Sprintf("w%d-%d", w.n, w.flows), streamed)
	if e == nil {
		return
	}
	if kind == hang || kind == dawdle {
		if w.chance(2) { // or at once
			pause(ctx, rand.N(100*time.Millisecond)) //nolint:gosec // as above
		}
		w.current.cancel(ctx, e)
		return
	}
	if !w.current.finish(ctx, e) {
		return
	}
	if want := map[string]string{wrong: "failed"}[kind]; want != "" && e.run.status != want || want == "" && e.run.status != "completed" {
		w.verdict.blame(misled, "thread %s: run %s (%s) is %s", w.current.thread, e.id, kind, e.run.status)
	}
}

// aside does some of the other things clients do.
func (w *worker) aside(ctx context.Context) {
	c := w.current
	if w.chance(3) {
		c.mark(ctx, w.name("mark"))
	}
	if w.chance(6) {
		if e := c.entries; len(e) > 0 && e[0].run == nil && e[0].presence == present {
			c.remove(ctx, e[0])
		}
	}
	if w.chance(6) {
		w.shelf.upload(ctx, w.flows)
	}
	if w.chance(10) {
		w.shelf.hire(ctx, w.flows)
	}
	if n := len(w.shelf.files); n > 0 && w.chance(8) {
		w.shelf.reread(ctx, w.shelf.files[rand.N(n)]) //nolint:gosec // chance, not secrecy
	}
	if n := len(w.shelf.files); n > 0 && (w.chance(20) || w.forgetful) {
		w.shelf.drop(ctx, w.shelf.files[n-1], "/v1/files")
	}
	if n := len(w.shelf.helps); n > 1 && w.shelf.helps[n-1].id != w.assistant && (w.chance(20) || w.forgetful) {
		w.shelf.drop(ctx, w.shelf.helps[n-1], "/v1/assistants")
	}
	if w.chance(4) {
		c.check(ctx)
	}
}
