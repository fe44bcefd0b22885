package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// conversation is one client at work on one thread, with the thread's ledger.
type conversation struct {
	*client
	ledger
	upstream  *upstream
	assistant string
	due       deadlines
}

// deadlines are the promises of time that the server is held to.
type deadlines struct {
	end          time.Duration // of a run, from the server's readiness on
	resumption   time.Duration // of an interrupted run, from readiness on
	cancellation time.Duration // of a run, from the answer to its cancel on
}

// prompt are the deadlines of a sound server on a machine with time for it,
// lenient those of any other: what it may take until it has tried everything.
var (
	prompt  = deadlines{end: 15 * time.Second, resumption: 2 * time.Second, cancellation: time.Second}
	lenient = deadlines{end: time.Minute, resumption: time.Minute, cancellation: time.Minute}
)

func (c *conversation) path(more string) string { return "/v1/threads/" + c.thread + more }

// create makes the thread; nil when it is known to exist, and otherwise what is
// known of it.
func (c *conversation) create(ctx context.Context, mark string) *item {
	a := c.send(ctx, http.MethodPost, "/v1/threads", map[string]any{"metadata": map[string]string{"mark": mark}})
	i := (&item{name: mark}).enter(a)
	if i.presence != present {
		return i
	}
	c.thread, c.presence, c.metadata = i.id, present, []string{mark}
	return nil
}

// speak adds a message and starts a run for it; nil when there is no run.
func (c *conversation) speak(ctx context.Context, kind, token string, streamed bool) *entry {
	message := &entry{text: kind + " " + token + " please"}
	a := c.send(ctx, http.MethodPost, c.path("/messages"), map[string]any{"role": "user", "content": message.text})
	if !c.add(ctx, message, a) {
		return nil
	}
	e := &entry{run: &run{token: token, kind: kind}}
	body := map[string]any{"assistant_id": c.assistant, "metadata": map[string]string{"token": token}, "stream": streamed}
	if streamed {
		return c.follow(ctx, e, body)
	}
	if !c.add(ctx, e, c.send(ctx, http.MethodPost, c.path("/runs"), body)) {
		return nil
	}
	return e
}

// add enters what a request added into the ledger and reports whether it is
// there; when the answer does not tell, the lists do.
func (c *conversation) add(ctx context.Context, e *entry, a answer) bool {
	e.presence = created(a)
	c.entries = append(c.entries, e)
	var made listed
	if a.read(&made) {
		e.id = made.ID
		return true
	}
	if a.outcome == refused && a.status != http.StatusServiceUnavailable {
		c.verdict.blame(locked, "thread %s takes no more: status %d: %s", c.thread, a.status, a.body)
	}
	if a.outcome == unknown {
		c.check(ctx)
	}
	return e.presence == present
}

// follow creates a run and reads its stream as far as it goes. Under a key it
// asks until the run is announced.
func (c *conversation) follow(ctx context.Context, e *entry, body any) *entry {
	var headers []string
	if key := c.key(); key != "" {
		headers = []string{key}
	}
	a := c.readStream(ctx, e, body, headers)
	for a.outcome == unknown && headers != nil && ctx.Err() == nil {
		a = c.readStream(ctx, e, body, headers)
	}
	if a.outcome != done {
		c.add(ctx, e, a)
	}
	return e.there()
}

// readStream makes the request for a streamed run and enters what it is told.
func (c *conversation) readStream(ctx context.Context, e *entry, body any, headers []string) answer {
	a, response := c.open(ctx, http.MethodPost, c.path("/runs"), body, headers...)
	if response == nil {
		return a
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		a.body, _ = io.ReadAll(response.Body) // for the message alone
		c.judge(http.MethodPost, c.path("/runs"), &a)
		return a
	}
	a.outcome = unknown
	name := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		switch data, isData := strings.CutPrefix(lines.Text(), "data: "); {
		case strings.HasPrefix(lines.Text(), "event: "):
			name = strings.TrimPrefix(lines.Text(), "event: ")
		case isData && strings.HasPrefix(name, "thread.run.") && !strings.HasPrefix(name, "thread.run.step"):
			var shown listed
			if json.Unmarshal([]byte(data), &shown) != nil {
				break
			}
			if a.outcome == unknown {
				a.outcome, a.body = done, []byte(data)
				c.verdict.count(acknowledged)
				c.add(ctx, e, a)
			}
			e.see(c.verdict, shown.Status)
		}
	}
	return a
}

// there returns the entry if it is known to be present.
func (e *entry) there() *entry {
	if e.presence != present {
		return nil
	}
	return e
}

// shownRun is a run as it is shown by itself.
type shownRun struct {
	Status         string `json:"status"`
	RequiredAction *struct {
		Outputs struct {
			Calls []struct {
				ID string `json:"id"`
			} `json:"tool_calls"`
		} `json:"submit_tool_outputs"`
	} `json:"required_action"`
}

