package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The upstream's ways to answer a chat completion, by the first element of the
// path; each is an upstream of its own to the server.
const (
	plain  = "plain"  // at once
	steady = "steady" // as a stream of many deltas, slowly
	silent = "silent" // one delta, and nothing more
	late   = "late"   // after lateness
	marked = "marked" // at once; when each call of a model arrived can be asked
)

// A steady stream: how long the model thinks, and how fast it writes.
const (
	steadyThought = 20 * time.Millisecond
	steadyGap     = 5 * time.Millisecond
	steadyDeltas  = 50
)

// lateness is the time of a quick model.
const lateness = 300 * time.Millisecond

// script is an answer in the pieces it is sent in.
var script = []string{
	chunk(`{"role":"assistant","content":""}`, "null"),
	chunk(`{"content":"Fine, "}`, "null"),
	chunk(`{"content":"thank you."}`, "null"),
	end,
}

// end ends every answer.
var end = chunk(`{}`, `"stop"`) +
	`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}` + "\n\n" +
	"data: [DONE]\n\n"

// ended is the last that a client reads.
const ended = "data: [DONE]\n\n"

func chunk(delta, finish string) string {
	return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}` + "\n\n"
}

// whole is the answer to those who want no stream.
const whole = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,` +
	`"message":{"role":"assistant","content":"Fine, thank you."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}`

// newUpstream is the scripted model, and a bare server of an object the size of
// a run.
func newUpstream() http.Handler {
	object := `{"id":"` + strings.Repeat("x", 1000) + `"}`
	mux := http.NewServeMux()
	mux.HandleFunc("GET /object", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, object)
	})
	var arrivals sync.Map // times by model
	mux.HandleFunc("GET /arrival/{model}", func(w http.ResponseWriter, r *http.Request) {
		arrival, ok := arrivals.LoadAndDelete(r.PathValue("model"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, arrival.(time.Time).UnixNano())
	})
	mux.HandleFunc("POST /{way}/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		arrival := time.Now()
		request, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller has left
		}
		way := r.PathValue("way")
		if way == marked {
			arrivals.Store(string(modelOf.FindSubmatch(request)[1]), arrival)
		}
		if way == late && !pause(r, lateness) {
			return
		}
		if !bytes.Contains(request, []byte(`"stream":true`)) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, whole)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		stream(w, r, way)
	})
	return mux
}

var modelOf = regexp.MustCompile(`"model":"([^"]*)"`)

// stream sends an answer as long as somebody reads it.
func stream(w http.ResponseWriter, r *http.Request, way string) {
	control := http.NewResponseController(w)
	send := func(piece string) bool {
		_, err := io.WriteString(w, piece)
		return err == nil && control.Flush() == nil
	}
	switch way {
	case steady:
		if !pause(r, steadyThought) || !send(script[0]) {
			return
		}
		piece := chunk(`{"content":"word "}`, "null")
		for i := range steadyDeltas {
			if i > 0 && !pause(r, steadyGap) || !send(piece) {
				return
			}
		}
		send(end)
	case silent:
		if send(script[0] + script[1]) {
			<-r.Context().Done()
		}
	default:
		for _, piece := range script {
			if !send(piece) {
				return
			}
		}
	}
}

// pause lets time pass; false means that the caller has left.
func pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
