package main

import (
	"encoding/json"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"

	"understudy/api/telemetry/otlptest"
)

const (
	weatherWords = "What is the weather?"
	clientTrace  = "0af7651916cd43dd8448eb211c80319c"
)

// weatherRun makes a run in a trace of the client's and brings it to where it
// waits for the client's outputs.
func weatherRun(t *testing.T, s *server, b *backend) openai.Run {
	t.Helper()
	assistant := s.make(t, "/assistants", map[string]any{"model": "m", "name": "Forecaster", "tools": []any{function("look", "what")}})
	made := s.send(t, "POST", "/threads/runs", map[string]any{
		"assistant_id": assistant, "thread": map[string]any{"messages": []any{map[string]any{"role": "user", "content": weatherWords}}},
	}, "Traceparent: 00-"+clientTrace+"-b7ad6b7169203331-01")
	require.Equal(t, 200, made.status, made.body)
	var run openai.Run
	require.NoError(t, json.Unmarshal([]byte(made.body), &run))
	b.next(t, weatherWords).call(t, `look({"what":"the sky"})`)
	return s.settle(t, run.ThreadID, run.ID)
}

// testTraces kills a server whose run waits for its client. The next process ends
// the run in the same trace, with the span that the first one announced.
func testTraces(t *testing.T, p program) {
	collector, b, data := otlptest.New(t), startBackend(t), t.TempDir()
	env := []string{"UNDERSTUDY_UPSTREAM_URL=" + b.url, "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_SERVICE_NAME=desk"}
	s := p.serve(t, data, env)
	s.find(t, `msg="spans of runs go to an OpenTelemetry collector" endpoint=(\S+) content=false`)
	run := weatherRun(t, s, b)
	first := collector.Await(t, 1)[0]
	require.Equal(t, "chat m", first.Name)
	s.signal(t, syscall.SIGKILL)
	require.Equal(t, -1, s.exit(t))

	s = p.serve(t, data, env)
	s.submit(t, run, "blue")
	second := b.next(t, weatherWords)
	second.reply(t, finalWords)
	require.Equal(t, openai.RunStatusCompleted, s.settle(t, run.ThreadID, run.ID).Status)
	s.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, s.exit(t))

	byName := map[string]otlptest.Span{}
	for _, span := range collector.Await(t, 4) {
		require.Equal(t, clientTrace, span.Trace(), span.Name)
		require.Equal(t, "desk", span.Resource["service.name"])
		byName[span.Name] = span // of the two model calls the second
	}
	root, tool, call := byName["invoke_agent Forecaster"], byName["execute_tool look"], byName["chat m"]
	require.Equal(t, "b7ad6b7169203331", root.Parent())
	require.Equal(t, []string{root.ID(), root.ID(), root.ID()}, []string{first.Parent(), tool.Parent(), call.Parent()})
	require.NotEqual(t, first.ID(), call.ID())
	require.Equal(t, "00-"+clientTrace+"-"+call.ID()+"-01", second.header.Get("Traceparent"))
	require.LessOrEqual(t, root.StartTimeUnixNano, first.StartTimeUnixNano)
	require.Equal(t, 2, root.Attributes["understudy.run.model_calls"])
}

// testTracesLost: a collector that is away costs a line in the log, no run waits
// for it, and the end of the server hardly.
func testTracesLost(t *testing.T, p program) {
	listening, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listening.Close() // it takes connections, and never answers
	b := startBackend(t)
	s := p.serve(t, t.TempDir(), []string{
		"UNDERSTUDY_UPSTREAM_URL=" + b.url, "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + listening.Addr().String(),
		"OTEL_BSP_SCHEDULE_DELAY=10", "OTEL_BSP_EXPORT_TIMEOUT=100", "OTEL_BSP_MAX_QUEUE_SIZE=4",
	})
	for range 10 {
		run := weatherRun(t, s, b)
		s.submit(t, run, "blue")
		b.next(t, weatherWords).reply(t, finalWords)
		require.Equal(t, openai.RunStatusCompleted, s.settle(t, run.ThreadID, run.ID).Status)
	}
	s.find(t, `msg="(spans cannot be exported, and are lost until they can; [^"]+)"`)
	began := time.Now()
	s.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, s.exit(t))
	require.Less(t, time.Since(began), grace)
	require.Equal(t, 1, strings.Count(s.stderr.String(), "spans cannot be exported"))
}
