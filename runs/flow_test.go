package runs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/runs"
	"understudy/runs/chat"
)

// tellSteps writes steps in a line each: type, status, calls and tokens.
func tellSteps(steps []*runs.Step) (lines []string) {
	for _, s := range steps {
		line := s.Type + tellCalls(&s.Details) + " " + string(s.Status)
		if s.Usage != nil {
			line += fmt.Sprintf(" usage=%d", s.Usage.TotalTokens)
		}
		lines = append(lines, line)
	}
	return lines
}

// usageOf is the usage of n scripted turns.
func usageOf(n int) *runs.Usage {
	return &runs.Usage{
		PromptTokens: 10 * n, CompletionTokens: 5 * n, TotalTokens: 15 * n,
		PromptDetails: runs.PromptDetails{CachedTokens: 2 * n}, CompletionsDetails: runs.CompletionDetails{ReasoningTokens: n},
	}
}

// TestOutcomes plays one turn each and looks at what is stored.
func TestOutcomes(t *testing.T) {
	w := open(t, worldOptions{})
	for _, tc := range []struct {
		name       string
		turn       turn
		status     runs.Status
		incomplete string // reason
		failed     *runs.LastError
		usage      *runs.Usage
		answer     []string
		steps      []string
	}{
		{
			name: "text", turn: says("Hel", "lo"), status: runs.Completed, usage: usageOf(1),
			answer: []string{"assistant: Hello"}, steps: []string{"message_creation completed usage=15"},
		},
		{
			name: "calls", turn: calls("add", "sub"), status: runs.RequiresAction,
			steps: []string{"tool_calls[add=null sub=null] in_progress"},
		},
		{
			name: "text beside calls", turn: saysAndCalls("I add.", "add"), status: runs.RequiresAction,
			answer: []string{"assistant: I add."},
			steps:  []string{"message_creation completed usage=0", "tool_calls[add=null] in_progress"},
		},
		{
			name: "calls of a turn that was cut short are dropped",
			turn: settles(&chat.Answer{Text: "So", Finish: chat.FinishLength, Usage: perTurn, Calls: []chat.Call{{Name: "add", Arguments: "{}"}}}), status: runs.Incomplete,
			incomplete: "max_completion_tokens", usage: usageOf(1),
			answer: []string{"assistant: So [max_tokens]"}, steps: []string{"message_creation completed usage=15"},
		},
		{name: "cut short before a word", turn: settles(&chat.Answer{Finish: chat.FinishLength, Usage: perTurn}), status: runs.Incomplete, incomplete: "max_completion_tokens", usage: usageOf(1)},
		{
			name: "content filter", turn: ends(chat.FinishContentFilter, "So"), status: runs.Incomplete, incomplete: "content_filter", usage: usageOf(1),
			answer: []string{"assistant: So [content_filter]"}, steps: []string{"message_creation completed usage=15"},
		},
		{name: "refusal", turn: refuses("No"), status: runs.Completed, usage: usageOf(1), answer: []string{"assistant: No"}, steps: []string{"message_creation completed usage=15"}},
		{
			name: "failure", turn: fails(chat.InvalidPrompt, "bad"), status: runs.Failed,
			failed: &runs.LastError{Code: "invalid_prompt", Message: "bad"}, usage: &runs.Usage{PromptTokens: 3, TotalTokens: 3},
		},
		{
			name: "failure after deltas", turn: fails(chat.ServerError, "broken", "So"), status: runs.Failed,
			failed: &runs.LastError{Code: "server_error", Message: "broken"}, usage: &runs.Usage{PromptTokens: 3, TotalTokens: 3},
			answer: []string{"assistant: So [run_failed]"}, steps: []string{"message_creation failed"},
		},
		{
			name: "an error of another kind is not shown",
			turn: func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) {
				return &chat.Answer{}, fmt.Errorf("secret")
			}, status: runs.Failed,
			failed: &runs.LastError{Code: "server_error", Message: "Sorry, something went wrong."}, usage: &runs.Usage{},
		},
		{
			name: "a fault", turn: func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) { panic("fault") }, status: runs.Failed,
			failed: &runs.LastError{Code: "server_error", Message: "Sorry, something went wrong."}, usage: &runs.Usage{},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.model.play(tc.turn)
			thread := w.thread("Hi")
			r := w.settled(w.run(thread))
			require.Equal(t, tc.status, r.Status)
			require.Equal(t, tc.failed, r.LastError)
			require.Equal(t, tc.usage, r.Usage)
			require.Equal(t, tc.status.Terminal(), r.ExpiresAt == nil)
			require.NotNil(t, r.StartedAt)
			require.Equal(t, tc.status == runs.Failed, r.FailedAt != nil)
			require.Equal(t, tc.status == runs.Completed || tc.status == runs.Incomplete, r.CompletedAt != nil)
			if tc.incomplete != "" {
				require.Equal(t, &runs.IncompleteDetails{Reason: tc.incomplete}, r.IncompleteDetails)
			}
			require.Equal(t, append([]string{"user: Hi"}, tc.answer...), w.texts(thread))
			require.Equal(t, tc.steps, tellSteps(w.steps(r)))
			if tc.failed == nil || tc.failed.Message != "Sorry, something went wrong." { // a fault of ours is not on the tape
				require.Len(t, w.calls(r), 1)
			}
		})
	}
}