// finish brings a run to its end, answering its calls, and reports whether it
// has one.
func (c *conversation) finish(ctx context.Context, e *entry) bool {
	began, first := time.Now(), life{}
	for {
		a := c.send(ctx, http.MethodGet, c.path("/runs/"+e.id), nil, "Prefer: wait=2")
		if ctx.Err() != nil {
			return false
		}
		if first.generation == 0 {
			first = a.life
		}
		var shown shownRun
		if !a.read(&shown) {
			if a.outcome == refused && a.status != http.StatusServiceUnavailable {
				c.verdict.blame(lost, "thread %s: run %s is not there: status %d", c.thread, e.id, a.status)
				return false
			}
			pause(ctx, 20*time.Millisecond)
			continue
		}
		e.see(c.verdict, shown.Status)
		switch {
		case over(shown.Status):
			if a.life.generation != first.generation {
				c.timeResumption(e, a.life)
			}
			c.verdict.count(ended)
			return true
		case shown.Status == "requires_action":
			c.submit(ctx, e, shown)
			began = time.Now()
		case time.Since(began) > c.due.end && time.Since(a.life.ready) > c.due.end:
			c.verdict.blame(stuck, "thread %s: run %s (%s) is %s", c.thread, e.id, e.run.kind, shown.Status)
			return false
		}
	}
}

// timeResumption notes how long after readiness an interrupted run was asked
// for again; one that was stored just before the kill needs no asking.
func (c *conversation) timeResumption(e *entry, last life) {
	at, again := c.upstream.calledAfter(e.run.token, last.begun)
	if !again {
		return
	}
	took := max(0, at.Sub(last.ready))
	c.verdict.time(&c.verdict.resume, &c.verdict.resumed, took)
	if took > c.due.resumption {
		c.verdict.blame(late, "thread %s: run %s went on %v after readiness", c.thread, e.id, took)
	}
}

// submit answers a run's calls. That the server died over it does not matter:
// the next look at the run says whether it has them.
func (c *conversation) submit(ctx context.Context, e *entry, shown shownRun) {
	var outputs []map[string]string
	if shown.RequiredAction != nil {
		for _, call := range shown.RequiredAction.Outputs.Calls {
			if e.run.call != "" && e.run.call != call.ID {
				c.verdict.blame(doubled, "thread %s: run %s made the call %s and then %s", c.thread, e.id, e.run.call, call.ID)
			}
			e.run.call = call.ID
			outputs = append(outputs, map[string]string{"tool_call_id": call.ID, "output": "seen"})
		}
	}
	a := c.send(ctx, http.MethodPost, c.path("/runs/"+e.id+"/submit_tool_outputs"), map[string]any{"tool_outputs": outputs})
	if a.outcome == refused && a.status != http.StatusServiceUnavailable {
		c.verdict.blame(misled, "thread %s: run %s is %s and takes no outputs: %s", c.thread, e.id, shown.Status, a.body)
	}
}

// cancel asks a run to end and times the end.
func (c *conversation) cancel(ctx context.Context, e *entry) {
	for ctx.Err() == nil {
		a := c.send(ctx, http.MethodPost, c.path("/runs/"+e.id+"/cancel"), nil)
		if a.outcome == unknown || a.status == http.StatusServiceUnavailable {
			continue // one that was heard is refused now
		}
		asked := time.Now()
		if !c.finish(ctx, e) || a.outcome != done {
			return
		}
		if now, err := c.target.await(ctx); err == nil && now.generation == a.life.generation {
			took := time.Since(asked)
			c.verdict.time(&c.verdict.cancel, &c.verdict.canceled, took)
			if took > c.due.cancellation {
				c.verdict.blame(late, "thread %s: run %s ended %v after its cancel", c.thread, e.id, took)
			}
		}
		return
	}
}

// mark changes the thread's metadata.
func (c *conversation) mark(ctx context.Context, mark string) {
	switch a := c.send(ctx, http.MethodPost, c.path(""), map[string]any{"metadata": map[string]string{"mark": mark}}); a.outcome {
	case done:
		c.metadata = []string{mark}
	case unknown:
		c.metadata = append(c.metadata, mark)
	case refused: // it stays as it was
	}
}

// remove deletes a message of the user.
func (c *conversation) remove(ctx context.Context, e *entry) {
	e.presence = e.presence.deleted(c.send(ctx, http.MethodDelete, c.path("/messages/"+e.id), nil))
}

// leave deletes the thread.
func (c *conversation) leave(ctx context.Context) {
	c.presence = c.presence.deleted(c.send(ctx, http.MethodDelete, c.path(""), nil))
}

// check compares the ledger with what the server shows, and repeats it when the
// server dies over it.
func (c *conversation) check(ctx context.Context) {
	for ctx.Err() == nil {
		thread := c.send(ctx, http.MethodGet, c.path(""), nil)
		runs, runsKnown := c.list(ctx, "/runs")
		messages, messagesKnown := c.list(ctx, "/messages")
		if thread.outcome == unknown || thread.status == http.StatusServiceUnavailable {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		if thread.outcome == refused {
			c.checkThread(c.verdict, thread)
			return
		}
		if runsKnown && messagesKnown {
			c.checkThread(c.verdict, thread)
			c.checkRuns(c.verdict, runs)
			c.checkMessages(c.verdict, messages)
			return
		}
	}
}

// list reads a list of the thread page by page, oldest first; false when the
// server died over it.
func (c *conversation) list(ctx context.Context, what string) ([]listed, bool) {
	var all []listed
	for after := ""; ; {
		a := c.send(ctx, http.MethodGet, c.path(fmt.Sprintf("%s?order=asc&limit=7%s", what, after)), nil)
		var page struct {
			Data    []listed `json:"data"`
			HasMore bool     `json:"has_more"`
			LastID  string   `json:"last_id"`
		}
		if !a.read(&page) {
			return nil, false
		}
		all = append(all, page.Data...)
		if !page.HasMore {
			return all, true
		}
		after = "&after=" + page.LastID
	}
}
