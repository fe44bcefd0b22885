// Package builtin is the offline model builtin/echo: an http.Handler that
// speaks Chat Completions without any network, for a first try without keys
// and for tests.
//
// The model does not think, it follows rules, in this order:
//
//  1. A forced function (tool_choice names it, or is "required"), or the only
//     function offered when no tool result follows the last user message, is
//     called with arguments that satisfy its JSON schema. Of several functions
//     it calls the ones whose names' words occur in the user's text.
//  2. Tool results after the last user message are quoted in a sentence.
//  3. file_search and code_interpreter, when offered, are called with the
//     user's text.
//  4. Otherwise it repeats the user's last text.
//
// It is as strict as the hosted API about the order of messages, so a client
// that works with it has its conversation right.
package builtin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Model is the id under which the model presents itself, whatever name it was
// called by.
const Model = "builtin/echo"

const (
	fingerprint  = "builtin-echo"
	introduced   = 1795219200 // "created" in the list of models, Unix seconds
	maxBodyBytes = 64 << 20
)

// Options adjust the model. The zero value works.
type Options struct {
	// Delay passes before the first byte of every answer. A request's query
	// parameter "delay" (a Go duration such as 50ms) overrides it.
	Delay time.Duration

	// Now is the clock of "created" members; nil means time.Now.
	Now func() time.Time
}

type server struct {
	delay time.Duration
	now   func() time.Time
}

// New returns the model's HTTP handler. It serves POST …/chat/completions,
// POST …/embeddings and GET …/models under any path prefix, and keeps no
// state between requests.
func New(opts Options) http.Handler {
	s := &server{delay: opts.Delay, now: opts.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

type endpoint struct {
	suffix, method string
	serve          func(*server, http.ResponseWriter, *http.Request) error
}

var endpoints = []endpoint{
	{"/chat/completions", http.MethodPost, (*server).chat},
	{"/embeddings", http.MethodPost, (*server).embeddings},
	{"/models", http.MethodGet, (*server).models},
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Every other error is a client that left: nobody is there to be told.
	var refused *apiError
	if errors.As(s.route(w, r), &refused) {
		writeError(w, refused)
	}
}

func (s *server) route(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimSuffix(r.URL.Path, "/")
	for _, e := range endpoints {
		if !strings.HasSuffix(path, e.suffix) {
			continue
		}
		if r.Method != e.method {
			w.Header().Set("Allow", e.method)
			return &apiError{
				status:  http.StatusMethodNotAllowed,
				message: "Not allowed to " + r.Method + " on " + r.URL.Path + ".",
			}
		}
		return e.serve(s, w, r)
	}
	return &apiError{
		status:  http.StatusNotFound,
		message: "Unknown request URL: " + r.Method + " " + r.URL.Path + ".",
		code:    "unknown_url",
	}
}

func (s *server) models(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]any{
		"object": "list",
		"data": []any{map[string]any{
			"id": Model, "object": "model", "created": introduced, "owned_by": "understudy",
		}},
	})
}

// pause lets the configured delay pass, or the one the request's query asks
// for, and ends early with the context's error.
func (s *server) pause(r *http.Request) error {
	delay := s.delay
	if asked := r.URL.Query().Get("delay"); asked != "" {
		var err error
		if delay, err = time.ParseDuration(asked); err != nil || delay < 0 {
			return badRequest("delay", "Invalid 'delay': expected a duration such as 50ms, got '%s'.", asked)
		}
	}
	return sleep(r.Context(), delay)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newID mints ids like the hosted API's: a prefix and 24 random characters.
func newID(prefix string) string { return prefix + rand.Text()[:24] }

func writeJSON(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(body)
}
