package telemetry

import (
	"context"
	"errors"
	"time"

	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/runs/chat"
)

// The phases of a run.
const (
	queue  = "queue"
	model  = "model"
	tools  = "tools"
	client = "client"
)

// Asked implements runs.Observer.
func (t *Telemetry) Asked(ctx context.Context, rec *runs.Record, answered *runs.Step) {
	var rested time.Time
	t.legs.change(rec.Run.ID, func(l *leg) bool {
		rested = l.rested
		t.returned(l)
		l.asked = t.now()
		return true
	})
	t.spans.answered(ctx, rec, answered, rested)
}

// Driven implements runs.Observer.
func (t *Telemetry) Driven(rec *runs.Record) {
	t.legs.change(rec.Run.ID, func(l *leg) bool {
		t.returned(l)
		if !l.asked.IsZero() { // else it was asked for before this process was started
			t.phaseTime.WithLabelValues(queue).Observe(t.since(l.asked))
			l.asked = time.Time{}
		}
		return true
	})
}

// Rested implements runs.Observer.
func (t *Telemetry) Rested(rec *runs.Record) {
	over := rec.Run.Status.Terminal()
	t.legs.change(rec.Run.ID, func(l *leg) bool {
		l.rested = t.now()
		return !over
	})
	if over {
		t.ended.WithLabelValues(string(rec.Run.Status)).Inc()
		t.spans.ended(rec)
	}
}

// returned ends the wait for a client.
func (t *Telemetry) returned(l *leg) {
	if !l.rested.IsZero() {
		t.phaseTime.WithLabelValues(client).Observe(t.since(l.rested))
		l.rested = time.Time{}
	}
}

func (t *Telemetry) since(at time.Time) float64 { return t.now().Sub(at).Seconds() }

// enter counts a run in a phase until the phase is left.
func (t *Telemetry) enter(phase string) (leave func()) {
	begun := t.now()
	t.inPhase.WithLabelValues(phase).Inc()
	return func() {
		t.inPhase.WithLabelValues(phase).Dec()
		t.phaseTime.WithLabelValues(phase).Observe(t.since(begun))
	}
}

// Model observes the calls of a model.
func (t *Telemetry) Model(m runs.Model) runs.Model { return &observedModel{m, t} }

type observedModel struct {
	runs.Model
	telemetry *Telemetry
}

// Complete implements runs.Model.
func (m *observedModel) Complete(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
	defer m.telemetry.enter(model)()
	ctx, span := m.telemetry.spans.chat(ctx, req)
	answer, err := m.Model.Complete(ctx, req, sink)
	span.end(answer, err)
	m.telemetry.called(answer, outcome(err))
	return answer, err
}

// outcome is how a model call ended, in one word.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if failure, ok := errors.AsType[*chat.Error](err); ok {
		return string(failure.Code)
	}
	return "interrupted"
}

// called counts a model call. One that reached no upstream has no names.
func (t *Telemetry) called(answer *chat.Answer, outcome string) {
	x, model := answer.Exchange, t.models.label(answer.Exchange.Model)
	t.calls.WithLabelValues(x.Upstream, model, outcome).Inc()
	if x.Upstream == "" {
		return
	}
	t.retries.WithLabelValues(x.Upstream).Add(float64(len(x.Retries)))
	t.upstreamTime.WithLabelValues(x.Upstream).Observe(x.Ended.Sub(x.Started).Seconds())
	if !x.FirstToken.IsZero() {
		t.firstToken.WithLabelValues(x.Upstream).Observe(x.FirstToken.Sub(x.Started).Seconds())
	}
	for kind, n := range map[string]int{
		"prompt": answer.Usage.PromptTokens, "completion": answer.Usage.CompletionTokens,
		"cached": answer.Usage.CachedTokens, "reasoning": answer.Usage.ReasoningTokens,
	} {
		if n > 0 {
			t.tokens.WithLabelValues(x.Upstream, model, kind).Add(float64(n))
		}
	}
}

// Searcher observes the searches of runs.
func (t *Telemetry) Searcher(s runs.Searcher) runs.Searcher { return &observedSearcher{s, t} }

type observedSearcher struct {
	runs.Searcher
	telemetry *Telemetry
}

// Find implements runs.Searcher.
func (s *observedSearcher) Find(ctx context.Context, project string, f vectorstores.Find) ([]vectorstores.Found, error) {
	defer s.telemetry.enter(tools)()
	ctx, end := s.telemetry.spans.search(ctx, f)
	found, err := s.Searcher.Find(ctx, project, f)
	end(found, err)
	return found, err
}

// AwaitIndexed implements runs.Searcher.
func (s *observedSearcher) AwaitIndexed(ctx context.Context, project string, stores []string) error {
	defer s.telemetry.enter(tools)()
	return s.Searcher.AwaitIndexed(ctx, project, stores)
}
