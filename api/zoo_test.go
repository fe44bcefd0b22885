package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/runs/chat/chattest"
	"understudy/store"
	"understudy/threads"
)

// TestZoo drives a run through the whole server for every backend of the zoo,
// which answers byte for byte as the real one did, and checks what an API
// client sees of it.
func TestZoo(t *testing.T) {
	t.Parallel()
	fixtures := chattest.Fixtures(t, "../runs/chat/testdata/zoo")
	backends := map[string]*chattest.Server{}
	for _, fx := range fixtures {
		backends[fx.Name] = chattest.Serve(t, fx.Answers()...)
	}
	s := newZoo(t, fixtures, backends)
	var passed atomic.Int64
	t.Run("fixtures", func(t *testing.T) { // ends when all of them have
		for _, fx := range fixtures {
			t.Run(fx.Name, func(t *testing.T) {
				t.Parallel()
				newZooRun(t, s.as(t), fx).play()
				fx.CheckRequests(t, backends[fx.Name])
				if !t.Failed() {
					passed.Add(1)
				}
			})
		}
	})
	report(fmt.Sprintf("zoo: %d/%d", passed.Load(), len(fixtures)))
}

// zooKey is the key of every upstream that has no other; no client may see it.
const zooKey = "sk-zoo-key-1234567890"

// newZoo starts a server for which every fixture is an upstream.
func newZoo(t *testing.T, fixtures []chattest.Fixture, backends map[string]*chattest.Server) *testServer {
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{Dir: dir, Durability: store.Normal, Logger: logger})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	blobs, err := files.OpenBlobs(filepath.Join(dir, "files"))
	require.NoError(t, err)
	config := chat.Config{
		Logger: logger,
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	for _, fx := range fixtures {
		config.Upstreams = append(config.Upstreams, zooUpstream(fx, backends[fx.Name].URL()))
	}
	client, err := chat.New(config)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	models := testModels{client: client}
	fileService := files.NewService(db, blobs, time.Now)
	stores := vectorstores.NewService(vectorstores.Options{Store: db, Files: fileService, Now: time.Now})
	assistantService := assistants.NewService(db, stores, models, time.Now)
	engine := runs.NewEngine(runs.EngineOptions{Store: db, Model: client, Images: fileService, Logger: logger, Now: time.Now})
	require.NoError(t, engine.Start(t.Context()))
	t.Cleanup(engine.Stop)
	listening := httptest.NewServer(api.New(api.Options{
		Assistants: assistantService,
		Threads:    threads.NewService(db, stores, time.Now),
		Runs: runs.NewService(runs.ServiceOptions{
			Store: db, Engine: engine, Assistants: assistantService, Threads: db, Files: stores, Models: models, Now: time.Now,
		}),
		Files: fileService, Models: models, Answers: db,
		Ready: db.Ping, Version: "test", Logger: logger, Now: time.Now,
	}))
	t.Cleanup(listening.Close)
	return &testServer{t: t, db: db, url: listening.URL}
}

func zooUpstream(fx chattest.Fixture, url string) chat.Upstream {
	u := chat.Upstream{
		Name: fx.Name, BaseURL: url, APIKey: zooKey, Auth: chat.Auth(fx.ClientConfig.Auth),
		Stream: chat.StreamAlways, MaxRetries: 1,
		IdleTimeout: time.Duration(fx.ClientConfig.IdleTimeoutMS) * time.Millisecond,
	}
	if fx.RequestKind == "json" {
		u.Stream = chat.StreamNever
	}
	if fx.ClientConfig.APIKey != "" {
		u.APIKey = fx.ClientConfig.APIKey
	}
	hangs := slices.ContainsFunc(fx.Answers(), func(a chattest.Answer) bool { return a.End == "hang" })
	if hangs && u.IdleTimeout == 0 {
		u.IdleTimeout = 500 * time.Millisecond
	}
	return u
}

// zooRun is a run on one fixture as its client goes through it.
type zooRun struct {
	*testServer
	fx       chattest.Fixture
	thread   string
	run      reply
	messages int             // assistant messages seen so far
	callIDs  map[string]bool // seen so far
}

// newZooRun makes the assistant and the thread.
func newZooRun(t *testing.T, s *testServer, fx chattest.Fixture) *zooRun {
	var tools []any
	for _, name := range slices.Sorted(maps.Keys(chattest.Tools)) {
		tools = append(tools, map[string]any{
			"type": "function", "function": map[string]any{"name": name, "parameters": chattest.Tools[name]},
		})
	}
	z := &zooRun{testServer: s, fx: fx, callIDs: map[string]bool{}}
	assistant := z.post("/v1/assistants", jsonText(t, map[string]any{"model": fx.Name + "/zoo-model", "tools": tools}))
	z.thread = "/v1/threads/" + z.post("/v1/threads", "{}").text("id")
	if len(fx.Thread) == 0 {
		fx.Thread = []chattest.Message{{Role: "user", Content: "Hello?"}}
	}
	for _, m := range fx.Thread {
		if m.Role == "assistant" {
			z.messages++
		}
		z.post(z.thread+"/messages", jsonText(t, m))
	}
	z.begin("/runs", struct {
		AssistantID string `json:"assistant_id"`
		Stream      bool   `json:"stream"`
		chattest.RunParams
	}{assistant.text("id"), z.streams(), fx.RunParams})
	return z
}