// TestRounds goes through two rounds of calls; usage is shown at the end.
func TestRounds(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("First.", "add"), calls("sub", "add"), says("Done."))
	thread := w.thread("Go")
	r := w.settled(w.run(thread))
	require.Nil(t, r.Usage)
	require.Len(t, pending(r), 1)
	submitted, _, err := w.submit(r, false, "one")
	require.NoError(t, err)
	require.Equal(t, runs.Queued, submitted.Status)
	require.Nil(t, submitted.RequiredAction)
	require.Equal(t, r.StartedAt, submitted.StartedAt, "it keeps its value until the next start")
	require.Equal(t, r.ExpiresAt, submitted.ExpiresAt, "outputs do not prolong a run")
	r = w.settled(r)
	require.Len(t, pending(r), 2)
	_, _, err = w.submit(r, false, "two", "")
	require.NoError(t, err)
	r = w.settled(r)
	require.Equal(t, runs.Completed, r.Status)
	require.Equal(t, usageOf(3), r.Usage)
	require.Equal(t, []string{
		"message_creation completed usage=0", "tool_calls[add=one] completed usage=15",
		"tool_calls[sub=two add=] completed usage=15", "message_creation completed usage=15",
	}, tellSteps(w.steps(r)))
	require.Equal(t, []string{"user: Go", "assistant: First.", "assistant: Done."}, w.texts(thread))
	require.Len(t, w.calls(r), 3)

	last := w.model.sent()[2].Messages
	require.Equal(t, []string{"system", "user", "assistant", "tool", "assistant", "tool", "tool"}, roles(last))
	require.Equal(t, "First.", last[2].Content[0].Text, "text and calls of a turn are one message again")
	require.Len(t, last[2].Calls, 1)
	require.JSONEq(t, `{"echo":1}`, string(last[2].State))
	require.Equal(t, last[4].Calls[1].ID, last[6].CallID)
}

func roles(messages []chat.Message) (roles []string) {
	for _, m := range messages {
		roles = append(roles, string(m.Role))
	}
	return roles
}

// TestRequests looks at what two calls of one run are sent.
func TestRequests(t *testing.T) {
	off := false
	schema := `{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}`
	w := open(t, worldOptions{})
	for _, tc := range []struct {
		name, members string
		first, second chat.Request // without model, messages and tools
		calls         int          // that the run then waits for
	}{
		{"nothing asked", ``, chat.Request{}, chat.Request{}, 2},
		{"parallel_tool_calls", `"parallel_tool_calls":false`, chat.Request{ParallelToolCalls: &off}, chat.Request{ParallelToolCalls: &off}, 1},
		{"required", `"tool_choice":"required"`, chat.Request{ToolChoice: chat.ToolChoice{Mode: "required"}}, chat.Request{}, 2},
		{
			"a named tool", `"tool_choice":{"type":"function","function":{"name":"sub"}}`,
			chat.Request{ToolChoice: chat.ToolChoice{Mode: "function", Function: "sub"}},
			chat.Request{},
			2,
		},
		{"json_schema", `"response_format":` + schema, chat.Request{ResponseFormat: []byte(schema)}, chat.Request{ResponseFormat: []byte(schema)}, 2},
		{"the default format", `"response_format":"auto"`, chat.Request{}, chat.Request{}, 2},
		{
			"sampling", `"temperature":0.5,"top_p":1,"reasoning_effort":"low"`,
			chat.Request{Temperature: wire.Ptr(0.5), ReasoningEffort: "low"},
			chat.Request{Temperature: wire.Ptr(0.5), ReasoningEffort: "low"},
			2,
		},
		{"what is left of the completion cap", `"max_completion_tokens":30`, chat.Request{MaxCompletionTokens: 30}, chat.Request{MaxCompletionTokens: 25}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.model.play(calls("add", "sub"), says("Done."))
			var members []string
			if tc.members != "" {
				members = []string{tc.members}
			}
			r := w.settled(w.run(w.thread("Hi"), members...))
			require.Len(t, pending(r), tc.calls)
			_, _, err := w.submit(r, false, []string{"1", "2"}[:tc.calls]...)
			require.NoError(t, err)
			require.Equal(t, runs.Completed, w.settled(r).Status)
			for i, want := range []chat.Request{tc.first, tc.second} {
				got := w.model.sent()[i]
				require.Equal(t, "m", got.Model)
				require.Equal(t, []string{"add", "sub"}, []string{got.Tools[0].Name, got.Tools[1].Name})
				got.Model, got.Messages, got.Tools = "", nil, nil
				require.Equal(t, want, got, "call %d", i+1)
			}
		})
	}
}

