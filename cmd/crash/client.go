package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// target is where the server is, while it is anywhere.
type target struct {
	mu         sync.Mutex
	base       string        // without a path
	up         chan struct{} // closed while the server is ready
	generation int           // counts starts
	begun      time.Time     // when the process was started
	ready      time.Time     // when it was ready
}

func newTarget() *target { return &target{up: make(chan struct{})} }

func (t *target) isUp(base string, begun time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.base, t.begun, t.ready = base, begun, time.Now()
	t.generation++
	close(t.up)
}

func (t *target) isDown() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up = make(chan struct{})
}

// life is one process of the server.
type life struct {
	base         string
	generation   int
	begun, ready time.Time
}

// await waits until the server is ready.
func (t *target) await(ctx context.Context) (life, error) {
	t.mu.Lock()
	up := t.up
	t.mu.Unlock()
	select {
	case <-up:
	case <-ctx.Done():
		return life{}, ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return life{t.base, t.generation, t.begun, t.ready}, nil
}

// outcome is what a client knows of a request it made.
type outcome int

const (
	unknown outcome = iota // the server died before it answered: either way, but once
	done                   // answered 200: it stays so
	refused                // answered otherwise: nothing has changed
)

// answer is the answer to a request, if there was one.
type answer struct {
	outcome
	status int
	body   []byte
	life   life // that answered, or died over it
}

// read decodes the body.
func (a answer) read(object any) bool {
	return a.outcome == done && json.Unmarshal(a.body, object) == nil
}

// client makes requests of the server, whichever process it is.
type client struct {
	http    *http.Client
	target  *target
	verdict *verdict
	// keys begin the Idempotency-Keys under which the client repeats every POST
	// until it is answered; "" when it does not.
	keys string
	used int
}

// patience bounds every request; the longest legitimate one is a commit that
// waits for a slow disk.
const patience = 30 * time.Second

// send makes a request and reads the answer to its end. Under a key it is
// repeated until there is one.
func (c *client) send(ctx context.Context, method, path string, body any, headers ...string) answer {
	if key := c.key(); method == http.MethodPost && key != "" {
		headers = append(headers, key)
		for ctx.Err() == nil {
			if a := c.once(ctx, method, path, body, headers...); a.outcome != unknown {
				return a
			}
		}
	}
	return c.once(ctx, method, path, body, headers...)
}

// key is the header of the next request that is to be carried out once.
func (c *client) key() string {
	if c.keys == "" {
		return ""
	}
	c.used++
	return fmt.Sprintf("Idempotency-Key: %s-%d", c.keys, c.used)
}

func (c *client) once(ctx context.Context, method, path string, body any, headers ...string) answer {
	a, response := c.open(ctx, method, path, body, headers...)
	if response == nil {
		return a
	}
	defer response.Body.Close()
	var err error
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return answer{life: a.life}
	}
	c.judge(method, path, &a)
	if a.status == http.StatusServiceUnavailable { // as SDKs do
		pause(ctx, rand.N(200*time.Millisecond)) //nolint:gosec // chance, not secrecy
	}
	return a
}

// open makes a request; without a response the server died over it.
func (c *client) open(ctx context.Context, method, path string, body any, headers ...string) (answer, *http.Response) {
	serving, err := c.target.await(ctx)
	if err != nil {
		return answer{}, nil
	}
	reader, kind := io.Reader(http.NoBody), "application/json"
	switch body := body.(type) {
	case nil:
	case *form:
		reader, kind = bytes.NewReader(body.content), body.kind
	default:
		encoded, _ := json.Marshal(body) // maps of strings
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, serving.base+path, reader)
	if err != nil {
		return answer{life: serving}, nil
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("OpenAI-Beta", "assistants=v2")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if method != http.MethodGet {
			c.verdict.count(cutOff)
		}
		c.down(ctx, serving)
		return answer{life: serving}, nil
	}
	return answer{outcome: refused, status: response.StatusCode, life: serving}, response
}

// down waits a moment for the word that the server is down, so that nobody
// runs against a closed door.
func (c *client) down(ctx context.Context, was life) {
	for range 200 {
		if now, err := c.target.await(ctx); err != nil || now.generation != was.generation {
			return
		}
		pause(ctx, 10*time.Millisecond)
	}
	c.verdict.blame(misled, "a server that was not killed answers no more")
}

// pause waits.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// judge notes what an answer means.
func (c *client) judge(method, path string, a *answer) {
	switch {
	case a.status == http.StatusOK:
		a.outcome = done
		if method != http.MethodGet {
			c.verdict.count(acknowledged)
		}
	case a.status == http.StatusServiceUnavailable:
		c.verdict.count(turnedDown)
	case a.status >= http.StatusInternalServerError:
		c.verdict.blame(misled, "%s %s: status %d: %s", method, path, a.status, a.body)
	}
}
