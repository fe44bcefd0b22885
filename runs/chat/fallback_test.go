package chat

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

// Refusals as backends word them, and what the next request must look like.
func TestFallbacks(t *testing.T) {
	for name, tc := range map[string]struct {
		refusal string
		ask     func(*Request)
		want    []chattest.Assertion
	}{
		"stream_options": {
			"[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted'}]", nil,
			[]chattest.Assertion{{Path: "stream_options", Absent: true}, {Path: "stream", Equals: true}},
		},
		"the new name of the limit": {
			"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
			func(r *Request) { r.MaxCompletionTokens = 5 },
			[]chattest.Assertion{{Path: "max_tokens", Absent: true}, {Path: "max_completion_tokens", Equals: 5.0}},
		},
		"parallel_tool_calls": {
			`Invalid JSON payload received. Unknown name "parallel_tool_calls": Cannot find field.`,
			func(r *Request) { r.ParallelToolCalls = new(bool) },
			[]chattest.Assertion{{Path: "parallel_tool_calls", Absent: true}, {Path: "tools.0", Exists: true}},
		},
		"strict": {
			"tools[0].function.strict: Extra inputs are not permitted", func(r *Request) { r.Tools[0].Strict = true },
			[]chattest.Assertion{{Path: "tools.0.function.strict", Absent: true}},
		},
		"temperature": {
			"Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
			func(r *Request) { r.Temperature = new(float64) },
			[]chattest.Assertion{{Path: "temperature", Absent: true}},
		},
		"reasoning_effort": {
			"Unrecognized request argument supplied: reasoning_effort", func(r *Request) { r.ReasoningEffort = "low" },
			[]chattest.Assertion{{Path: "reasoning_effort", Absent: true}},
		},
		"no tools by choice": {
			"tool_choice is not supported", func(r *Request) { r.ToolChoice = ToolChoice{Mode: "none"} },
			[]chattest.Assertion{{Path: "tool_choice", Absent: true}, {Path: "tools", Absent: true}},
		},
		"no streams": {
			"Cannot use tools with stream", nil,
			[]chattest.Assertion{{Path: "stream", Equals: false}, {Path: "stream_options", Absent: true}},
		},
		"schemas": {
			`Invalid JSON payload received. Unknown name "additionalProperties" at 'tools[0]': Cannot find field.`,
			func(r *Request) {
				r.Tools[0].Parameters = json.RawMessage(`{"type":"object","$schema":"x","properties":{"a":{"type":"object","additionalProperties":false}}}`)
			},
			[]chattest.Assertion{{Path: "tools.0.function.parameters.$schema", Absent: true}, {Path: "tools.0.function.parameters.properties.a.additionalProperties", Absent: true}},
		},
		"alternating roles": {
			"Conversation roles must alternate user/assistant/user/assistant/...",
			func(r *Request) { r.Messages = []Message{user("a"), user("b")} },
			[]chattest.Assertion{{Path: "messages.0.content", Equals: "a\nb"}, {Path: "messages.1", Absent: true}},
		},
		"user behind tool": {
			"Unexpected role 'user' after role 'tool'",
			func(r *Request) { r.Messages = append(calledMessages(""), user("b")) },
			[]chattest.Assertion{{Path: "messages.-2.role", Equals: "assistant"}, {Path: "messages.-3.role", Equals: "tool"}},
		},
		"no system role": {
			"System role not supported",
			func(r *Request) {
				r.Messages = []Message{{Role: System, Content: []Part{{Text: "be brief"}}}, user("a")}
			},
			[]chattest.Assertion{{Path: "messages.0.role", Equals: "user"}, {Path: "messages.0.content", Equals: "be brief\na"}},
		},
		"Mistral's ids": {
			"Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
			func(r *Request) { r.Messages = calledMessages("") },
			[]chattest.Assertion{{Path: "messages.1.tool_calls.0.id", Matches: "^[a-zA-Z0-9]{9}$"}, {Path: "messages.2.tool_call_id", SameAs: "messages.1.tool_calls.0.id"}},
		},
		"null contents": {
			"messages.1.content: Input should be a valid string", func(r *Request) { r.Messages = calledMessages("") },
			[]chattest.Assertion{{Path: "messages.1.content", Equals: ""}},
		},
		"empty contents": {
			"messages: text content blocks must be non-empty", func(r *Request) { r.Messages = calledMessages("") },
			[]chattest.Assertion{{Path: "messages.1.content", Equals: " "}, {Path: "messages.2.content", Equals: noOutput}},
		},
		"missing thoughts": {
			"Missing reasoning_content field in the assistant message at index 1", func(r *Request) { r.Messages = calledMessages("") },
			[]chattest.Assertion{{Path: "messages.1.reasoning_content", Equals: ""}},
		},
		"thoughts": {
			"messages.1.reasoning_content: Extra inputs are not permitted",
			func(r *Request) {
				r.Messages = calledMessages(`{"upstream":"up","model":"m","ids":["x"],"reasoning_name":"reasoning_content","reasoning":"hm"}`)
			},
			[]chattest.Assertion{{Path: "messages.1.reasoning_content", Absent: true}, {Path: "messages.1.tool_calls.0.id", Equals: "x"}},
		},
		"calls of another model": {
			"Function call is missing a thought_signature in functionCall parts.", func(r *Request) { r.Messages = calledMessages("") },
			[]chattest.Assertion{{Path: "messages.1.tool_calls.0.extra_content.google.thought_signature", Exists: true}},
		},
		"a history without tools": {
			"Anthropic expects the `tools=` param to be passed in when tool calls are in the messages",
			func(r *Request) { r.Tools, r.Messages = nil, calledMessages("") },
			[]chattest.Assertion{{Path: "tools.0.function.name", Equals: "ping"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{replies: []reply{refusedWith(tc.refusal), ok("hi")}}
			h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
			req := hello("m")
			req.Tools = []Tool{{Name: "ping"}}
			if tc.ask != nil {
				tc.ask(&req)
			}
			for range 2 {
				_, err := h.Complete(t.Context(), req, nil)
				require.NoError(t, err)
			}
			require.Len(t, s.sent, 3, "what was learnt is remembered")
			for _, sent := range s.sent[1:] {
				chattest.Holds(t, sent, tc.want)
			}
			require.Equal(t, 1, strings.Count(h.log.String(), "\n"), h.log.String())
			require.Empty(t, h.waits)
		})
	}
}

// calledMessages is a thread in which ping was called and said nothing.
func calledMessages(state string) []Message {
	return []Message{
		user("hello"),
		{Role: Assistant, Calls: []Call{{ID: "call_1", Name: "ping"}}, State: json.RawMessage(state)},
		{Role: ToolRole, CallID: "call_1"},
	}
}

func TestRefusalsThatAreTheClients(t *testing.T) {
	for name, refusal := range map[string]string{
		"a limit too large":   "max_tokens is too large: 99999. This model supports at most 4096 completion tokens.",
		"a wrong temperature": "temperature must be between 0 and 2",
		"a wrong schema":      "Invalid schema for response_format 'x': type is missing",
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{replies: []reply{refusedWith(refusal)}}
			h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
			req := hello("m")
			req.MaxCompletionTokens = 99999
			req.Temperature = new(float64)
			req.ResponseFormat = json.RawMessage(`{"type":"json_schema","json_schema":{"name":"x","schema":{"a":1}}}`)
			_, err := h.Complete(t.Context(), req, nil)
			require.ErrorContains(t, err, refusal)
			require.Len(t, s.sent, 1)
		})
	}
}

