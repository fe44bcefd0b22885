package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The fixtures in testdata/zoo are answers of real backends, one behaviour
// each, with the outcome that an API client must see.

type zooFixture struct {
	Name         string
	RequestKind  string `json:"request_kind"`
	ClientConfig struct {
		Auth          Auth
		APIKey        string `json:"api_key"`
		IdleTimeoutMS int    `json:"idle_timeout_ms"`
	} `json:"client_config"`
	RunParams struct {
		MaxCompletionTokens    int    `json:"max_completion_tokens"`
		ParallelToolCalls      *bool  `json:"parallel_tool_calls"`
		Instructions           string `json:"instructions"`
		AdditionalInstructions string `json:"additional_instructions"`
	} `json:"run_params"`
	Thread []struct {
		Role    Role
		Content string
	}
	ExpectRequestHeaders map[string]string `json:"expect_request_headers"`
	ExpectRequest        []zooAssertion    `json:"expect_request"`
	HTTP                 zooAnswer
	Expect               *zooOutcome
	ExpectAlt            []zooOutcome `json:"expect_alt"`
	Then                 []zooStep
}

type zooStep struct {
	On            string
	Outputs       []string
	ExpectRequest []zooAssertion `json:"expect_request"`
	HTTP          zooAnswer
	Expect        *zooOutcome
	ExpectAlt     []zooOutcome `json:"expect_alt"`
}

type zooOutcome struct {
	Text      string
	ToolCalls []struct{ Name, Arguments string } `json:"tool_calls"`
	Usage     *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		TotalTokens      int `json:"total_tokens"`
	}
	RunStatus        string     `json:"run_status"`
	LastErrorCode    *ErrorCode `json:"last_error_code"`
	IncompleteReason string     `json:"incomplete_reason"`
	Reasoning        *string
	Refusal          *string
	Retry            *struct {
		Retryable bool
		AfterS    float64 `json:"after_s"`
	}
	Hint string
}

type zooAssertion struct {
	Path        string
	Absent      bool
	Exists      bool
	Equals      any
	Matches     string
	SameAs      string `json:"same_as"`
	DiffersFrom string `json:"differs_from"`
}

func TestZoo(t *testing.T) {
	files, err := filepath.Glob("testdata/zoo/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	passed := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var fixture zooFixture
		require.NoError(t, json.Unmarshal(raw, &fixture), file)
		t.Run(fixture.Name, func(t *testing.T) {
			runFixture(t, fixture)
			if !t.Failed() {
				passed++
			}
		})
	}
	fmt.Printf("zoo: %d/%d\n", passed, len(files))
}

// zooRun plays the part of a run.
type zooRun struct {
	t       *testing.T
	server  *zooServer
	client  *Client
	request Request
	usage   Usage
	waits   []time.Duration
	ids     int
	last    []Call
}

func runFixture(t *testing.T, fx zooFixture) {
	answers := []zooAnswer{fx.HTTP}
	for _, step := range fx.Then {
		answers = append(answers, step.HTTP)
	}
	r := newZooRun(t, fx, startZooServer(t, answers...))
	steps := append([]zooStep{{Expect: fx.Expect, ExpectAlt: fx.ExpectAlt}}, fx.Then...)
	for i, step := range steps {
		if step.On == "retry" {
			continue // the client makes this request by itself
		}
		if step.On == "tool_outputs" {
			r.submit(step.Outputs)
		}
		r.complete(step)
		if i == 0 {
			first, _ := r.server.seen(0)
			for name, value := range fx.ExpectRequestHeaders {
				require.Equal(t, value, first.header.Get(name))
			}
			checkRequest(t, r.server, 0, fx.ExpectRequest)
		}
	}
	for i, step := range fx.Then {
		checkRequest(t, r.server, i+1, step.ExpectRequest)
	}
}