func jsonText(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

func (z *zooRun) streams() bool { return z.fx.RequestKind == "stream" }

// begin makes a request that sets the run going, and waits until it rests.
func (z *zooRun) begin(path string, body any) {
	answer := z.post(z.thread+path, jsonText(z.t, body))
	if !z.streams() {
		z.run = z.settle(answer)
		return
	}
	last := reply{t: z.t}
	for _, e := range readEvents(z.t, answer.body) {
		if strings.HasPrefix(e.name, "thread.run.") && !strings.HasPrefix(e.name, "thread.run.step.") {
			last.body = e.data
		}
	}
	z.run = z.get(z.thread + "/runs/" + last.text("id"))
	require.Equal(z.t, last.text("status"), z.run.text("status"), "the stream ends where the run does")
}

// play goes through the steps of the fixture and checks each outcome.
func (z *zooRun) play() {
	for i, step := range z.fx.Steps() {
		if i > 0 {
			z.submit(step.Outputs)
		}
		z.check(*step.Expect)
	}
}

// calls are the tool calls that the run waits for.
func (z *zooRun) calls() []any {
	calls, _ := z.run.at("required_action.submit_tool_outputs.tool_calls").([]any)
	return calls
}

func (z *zooRun) submit(outputs []string) {
	var submitted []any
	for i, call := range z.calls() {
		submitted = append(submitted, map[string]any{"tool_call_id": member(call, "id"), "output": outputs[i]})
	}
	z.begin("/runs/"+z.run.text("id")+"/submit_tool_outputs", map[string]any{"tool_outputs": submitted, "stream": z.streams()})
}

func (z *zooRun) check(want chattest.Outcome) {
	require.Equal(z.t, want.RunStatus, z.run.text("status"), "%s", z.run.body)
	z.checkError(want)
	z.checkCalls(want)
	z.checkMessage(want)
	if want.Usage != nil {
		require.Equal(z.t, *want.Usage, z.usage())
	}
	if want.IncompleteReason != "" {
		require.Equal(z.t, want.IncompleteReason, z.run.text("incomplete_details.reason"))
	}
}

func (z *zooRun) checkError(want chattest.Outcome) {
	if want.LastErrorCode == nil {
		require.Nil(z.t, z.run.at("last_error"))
		return
	}
	require.Equal(z.t, *want.LastErrorCode, z.run.text("last_error.code"))
	text := z.run.text("last_error.message")
	require.NotEmpty(z.t, text)
	for _, hidden := range []string{"<", "sk-", zooKey, z.fx.ClientConfig.APIKey} {
		if hidden != "" {
			require.NotContains(z.t, text, hidden)
		}
	}
}

func (z *zooRun) checkCalls(want chattest.Outcome) {
	calls := z.calls()
	require.Len(z.t, calls, len(want.ToolCalls), "%s", z.run.body)
	for i, call := range want.ToolCalls {
		require.Equal(z.t, call.Name, member(calls[i], "function.name"))
		arguments, _ := member(calls[i], "function.arguments").(string)
		require.True(z.t, chattest.SameArguments(call.Arguments, arguments), "%s, not %s", arguments, call.Arguments)
		id, _ := member(calls[i], "id").(string)
		require.NotEmpty(z.t, id)
		require.False(z.t, z.callIDs[id], "the id %s is used twice", id)
		z.callIDs[id] = true
	}
}

// checkMessage looks for the message of this step: there is one, or none when
// there was nothing to say.
func (z *zooRun) checkMessage(want chattest.Outcome) {
	data, _ := z.get(z.thread + "/messages?order=asc&limit=100").at("data").([]any)
	var text, refusal strings.Builder
	var made []any
	for _, m := range data {
		if member(m, "role") == "assistant" {
			made = append(made, m)
		}
	}
	for _, m := range made[z.messages:] {
		require.Equal(z.t, z.run.text("id"), member(m, "run_id"))
		parts, _ := member(m, "content").([]any)
		for _, part := range parts {
			if value, ok := member(part, "text.value").(string); ok {
				text.WriteString(value)
			}
			if value, ok := member(part, "refusal").(string); ok {
				refusal.WriteString(value)
			}
		}
	}
	require.LessOrEqual(z.t, len(made)-z.messages, 1, "one model call makes one message at most")
	z.messages = len(made)
	require.Equal(z.t, want.Text, text.String())
	if want.Refusal != nil {
		require.Equal(z.t, *want.Refusal, refusal.String())
	}
	if want.Reasoning != nil && *want.Reasoning != "" {
		require.NotContains(z.t, text.String(), *want.Reasoning)
	}
}

// usage is the run's; while it waits, and shows none, that of its model calls.
func (z *zooRun) usage() chattest.Usage {
	counts := []any{z.run.at("usage")}
	if z.run.text("status") == "requires_action" {
		require.Nil(z.t, counts[0])
		counts = nil
		calls, _ := z.get(z.thread + "/runs/" + z.run.text("id") + "/context").at("model_calls").([]any)
		for _, call := range calls {
			counts = append(counts, member(call, "usage"))
		}
	}
	var sum chattest.Usage
	for _, count := range counts {
		var u chattest.Usage
		require.NoError(z.t, json.Unmarshal([]byte(jsonText(z.t, count)), &u))
		sum.PromptTokens += u.PromptTokens
		sum.CompletionTokens += u.CompletionTokens
		sum.TotalTokens += u.TotalTokens
	}
	return sum
}
