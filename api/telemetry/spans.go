package telemetry

import (
	"context"
	"encoding/json"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"understudy/assistants"
	"understudy/runs"
	"understudy/runs/chat"
)

// spans shows runs as spans, as OpenTelemetry's conventions for generative AI
// have it; nil shows nothing.
//
// A run may wait for its client for minutes, and be ended by another process
// than the one that began it. So its span is announced when the run is made: its
// ids are drawn, the sampler is asked, and both are stored with the run. What is
// called for the run is a child of those ids. The span itself is made when the
// run ends, by whoever ends it.
type spans struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	content  bool
	now      func() time.Time
}

// note is what the run's span needs at its end, stored with the run.
type note struct {
	Caller string `json:"caller,omitempty"` // traceparent of the request that asked for the run
	Agent  string `json:"agent,omitempty"`  // name of the assistant
	Began  int64  `json:"began"`            // unix nanoseconds
}

// format reads and writes the headers of a trace context.
var format propagation.TraceContext

// spanContext is a trace context as the library has it, not valid for none.
func spanContext(ctx context.Context, t chat.Trace) trace.SpanContext {
	ctx = format.Extract(ctx, propagation.MapCarrier{"traceparent": t.Parent, "tracestate": t.State})
	return trace.SpanContextFromContext(ctx)
}

// traceOf is a trace context as it travels.
func traceOf(ctx context.Context, sc trace.SpanContext) chat.Trace {
	carrier := propagation.MapCarrier{}
	format.Inject(trace.ContextWithSpanContext(ctx, sc), carrier)
	return chat.Trace{Parent: carrier["traceparent"], State: carrier["tracestate"]}
}

// start begins a span below the trace context that ctx names, and returns the
// context that names the span.
func (s *spans) start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	below := trace.ContextWithRemoteSpanContext(context.Background(), spanContext(ctx, chat.TraceOf(ctx)))
	_, span := s.tracer.Start(below, name, options...)
	return chat.WithTrace(ctx, traceOf(ctx, span.SpanContext())), span
}

// announce draws the ids of a new run's span.
func (s *spans) announce(ctx context.Context, run *runs.Run, agent string) runs.Trace {
	came := chat.TraceOf(ctx)
	caller := spanContext(ctx, came)
	below := trace.ContextWithRemoteSpanContext(context.Background(), caller)
	_, announced := s.tracer.Start(below, runSpanName(agent), trace.WithAttributes(beforehand(run, agent)...)) // for the sampler; it is never ended
	sc := announced.SpanContext()
	t := runs.Trace{Trace: traceOf(ctx, sc)}
	if !sc.IsSampled() {
		return t
	}
	n := note{Agent: agent, Began: s.now().UnixNano()}
	if caller.IsValid() {
		n.Caller = came.Parent
	}
	encoded, err := json.Marshal(n)
	if err != nil { // text and a number encode
		panic(err)
	}
	t.Note = string(encoded)
	return t
}

// ended makes the span of a run that has ended, if one was announced.
func (s *spans) ended(rec *runs.Record) {
	if s == nil || rec.Trace.Note == "" {
		return
	}
	var n note
	if json.Unmarshal([]byte(rec.Trace.Note), &n) != nil {
		return
	}
	ctx := context.Background()
	sc := spanContext(ctx, rec.Trace.Trace)
	caller := spanContext(ctx, chat.Trace{Parent: n.Caller, State: rec.Trace.State})
	ctx = withIDs(trace.ContextWithRemoteSpanContext(ctx, caller), sc)
	_, span := s.tracer.Start(ctx, runSpanName(n.Agent),
		trace.WithTimestamp(time.Unix(0, n.Began)), trace.WithAttributes(beforehand(rec.Run, n.Agent)...))
	run := rec.Run
	span.SetAttributes(
		attribute.String("gen_ai.conversation.id", run.ThreadID),
		attribute.String("understudy.run.id", run.ID), attribute.String("understudy.run.status", string(run.Status)),
		attribute.String("understudy.project", rec.Project), attribute.Int("understudy.run.model_calls", rec.Spent.Turns),
	)
	span.SetAttributes(tokens(chat.Usage{
		PromptTokens: rec.Spent.Usage.PromptTokens, CompletionTokens: rec.Spent.Usage.CompletionTokens,
		CachedTokens: rec.Spent.Usage.PromptDetails.CachedTokens, ReasoningTokens: rec.Spent.Usage.CompletionsDetails.ReasoningTokens,
	})...)
	switch {
	case run.LastError != nil:
		fail(span, run.LastError.Code)
	case run.Status == runs.Expired:
		fail(span, string(run.Status))
	}
	span.End()
}

// runSpanName is what the convention calls the work of an agent.
func runSpanName(agent string) string {
	if agent == "" {
		return "invoke_agent"
	}
	return "invoke_agent " + agent
}

// beforehand is what is known of a run before it begins.
func beforehand(run *runs.Run, agent string) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", "invoke_agent"), attribute.String("gen_ai.provider.name", "understudy"),
		attribute.String("gen_ai.agent.id", run.AssistantID), attribute.String("gen_ai.request.model", run.Model),
	}
	if agent != "" {
		attributes = append(attributes, attribute.String("gen_ai.agent.name", agent))
	}
	return attributes
}

// tokens are counted where there are any.
func tokens(u chat.Usage) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, 4)
	add := func(name string, n int) {
		if n > 0 {
			attributes = append(attributes, attribute.Int("gen_ai.usage."+name, n))
		}
	}
	add("input_tokens", u.PromptTokens)
	add("output_tokens", u.CompletionTokens)
	add("cache_read.input_tokens", u.CachedTokens)
	add("reasoning.output_tokens", u.ReasoningTokens)
	return attributes
}

// fail says that a span's work came to nothing, and why in one word.
func fail(span trace.Span, why string) {
	span.SetAttributes(attribute.String("error.type", why))
	span.SetStatus(codes.Error, why)
}

// ofRun names the run that a model or a tool works for.
type ofRun struct{ thread, run, agent string }

type ofRunKey struct{}

// attributes are those that a span has in common with its run's.
func (o ofRun) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("gen_ai.conversation.id", o.thread), attribute.String("gen_ai.agent.id", o.agent), attribute.String("understudy.run.id", o.run),
	}
}

// Traced implements runs.Observer.
func (t *Telemetry) Traced(ctx context.Context, run *runs.Run, of *assistants.Assistant) runs.Trace {
	if t.spans == nil {
		return runs.Trace{Trace: chat.TraceOf(ctx)}
	}
	agent := ""
	if of.Name != nil {
		agent = *of.Name
	}
	return t.spans.announce(ctx, run, agent)
}

// Under implements runs.Observer.
func (t *Telemetry) Under(ctx context.Context, rec *runs.Record) context.Context {
	if t.spans == nil {
		return ctx
	}
	return context.WithValue(ctx, ofRunKey{}, ofRun{thread: rec.Run.ThreadID, run: rec.Run.ID, agent: rec.Run.AssistantID})
}