func newZooRun(t *testing.T, fx zooFixture, server *zooServer) *zooRun {
	r := &zooRun{t: t, server: server}
	upstream := Upstream{
		Name: "zoo", BaseURL: server.url(), APIKey: "sk-zoo-key-1234567890", Auth: fx.ClientConfig.Auth,
		Stream: StreamAlways, MaxRetries: 1, IdleTimeout: 500 * time.Millisecond,
	}
	if fx.RequestKind == "json" {
		upstream.Stream = StreamNever
	}
	if fx.ClientConfig.APIKey != "" {
		upstream.APIKey = fx.ClientConfig.APIKey
	}
	if ms := fx.ClientConfig.IdleTimeoutMS; ms > 0 {
		upstream.IdleTimeout = time.Duration(ms) * time.Millisecond
	}
	client, err := New(Config{
		Upstreams: []Upstream{upstream},
		Sleep: func(_ context.Context, d time.Duration) error {
			r.waits = append(r.waits, d)
			return nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	r.client = client
	r.request = Request{
		Model: "zoo-model", Tools: zooTools(),
		MaxCompletionTokens: fx.RunParams.MaxCompletionTokens,
		ParallelToolCalls:   fx.RunParams.ParallelToolCalls,
	}
	for _, text := range []string{fx.RunParams.Instructions, fx.RunParams.AdditionalInstructions} {
		if text != "" {
			r.add(System, text)
		}
	}
	for _, m := range fx.Thread {
		r.add(m.Role, m.Content)
	}
	if len(fx.Thread) == 0 {
		r.add(User, "Hello?")
	}
	return r
}

func zooTools() []Tool {
	var tools []Tool
	for name, parameters := range map[string]string{
		"get_weather": "location", "get_current_weather": "location", "get_time": "tz",
		"add": "a", "list_dir": "path", "ping": "",
	} {
		schema := json.RawMessage(`{"type":"object"}`)
		if parameters != "" {
			schema = json.RawMessage(`{"type":"object","properties":{"` + parameters + `":{}}}`)
		}
		tools = append(tools, Tool{Name: name, Parameters: schema})
	}
	return tools
}

func (r *zooRun) add(role Role, text string) {
	r.request.Messages = append(r.request.Messages, Message{Role: role, Content: []Part{{Text: text}}})
}

func (r *zooRun) submit(outputs []string) {
	for i, output := range outputs {
		r.request.Messages = append(r.request.Messages,
			Message{Role: ToolRole, CallID: r.last[i].ID, Content: []Part{{Text: output}}})
	}
}

// complete makes the model call and stores the turn as a run does.
func (r *zooRun) complete(step zooStep) {
	r.waits = nil
	var shown recorder
	answer, err := r.client.Complete(r.t.Context(), r.request, &shown)
	r.usage.PromptTokens += answer.Usage.PromptTokens
	r.usage.CompletionTokens += answer.Usage.CompletionTokens
	turn := Message{Role: Assistant, State: answer.State}
	if answer.Text != "" {
		turn.Content = []Part{{Text: answer.Text}}
	}
	for _, call := range answer.Calls {
		require.Empty(r.t, call.ID)
		r.ids++
		call.ID = fmt.Sprintf("call_%024d", r.ids)
		turn.Calls = append(turn.Calls, call)
	}
	r.last = turn.Calls
	r.request.Messages = append(r.request.Messages, turn)

	require.NotEmpty(r.t, answer.Exchange.Request)
	if err == nil {
		require.Equal(r.t, answer.Text, shown.text.String(), "the sink saw what the answer says")
		require.Equal(r.t, answer.Refusal, shown.refusal.String())
	} else {
		require.True(r.t, strings.HasPrefix(answer.Text, shown.text.String()))
	}
	r.compare(step, answer, err)
}

// compare accepts the recommended outcome, or one of the alternatives that the
// fixture allows.
func (r *zooRun) compare(step zooStep, answer Answer, err error) {
	require.NotNil(r.t, step.Expect)
	reason := r.differs(*step.Expect, answer, err)
	require.Empty(r.t, reason)
}

// differs says how the outcome of a run differs from the one that is wanted.
func (r *zooRun) differs(want zooOutcome, answer Answer, err error) string {
	status, incomplete := "completed", ""
	var code *ErrorCode
	switch {
	case err != nil:
		status = "failed"
		var failed *Error
		if !errors.As(err, &failed) {
			return "not a chat.Error: " + err.Error()
		}
		code = &failed.Code
		require.NotContains(r.t, failed.Message, "<")
		require.NotContains(r.t, failed.Message, "sk-")
		require.NotEmpty(r.t, failed.Message)
		if failed.Overflow != (want.Hint == "context_overflow") && want.Hint != "" {
			return "overflow was not recognised"
		}
	case len(answer.Calls) > 0:
		status = "requires_action"
	case answer.Finish == FinishLength:
		status, incomplete = "incomplete", "max_completion_tokens"
	case answer.Finish == FinishContentFilter:
		status, incomplete = "incomplete", "content_filter"
	}
	switch {
	case status != want.RunStatus:
		return fmt.Sprintf("status %s, want %s (%v)", status, want.RunStatus, err)
	case !reflect.DeepEqual(code, want.LastErrorCode):
		return fmt.Sprintf("error %v, want code %v", err, want.LastErrorCode)
	case want.IncompleteReason != "" && want.IncompleteReason != incomplete:
		return fmt.Sprintf("incomplete for %s, want %s", incomplete, want.IncompleteReason)
	case answer.Text != want.Text:
		return fmt.Sprintf("text %.200q, want %.200q", answer.Text, want.Text)
	case want.Reasoning != nil && answer.Reasoning != *want.Reasoning:
		return fmt.Sprintf("reasoning %q, want %q", answer.Reasoning, *want.Reasoning)
	case want.Refusal != nil && answer.Refusal != *want.Refusal:
		return fmt.Sprintf("refusal %q, want %q", answer.Refusal, *want.Refusal)
	}
	return r.differsInDetail(want, answer)
}

func (r *zooRun) differsInDetail(want zooOutcome, answer Answer) string {
	if len(answer.Calls) != len(want.ToolCalls) {
		return fmt.Sprintf("calls %v, want %v", answer.Calls, want.ToolCalls)
	}
	for i, call := range want.ToolCalls {
		if answer.Calls[i].Name != call.Name || !sameArguments(answer.Calls[i].Arguments, call.Arguments) {
			return fmt.Sprintf("call %v, want %v", answer.Calls[i], call)
		}
	}
	if u := want.Usage; u != nil && (u.PromptTokens != r.usage.PromptTokens ||
		u.CompletionTokens != r.usage.CompletionTokens ||
		u.TotalTokens != r.usage.PromptTokens+r.usage.CompletionTokens) {
		return fmt.Sprintf("usage %v, want %v", r.usage, *u)
	}
	if want.Retry != nil {
		if (len(r.waits) > 0) != want.Retry.Retryable {
			return fmt.Sprintf("waited %v, want retryable %v", r.waits, want.Retry.Retryable)
		}
		if want.Retry.AfterS > 0 && r.waits[0].Seconds() != want.Retry.AfterS {
			return fmt.Sprintf("waited %v, want %v s", r.waits, want.Retry.AfterS)
		}
	}
	return ""
}

func sameArguments(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil {
		return reflect.DeepEqual(x, y)
	}
	return a == b
}

func checkRequest(t *testing.T, s *zooServer, i int, assertions []zooAssertion) {
	t.Helper()
	if len(assertions) == 0 {
		return
	}
	req, ok := s.seen(i)
	require.True(t, ok, "request %d never came", i)
	holds(t, req.body, assertions)
}

// holds checks a request against assertions.
func holds(t *testing.T, body any, assertions []zooAssertion) {
	t.Helper()
	for _, a := range assertions {
		value, found := at(body, a.Path)
		require.Equal(t, !a.Absent, found, a.Path)
		if a.Exists {
			require.NotNil(t, value, a.Path)
		}
		if a.Equals != nil {
			require.Equal(t, a.Equals, value, a.Path)
		}
		if a.Matches != "" {
			require.Regexp(t, regexp.MustCompile(a.Matches), value, a.Path)
		}
		if a.SameAs != "" {
			other, _ := at(body, a.SameAs)
			require.Equal(t, other, value, a.Path)
		}
		if a.DiffersFrom != "" {
			other, _ := at(body, a.DiffersFrom)
			require.NotEqual(t, other, value, a.Path)
		}
	}
}

// at walks a path like messages.-1.content.
func at(body any, path string) (any, bool) {
	for key := range strings.SplitSeq(path, ".") {
		switch v := body.(type) {
		case map[string]any:
			var ok bool
			if body, ok = v[key]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil {
				return nil, false
			}
			if i < 0 {
				i += len(v)
			}
			if i < 0 || i >= len(v) {
				return nil, false
			}
			body = v[i]
		default:
			return nil, false
		}
	}
	return body, true
}
