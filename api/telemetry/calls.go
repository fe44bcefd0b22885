package telemetry

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/runs/chat"
)

// providers are the convention's names of kinds of upstreams; others have their own.
var providers = map[string]string{
	"azure": "azure.ai.openai", "gemini": "gcp.gemini", "mistral": "mistral_ai", "moonshot": "moonshot_ai",
}

// provider is how the convention calls an upstream.
func provider(x chat.Exchange) string {
	switch name := providers[x.Kind]; {
	case name != "":
		return name
	case x.Kind == "" || x.Kind == "generic":
		return x.Upstream
	}
	return x.Kind
}

// chatSpan is a model call as a span; nil is none.
type chatSpan struct {
	trace.Span
	content bool
}

// chat begins the span of a model call; the context it returns names it.
func (s *spans) chat(ctx context.Context, req chat.Request) (context.Context, *chatSpan) {
	if s == nil {
		return ctx, nil
	}
	of, _ := ctx.Value(ofRunKey{}).(ofRun)
	attributes := append(of.attributes(), attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.request.model", req.Model))
	if req.Temperature != nil {
		attributes = append(attributes, attribute.Float64("gen_ai.request.temperature", *req.Temperature))
	}
	if req.TopP != nil {
		attributes = append(attributes, attribute.Float64("gen_ai.request.top_p", *req.TopP))
	}
	if req.MaxCompletionTokens > 0 {
		attributes = append(attributes, attribute.Int("gen_ai.request.max_tokens", req.MaxCompletionTokens))
	}
	if req.ResponseFormat != nil {
		attributes = append(attributes, attribute.String("gen_ai.output.type", "json"))
	}
	ctx, span := s.start(ctx, "chat "+req.Model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	if s.content && span.IsRecording() {
		span.SetAttributes(attribute.String("gen_ai.input.messages", inputMessages(req.Messages)))
	}
	return ctx, &chatSpan{span, s.content}
}

// end says how the model call went.
func (c *chatSpan) end(answer *chat.Answer, err error) {
	if c == nil {
		return
	}
	defer c.End()
	if !c.IsRecording() {
		return
	}
	x := answer.Exchange
	if failure, ok := errors.AsType[*chat.Error](err); ok {
		why := string(failure.Code)
		if x.Status >= 400 {
			why = strconv.Itoa(x.Status)
		}
		fail(c, why)
	} else if err != nil {
		fail(c, outcome(err))
	}
	if x.Upstream == "" {
		return // it reached none
	}
	c.SetName("chat " + x.Model)
	c.SetAttributes(
		attribute.String("gen_ai.provider.name", provider(x)), attribute.String("gen_ai.request.model", x.Model),
		attribute.String("understudy.upstream", x.Upstream), attribute.Int("understudy.retries", len(x.Retries)),
	)
	c.SetAttributes(address(x.Host)...)
	c.SetAttributes(tokens(answer.Usage)...)
	for name, value := range map[string]string{"gen_ai.response.model": x.Served, "gen_ai.response.id": x.ID} {
		if value != "" {
			c.SetAttributes(attribute.String(name, value))
		}
	}
	if !x.FirstToken.IsZero() {
		c.SetAttributes(attribute.Bool("gen_ai.request.stream", true), attribute.Float64("gen_ai.response.time_to_first_chunk", x.FirstToken.Sub(x.Started).Seconds()))
	}
	if err == nil {
		c.SetAttributes(attribute.StringSlice("gen_ai.response.finish_reasons", []string{finishReason(answer)}))
		if c.content {
			c.SetAttributes(attribute.String("gen_ai.output.messages", outputMessages(answer)))
		}
	}
}

// finishReason is why a model came to its end.
func finishReason(answer *chat.Answer) string {
	if len(answer.Calls) > 0 {
		return "tool_calls"
	}
	return string(answer.Finish)
}

// address says which server was asked.
func address(host string) []attribute.KeyValue {
	if host == "" {
		return nil
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return []attribute.KeyValue{attribute.String("server.address", host)}
	}
	number, _ := strconv.Atoi(port) // net/http has dialled it
	return []attribute.KeyValue{attribute.String("server.address", name), attribute.Int("server.port", number)}
}

// search begins the span of a search for a run; the context it returns names it,
// and end is to be called with what was found.
func (s *spans) search(ctx context.Context, f vectorstores.Find) (_ context.Context, end func([]vectorstores.Found, error)) {
	if s == nil {
		return ctx, func([]vectorstores.Found, error) {}
	}
	const name = "file_search"
	of, _ := ctx.Value(ofRunKey{}).(ofRun)
	ctx, span := s.start(ctx, "execute_tool "+name, trace.WithAttributes(append(of.attributes(), tool(name, "datastore", runs.CallOf(ctx))...)...))
	if s.content && span.IsRecording() {
		span.SetAttributes(attribute.String("gen_ai.tool.call.arguments", encode(map[string]any{"queries": f.Queries})))
	}
	return ctx, func(found []vectorstores.Found, err error) {
		if err != nil {
			fail(span, outcome(err))
		}
		span.SetAttributes(attribute.Int("understudy.results", len(found)))
		span.End()
	}
}

// tool are the attributes of a tool at work.
func tool(name, kind, call string) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", "execute_tool"), attribute.String("gen_ai.tool.name", name),
		attribute.String("gen_ai.tool.type", kind), attribute.String("gen_ai.tool.call.id", call),
	}
}

// answered makes the spans of the calls that a client has answered: from when the
// run asked for them (zero = this process has not seen it) to now. The request
// that brought the outputs may belong to another trace, so it is linked.
func (s *spans) answered(ctx context.Context, rec *runs.Record, step *runs.Step, asked time.Time) {
	if s == nil || step == nil {
		return
	}
	if asked.IsZero() {
		asked = time.Unix(step.CreatedAt, 0)
	}
	under := chat.WithTrace(context.Background(), rec.Trace.Trace)
	common := ofRun{thread: rec.Run.ThreadID, run: rec.Run.ID, agent: rec.Run.AssistantID}.attributes()
	options := []trace.SpanStartOption{trace.WithTimestamp(asked), trace.WithAttributes(common...)}
	if submitted := spanContext(ctx, chat.TraceOf(ctx)); submitted.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: submitted}))
	}
	for _, call := range step.Details.ToolCalls {
		if call.Function == nil {
			continue
		}
		_, span := s.start(under, "execute_tool "+call.Function.Name, append(options[:len(options):len(options)], trace.WithAttributes(tool(call.Function.Name, "function", call.ID)...))...)
		if s.content && span.IsRecording() {
			span.SetAttributes(attribute.String("gen_ai.tool.call.arguments", call.Function.Arguments))
			if call.Function.Output != nil {
				span.SetAttributes(attribute.String("gen_ai.tool.call.result", *call.Function.Output))
			}
		}
		span.End()
	}
}
