package chattest

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fixture is one behaviour of a backend, and the outcome that an API client
// must see. Zero fields are members that the fixture does not have.
type Fixture struct {
	Name         string
	RequestKind  string `json:"request_kind"` // json or stream
	ClientConfig struct {
		Auth          string
		APIKey        string `json:"api_key"`
		IdleTimeoutMS int    `json:"idle_timeout_ms"`
	} `json:"client_config"`
	RunParams            RunParams `json:"run_params"`
	Thread               []Message
	ExpectRequestHeaders map[string]string `json:"expect_request_headers"`
	ExpectRequest        []Assertion       `json:"expect_request"` // on the first request
	HTTP                 Answer
	Expect               *Outcome
	Then                 []Step
}

// RunParams are parameters of the run.
type RunParams struct {
	MaxCompletionTokens    int    `json:"max_completion_tokens,omitempty"`
	ParallelToolCalls      *bool  `json:"parallel_tool_calls,omitempty"`
	Instructions           string `json:"instructions,omitempty"`
	AdditionalInstructions string `json:"additional_instructions,omitempty"`
}

// Message is a message of the thread.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Step is what happens after the first answer. On is tool_outputs, or retry for
// a request that follows by itself.
type Step struct {
	On            string
	Outputs       []string
	ExpectRequest []Assertion `json:"expect_request"`
	HTTP          Answer
	Expect        *Outcome
}

// Outcome is what an API client must see.
type Outcome struct {
	Text              string
	ToolCalls         []ToolCall `json:"tool_calls"`
	Usage             *Usage     // of the run so far; nil = not said
	RunStatus         string     `json:"run_status"`
	LastErrorCode     *string    `json:"last_error_code"`
	IncompleteReason  string     `json:"incomplete_reason"`
	Reasoning         *string
	Refusal           *string
	Retry             *Retry
	Hint              string
	DistinctClientIDs bool `json:"distinct_client_ids"`
}

// ToolCall is a call as the client sees it, without its id.
type ToolCall struct{ Name, Arguments string }

// Usage counts tokens.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// Retry says whether the request is to be repeated, and after how many seconds.
type Retry struct {
	Retryable bool
	AfterS    float64 `json:"after_s"`
}

// Fixtures reads the zoo in dir.
func Fixtures(t testing.TB, dir string) []Fixture {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	fixtures := make([]Fixture, len(files))
	for i, file := range files {
		raw, err := os.ReadFile(file) //nolint:gosec // what the pattern has found, for tests
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &fixtures[i]), file)
		require.NotNil(t, fixtures[i].Expect, file)
	}
	return fixtures
}

// Answers lists the backend's answers in their order.
func (f Fixture) Answers() []Answer {
	answers := []Answer{f.HTTP}
	for _, step := range f.Then {
		answers = append(answers, step.HTTP)
	}
	return answers
}

// Steps lists what a client does, the run itself first.
func (f Fixture) Steps() []Step {
	steps := []Step{{Expect: f.Expect}}
	for _, step := range f.Then {
		if step.On != "retry" {
			steps = append(steps, step)
		}
	}
	return steps
}

// CheckRequests asserts what the backend of the fixture was sent.
func (f Fixture) CheckRequests(t testing.TB, s *Server) {
	t.Helper()
	first, ok := s.Seen(0)
	require.True(t, ok, "no request came")
	for name, value := range f.ExpectRequestHeaders {
		require.Equal(t, value, first.Header.Get(name))
	}
	Holds(t, first.Body, f.ExpectRequest)
	for i, step := range f.Then {
		if len(step.ExpectRequest) > 0 {
			request, ok := s.Seen(i + 1)
			require.True(t, ok, "request %d never came", i+1)
			Holds(t, request.Body, step.ExpectRequest)
		}
	}
}

// Tools are the functions that every fixture's assistant has, with the schemas
// of their parameters.
var Tools = map[string]json.RawMessage{
	"get_weather":         json.RawMessage(`{"type":"object","properties":{"location":{"type":"string"}}}`),
	"get_current_weather": json.RawMessage(`{"type":"object","properties":{"location":{"type":"string"},"unit":{"type":"string"}}}`),
	"get_time":            json.RawMessage(`{"type":"object","properties":{"tz":{"type":"string"}}}`),
	"add":                 json.RawMessage(`{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}}}`),
	"list_dir":            json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"}}}`),
	"ping":                json.RawMessage(`{"type":"object","properties":{}}`),
}

// SameArguments compares arguments as JSON when both are, else as texts.
func SameArguments(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil {
		return reflect.DeepEqual(x, y)
	}
	return a == b
}

// Answer is an answer of a backend, byte for byte.
type Answer struct {
	Status  int
	Headers map[string]string
	Proto   string
	Body    *string
	Chunks  []json.RawMessage // each a text, or {"b64": …}
	Framing string            // chunked, length or close; "" = as usual
	End     string            // clean, cut or hang; "" = clean
}

// Pieces returns what is written and flushed on its own.
func (a Answer) Pieces(t testing.TB) [][]byte {
	t.Helper()
	if a.Body != nil {
		return [][]byte{[]byte(*a.Body)}
	}
	var out [][]byte
	for _, raw := range a.Chunks {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			out = append(out, []byte(text))
			continue
		}
		var encoded struct{ B64 string }
		require.NoError(t, json.Unmarshal(raw, &encoded))
		data, err := base64.StdEncoding.DecodeString(encoded.B64)
		require.NoError(t, err)
		out = append(out, data)
	}
	return out
}
