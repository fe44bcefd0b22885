package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// scriptedModel is a Chat Completions backend that answers what it was told to.
type scriptedModel struct {
	t     testing.TB
	turns chan *modelTurn
}

func newScriptedModel(t testing.TB) *scriptedModel {
	return &scriptedModel{t: t, turns: make(chan *modelTurn, 1)}
}

// modelTurn is one answer of the model, held back until it is released.
type modelTurn struct {
	pieces []string // of the text
	calls  []recordedCall
	finish string
	usage  json.RawMessage // null where the recording shows none
	then   *modelTurn      // the turn behind a search of the server's own

	runID   string    // as recorded, "" in a stream
	shownIn *exchange // the first to show what came of the turn, nil when none does

	asked    chan struct{} // closed when the model is asked
	released chan struct{}
}

func (s *scriptedModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	var turn *modelTurn
	select {
	case turn = <-s.turns:
	default:
		s.t.Error("the model was asked once more than in the recording")
		http.Error(w, "{}", http.StatusTeapot)
		return
	}
	close(turn.asked)
	if turn.then != nil {
		s.turns <- turn.then
	}
	select {
	case <-turn.released:
		turn.write(w)
	case <-r.Context().Done():
	}
}

// write streams the turn in the pieces of the recording.
func (m *modelTurn) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, piece := range m.pieces {
		writeChunk(w, map[string]any{"content": piece}, nil)
	}
	for i, call := range m.calls {
		writeChunk(w, map[string]any{"tool_calls": []any{map[string]any{
			"index": i, "id": call.ID, "type": "function",
			"function": map[string]any{"name": call.Function.Name, "arguments": call.Function.Arguments},
		}}}, nil)
	}
	writeChunk(w, map[string]any{}, m.finish)
	fmt.Fprintf(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[],"usage":%s}`, m.usage)
	fmt.Fprint(w, "\n\ndata: [DONE]\n\n")
}

func writeChunk(w http.ResponseWriter, delta, finish any) {
	fmt.Fprintf(w, "data: %s\n\n", encoded(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	}))
	_ = http.NewResponseController(w).Flush()
}
