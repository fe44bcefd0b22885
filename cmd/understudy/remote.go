package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// remote is a server that a command talks to.
type remote struct {
	base string // without a path
	key  string // "" = none
	http *http.Client
	met  atomic.Bool // it has answered: from now on it is waited for
}

func newRemote(base, key string) *remote {
	return &remote{base: base, key: key, http: &http.Client{Timeout: requestTime}}
}

// How patient a command is with a server.
const (
	requestTime = 2 * time.Minute
	maxTries    = 40               // of a server that is busy or away
	longestWait = 30 * time.Second // between two of them
	pollHold    = "wait=20"        // seconds
	pollPause   = 50 * time.Millisecond
	maxReply    = 256 << 20 // bytes
)

const notFound = http.StatusNotFound

// refusal is an error of the API.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

// call makes a request and decodes its answer into out, unless that is nil. A
// server that is busy or away is asked again; what is posted is carried out once.
func (r *remote) call(ctx context.Context, method, path string, body, out any) error {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return err
		}
	}
	idempotencyKey := wire.NewHexID("understudy_")
	asking := ctx
	if method == http.MethodPost { // who is interrupted must know what was made, to take it back
		asking = context.WithoutCancel(ctx)
	}
	for try := 1; ; try++ {
		answer, wait, err := r.try(asking, method, path, sent, idempotencyKey)
		switch {
		case err == nil && out == nil:
			return nil
		case err == nil:
			return json.Unmarshal(answer, out)
		case wait == 0 || try == maxTries || ctx.Err() != nil:
			return err
		}
		if err := pause(ctx, min(wait*time.Duration(try), longestWait)); err != nil {
			return err
		}
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// try makes the request once. Where it may succeed later wait is not 0.
func (r *remote) try(ctx context.Context, method, path string, body []byte, idempotencyKey string) (answer []byte, wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Prefer", pollHold)
	request.Header.Set("Openai-Beta", "assistants=v2")
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", idempotencyKey)
	}
	if r.key != "" {
		request.Header.Set("Authorization", "Bearer "+r.key)
	}
	response, err := r.http.Do(request)
	if err != nil && !r.met.Load() {
		return nil, 0, fmt.Errorf("no server is reached at %s: %w; start one with understudy serve, or name it with --url", r.base, errors.Unwrap(err))
	}
	if err != nil {
		return nil, time.Second, fmt.Errorf("asking the server: %w", err)
	}
	defer response.Body.Close()
	r.met.Store(true)
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxReply))
	switch {
	case err != nil:
		return nil, time.Second, fmt.Errorf("reading what the server answers: %w", err)
	case response.StatusCode == http.StatusOK:
		return answer, 0, nil
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable:
		wait = time.Second
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			wait = time.Duration(seconds) * time.Second
		}
	}
	return nil, wait, newRefusal(response.StatusCode, answer)
}

// newRefusal reads the API's error, and says of others at least what they are.
func newRefusal(status int, answer []byte) *refusal {
	message := messageOf(answer)
	if message == "" {
		return &refusal{status, fmt.Sprintf("the server answers with HTTP status %d, which is not how an understudy answers: look at the URL", status)}
	}
	if strings.HasPrefix(message, "Invalid URL") {
		return &refusal{http.StatusBadRequest, "the server does not know how to do this: it is older than this command, or no understudy (" + message + ")"}
	}
	return &refusal{status, message}
}

// messageOf is what an answer in the API's envelope says, "" for others.
func messageOf(answer []byte) string {
	var envelope struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(answer, &envelope) // a stranger answers otherwise
	return printable(envelope.Error.Message)
}

// pastPage is a page of runs.
type pastPage struct {
	Data    []pastRun `json:"data"`
	HasMore bool      `json:"has_more"`
}

// pastRuns lists runs that a model came to the end of, newest first; model "" means any.
func (r *remote) pastRuns(ctx context.Context, model, after string, limit int) (page pastPage, err error) {
	query := url.Values{"status": {ownEnds}, "limit": {strconv.Itoa(limit)}}
	if model != "" {
		query.Set("model", model)
	}
	if after != "" {
		query.Set("after", after)
	}
	err = r.call(ctx, http.MethodGet, "/v1/x/runs?"+query.Encode(), nil, &page)
	return page, err
}

// replay starts a replay.
func (r *remote) replay(ctx context.Context, run pastRun, model, instructions string) (replay pastRun, err error) {
	body := map[string]string{"model": model}
	if instructions != "" {
		body["instructions"] = instructions
	}
	err = r.call(ctx, http.MethodPost, "/v1/threads/"+url.PathEscape(run.ThreadID)+"/runs/"+url.PathEscape(run.ID)+"/replay", body, &replay)
	return replay, err
}

// await waits for the end of a run.
func (r *remote) await(ctx context.Context, run pastRun) error {
	for {
		var seen struct {
			Status runs.Status `json:"status"`
		}
		err := r.call(ctx, http.MethodGet, "/v1/threads/"+url.PathEscape(run.ThreadID)+"/runs/"+url.PathEscape(run.ID), nil, &seen)
		if err != nil || seen.Status.Terminal() {
			return err
		}
		if err := pause(ctx, pollPause); err != nil { // the server holds its answer; this is for one that is stopping
			return err
		}
	}
}

// diff compares two runs.
func (r *remote) diff(ctx context.Context, a, b string) (*runs.Diff, error) {
	diff := &runs.Diff{}
	return diff, r.call(ctx, http.MethodGet, "/v1/x/diff?"+url.Values{"a": {a}, "b": {b}}.Encode(), nil, diff)
}

// deleteThread deletes a thread; one that is gone already is as good.
func (r *remote) deleteThread(ctx context.Context, id string) error {
	err := r.call(ctx, http.MethodDelete, "/v1/threads/"+url.PathEscape(id), nil, nil)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.status == notFound {
		return nil
	}
	return err
}
