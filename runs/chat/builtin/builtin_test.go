package builtin

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call sends one request to a fresh model.
func call(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	New(Options{}).ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func user(text string) string { return `{"role":"user","content":` + string(encode(text)) + `}` }

func functions(names ...string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = `{"type":"function","function":{"name":"` + name + `","parameters":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}}}`
	}
	return `"tools":[` + strings.Join(list, ",") + `]`
}

// settled is the part of an answer that the tables look at.
type settled struct {
	Choices []struct {
		Message struct {
			Content   *string    `json:"content"`
			ToolCalls []toolCall `json:"tool_calls"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Model             string `json:"model"`
	SystemFingerprint string `json:"system_fingerprint"`
	Usage             usage  `json:"usage"`
}

// ask posts messages and further members, and returns the answer and the names
// of the functions it calls.
func ask(t *testing.T, messages string, members ...string) (settled, string) {
	t.Helper()
	body := `{` + strings.Join(append(members, `"model":"any"`, `"messages":[`+messages+`]`), ",") + `}`
	w := call(t, "POST", "/v1/chat/completions", body)
	require.Equal(t, 200, w.Code, w.Body.String())
	var answer settled
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.Len(t, answer.Choices, 1)
	var names []string
	for _, call := range answer.Choices[0].Message.ToolCalls {
		require.Regexp(t, `^call_\w{24}$`, call.ID)
		names = append(names, call.Function.Name)
	}
	return answer, strings.Join(names, " ")
}

const toolRound = `,{"role":"assistant","content":null,"tool_calls":[
	{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}},
	{"id":"c2","type":"function","function":{"name":"get_time","arguments":"{}"}}]},
	{"role":"tool","tool_call_id":"c1","content":"{\"temp\": 22}"},{"role":"tool","tool_call_id":"c2","content":"10:00"}`

func TestRulesForTools(t *testing.T) {
	const (
		required = `"tool_choice":"required"`
		single   = `"parallel_tool_calls":false`
	)
	for name, c := range map[string]struct {
		text    string
		members []string
		calls   string
	}{
		"the only function":             {"hello", []string{functions("get_weather")}, "get_weather"},
		"the only function, not wanted": {"weather", []string{functions("get_weather"), `"tool_choice":"none"`}, ""},
		"the only one beside hosted":    {"hello", []string{functions("file_search", "get_weather")}, "get_weather"},
		"several, one is named":         {"What is the time?", []string{functions("get_weather", "get_time")}, "get_time"},
		"several, by camel case":        {"the Time, please", []string{functions("getWeather", "getTime")}, "getTime"},
		"several, plural":               {"my orders?", []string{functions("get_time", "list_order")}, "list_order"},
		"several, none is named":        {"get lost", []string{functions("get_weather", "get_time")}, ""},
		"several are named":             {"weather and time?", []string{functions("get_weather", "get_time", "get_news")}, "get_weather get_time"},
		"several are named, one a turn": {"time and weather?", []string{functions("get_weather", "get_time"), single}, "get_weather"},
		"the better match alone":        {"weather forecast?", []string{functions("get_weather", "get_weather_forecast")}, "get_weather_forecast"},
		"the exact name":                {"use get_weather", []string{functions("get_weather_forecast", "get_weather")}, "get_weather"},
		"forced by name":                {"the time?", []string{functions("get_weather", "get_time"), `"tool_choice":{"type":"function","function":{"name":"get_weather"}}`}, "get_weather"},
		"required, one is named":        {"the time?", []string{functions("get_weather", "get_time"), required}, "get_time"},
		"required, none is named":       {"hello", []string{functions("get_weather", "get_time", "file_search"), required}, "get_weather"},
		"required, hosted only":         {"hello", []string{functions("file_search"), required}, "file_search"},
		"hosted":                        {"hello", []string{functions("file_search")}, "file_search"},
		"both hosted":                   {"hello", []string{functions("file_search", "code_interpreter")}, "file_search code_interpreter"},
		"both hosted, one a turn":       {"hello", []string{functions("file_search", "code_interpreter"), single}, "file_search"},
		"both hosted, one is named":     {"run this code", []string{functions("file_search", "code_interpreter")}, "code_interpreter"},
		"hosted before echo":            {"hello", []string{functions("get_weather", "get_time", "file_search")}, "file_search"},
		"no function tools":             {"hello", []string{`"tools":[{"type":"custom","custom":{"name":"x"}}]`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			answer, calls := ask(t, user(c.text), c.members...)
			require.Equal(t, c.calls, calls)
			choice := answer.Choices[0]
			if calls == "" {
				require.Equal(t, "stop", choice.FinishReason)
				require.Equal(t, c.text, *choice.Message.Content)
				return
			}
			require.Equal(t, "tool_calls", choice.FinishReason)
			require.Nil(t, choice.Message.Content)
			for _, call := range choice.Message.ToolCalls {
				require.JSONEq(t, `{"text":`+string(encode(c.text))+`}`, call.Function.Arguments)
			}
		})
	}
}

func TestAfterToolResults(t *testing.T) {
	tools := functions("get_weather", "get_time")
	answer, calls := ask(t, user("weather and time?")+toolRound, tools)
	require.Empty(t, calls)
	require.Equal(t, `The tools have answered: get_weather answered "{"temp": 22}", get_time answered "10:00".`, *answer.Choices[0].Message.Content)

	_, calls = ask(t, user("weather?")+toolRound+","+user("and the time?"), tools)
	require.Equal(t, "get_time", calls, "a new user message begins anew")

	_, calls = ask(t, user("time?")+toolRound, tools, `"tool_choice":"required"`)
	require.Equal(t, "get_time", calls, "what is forced is called whatever went before")
}

func TestHostedToolsGetTheTextAsItIs(t *testing.T) {
	for _, c := range []struct{ tool, parameters, text, want string }{
		{"file_search", `{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}`, ` What does "A" say in {Rome}? `, `{"query":" What does \"A\" say in {Rome}? "}`},
		{"file_search", `{"type":"object","properties":{"queries":{"type":"array","items":{"type":"string"}}},"required":["queries"]}`, "one, two", `{"queries":["one, two"]}`},
		{"file_search", `{"type":"object","properties":{"query":{"type":"string","maxLength":3}},"required":["query"]}`, "hello", `{"query":"exa"}`},
		{"code_interpreter", `{"type":"object","properties":{"input":{"type":"string"}}}`, "print(6*7)", `{"input":"print(6*7)"}`},
		{"code_interpreter", `{}`, "Run this:\n```python\nprint(1)\n```\nthanks", `{"code":"print(1)"}`},
		{"file_search", `null`, "hello", `{"query":"hello"}`},
	} {
		answer, _ := ask(t, user(c.text), `"tools":[{"type":"function","function":{"name":"`+c.tool+`","parameters":`+c.parameters+`}}]`)
		require.JSONEq(t, c.want, answer.Choices[0].Message.ToolCalls[0].Function.Arguments)
	}
}

func TestTextAnswers(t *testing.T) {
	const image = `{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}`
	for name, c := range map[string]struct{ messages, member, want, finish string }{
		"echo":                    {`{"role":"system","content":"Be nice."},` + user("Hello <you> & me"), `"n":1`, "Hello <you> & me", "stop"},
		"the last user message":   {user("one") + `,{"role":"assistant","content":"one"},` + user("two"), `"n":1`, "two", "stop"},
		"parts":                   {`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, `"n":1`, "a\nb", "stop"},
		"nothing":                 {`{"role":"system","content":"Be nice."}`, `"n":1`, nothingToEcho, "stop"},
		"blank":                   {user("  "), `"n":1`, nothingToEcho, "stop"},
		"an image":                {`{"role":"user","content":[{"type":"text","text":"see"},` + image + `]}`, `"n":1`, "see\n\nAn image " + imageNotice, "stop"},
		"images alone":            {`{"role":"user","content":[` + image + `,` + image + `]}`, `"n":1`, "2 images " + imageNotice, "stop"},
		"cut":                     {user("one two three four"), `"max_tokens":2`, "one two", "length"},
		"cut, the newer name":     {user("one two three"), `"max_completion_tokens":1`, "one", "length"},
		"not cut":                 {user("one two three"), `"max_tokens":3`, "one two three", "stop"},
		"cut a character":         {user("🜁🜁🜁🜁"), `"max_tokens":1`, "", "length"},
		"plain format":            {user("hi"), `"response_format":{"type":"text"}`, "hi", "stop"},
		"json object":             {user("hi"), `"response_format":{"type":"json_object"}`, `{"echo":"hi"}`, "stop"},
		"json object, given":      {user(`{"a": 1}`), `"response_format":{"type":"json_object"}`, `{"a": 1}`, "stop"},
		"json object, after tool": {user("x") + toolRound, `"response_format":{"type":"json_object"}`, `{"echo":"The tools have answered: get_weather answered \"{\"temp\": 22}\", get_time answered \"10:00\"."}`, "stop"},
		"json schema":             {user("I am Ada, 36"), `"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"]}}}`, `{"name":"Ada","age":36}`, "stop"},
		"json schema, after tool": {user("x") + toolRound, `"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"temp":{"type":"integer"}},"required":["temp"]}}}`, `{"temp":22}`, "stop"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, _ := ask(t, c.messages, c.member)
			require.Equal(t, c.want, *answer.Choices[0].Message.Content)
			require.Equal(t, c.finish, answer.Choices[0].FinishReason)
			require.Equal(t, Model, answer.Model)
			require.Equal(t, "builtin-echo", answer.SystemFingerprint)
		})
	}
}

