package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// backend is a Chat Completions backend on loopback whose answers the test
// gives, piece by piece.
type backend struct {
	url   string // base URL, with /v1
	over  chan struct{}
	mu    sync.Mutex
	calls map[string]chan *modelCall // by the user's last words
	asked int                        // function calls made
}

// modelCall is one call that the backend has got. It stays open until the test
// finishes it or the caller leaves.
type modelCall struct {
	header   http.Header
	body     string
	Model    string
	Messages []openai.ChatCompletionMessage

	backend *backend
	pieces  chan func(http.ResponseWriter)
	ended   chan struct{} // the answer is finished, or the caller has left

	finished bool // by the test
}

func startBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{over: make(chan struct{}), calls: map[string]chan *modelCall{}}
	listening := httptest.NewServer(b)
	b.url = listening.URL + "/v1"
	t.Cleanup(func() {
		close(b.over)
		listening.Close()
	})
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	call := &modelCall{backend: b, header: r.Header, body: string(body), pieces: make(chan func(http.ResponseWriter)), ended: make(chan struct{})}
	if err != nil || r.URL.Path != "/v1/chat/completions" || json.Unmarshal(body, call) != nil {
		http.Error(w, "no such thing here", http.StatusNotFound)
		return
	}
	defer close(call.ended)
	b.of(call.lastWords()) <- call
	for {
		select {
		case piece, more := <-call.pieces:
			if !more {
				return
			}
			piece(w)
			_ = http.NewResponseController(w).Flush() // the caller may have left
		case <-r.Context().Done():
			return
		case <-b.over:
			return
		}
	}
}

// lastWords is the text of the last message of the user.
func (c *modelCall) lastWords() string {
	words := ""
	for _, m := range c.Messages {
		if m.Role == openai.ChatMessageRoleUser {
			words = m.Content
		}
	}
	return words
}

func (b *backend) of(words string) chan *modelCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls[words] == nil {
		b.calls[words] = make(chan *modelCall, 8)
	}
	return b.calls[words]
}

// next waits for the next call about these words of the user.
func (b *backend) next(t *testing.T, words string) *modelCall {
	t.Helper()
	return await(t, b.of(words), "a model call about: "+words)
}

// idle checks that no call about these words is waiting.
func (b *backend) idle(t *testing.T, words string) {
	t.Helper()
	require.Empty(t, b.of(words), "a call too many")
}

// write sends a piece of the answer.
func (c *modelCall) write(t *testing.T, piece func(http.ResponseWriter)) {
	t.Helper()
	select {
	case c.pieces <- piece:
	case <-c.ended:
		require.FailNow(t, "the caller has left")
	}
}

// chunk sends an event of the stream, with what it says about the only choice.
func (c *modelCall) chunk(t *testing.T, delta, finish string) {
	t.Helper()
	c.write(t, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":%q,"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n", c.Model, delta, finish)
	})
}

// say streams text.
func (c *modelCall) say(t *testing.T, text string) {
	t.Helper()
	c.chunk(t, fmt.Sprintf(`{"content":%q}`, text), "null")
}

// mint is the backend's own id of a function call: up_1, up_2 and so on.
func (b *backend) mint() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	return fmt.Sprint("up_", b.asked)
}

// ask streams function calls, written name(arguments), each in two fragments.
func (c *modelCall) ask(t *testing.T, calls ...string) {
	t.Helper()
	for i, call := range calls {
		name, arguments, _ := strings.Cut(strings.TrimSuffix(call, ")"), "(")
		c.chunk(t, fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":""}}]}`, i, c.backend.mint(), name), "null")
		c.chunk(t, fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%q}}]}`, i, arguments), "null")
	}
}

// What every finished answer costs.
const (
	promptTokens     = 11
	completionTokens = 7
)

// finish ends the answer.
func (c *modelCall) finish(t *testing.T, reason openai.FinishReason) {
	t.Helper()
	c.chunk(t, "{}", fmt.Sprintf("%q", reason))
	c.write(t, func(w http.ResponseWriter) {
		fmt.Fprintf(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":%q,"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`+"\n\ndata: [DONE]\n\n",
			c.Model, promptTokens, completionTokens, promptTokens+completionTokens)
	})
	c.end(t)
}

func (c *modelCall) end(t *testing.T) {
	t.Helper()
	c.finished = true
	close(c.pieces)
	await(t, c.ended, "the end of the answer")
}

// reply is a whole answer of text.
func (c *modelCall) reply(t *testing.T, text string) {
	t.Helper()
	c.say(t, text)
	c.finish(t, openai.FinishReasonStop)
}

// call is a whole answer of function calls.
func (c *modelCall) call(t *testing.T, calls ...string) {
	t.Helper()
	c.ask(t, calls...)
	c.finish(t, openai.FinishReasonToolCalls)
}

// refuse answers with an error.
func (c *modelCall) refuse(t *testing.T, status int, body string) {
	t.Helper()
	c.write(t, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the caller may have left
	})
	c.end(t)
}