func TestJSONByWeakerMeans(t *testing.T) {
	refused := refusedWith("This response_format type is unavailable now")
	req := hello("m")
	req.ResponseFormat = json.RawMessage(`{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}`)
	t.Run("as an object", func(t *testing.T) {
		s := &script{replies: []reply{refused, ok("{}")}}
		h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
		_, err := h.Complete(t.Context(), req, nil)
		require.NoError(t, err)
		chattest.Holds(t, s.sent[1], []chattest.Assertion{
			{Path: "response_format.type", Equals: "json_object"},
			{Path: "response_format.json_schema", Absent: true},
			{Path: "messages.0.content", Matches: `\{"type":"object"\}`},
		})
	})
	t.Run("in words", func(t *testing.T) {
		s := &script{replies: []reply{refused, refused, ok("Sure: {}"), ok("```json\n{\"a\":1}\n```")}}
		h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
		var shown recorder
		answer, err := h.Complete(t.Context(), req, &shown)
		require.NoError(t, err)
		require.Equal(t, `{"a":1}`, answer.Text)
		require.Equal(t, `{"a":1}`, shown.text.String(), "nothing is shown before it was checked")
		chattest.Holds(t, s.sent[2], []chattest.Assertion{{Path: "response_format", Absent: true}})
	})
	t.Run("in vain", func(t *testing.T) {
		s := &script{replies: []reply{refused, refused, ok("Sure!")}}
		h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
		var shown recorder
		_, err := h.Complete(t.Context(), req, &shown)
		require.ErrorContains(t, err, "response_format")
		require.Empty(t, shown.text.String())
		require.Len(t, s.sent, 2+1+checkTries)
	})
}

func TestForcedCallInWords(t *testing.T) {
	refused := refusedWith("Thinking mode does not support this tool_choice")
	req := hello("m")
	req.Tools = []Tool{{Name: "add"}, {Name: "ping"}}
	req.ToolChoice = ToolChoice{Mode: "function", Function: "ping"}
	called := reply{body: message(toolCall + `{"function":{"name":"ping"}}]}`)}
	s := &script{replies: []reply{refused, ok("No."), called}}
	h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
	answer, err := h.Complete(t.Context(), req, nil)
	require.NoError(t, err)
	require.Equal(t, "ping", answer.Calls[0].Name)
	chattest.Holds(t, s.sent[0], []chattest.Assertion{{Path: "tool_choice.function.name", Equals: "ping"}})
	chattest.Holds(t, s.sent[1], []chattest.Assertion{
		{Path: "tool_choice", Absent: true},
		{Path: "tools.1", Absent: true},
		{Path: "messages.0.content", Matches: "function ping"},
	})
}
