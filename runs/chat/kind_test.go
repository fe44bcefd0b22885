package chat

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

func TestGuessKind(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.openai.com/v1":                                "openai",
		"https://API.OpenAI.com:443/v1":                            "openai",
		"https://x.openai.azure.com/openai/v1?api-version=preview": "azure",
		"https://api.anthropic.com/v1":                             "anthropic",
		"https://generativelanguage.googleapis.com/v1beta/openai":  "gemini",
		"https://api.mistral.ai/v1":                                "mistral",
		"https://api.deepseek.com":                                 "deepseek",
		"https://api.moonshot.ai/v1":                               "moonshot",
		"https://api.moonshot.cn/v1":                               "moonshot",
		"https://api.groq.com/openai/v1":                           "groq",
		"https://openrouter.ai/api/v1":                             "openrouter",
		"http://localhost:11434/v1":                                "ollama",
		"http://[::1]:11434/v1":                                    "ollama",
		"http://localhost:8000/v1":                                 "generic",
		"https://api.openai.com.evil.example/v1":                   "generic",
		"https://proxy.example/api.openai.com/v1":                  "generic",
		"builtin://echo":                                           "generic",
		"http://[::1":                                              "generic",
	} {
		require.Equal(t, want, GuessKind(base), base)
	}
}