// TestToolChoiceNone drops calls that a backend makes all the same.
func TestToolChoiceNone(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("Fine.", "add"))
	r := w.settled(w.run(w.thread("Hi"), `"tool_choice":"none"`))
	require.Equal(t, runs.Completed, r.Status)
	require.Equal(t, "none", w.model.sent()[0].ToolChoice.Mode)
	require.Equal(t, []string{"message_creation completed usage=15"}, tellSteps(w.steps(r)))
}

// TestCaps holds the token caps over the whole run: every turn uses 10 + 5 tokens.
func TestCaps(t *testing.T) {
	w := open(t, worldOptions{})
	for _, tc := range []struct {
		name, members, reason string
		calls                 int // model calls made
	}{
		{"completion tokens used up", `"max_completion_tokens":5`, "max_completion_tokens", 1},
		{"completion tokens left", `"max_completion_tokens":6`, "", 2},
		{"prompt tokens used up", `"max_prompt_tokens":40`, "max_prompt_tokens", 1},
		{"prompt tokens left", `"max_prompt_tokens":10000`, "", 2},
		{"not even the first prompt fits", `"max_prompt_tokens":4`, "max_prompt_tokens", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.model.play(calls("add"), says("Done."))
			r := w.settled(w.run(w.thread("Hi"), tc.members))
			if tc.calls > 0 {
				_, _, err := w.submit(r, false, strings.Repeat("long ", 10))
				require.NoError(t, err)
				r = w.settled(r)
			}
			require.Len(t, w.model.sent(), tc.calls)
			require.Len(t, w.calls(r), tc.calls)
			if tc.reason == "" {
				require.Equal(t, runs.Completed, r.Status)
				return
			}
			require.Equal(t, runs.Incomplete, r.Status)
			require.Equal(t, tc.reason, r.IncompleteDetails.Reason)
			require.Equal(t, usageOf(tc.calls), r.Usage)
		})
	}
}

// TestOverrides checks what a run takes from its request rather than from its assistant.
func TestOverrides(t *testing.T) {
	w := open(t, worldOptions{}, says("ok"))
	r := w.settled(w.run(w.thread("Hi"), `"model":"other"`, `"instructions":"Be long."`, `"additional_instructions":"And kind."`,
		`"additional_messages":[{"role":"user","content":"More"}]`, `"tools":[`+function("mul")+`]`, `"metadata":{"k":"v"}`))
	require.Equal(t, "other", r.Model)
	require.Equal(t, wire.Metadata{"k": "v"}, r.Metadata)
	sent := w.model.sent()[0]
	require.Equal(t, "other", sent.Model)
	require.Equal(t, "mul", sent.Tools[0].Name)
	require.Equal(t, []string{"system: Be long.\n\nAnd kind.", "user: Hi", "user: More"}, tellPrompt(sent.Messages))
	a, err := w.assistants.Load(w.ctx, project, w.assistant)
	require.NoError(t, err)
	require.Len(t, a.Tools, 2, "the assistant stays as it was")
	require.Equal(t, assistants.FunctionTool, a.Tools[0].Type)
}

// TestNeedsInput refuses a run that has nothing to say to the model.
func TestNeedsInput(t *testing.T) {
	w := open(t, worldOptions{}, says("ok"), says("ok"))
	silent := w.newAssistant(`{"model":"m"}`)
	for _, tc := range []struct {
		name, assistant, thread, members string
		refused                          bool
	}{
		{"nothing", silent, `{}`, ``, true},
		{"only the assistant's words", silent, `{}`, `"additional_messages":[{"role":"assistant","content":"Hi"}]`, true},
		{"a message", silent, `{}`, `"additional_messages":[{"role":"user","content":"Hi"}]`, false},
		{"instructions", w.assistant, `{}`, `"metadata":{}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			members := append([]string{}, `"parallel_tool_calls":true`)
			if tc.members != "" {
				members = append(members, tc.members)
			}
			w.assistant = tc.assistant
			thread := w.threadOf(tc.thread)
			r, _, err := w.create(thread, members...)
			if tc.refused {
				require.ErrorContains(t, err, "Run creation requires a Thread with a user message or an assistant with instructions.")
				require.Empty(t, w.messages(thread))
				return
			}
			require.NoError(t, err)
			require.Equal(t, runs.Completed, w.settled(r).Status)
		})
	}
}
