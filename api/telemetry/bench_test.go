package telemetry_test

import (
	"context"
	"testing"
	"time"

	"understudy/api/telemetry"
	"understudy/runs"
	"understudy/runs/chat"
)

// answering is a model that has its answer ready.
type answering struct {
	runs.Model
	answer *chat.Answer
}

func (m answering) Complete(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) {
	return m.answer, nil
}

// BenchmarkRequest is what counting adds to a request.
func BenchmarkRequest(b *testing.B) {
	t := telemetry.New(telemetry.Options{Now: time.Now})
	for b.Loop() {
		t.Answered("/threads/{thread_id}/runs", "POST", 200, time.Millisecond)
	}
}

// BenchmarkRun is what counting adds to a run of one model call.
func BenchmarkRun(b *testing.B) {
	t := telemetry.New(telemetry.Options{Now: time.Now})
	at := time.Now()
	m := t.Model(answering{answer: &chat.Answer{
		Usage:    chat.Usage{PromptTokens: 100, CompletionTokens: 10},
		Exchange: chat.Exchange{Upstream: "openai", Model: "gpt-5-mini", Started: at, FirstToken: at, Ended: at},
	}})
	rec := &runs.Record{Run: &runs.Run{ID: "run_1", Status: runs.Completed}}
	for b.Loop() {
		t.Asked(b.Context(), rec, nil)
		t.Driven(rec)
		if _, err := m.Complete(t.Under(b.Context(), rec), chat.Request{}, nil); err != nil {
			b.Fatal(err)
		}
		t.Rested(rec)
	}
}