// everything asks for all that a profile may change, in a thread that another
// model began.
func everything() Request {
	return Request{
		Model: "m", Temperature: new(float64), TopP: new(float64), ReasoningEffort: "low", MaxCompletionTokens: 5,
		ParallelToolCalls: new(bool), ToolChoice: ToolChoice{Mode: "required"},
		ResponseFormat: json.RawMessage(`{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}`),
		Tools: []Tool{{
			Name: "ping", Strict: true,
			Parameters: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`),
		}},
		Messages: slices.Concat([]Message{{Role: System, Content: []Part{{Text: "be brief"}}}},
			calledMessages(""), []Message{user("a"), user("b")}),
	}
}

// ownThread is a thread whose call was made by the model that is asked.
func ownThread() Request {
	return Request{Model: "m", Messages: calledMessages(`{"upstream":"up","model":"m","ids":["x"],"extras":[{"k":1}],` +
		`"reasoning_name":"reasoning_content","reasoning":"hm"}`)}
}

func TestProfileDecidesTheFirstRequest(t *testing.T) {
	var (
		newLimit = []chattest.Assertion{{Path: "max_completion_tokens", Equals: 5.0}, {Path: "max_tokens", Absent: true}}
		oldLimit = []chattest.Assertion{{Path: "max_tokens", Equals: 5.0}, {Path: "max_completion_tokens", Absent: true}}
		inWords  = []chattest.Assertion{{Path: "response_format", Absent: true}, {Path: "messages.0.content", Matches: `JSON schema`}}
		asObject = []chattest.Assertion{{Path: "response_format.type", Equals: "json_object"}, {Path: "messages.0.content", Matches: `JSON schema`}}
		asSchema = []chattest.Assertion{{Path: "response_format.type", Equals: "json_schema"}}
		unforced = []chattest.Assertion{{Path: "tool_choice", Absent: true}, {Path: "messages.0.content", Matches: "at least one of the functions"}}
		// unchanged is what every backend is sent of which nothing is known.
		unchanged = slices.Concat(oldLimit, asSchema, []chattest.Assertion{
			{Path: "stream_options.include_usage", Equals: true},
			{Path: "parallel_tool_calls", Equals: false},
			{Path: "temperature", Equals: 0.0},
			{Path: "top_p", Equals: 0.0},
			{Path: "reasoning_effort", Equals: "low"},
			{Path: "tool_choice", Equals: "required"},
			{Path: "tools.0.function.strict", Equals: true},
			{Path: "tools.0.function.parameters.additionalProperties", Equals: false},
			{Path: "messages.0.role", Equals: "system"},
			{Path: "messages.2.content", Equals: nil},
			{Path: "messages.2.tool_calls.0.id", Equals: "call_1"},
			{Path: "messages.4.content", Equals: "a"},
			{Path: "messages.5.content", Equals: "b"},
		})
	)
	absent := func(path string) []chattest.Assertion { return []chattest.Assertion{{Path: path, Absent: true}} }
	without := func(name string) map[string]bool { return map[string]bool{name: false} }
	with := func(name string) map[string]bool { return map[string]bool{name: true} }
	for name, tc := range map[string]struct {
		kind    string
		profile map[string]bool
		ask     func() Request // default everything
		want    []chattest.Assertion
	}{
		"generic":    {"generic", nil, nil, unchanged},
		"moonshot":   {"moonshot", nil, nil, unchanged},
		"groq":       {"groq", nil, nil, unchanged},
		"openrouter": {"openrouter", nil, nil, unchanged},
		"vllm":       {"vllm", nil, nil, unchanged},
		"llamacpp":   {"llamacpp", nil, nil, unchanged},
		"openai":     {"openai", nil, nil, newLimit},
		"azure":      {"azure", nil, nil, newLimit},
		"anthropic":  {"anthropic", nil, nil, slices.Concat(inWords, oldLimit)},
		"anthropic declares tools": {"anthropic", nil, ownThread, []chattest.Assertion{
			{Path: "tools.0.function.name", Equals: "ping"},
		}},
		"gemini": {"gemini", nil, nil, []chattest.Assertion{
			{Path: "parallel_tool_calls", Absent: true}, {Path: "tools.0.function.parameters.additionalProperties", Absent: true},
		}},
		"mistral": {"mistral", nil, nil, []chattest.Assertion{
			{Path: "messages.2.tool_calls.0.id", Matches: "^[a-zA-Z0-9]{9}$"},
			{Path: "messages.2.content", Equals: ""},
			{Path: "messages.4.role", Equals: "assistant"},
			{Path: "messages.4.content", Equals: acknowledgement},
		}},
		"deepseek": {"deepseek", nil, nil, asObject},
		"ollama":   {"ollama", nil, nil, unforced},

		"max_completion_tokens beats openai": {"openai", without("max_completion_tokens"), nil, oldLimit},
		"json_schema beats anthropic":        {"anthropic", with("json_schema"), nil, asSchema},
		"less than anthropic's is not more":  {"anthropic", without("json_schema"), nil, inWords},
		"json_schema beats deepseek":         {"deepseek", with("json_schema"), nil, asSchema},
		"tool_choice beats ollama":           {"ollama", with("tool_choice"), nil, unchanged},
		"parallel_tool_calls beats gemini":   {"gemini", with("parallel_tool_calls"), nil, []chattest.Assertion{{Path: "parallel_tool_calls", Equals: false}}},
		"plain_schemas beats gemini":         {"gemini", without("plain_schemas"), nil, []chattest.Assertion{{Path: "tools.0.function.parameters.additionalProperties", Equals: false}}},
		"short_ids beats mistral":            {"mistral", without("short_ids"), nil, []chattest.Assertion{{Path: "messages.2.tool_calls.0.id", Equals: "call_1"}}},
		"assistant_after_tool beats mistral": {"mistral", without("assistant_after_tool"), nil, []chattest.Assertion{{Path: "messages.4.content", Equals: "a"}}},
		"stream_options":                     {"", without("stream_options"), nil, absent("stream_options")},
		"max_completion_tokens":              {"", with("max_completion_tokens"), nil, newLimit},
		"parallel_tool_calls":                {"", without("parallel_tool_calls"), nil, absent("parallel_tool_calls")},
		"strict":                             {"", without("strict"), nil, absent("tools.0.function.strict")},
		"temperature":                        {"", without("temperature"), nil, absent("temperature")},
		"top_p":                              {"", without("top_p"), nil, absent("top_p")},
		"reasoning_effort":                   {"", without("reasoning_effort"), nil, absent("reasoning_effort")},
		"tool_choice":                        {"", without("tool_choice"), nil, unforced},
		"json_schema":                        {"", without("json_schema"), nil, asObject},
		"system_role":                        {"", without("system_role"), nil, []chattest.Assertion{{Path: "messages.0.role", Equals: "user"}, {Path: "messages.0.content", Matches: "^be brief\n"}}},
		"plain_schemas":                      {"", with("plain_schemas"), nil, absent("tools.0.function.parameters.additionalProperties")},
		"merge_roles":                        {"", with("merge_roles"), nil, []chattest.Assertion{{Path: "messages.4.content", Equals: "a\nb"}}},
		"assistant_after_tool":               {"", with("assistant_after_tool"), nil, []chattest.Assertion{{Path: "messages.4.role", Equals: "assistant"}}},
		"short_ids":                          {"", with("short_ids"), nil, []chattest.Assertion{{Path: "messages.2.tool_calls.0.id", Matches: "^[a-zA-Z0-9]{9}$"}}},
		"what a model wants back goes back":  {"", nil, ownThread, []chattest.Assertion{{Path: "messages.1.reasoning_content", Equals: "hm"}, {Path: "messages.1.tool_calls.0.k", Equals: 1.0}, {Path: "tools", Absent: true}}},
		"echo_reasoning":                     {"", without("echo_reasoning"), ownThread, []chattest.Assertion{{Path: "messages.1.reasoning_content", Absent: true}, {Path: "messages.1.tool_calls.0.k", Equals: 1.0}}},
		"echo_extra":                         {"", without("echo_extra"), ownThread, []chattest.Assertion{{Path: "messages.1.reasoning_content", Equals: "hm"}, {Path: "messages.1.tool_calls.0.k", Absent: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{replies: []reply{{body: message(toolCall + `{"function":{"name":"ping"}}]}`)}}}
			h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", Kind: tc.kind, Profile: tc.profile}}}, map[string]http.Handler{"up": s})
			req := everything()
			if tc.ask != nil {
				req = tc.ask()
			}
			_, err := h.Complete(t.Context(), req, nil)
			require.NoError(t, err)
			require.Len(t, s.sent, 1)
			chattest.Holds(t, s.sent[0], tc.want)
		})
	}
}

func TestThinkTags(t *testing.T) {
	const whole = "<think>hm</think>\n\nhi"
	for name, tc := range map[string]struct {
		profile map[string]bool
		want    string
	}{
		"are taken out":     {nil, "hi"},
		"are taken out too": {map[string]bool{"think_tags": true}, "hi"},
		"stay":              {map[string]bool{"think_tags": false}, whole},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{replies: []reply{ok(whole), {body: deltas(`{"content":"<thi"}`, `{"content":"nk>hm</think>\n\nhi"}`)}}}
			h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", Profile: tc.profile}}}, map[string]http.Handler{"up": s})
			for range s.replies {
				var shown recorder
				answer, err := h.Complete(t.Context(), hello("m"), &shown)
				require.NoError(t, err)
				require.Equal(t, tc.want, answer.Text)
				require.Equal(t, tc.want, shown.text.String())
			}
		})
	}
}

// A refusal changes even what the configuration says: the request would be
// refused for ever.
func TestLearningGoesOnFromTheProfile(t *testing.T) {
	s := &script{replies: []reply{
		refusedWith("Unsupported parameter: 'max_completion_tokens'"), refusedWith("Unknown parameter: parallel_tool_calls"), ok("hi"),
	}}
	up := Upstream{Name: "up", Kind: "gemini", Profile: map[string]bool{"max_completion_tokens": true, "parallel_tool_calls": true}}
	h := newHarness(t, Config{Upstreams: []Upstream{up}}, map[string]http.Handler{"up": s})
	req := everything()
	req.ToolChoice, req.ResponseFormat = ToolChoice{}, nil
	_, err := h.Complete(t.Context(), req, nil)
	require.NoError(t, err)
	require.Len(t, s.sent, 3)
	chattest.Holds(t, s.sent[2], []chattest.Assertion{
		{Path: "max_tokens", Equals: 5.0},
		{Path: "max_completion_tokens", Absent: true},
		{Path: "parallel_tool_calls", Absent: true},
		{Path: "tools.0.function.parameters.additionalProperties", Absent: true},
	})
}

func TestUnknownKindsAndNames(t *testing.T) {
	for want, u := range map[string]Upstream{
		`upstream "default": kind is "opnai": write one of openai, azure, anthropic, gemini, mistral, deepseek, moonshot, groq, openrouter, ollama, vllm, llamacpp, generic`: {Kind: "opnai"},
		`upstream "default": profile has no "color": write one of assistant_after_tool, echo_extra, echo_reasoning, json_schema, max_completion_tokens, merge_roles, ` +
			`parallel_tool_calls, plain_schemas, reasoning_effort, short_ids, stream_options, strict, system_role, temperature, think_tags, tool_choice, top_p`: {Profile: map[string]bool{"strict": true, "color": true, "zest": false}},
	} {
		_, err := New(Config{Upstreams: []Upstream{u}})
		require.EqualError(t, err, want)
	}
	all := map[string]bool{}
	for _, name := range ProfileNames() {
		all[name] = true
	}
	for _, kind := range Kinds() {
		client, err := New(Config{Upstreams: []Upstream{{Kind: kind, Profile: all}}})
		require.NoError(t, err)
		client.Close()
	}
}