func TestUsage(t *testing.T) {
	answer, _ := ask(t, user("hello world"))
	require.Equal(t, usage{9, 2, 11}, answer.Usage)

	answer, _ = ask(t, user("hello"), functions("get_weather"), `"max_tokens":3`)
	require.Equal(t, 3, answer.Usage.CompletionTokens)
	require.Equal(t, "length", answer.Choices[0].FinishReason)

	huge := strings.Repeat("word ", 1<<16)
	answer, _ = ask(t, user(huge), `"max_tokens":10`)
	require.InDelta(t, len(huge)/bytesPerToken, answer.Usage.PromptTokens, 10)
	require.Equal(t, 10, answer.Usage.CompletionTokens)
	require.Equal(t, huge[:40], *answer.Choices[0].Message.Content)
}

func TestRefusals(t *testing.T) {
	chat := func(rest string) string {
		return `{"model":"m","messages":[{"role":"user","content":"x"}],` + rest + `}`
	}
	messages := func(list string) string { return `{"model":"m","messages":[` + list + `]}` }
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		message, param     string
	}{
		"unknown path":         {"POST", "/v1/responses", `{}`, 404, "Unknown request URL: POST /v1/responses.", ""},
		"wrong method":         {"GET", "/v1/chat/completions", ``, 405, "Not allowed to GET", ""},
		"no JSON":              {"POST", "/v1/chat/completions", `{"model"`, 400, "We could not parse the JSON body", ""},
		"no body":              {"POST", "/v1/chat/completions", ``, 400, "We could not parse the JSON body", ""},
		"wrong type":           {"POST", "/v1/chat/completions", `{"model":5}`, 400, "Invalid type for 'model': got a JSON number.", "model"},
		"no model":             {"POST", "/v1/chat/completions", `{"messages":[]}`, 400, "you must provide a model parameter", ""},
		"no messages":          {"POST", "/v1/chat/completions", `{"model":"m"}`, 400, "empty array", "messages"},
		"role":                 {"POST", "/v1/chat/completions", messages(`{"role":"narrator"}`), 400, "Invalid value: 'narrator'", "messages[0].role"},
		"content number":       {"POST", "/v1/chat/completions", messages(`{"role":"user","content":5}`), 400, "content is a string or an array of parts", "messages"},
		"content parts":        {"POST", "/v1/chat/completions", messages(`{"role":"user","content":["x"]}`), 400, "every content part is an object", "messages"},
		"content part type":    {"POST", "/v1/chat/completions", messages(`{"role":"user","content":[{"type":"video"}]}`), 400, "Invalid value: 'video'", "messages"},
		"orphaned tool result": {"POST", "/v1/chat/completions", messages(`{"role":"tool","tool_call_id":"c","content":"x"}`), 400, "must be a response to a preceding message with 'tool_calls'", "messages[0].role"},
		"unanswered call":      {"POST", "/v1/chat/completions", messages(`{"role":"assistant","tool_calls":[{"id":"c9"}]}`), 400, "did not have response messages: c9", "messages"},
		"call answered late":   {"POST", "/v1/chat/completions", messages(`{"role":"assistant","tool_calls":[{"id":"c9"}]},{"role":"user","content":"x"}`), 400, "did not have response messages: c9", "messages"},
		"tool without name":    {"POST", "/v1/chat/completions", chat(`"tools":[{"type":"function"}]`), 400, "Missing required parameter: 'tools[0].function.name'.", "tools[0].function.name"},
		"choice without tools": {"POST", "/v1/chat/completions", chat(`"tool_choice":"auto"`), 400, "only allowed when 'tools' are specified", "tool_choice"},
		"choice unknown":       {"POST", "/v1/chat/completions", chat(`"tool_choice":"any"`), 400, "Supported values are: 'none', 'auto', and 'required'.", "tool_choice"},
		"choice malformed":     {"POST", "/v1/chat/completions", chat(`"tool_choice":{"type":"function"}`), 400, "Invalid value for 'tool_choice'", "tool_choice"},
		"choice not offered":   {"POST", "/v1/chat/completions", chat(functions("a") + `,"tool_choice":{"type":"function","function":{"name":"b"}}`), 400, "Tool choice 'b' not found", "tool_choice"},
		"format unknown":       {"POST", "/v1/chat/completions", chat(`"response_format":{"type":"xml"}`), 400, "Invalid value: 'xml'", "response_format.type"},
		"format without one":   {"POST", "/v1/chat/completions", chat(`"response_format":{"type":"json_schema"}`), 400, "Missing required parameter", "response_format.json_schema"},
		"no tokens":            {"POST", "/v1/chat/completions", chat(`"max_tokens":0`), 400, "Expected a value >= 1, but got 0 instead.", "max_tokens"},
		"delay":                {"POST", "/v1/chat/completions?delay=soon", chat(`"n":1`), 400, "expected a duration such as 50ms, got 'soon'", "delay"},
		"embed: no model":      {"POST", "/embeddings", `{"input":"x"}`, 400, "you must provide a model parameter", ""},
		"embed: no input":      {"POST", "/embeddings", `{"model":"m"}`, 400, "Invalid 'input'", "input"},
		"embed: empty list":    {"POST", "/embeddings", `{"model":"m","input":[]}`, 400, "expected 1 to 2048 texts, but got 0", "input"},
		"embed: empty text":    {"POST", "/embeddings", `{"model":"m","input":["a",""]}`, 400, "non-empty strings", "input"},
		"embed: dimensions":    {"POST", "/embeddings", `{"model":"m","input":"x","dimensions":0}`, 400, "but got 0 instead", "dimensions"},
		"embed: format":        {"POST", "/embeddings", `{"model":"m","input":"x","encoding_format":"hex"}`, 400, "Supported values are: 'float' and 'base64'", "encoding_format"},
	} {
		t.Run(name, func(t *testing.T) {
			w := call(t, c.method, c.path, c.body)
			require.Equal(t, c.status, w.Code, w.Body.String())
			var body struct {
				Error struct {
					Message, Type string
					Param, Code   *string
				}
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			require.Contains(t, body.Error.Message, c.message)
			require.Equal(t, "invalid_request_error", body.Error.Type)
			if c.param == "" {
				require.Nil(t, body.Error.Param)
			} else {
				require.Equal(t, c.param, *body.Error.Param)
			}
		})
	}
}

