package api_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"understudy/api/telemetry/otlptest"
)

// tracedModel asks for the weather, then answers, and remembers the trace
// contexts it was called under.
type tracedModel struct {
	mu     sync.Mutex
	came   []http.Header
	calls  bool // it calls the function, as long as there is no output
	status int  // it fails with this status
}

func (m *tracedModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	m.came = append(m.came, r.Header.Clone())
	m.mu.Unlock()
	if m.status != 0 {
		http.Error(w, `{"error":{"message":"broken"}}`, m.status)
		return
	}
	message := `{"role":"assistant","content":"It rains."},"finish_reason":"stop"`
	if m.calls && !strings.Contains(string(body), `"role":"tool"`) {
		message = `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}}]},"finish_reason":"tool_calls"`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"chatcmpl-7","model":"m-2026","object":"chat.completion","choices":[{"index":0,"message":`+message+`}],
		"usage":{"prompt_tokens":20,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8}}}`)
}

// seen are the values of a header, one for each call.
func (m *tracedModel) seen(header string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := []string{}
	for _, h := range m.came {
		values = append(values, h.Get(header))
	}
	return values
}

// Trace contexts of two requests of one client, and of another trace.
const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	createdBy   = "00-" + clientTrace + "-b7ad6b7169203331-01"
	submittedBy = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

// weather runs an assistant with a function to its end. The requests carry the
// trace contexts given, "" for none.
func (s *testServer) weather(create, submit string) (run reply) {
	s.t.Helper()
	with := func(parent string) []string {
		if parent == "" {
			return nil
		}
		return []string{"Traceparent", parent, "Tracestate", "vendor=1"}
	}
	assistant := s.post("/v1/assistants", `{"model":"m","name":"Forecaster","tools":[`+metricsFunction+`]}`).text("id")
	body := `{"assistant_id":"` + assistant + `","temperature":0.5,"thread":{"messages":[{"role":"user","content":"Weather in Oslo?"}]}}`
	run = s.settle(s.call("POST", "/v1/threads/runs", body, with(create)...).ok())
	if run.text("status") != "requires_action" {
		return run
	}
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	s.call("POST", "/v1/threads/"+run.text("thread_id")+"/runs/"+run.text("id")+"/submit_tool_outputs",
		`{"tool_outputs":[{"tool_call_id":"`+call+`","output":"rain"}]}`, with(submit)...).ok()
	return s.settle(run)
}

// TestSpansOfARun reads a run with a function as a collector gets it: one trace,
// which begins at the client's request, and in which each call has its place.
func TestSpansOfARun(t *testing.T) {
	collector, model := otlptest.New(t), &tracedModel{calls: true}
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=k1")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	s := newServer(t, settings{spans: collector.URL, model: model.ServeHTTP})
	run := s.weather(createdBy, submittedBy)
	require.Equal(t, "completed", run.text("status"))
	require.NoError(t, s.seen.Close(t.Context()))

	spans := collector.Await(t, 4)
	require.Len(t, spans, 4)
	require.Equal(t, "k1", collector.Headers.Get("X-Collector-Key"))
	root, tool, chats := spanCalled(t, spans, "invoke_agent Forecaster"), spanCalled(t, spans, "execute_tool weather"), []otlptest.Span{}
	for _, span := range spans {
		require.Equal(t, clientTrace, span.Trace(), span.Name)
		require.Equal(t, "understudy", span.Resource["service.name"])
		require.Equal(t, "test", span.Resource["deployment.environment.name"])
		require.Equal(t, run.text("thread_id"), span.Attributes["gen_ai.conversation.id"], span.Name)
		require.Equal(t, run.text("id"), span.Attributes["understudy.run.id"], span.Name)
		require.LessOrEqual(t, root.StartTimeUnixNano, span.StartTimeUnixNano, span.Name)
		require.GreaterOrEqual(t, root.EndTimeUnixNano, span.EndTimeUnixNano, span.Name)
		if span.Name == "chat m" {
			chats = append(chats, span)
		}
	}
	require.Equal(t, "b7ad6b7169203331", root.Parent())
	require.Equal(t, "vendor=1", root.TraceState)
	require.Equal(t, otlp.Span_SPAN_KIND_INTERNAL, root.Kind)
	holds(t, root, map[string]any{
		"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": run.text("assistant_id"), "gen_ai.agent.name": "Forecaster", "gen_ai.request.model": "m",
		"gen_ai.usage.input_tokens": 40, "gen_ai.usage.output_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 16,
		"understudy.run.status": "completed", "understudy.run.model_calls": 2, "understudy.project": "default",
	})

	require.Equal(t, root.ID(), tool.Parent())
	holds(t, tool, map[string]any{
		"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "gen_ai.tool.type": "function",
		"gen_ai.tool.call.id": run.callID(s),
	})
	require.Len(t, tool.Links, 1, "to the request that brought the outputs")
	require.Equal(t, submittedBy[3:35], hex.EncodeToString(tool.Links[0].TraceId))

	require.Len(t, chats, 2)
	for i, reason := range []string{"tool_calls", "stop"} {
		require.Equal(t, root.ID(), chats[i].Parent())
		require.Equal(t, otlp.Span_SPAN_KIND_CLIENT, chats[i].Kind)
		holds(t, chats[i], map[string]any{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m", "gen_ai.response.model": "m-2026", "gen_ai.response.id": "chatcmpl-7",
			"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 5, "gen_ai.request.temperature": 0.5,
			"gen_ai.response.finish_reasons": []any{reason}, "server.address": "model", "understudy.upstream": "test", "understudy.retries": 0,
		})
		require.Equal(t, "00-"+clientTrace+"-"+chats[i].ID()+"-01", model.seen("Traceparent")[i], "the backend's parent is the model call")
	}
	require.Equal(t, []string{"vendor=1", "vendor=1"}, model.seen("Tracestate"))
	require.Equal(t, otlp.Status_STATUS_CODE_UNSET, root.Status.GetCode())

	all, err := json.Marshal(spans)
	require.NoError(t, err)
	for _, said := range []string{"Oslo", "rain", "It rains"} {
		require.NotContains(t, string(all), said, "nothing that was said is in spans unless it is asked for")
	}
}

// TestSpanOfAReplay has the assistant's name, as long as there is one.
func TestSpanOfAReplay(t *testing.T) {
	collector := otlptest.New(t)
	s := newServer(t, settings{spans: collector.URL, model: (&tracedModel{}).ServeHTTP})
	run := s.weather("", "")
	path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id") + "/replay"
	named := s.settle(s.post(path, ``))
	s.delete("/v1/assistants/" + run.text("assistant_id"))
	nameless := s.settle(s.post(path, ``))
	require.NoError(t, s.seen.Close(t.Context()))

	names := map[any]string{}
	for _, span := range collector.Await(t, 6) {
		if span.Attributes["gen_ai.operation.name"] == "invoke_agent" {
			names[span.Attributes["understudy.run.id"]] = span.Name
			require.Equal(t, run.text("assistant_id"), span.Attributes["gen_ai.agent.id"])
		}
	}
	require.Equal(t, map[any]string{
		run.text("id"): "invoke_agent Forecaster", named.text("id"): "invoke_agent Forecaster", nameless.text("id"): "invoke_agent",
	}, names)
}

// callID is the id of the run's only function call.
func (r reply) callID(s *testServer) string {
	return s.get("/v1/threads/" + r.text("thread_id") + "/runs/" + r.text("id") + "/steps?order=asc").text("data.0.step_details.tool_calls.0.id")
}

// spanCalled finds the only span of a name.
func spanCalled(t *testing.T, spans []otlptest.Span, name string) (found otlptest.Span) {
	t.Helper()
	for _, span := range spans {
		if span.Name == name {
			require.Nil(t, found.Span, "two spans are called "+name)
			found = span
		}
	}
	require.NotNil(t, found.Span, "no span is called "+name)
	return found
}

// holds checks some attributes of a span.
func holds(t *testing.T, span otlptest.Span, want map[string]any) {
	t.Helper()
	for name, value := range want {
		require.Equal(t, value, span.Attributes[name], span.Name+": "+name)
	}
}

// TestSpansWithContent have what was said, in the convention's form.
func TestSpansWithContent(t *testing.T) {
	collector, model := otlptest.New(t), &tracedModel{calls: true}
	s := newServer(t, settings{spans: collector.URL, content: true, model: model.ServeHTTP})
	run := s.weather("", "")
	require.NoError(t, s.seen.Close(t.Context()))
	spans := collector.Await(t, 4)
	tool, chats := spanCalled(t, spans, "execute_tool weather"), []otlptest.Span{}
	for _, span := range spans {
		if span.Name == "chat m" {
			chats = append(chats, span)
		}
	}
	require.Equal(t, `{"city":"Oslo"}`, tool.Attributes["gen_ai.tool.call.arguments"])
	require.Equal(t, "rain", tool.Attributes["gen_ai.tool.call.result"])
	require.Empty(t, tool.Links, "the request was in no trace")
	require.JSONEq(t, `[{"role":"user","parts":[{"type":"text","content":"Weather in Oslo?"}]},
		{"role":"assistant","parts":[{"type":"tool_call","id":"`+run.callID(s)+`","name":"weather","arguments":{"city":"Oslo"}}]},
		{"role":"tool","parts":[{"type":"tool_call_response","id":"`+run.callID(s)+`","response":"rain"}]}]`, chats[1].Attributes["gen_ai.input.messages"].(string))
	require.JSONEq(t, `[{"role":"assistant","parts":[{"type":"text","content":"It rains."}],"finish_reason":"stop"}]`, chats[1].Attributes["gen_ai.output.messages"].(string))
	root := spanCalled(t, spans, "invoke_agent Forecaster")
	require.Empty(t, root.Parent(), "the request was in no trace, so this is a new one")
	require.Len(t, root.TraceId, 16)
}

// TestSpansOfAFailedRun say why, in the words of the API and of HTTP.
func TestSpansOfAFailedRun(t *testing.T) {
	collector, model := otlptest.New(t), &tracedModel{status: http.StatusTooManyRequests}
	s := newServer(t, settings{spans: collector.URL, model: model.ServeHTTP})
	require.Equal(t, "failed", s.weather("", "").text("status"))
	require.NoError(t, s.seen.Close(t.Context()))
	spans := collector.Await(t, 2)
	root, call := spanCalled(t, spans, "invoke_agent Forecaster"), spanCalled(t, spans, "chat m")
	holds(t, root, map[string]any{"error.type": "rate_limit_exceeded", "understudy.run.status": "failed"})
	holds(t, call, map[string]any{"error.type": "429", "understudy.upstream": "test"})
	require.Equal(t, otlp.Status_STATUS_CODE_ERROR, root.Status.Code)
	require.Equal(t, otlp.Status_STATUS_CODE_ERROR, call.Status.Code)
	require.NotContains(t, call.Attributes, "gen_ai.response.finish_reasons")
}

// TestSpansThatNobodyWants: a client that does not sample has no spans of its
// trace, and the backends are told so.
func TestSpansThatNobodyWants(t *testing.T) {
	collector, model := otlptest.New(t), &tracedModel{calls: true}
	s := newServer(t, settings{spans: collector.URL, model: model.ServeHTTP})
	require.Equal(t, "completed", s.weather(createdBy[:53]+"00", "").text("status"))
	for _, parent := range model.seen("Traceparent") {
		require.Regexp(t, "^00-"+clientTrace+"-[0-9a-f]{16}-00$", parent)
	}
	s.weather(createdBy, "")
	require.NoError(t, s.seen.Close(t.Context()))
	for _, span := range collector.Await(t, 4) {
		require.Equal(t, clientTrace, span.Trace())
	}
	require.Len(t, collector.Await(t, 4), 4, "none of the first run")
}

// TestTraceContextIsPassedOn to the backends although nobody collects spans, in
// each leg of a run and with a relayed call. The run's is that of the request
// which made it.
func TestTraceContextIsPassedOn(t *testing.T) {
	model := &tracedModel{calls: true}
	s := newServer(t, settings{model: model.ServeHTTP})
	require.Equal(t, "completed", s.weather(createdBy, submittedBy).text("status"))
	require.Equal(t, []string{createdBy, createdBy}, model.seen("Traceparent"))
	require.Equal(t, []string{"vendor=1", "vendor=1"}, model.seen("Tracestate"))

	s.call("POST", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`, "Traceparent", submittedBy, "Tracestate", "vendor=2").ok()
	s.weather("", submittedBy)
	s.weather("x-ray", "")
	require.Equal(t, []string{submittedBy, "", "", "", ""}, model.seen("Traceparent")[2:])
	require.Equal(t, "vendor=2", model.seen("Tracestate")[2])
}
