package chat

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// outcome is what the reader makes of a body, in a form that can be compared.
type outcome struct {
	text, refusal, reasoning string
	calls                    []Call
	finish                   Finish
	usage                    Usage
	failure                  string // code of the failure, "" for none
}

func readAll(body io.Reader) (outcome, string) {
	o, shown, _ := settled(func(f *fold) reading { return read(body, f) })
	return o, shown
}

// settled returns what becomes of an answer: as it is settled, as it was shown,
// and what would be stored with it.
func settled(into func(*fold) reading) (o outcome, shown, state string) {
	var sink recorder
	r := into(&fold{sink: &sink, now: func() time.Time { return time.Unix(1, 0) }})
	answer, f := r.fold.settle(r.ended, zooTools())
	o = outcome{
		text: answer.Text, refusal: answer.Refusal, reasoning: answer.Reasoning,
		calls: answer.Calls, finish: answer.Finish, usage: answer.Usage,
	}
	if f != nil {
		o.failure = string(f.code)
	} else {
		state = string(r.fold.state(Target{"up", "m"}, len(answer.Calls)))
	}
	return o, sink.text.String(), state
}

// deltas frames each delta as a chunk of a stream that ends as it should.
func deltas(all ...string) string {
	var out strings.Builder
	for _, d := range all {
		out.WriteString(`data: {"choices":[{"index":0,"delta":` + d + `}]}` + "\n\n")
	}
	out.WriteString(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	return out.String()
}

func texts(all ...string) string {
	for i, s := range all {
		all[i] = `{"content":` + s + `}`
	}
	return deltas(all...)
}

func message(m string) string {
	return `{"choices":[{"index":0,"message":` + m + `,"finish_reason":"stop"}]}`
}

func call(name, arguments string) Call { return Call{Name: name, Arguments: arguments} }

const toolCall = `{"tool_calls":[`

func TestReader(t *testing.T) {
	stop := func(o outcome) outcome { o.finish = FinishStop; return o }
	text := func(s string) outcome { return stop(outcome{text: s}) }
	calls := func(c ...Call) outcome { return stop(outcome{calls: c}) }
	failed := func(code ErrorCode, s string) outcome { return stop(outcome{failure: string(code), text: s}) }
	for name, tc := range map[string]struct {
		body string
		want outcome
	}{
		// Framing.
		"CR only":              {strings.ReplaceAll(texts(`"a"`, `"b"`), "\n", "\r"), text("ab")},
		"CRLF":                 {strings.ReplaceAll(texts(`"a"`, `"b"`), "\n", "\r\n"), text("ab")},
		"no blank lines":       {strings.ReplaceAll(texts(`"a"`, `"b"`), "\n\n", "\n"), text("ab")},
		"data over lines":      {"data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n", text("x")},
		"garbage beside data":  {"data: hello\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n", text("x")},
		"heartbeats":           {"event: ping\ndata: {\"type\":\"ping\"}\n\ndata: ping\n\ndata: null\n\ndata: []\n\ndata: 1\n\n" + texts(`"x"`), text("x")},
		"behind done":          {texts(`"x"`) + "data: {\"error\":\"late\"}\n\n", text("x")},
		"chunks without SSE":   {`{"choices":[{"delta":{"content":"a"}}]}` + "\n" + `{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}`, text("ab")},
		"bare chunk lines":     {": ping\n" + `{"choices":[{"delta":{"content":"a"}}]}` + "\n[DONE]\n", text("a")},
		"blank before JSON":    {"\n \n" + message(`{"content":"x"}`), text("x")},
		"BOM before JSON":      {"\xEF\xBB\xBF" + message(`{"content":"x"}`), text("x")},
		"usage chunk at EOF":   {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\n", stop(outcome{text: "x", usage: Usage{PromptTokens: 2, CompletionTokens: 1}})},
		"nothing but done":     {"data: [DONE]\n\n", failed(ServerError, "")},
		"plain text":           {"Internal Server Error", failed(ServerError, "")},
		"null":                 {"null", failed(ServerError, "")},
		"blank page":           {"  \n<html>", failed(ServerError, "")},
		"broken bytes":         {texts("\"a\xff\""), text("a\uFFFD")},
		"cut inside a chunk":   {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":[{\"del", failed(ServerError, "x")},
		"done without a blank": {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\ndata: [DONE]", text("x")},

		"NaN in a chunk":    {"data: {\"choices\":[{\"delta\":{\"content\":\"NaN\"},\"logprobs\":[NaN,-Infinity]}]}\n\ndata: [DONE]\n", text("NaN")},
		"a bare line break": {strings.ReplaceAll(message(`{"content":"a~b"}`), "~", "\n"), text("a\nb")},
		"indented":          {strings.ReplaceAll(texts(`"a"`), "data", "  data"), text("a")},

		// Text.
		"split surrogates":    {texts(`"\ud83d"`, `"\ude00!"`), text("😀!")},
		"lone surrogate":      {texts(`"a\ud83d"`, `"b"`), text("a\uFFFDb")},
		"surrogate at end":    {texts(`"a\ud83d"`), text("a\uFFFD")},
		"split character":     {texts("\"gr\xc3\"", "\"\xbc\xc3\x9f \xf0\x9f\"", "\"\x98\x80\""), text("grüß 😀")},
		"parts":               {message(`{"content":[{"type":"text","text":"a"},{"type":"output_text","text":"b"},{"type":"image_url"}]}`), text("ab")},
		"think in a stream":   {texts(`"\n<th"`, `"ink>hm"`, `"m</thi"`, `"nk>\n\n"`, `"Pa"`, `"ris"`), stop(outcome{text: "Paris", reasoning: "hmm"})},
		"think in a document": {message(`{"content":"\n<think>hmm</think>\n\nParis"}`), stop(outcome{text: "Paris", reasoning: "hmm"})},
		"no think":            {texts(`"<"`, `"thing>"`), text("<thing>")},
		"late think":          {texts(`"so <think>x</think>"`), text("so <think>x</think>")},
		"think never closed":  {texts(`"<think>x"`), text("<think>x")},
		"blank text":          {texts(`"  "`), text("  ")},
		"refusal in a stream": {deltas(`{"refusal":"I "}`, `{"refusal":"won't"}`), stop(outcome{refusal: "I won't"})},

		// Reasoning.
		"two names for one thought": {deltas(`{"reasoning":"hm","reasoning_content":"hm"}`, `{"content":"x"}`), stop(outcome{text: "x", reasoning: "hm"})},
		"reasoning details":         {deltas(`{"reasoning_details":[{"type":"reasoning.text","text":"h","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.text","text":"m","index":0}]}`, `{"content":"x"}`), stop(outcome{text: "x", reasoning: "hm"})},

		// Choices.
		"other choice in a stream":  {"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n" + "data: [DONE]\n", text("b")},
		"a later choice with calls": {`{"choices":[{"index":0,"message":{"content":"a"}},{"index":1,"message":{"content":"b","tool_calls":[{"id":"x","function":{"name":"ping"}}]}}]}`, stop(outcome{text: "b", calls: []Call{call("ping", "{}")}})},
		"index as text":             {`{"choices":[{"index":"0","message":{"content":"a"}},{"index":"1","message":{"content":"b"}}]}`, text("a")},
		"delta in a document":       {`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`, text("a")},

		// Calls.
		"equal ids in a document":    {message(toolCall + `{"id":"0","function":{"name":"ping","arguments":"{}"}},{"id":"0","function":{"name":"get_time","arguments":"{\"tz\":1}"}}]}`), calls(call("ping", "{}"), call("get_time", `{"tz":1}`))},
		"one object, no array":       {deltas(`{"tool_calls":{"index":0,"id":"0","function":{"name":"ping","arguments":{"a": 1}}}}`), calls(call("ping", `{"a":1}`))},
		"number for an id":           {deltas(toolCall+`{"index":"0","id":7,"function":{"name":"ping"}}]}`, toolCall+`{"index":0,"id":7,"function":{"arguments":"{}"}}]}`), calls(call("ping", "{}"))},
		"interleaved by id":          {deltas(toolCall+`{"id":"a","function":{"name":"ping","arguments":""}},{"id":"b","function":{"name":"ping","arguments":""}}]}`, toolCall+`{"id":"a","function":{"arguments":"{\"n\":"}}]}`, toolCall+`{"id":"b","function":{"arguments":"{\"n\":2}"}}]}`, toolCall+`{"id":"a","function":{"arguments":"1}"}}]}`), calls(call("ping", `{"n":1}`), call("ping", `{"n":2}`))},
		"drift that repeats the id":  {deltas(toolCall+`{"index":0,"id":"a","function":{"name":"ping","arguments":"{\"n\""}}]}`, toolCall+`{"index":1,"id":"a","function":{"arguments":":1}"}}]}`), calls(call("ping", `{"n":1}`))},
		"whole call repeated":        {deltas(toolCall+`{"index":0,"id":"a","function":{"name":"ping","arguments":"{\"n\":1}"}}]}`, toolCall+`{"index":0,"id":"a","function":{"name":"ping","arguments":"{\"n\":1}"}}]}`), calls(call("ping", `{"n":1}`))},
		"no id, index 0 throughout":  {deltas(toolCall+`{"index":0,"function":{"name":"ping","arguments":"{}"}}]}`, toolCall+`{"index":0,"function":{"name":"ping","arguments":"{\"n\":1}"}}]}`), calls(call("ping", "{}"), call("ping", `{"n":1}`))},
		"name repeated, no index":    {deltas(toolCall+`{"function":{"name":"ping","arguments":"{\"n\""}}]}`, toolCall+`{"function":{"name":"ping","arguments":":1}"}}]}`), calls(call("ping", `{"n":1}`))},
		"negative index":             {deltas(toolCall+`{"index":-1,"id":"a","function":{"name":"ping","arguments":"{"}}]}`, toolCall+`{"index":-1,"function":{"arguments":"}"}}]}`), calls(call("ping", "{}"))},
		"without a name":             {deltas(toolCall+`{"index":0,"id":"a","function":{"arguments":"{}"}}]}`, `{"content":"x"}`), text("x")},
		"default_api prefix":         {message(toolCall + `{"function":{"name":"default_api:ping","arguments":"{}"}}]}`), calls(call("ping", "{}"))},
		"undeclared name":            {message(toolCall + `{"function":{"name":"functions.other","arguments":"{}"}}]}`), calls(call("functions.other", "{}"))},
		"encoded twice":              {message(toolCall + `{"function":{"name":"ping","arguments":"\"{\\\"n\\\":1}\""}}]}`), calls(call("ping", `{"n":1}`))},
		"last repeats all":           {deltas(toolCall+`{"index":0,"id":"a","function":{"name":"ping","arguments":"{\"n\""}}]}`, toolCall+`{"index":0,"function":{"arguments":":1}"}}]}`, toolCall+`{"index":0,"function":{"arguments":"{\"n\":1}"}}]}`), calls(call("ping", `{"n":1}`))},
		"placeholder first":          {deltas(toolCall+`{"index":0,"id":"a","function":{"name":"ping","arguments":"{}"}}]}`, toolCall+`{"index":0,"function":{"arguments":"{\"n\":1}"}}]}`), calls(call("ping", `{"n":1}`))},
		"surrogates in arguments":    {deltas(toolCall+`{"index":0,"id":"a","function":{"name":"ping","arguments":"{\"n\":\"\ud83d"}}]}`, toolCall+`{"index":0,"function":{"arguments":"\ude00\"}"}}]}`), calls(call("ping", `{"n":"😀"}`))},
		"empty legacy stub":          {message(`{"content":"x","function_call":{"name":"","arguments":""}}`), text("x")},
		"legacy in a document":       {message(`{"content":null,"function_call":{"name":"ping","arguments":"{}"}}`), calls(call("ping", "{}"))},
		"calls only in the message":  {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":[{\"message\":" + toolCall[:len(toolCall)-1] + "[{\"function\":{\"name\":\"ping\"}}],\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n", stop(outcome{text: "x", calls: []Call{call("ping", "{}")}})},
		"half a call and a finish":   {message(toolCall + `{"function":{"name":"ping","arguments":"{\"n\""}}]}`), calls(call("ping", `{"n"`))},
		"calls and a content filter": {`{"choices":[{"message":{"tool_calls":[{"function":{"name":"ping"}}]},"finish_reason":"SAFETY"}]}`, outcome{finish: FinishContentFilter}},

		// Ends.
		"max_tokens":     {`{"choices":[{"message":{"content":"x"},"finish_reason":"MAX_TOKENS"}]}`, outcome{text: "x", finish: FinishLength}},
		"think too long": {`{"choices":[{"message":{"content":"<think>x"},"finish_reason":"length"}]}`, outcome{reasoning: "x", finish: FinishLength}},
		"abort":          {`{"choices":[{"message":{"content":"x"},"finish_reason":"abort"}]}`, failed(ServerError, "x")},
		"unknown end":    {`{"choices":[{"message":{"content":"x"},"finish_reason":"whatever"}]}`, text("x")},
		"native name":    {`{"choices":[{"message":{"content":"x"},"finishReason":"MAX_TOKENS"}]}`, outcome{text: "x", finish: FinishLength}},

		// Usage.
		"other names":      {`{"choices":[{"message":{"content":"x"}}],"usage":{"input_tokens":"3","output_tokens":2.9,"total_tokens":null,"input_tokens_details":{"cached_tokens":1}}}`, stop(outcome{text: "x", usage: Usage{PromptTokens: 3, CompletionTokens: 2, CachedTokens: 1}})},
		"negative":         {`{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":-3,"completion_tokens":2}}`, stop(outcome{text: "x", usage: Usage{CompletionTokens: 2}})},
		"zero at the end":  {texts(`"x"`)[:len(texts(`"x"`))-len("data: [DONE]\n\n")] + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1}}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":0}}\n\ndata: [DONE]\n", stop(outcome{text: "x", usage: Usage{PromptTokens: 4, CompletionTokens: 1}})},
		"reasoning tokens": {`{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}}}`, stop(outcome{text: "x", usage: Usage{PromptTokens: 1, CompletionTokens: 9, ReasoningTokens: 5}})},

		// Errors inside a 200.
		"empty error object":      {`{"error":{},"choices":[{"message":{"content":"x"}}]}`, text("x")},
		"only an empty error":     {`{"error":{}}`, failed(ServerError, "")},
		"error that says nothing": {`{"error":{"code":0,"message":""},"choices":[{"message":{"content":"x"}}]}`, text("x")},
		"object error":            {"data: {\"object\":\"error\",\"message\":\"This model's maximum context length is 10 tokens\",\"code\":400}\n\n", failed(InvalidPrompt, "")},
		"type error":              {"data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", failed(ServerError, "")},
		"event error":             {"event: error\ndata: {\"message\":\"quota\",\"code\":429}\n\n", failed(RateLimitExceeded, "")},
		"event error in words":    {"event: error\ndata: something broke\n\n", failed(ServerError, "")},
		"array of errors":         {`[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}]`, failed(RateLimitExceeded, "")},
		"code and message":        {"data: {\"code\":503,\"message\":\"busy\"}\n\n", failed(ServerError, "")},
		"detail in a document":    {`{"detail":"Not enough credits"}`, failed(ServerError, "")},
	} {
		t.Run(name, func(t *testing.T) {
			got, shown := readAll(strings.NewReader(tc.body))
			require.Equal(t, tc.want, got)
			require.True(t, shown == "" || shown == got.text, shown)
			slow, _ := readAll(iotest.OneByteReader(strings.NewReader(tc.body)))
			require.Equal(t, got, slow, "the same bytes, split differently")
		})
	}
}

// A body may also end in an error: what was complete before it counts.
func TestReaderBrokenEnd(t *testing.T) {
	broken := errors.New("connection reset by peer")
	chunk := func(delta, finish string) string {
		return `data: {"choices":[{"delta":` + delta + `,"finish_reason":` + finish + `}]}` + "\n\n"
	}
	for name, tc := range map[string]struct {
		body   string
		failed bool
	}{
		"in the middle":                {chunk(`{"content":"x"}`, `null`), true},
		"behind the finish":            {chunk(`{"content":"x"}`, `"stop"`), false},
		"behind a finish of its chunk": {chunk(`{"content":"x"}`, `"stop"`) + chunk(`{"content":"y"}`, `null`), true},
		"behind half a call":           {chunk(`{"tool_calls":[{"index":0,"function":{"name":"ping","arguments":"{"}}]}`, `null`) + chunk(`{}`, `"stop"`), true},
		"behind a whole document":      {message(`{"content":"x"}`), false},
		"inside a document":            {message(`{"content":"x"}`)[:30], true},
		"behind done":                  {chunk(`{"content":"x"}`, `null`) + "data: [DONE]\n\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := readAll(io.MultiReader(strings.NewReader(tc.body), iotest.ErrReader(broken)))
			require.Equal(t, tc.failed, got.failure != "", got)
		})
	}
}

func TestReaderIsBounded(t *testing.T) {
	r := read(endless{}, &fold{now: time.Now})
	require.ErrorIs(t, r.ended, errAnswerTooLong)
	require.Len(t, r.raw, maxAnswer)
	_, f := r.fold.settle(r.ended, nil)
	require.NotNil(t, f)
	require.False(t, f.retry)
}

// endless sends comments for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ':'
	}
	return len(p), nil
}