// chunks reads an event stream and returns the JSON of its events before [DONE].
func chunks(t *testing.T, body io.Reader) []string {
	t.Helper()
	var list []string
	for scanner := bufio.NewScanner(body); scanner.Scan(); {
		if data, ok := strings.CutPrefix(scanner.Text(), "data: "); ok {
			list = append(list, data)
		}
	}
	require.NotEmpty(t, list)
	require.Equal(t, "[DONE]", list[len(list)-1])
	return list[:len(list)-1]
}

func TestStreamedBytes(t *testing.T) {
	w := call(t, "POST", "/chat/completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[`+user("Hello, world")+`]}`)
	require.Equal(t, "text/event-stream; charset=utf-8", w.Header().Get("Content-Type"))
	list := chunks(t, w.Body)
	require.Len(t, list, 5)
	for i, want := range []string{
		`"choices":[{"index":0,"delta":{"content":"","refusal":null,"role":"assistant"},"logprobs":null,"finish_reason":null}],"usage":null`,
		`"delta":{"content":"Hello,"}`,
		`"delta":{"content":" world"}`,
		`"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null`,
		`"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}`,
	} {
		require.Contains(t, list[i], want)
		require.Contains(t, list[i], `"object":"chat.completion.chunk"`)
	}

	w = call(t, "POST", "/chat/completions", `{"model":"m","stream":true,"messages":[`+user("hi")+`],`+functions("get_x")+`}`)
	list = chunks(t, w.Body)
	require.Contains(t, list[0], `"type":"function"`)
	require.Contains(t, list[0], `"function":{"name":"get_x","arguments":""}`)
	require.Contains(t, list[1], `"delta":{"tool_calls":[{"function":{"arguments":"{\"text"},"index":0}]}`)
	require.Contains(t, list[len(list)-1], `"finish_reason":"tool_calls"`)
	require.NotContains(t, strings.Join(list, ""), `"usage"`)
}

func TestPieces(t *testing.T) {
	for text, want := range map[string][]string{
		"":            nil,
		"a":           {"a"},
		"é":           {"é"},
		"éa":          {"é", "a"},
		"hi":          {"h", "i"},
		" one  two\n": {" one", "  two", "\n"},
	} {
		require.Equal(t, want, pieces(text), text)
	}
	long := strings.Repeat("word ", 100_000)
	split := pieces(long)
	require.LessOrEqual(t, len(split), maxPieces)
	require.Equal(t, long, strings.Join(split, ""))
}

func TestDelay(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"user","content":"x"}]}`
	for path, want := range map[string]time.Duration{
		"/chat/completions":            time.Minute,
		"/chat/completions?delay=50ms": 50 * time.Millisecond,
		"/chat/completions?delay=0s":   0,
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			w := httptest.NewRecorder()
			New(Options{Delay: time.Minute}).ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
			require.Equal(t, 200, w.Code)
			require.Equal(t, want, time.Since(began))
		})
	}
}

func TestDelayEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, "POST", "/embeddings", strings.NewReader(`{"model":"m","input":"x"}`))
		New(Options{Delay: time.Hour}).ServeHTTP(w, r)
		require.Equal(t, time.Second, time.Since(began))
		require.Empty(t, w.Body.String())
	})
}

// leavingWriter is a client that goes away with the first byte.
type leavingWriter struct {
	http.ResponseWriter
	leave  context.CancelFunc
	writes int
}

func (w *leavingWriter) Write(p []byte) (int, error) {
	w.leave()
	w.writes++
	return w.ResponseWriter.Write(p)
}

func TestStreamEndsWithTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &leavingWriter{ResponseWriter: httptest.NewRecorder(), leave: cancel}
	body := `{"model":"m","stream":true,"messages":[` + user("one two three") + `]}`
	New(Options{}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/chat/completions", strings.NewReader(body)))
	require.Equal(t, 3, w.writes, "the first event alone")
}
