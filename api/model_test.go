package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"understudy/runs/chat/builtin"
)

// heldModel is a model that says nothing until it is let go.
type heldModel struct {
	asked chan struct{} // gets a value with every call
	free  chan struct{} // closed to let all calls go on
}

func newHeldModel(t testing.TB) *heldModel {
	m := &heldModel{asked: make(chan struct{}, 100), free: make(chan struct{})}
	t.Cleanup(m.release)
	return m
}

func (m *heldModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/chat/completions") {
		m.asked <- struct{}{}
		select {
		case <-m.free:
		case <-r.Context().Done():
			return
		}
	}
	builtin.New(builtin.Options{}).ServeHTTP(w, r)
}

func (m *heldModel) release() {
	select {
	case <-m.free:
	default:
		close(m.free)
	}
}

// talkative is a model that answers in many pieces.
func talkative(pieces int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		const chunk = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n"
		for range pieces {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`+"\n\ndata: [DONE]\n\n")
	}
}

// refusingModel is a backend that takes no request.
func refusingModel(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"error":{"message":"This model is closed.","type":"invalid_request_error","param":null,"code":null}}`))
}
