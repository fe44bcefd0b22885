package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The kinds of requests, each the first word of a user's message; the second is
// the token that tells the message from all others.
const (
	say    = "say"    // answered with words, a few at a time
	call   = "call"   // answered with a call, and with words when that is answered
	flaky  = "flaky"  // fails at the first attempt
	wrong  = "wrong"  // refused
	hang   = "hang"   // never answered
	dawdle = "dawdle" // answered without an end
)

// spoken is the whole answer to a token, from which half an answer can be told.
func spoken(token string) string {
	return "In reply to " + token + ": one, two, three, four, five, done."
}

// request is what the upstream reads of a model call.
type request struct {
	Messages []struct {
		Role    string
		Content json.RawMessage
	}
}

var asked = regexp.MustCompile(`\b(say|call|flaky|wrong|hang|dawdle) (w\d+-\d+)\b`)

// upstream is a scripted Chat Completions backend on loopback. It remembers
// when it was called for which token.
type upstream struct {
	server *http.Server
	url    string
	pace   time.Duration // longest pause between two pieces of an answer

	mu     sync.Mutex
	called map[string][]time.Time
}

func startUpstream(pace time.Duration) (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{url: "http://" + listener.Addr().String() + "/v1", pace: pace, called: map[string][]time.Time{}}
	u.server = &http.Server{Handler: http.HandlerFunc(u.answer), ReadHeaderTimeout: time.Minute}
	go func() { _ = u.server.Serve(listener) }() // until stop
	return u, nil
}

func (u *upstream) stop() { _ = u.server.Close() }

// answer plays the part that the last of the user's messages asks for.
func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent request
	if err != nil || json.Unmarshal(body, &sent) != nil || len(sent.Messages) == 0 {
		http.Error(w, `{"error":{"message":"not a request"}}`, http.StatusBadRequest)
		return
	}
	kind, token := "", ""
	for _, m := range sent.Messages {
		if found := asked.FindStringSubmatch(string(m.Content)); m.Role == "user" && found != nil {
			kind, token = found[1], found[2]
		}
	}
	attempts := u.note(token)
	last := sent.Messages[len(sent.Messages)-1].Role
	switch {
	case kind == hang:
		<-r.Context().Done()
	case kind == wrong:
		http.Error(w, `{"error":{"message":"no such thing","type":"invalid_request_error"}}`, http.StatusBadRequest)
	case kind == flaky && attempts == 1:
		w.Header().Set("Retry-After-Ms", "20")
		http.Error(w, `{"error":{"message":"try again"}}`, http.StatusServiceUnavailable)
	case kind == dawdle:
		for n := 0; u.piece(w, r, fmt.Sprintf(`{"content":"%d, "}`, n), "null"); n++ {
			continue
		}
	case kind == call && last != "tool":
		u.piece(w, r, `{"tool_calls":[{"index":0,"id":"c_`+token+`","type":"function","function":{"name":"look","arguments":"{\"at\":\"`+token+`\"}"}}]}`, "null")
		u.end(w, r, "tool_calls")
	default:
		for _, piece := range strings.SplitAfter(spoken(token), ", ") {
			text, _ := json.Marshal(piece)
			u.piece(w, r, `{"content":`+string(text)+`}`, "null")
		}
		u.end(w, r, "stop")
	}
}

// piece sends a part of an answer after a pause and reports whether anybody
// listens.
func (u *upstream) piece(w http.ResponseWriter, r *http.Request, delta, finish string) bool {
	pause := time.NewTimer(rand.N(u.pace)) //nolint:gosec // chance, not secrecy
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-r.Context().Done():
		return false
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, err := io.WriteString(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":`+delta+`,"finish_reason":`+finish+`}]}`+"\n\n")
	return err == nil && http.NewResponseController(w).Flush() == nil
}

func (u *upstream) end(w http.ResponseWriter, r *http.Request, finish string) {
	if u.piece(w, r, `{}`, `"`+finish+`"`) {
		_, _ = io.WriteString(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}`+"\n\ndata: [DONE]\n\n")
	}
}

// note counts a call.
func (u *upstream) note(token string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.called[token] = append(u.called[token], time.Now())
	return len(u.called[token])
}

// calledAfter returns when the token was first asked for after a time.
func (u *upstream) calledAfter(token string, after time.Time) (time.Time, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, at := range u.called[token] {
		if at.After(after) {
			return at, true
		}
	}
	return time.Time{}, false
}

// forget drops what is known of a token.
func (u *upstream) forget(token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.called, token)
}
