package chat

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

// The fixtures in testdata/zoo are answers of real backends, one behaviour
// each, with the outcome that an API client must see.

func TestZoo(t *testing.T) {
	fixtures := chattest.Fixtures(t, "testdata/zoo")
	passed := 0
	for _, fixture := range fixtures {
		t.Run(fixture.Name, func(t *testing.T) {
			runFixture(t, fixture)
			if !t.Failed() {
				passed++
			}
		})
	}
	fmt.Printf("zoo: %d/%d\n", passed, len(fixtures))
}

// zooRun plays the part of a run.
type zooRun struct {
	t       *testing.T
	client  *Client
	request Request
	usage   Usage
	waits   []time.Duration
	ids     int
	last    []Call
}

func runFixture(t *testing.T, fx chattest.Fixture) {
	server := chattest.Serve(t, fx.Answers()...)
	r := newZooRun(t, fx, server)
	for _, step := range fx.Steps() {
		r.submit(step.Outputs)
		r.complete(step)
	}
	fx.CheckRequests(t, server)
}

func newZooRun(t *testing.T, fx chattest.Fixture, server *chattest.Server) *zooRun {
	r := &zooRun{t: t}
	upstream := Upstream{
		Name: "zoo", BaseURL: server.URL(), APIKey: "sk-zoo-key-1234567890", Auth: Auth(fx.ClientConfig.Auth),
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
		r.add(Role(m.Role), m.Content)
	}
	if len(fx.Thread) == 0 {
		r.add(User, "Hello?")
	}
	return r
}

func zooTools() []Tool {
	var tools []Tool
	for name, parameters := range chattest.Tools {
		tools = append(tools, Tool{Name: name, Parameters: parameters})
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
func (r *zooRun) complete(step chattest.Step) {
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

// compare accepts the recommended outcome only.
func (r *zooRun) compare(step chattest.Step, answer *Answer, err error) {
	require.Empty(r.t, r.differs(*step.Expect, answer, err))
}

// differs says how the outcome of a run differs from the one that is wanted.
func (r *zooRun) differs(want chattest.Outcome, answer *Answer, err error) string {
	status, incomplete := "completed", ""
	var code *string
	switch {
	case err != nil:
		status = "failed"
		var failed *Error
		if !errors.As(err, &failed) {
			return "not a chat.Error: " + err.Error()
		}
		code = (*string)(&failed.Code)
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

func (r *zooRun) differsInDetail(want chattest.Outcome, answer *Answer) string {
	if len(answer.Calls) != len(want.ToolCalls) {
		return fmt.Sprintf("calls %v, want %v", answer.Calls, want.ToolCalls)
	}
	for i, call := range want.ToolCalls {
		if answer.Calls[i].Name != call.Name || !chattest.SameArguments(answer.Calls[i].Arguments, call.Arguments) {
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
