package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api"
	"understudy/api/wire"
)

// badWorld is a project with a run that waits for a call and one that is done.
type badWorld struct {
	*owned
	waiting, waitRun, pending string
}

func newBadWorld(t *testing.T) *badWorld {
	w := &badWorld{owned: newOwned(newServer(t, settings{}))}
	a := w.post("/v1/assistants", `{"model":"m","tools":[{"type":"function","function":{"name":"f"}}]}`).text("id")
	run := w.settle(w.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	w.waiting, w.waitRun = run.text("thread_id"), run.text("id")
	w.pending = run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	require.NotEmpty(t, w.pending)
	return w
}

// everything is all that is stored, to show that a refused request left no trace.
func (w *badWorld) everything() string {
	all := w.snapshot()
	for _, path := range []string{"", "/messages", "/runs", "/runs/" + w.waitRun, "/runs/" + w.waitRun + "/steps"} {
		all += string(w.get("/v1/threads/" + w.waiting + path).body)
	}
	return all
}

// path puts in the ids of the run that waits as well.
func (w *badWorld) path(template string) string {
	return w.owned.path(strings.NewReplacer("{waiting}", w.waiting, "{wait_run}", w.waitRun).Replace(template))
}

// jsonRoutes are the routes that read a JSON body.
var jsonRoutes = []string{
	"/v1/assistants",
	"/v1/assistants/{assistant_id}",
	"/v1/assistants/{assistant_id}/files",
	"/v1/threads",
	"/v1/threads/{thread_id}",
	"/v1/threads/{thread_id}/messages",
	"/v1/threads/{thread_id}/messages/{message_id}",
	"/v1/threads/runs",
	"/v1/threads/{thread_id}/runs",
	"/v1/threads/{thread_id}/runs/{run_id}",
	"/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs",
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.String()
}

// TestBodiesThatAreNone sends every route that reads JSON what is none, or not
// an object, or not what its headers say.
func TestBodiesThatAreNone(t *testing.T) {
	w := newBadWorld(t)
	before := w.everything()
	deep := func(n int) string {
		return `{"metadata":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat("}", n) + `}`
	}
	cases := []struct {
		name, body string
		headers    []string
		status     int
		message    string // "" = any
		code       string
	}{
		{name: "cut", body: `{"metadata":{`, status: 400, message: wire.ErrBadJSON.Message},
		{name: "text", body: `hello`, status: 400, message: wire.ErrBadJSON.Message},
		{name: "a form", body: `model=m&name=x`, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 400, message: wire.ErrBadJSON.Message},
		{name: "XML", body: `<a/>`, headers: []string{"Content-Type", "text/xml"}, status: 400, message: wire.ErrBadJSON.Message},
		{name: "two objects", body: `{} {}`, status: 400, message: wire.ErrBadJSON.Message},
		{name: "NaN", body: `{"temperature":NaN}`, status: 400, message: wire.ErrBadJSON.Message},
		{name: "invalid UTF-8", body: "{\"metadata\":{\"a\":\"\xff\xfe\"}}", status: 400, message: wire.ErrBadJSON.Message},
		{name: "UTF-16", body: "\xff\xfe{\x00}\x00", status: 400, message: wire.ErrBadJSON.Message},
		{name: "half a surrogate pair", body: `{"metadata":{"a":"\ud800"}}`, status: 400, message: wire.ErrBadJSON.Message},
		{name: "a NUL byte", body: "{\"metadata\":{\"a\":\"\x00\"}}", status: 400, message: wire.ErrBadJSON.Message},
		{name: "deep", body: deep(300), status: 400, message: "The JSON body is nested more than 256 levels deep."},
		{name: "very deep", body: deep(100_000), status: 400},
		{name: "an array", body: `[]`, status: 400, code: "invalid_type"},
		{name: "null", body: `null`, status: 400, code: "invalid_type"},
		{name: "a string", body: `"x"`, status: 400, code: "invalid_type"},
		{name: "a number", body: `5`, status: 400, code: "invalid_type"},
		{name: "too large", body: `{"metadata":{"a":"` + strings.Repeat("x", api.MaxBody) + `"}}`, status: 413},
		{name: "gzip that is none", body: `{}`, headers: []string{"Content-Encoding", "gzip"}, status: 400},
		{name: "gzip, cut", body: zipped(t, `{"metadata":{"a":"b"}}`)[:20], headers: []string{"Content-Encoding", "gzip"}, status: 400},
		{name: "gzip without saying so", body: zipped(t, `{}`), status: 400, message: wire.ErrBadJSON.Message},
		{name: "a gzip bomb", body: zipped(t, `{"metadata":{"a":"`+strings.Repeat("x", api.MaxBody)+`"}}`), headers: []string{"Content-Encoding", "gzip"}, status: 413},
		{name: "another encoding", body: `{}`, headers: []string{"Content-Encoding", "br"}, status: 400},
		{name: "an unknown member", body: `{"colour":1}`, status: 400},
	}
	for i, route := range jsonRoutes {
		for _, c := range cases {
			if c.status == http.StatusRequestEntityTooLarge && i > 1 {
				continue // the reader is the same for all, and 32 MiB take their time
			}
			t.Run(route+" "+c.name, func(t *testing.T) {
				got := w.as(t).call("POST", w.path(route), c.body, c.headers...)
				require.Equal(t, c.status, got.status, "%s", got.body)
				if c.message != "" {
					require.Equal(t, c.message, got.text("error.message"))
				}
				if c.code != "" {
					require.Equal(t, c.code, got.text("error.code"))
				}
			})
		}
	}
	require.Equal(t, before, w.everything(), "what was refused left nothing")
}

// TestBodiesInEveryWrapping: content types do not matter, gzip is read.
func TestBodiesInEveryWrapping(t *testing.T) {
	w := newBadWorld(t)
	for _, kind := range []string{"", "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "nonsense"} {
		got := w.call("POST", "/v1/threads", `{"metadata":{"a":"b"}}`, "Content-Type", kind)
		require.Equal(t, "b", got.text("metadata.a"))
	}
	got := w.call("POST", "/v1/threads", zipped(t, `{"metadata":{"a":"b"}}`), "Content-Encoding", "gzip")
	require.Equal(t, "b", got.text("metadata.a"))
	for _, empty := range []string{"", " \n"} {
		require.Equal(t, "thread", w.call("POST", "/v1/threads", empty).text("object"))
		w.call("POST", "/v1/assistants", empty).refused(400, "model", "missing_required_parameter")
	}
}

// TestFieldsThatAreWrong sends each route fields of every wrong kind.
func TestFieldsThatAreWrong(t *testing.T) {
	w := newBadWorld(t)
	before := w.everything()
	long := strings.Repeat("x", 256_001)
	// A param of * stands for a 404, whose param is then in the place of the code.
	for _, c := range []struct{ method, path, body, param, code string }{
		{"POST", "/v1/assistants", `{}`, "model", "missing_required_parameter"},
		{"POST", "/v1/assistants", `{"model":5}`, "model", "invalid_type"},
		{"POST", "/v1/assistants", `{"model":"m","name":["x"]}`, "name", "invalid_type"},
		{"POST", "/v1/assistants", `{"model":"m","instructions":"` + long + `"}`, "instructions", "string_above_max_length"},
		{"POST", "/v1/assistants", `{"model":"m","temperature":1e999}`, "temperature", "decimal_above_max_value"},
		{"POST", "/v1/assistants", `{"model":"m","temperature":"hot"}`, "temperature", "invalid_type"},
		{"POST", "/v1/assistants", `{"model":"m","metadata":{"a":1}}`, "metadata.a", "invalid_type"},
		{"POST", "/v1/assistants", `{"model":"m","tools":"code_interpreter"}`, "tools", "invalid_type"},
		{"POST", "/v1/assistants", `{"model":"m","tool_resources":{"code_interpreter":{"file_ids":["thread_1"]}}}`, "tool_resources.code_interpreter.file_ids", "invalid_value"},
		{"POST", "/v1/assistants", `{"model":"m","tool_resources":{"code_interpreter":{"file_ids":["file-none"]}}}`, "*", "id"},
		{"POST", "/v1/assistants/{assistant_id}", `{"tools":[null]}`, "tools[0]", "invalid_type"},
		{"POST", "/v1/assistants/undefined", `{}`, "assistant_id", "invalid_value"},
		{"POST", "/v1/assistants/{assistant_id}/files", `{}`, "file_id", "missing_required_parameter"},
		{"POST", "/v1/assistants/{assistant_id}/files", `{"file_id":"asst_1"}`, "file_id", "invalid_value"},
		{"GET", "/v1/assistants/thread_1", ``, "assistant_id", "invalid_value"},
		{"DELETE", "/v1/assistants/null", ``, "assistant_id", "invalid_value"},

		{"POST", "/v1/threads", `{"messages":[{"role":"user"}]}`, "messages[0].content", "missing_required_parameter"},
		{"POST", "/v1/threads", `{"messages":[{"role":"user","content":"fine"},{"role":"user","content":"` + long + `"}]}`, "messages[1].content", "string_above_max_length"},
		{"POST", "/v1/threads", `{"messages":[{"role":"user","content":"fine"},{"role":"user","content":"x","attachments":[{"file_id":"file-none"}]}]}`, "*", "id"},
		{"POST", "/v1/threads/undefined", `{}`, "thread_id", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}", `{"tool_resources":{"file_search":{"vector_store_ids":"vs_1"}}}`, "tool_resources.file_search.vector_store_ids", "invalid_type"},
		{"POST", "/v1/threads/{thread_id}/messages", `{"role":"system","content":"x"}`, "role", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/messages", `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"ftp://x/"}}]}`, "content[1].image_url.url", "invalid_value"},
		{"GET", "/v1/threads/{thread_id}/messages/undefined", ``, "message_id", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/messages/{message_id}", `{"content":"y"}`, "content", "unknown_parameter"},
		{"DELETE", "/v1/threads/{thread_id}/messages/{run_id}", ``, "message_id", "invalid_value"},

		{"POST", "/v1/threads/{thread_id}/runs", `{}`, "assistant_id", "missing_required_parameter"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"undefined"}`, "assistant_id", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"asst_none"}`, "*", ""},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","thread":{}}`, "thread", "unknown_parameter"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","stream":"yes"}`, "stream", "invalid_type"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","max_prompt_tokens":0}`, "max_prompt_tokens", "integer_below_min_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","max_completion_tokens":1e400}`, "max_completion_tokens", "integer_above_max_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","max_completion_tokens":16.5}`, "max_completion_tokens", "invalid_type"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","truncation_strategy":{"type":"last_messages"}}`, "truncation_strategy.last_messages", "missing_required_parameter"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","truncation_strategy":{"type":"last_messages","last_messages":0}}`, "truncation_strategy.last_messages", "integer_below_min_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","truncation_strategy":{}}`, "truncation_strategy.type", "missing_required_parameter"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","tool_choice":"always"}`, "tool_choice", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","tool_choice":{"type":"function"}}`, "tool_choice.function", "missing_required_parameter"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","tool_choice":{"type":"function","function":{"name":"none"}}}`, "tool_choice", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","tool_choice":{"type":"code_interpreter"}}`, "tool_choice", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","additional_messages":[{"role":"user"}]}`, "additional_messages[0].content", "missing_required_parameter"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","additional_messages":[{"role":"user","content":"x"}],"reasoning_effort":"lots"}`, "reasoning_effort", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs", `{"assistant_id":"{assistant_id}","tools":[{"type":"function","function":{"name":"a b"}}]}`, "tools[0].function.name", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs?include[]=everything", `{"assistant_id":"{assistant_id}"}`, "include", "invalid_value"},
		{"POST", "/v1/threads/runs", `{"assistant_id":"{assistant_id}","additional_messages":[]}`, "additional_messages", "unknown_parameter"},
		{"POST", "/v1/threads/runs", `{"assistant_id":"{assistant_id}","thread":{"messages":[{"role":"user","content":""}]}}`, "thread.messages[0].content", "empty_string"},
		{"POST", "/v1/threads/runs", `{"assistant_id":"{assistant_id}","thread":{"runs":[]}}`, "thread.runs", "unknown_parameter"},
		{"POST", "/v1/threads/runs", `{"assistant_id":"{assistant_id}","thread":"{thread_id}"}`, "thread", "invalid_type"},
		{"GET", "/v1/threads/{thread_id}/runs/undefined", ``, "run_id", "invalid_value"},
		{"POST", "/v1/threads/{thread_id}/runs/{run_id}", `{"metadata":{"a":true}}`, "metadata.a", "invalid_type"},
		{"POST", "/v1/threads/{thread_id}/runs/{run_id}/cancel", ``, "", ""},
		{"GET", "/v1/threads/{thread_id}/runs/{run_id}/steps?include[]=all", ``, "include", "invalid_value"},
		{"GET", "/v1/threads/{thread_id}/runs/{run_id}/steps/undefined", ``, "step_id", "invalid_value"},

		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{}`, "tool_outputs", "missing_required_parameter"},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":{}}`, "tool_outputs", "invalid_type"},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[{"output":"x"}]}`, "tool_outputs[0].tool_call_id", "missing_required_parameter"},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"{call}","output":5}]}`, "tool_outputs[0].output", "invalid_type"},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"{call}","result":"x"}]}`, "tool_outputs[0].result", "unknown_parameter"},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[]}`, "", ""},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"call_unknown","output":"x"}]}`, "", ""},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"{call}","output":"x"},{"tool_call_id":"{call}","output":"y"}]}`, "", ""},
		{"POST", "/v1/threads/{waiting}/runs/{wait_run}/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"{call}","output":"x"},{"tool_call_id":"call_more"}]}`, "", ""},
		{"POST", "/v1/threads/{waiting}/runs", `{"assistant_id":"{assistant_id}"}`, "", ""},
		{"POST", "/v1/threads/{waiting}/runs", `{"assistant_id":"{assistant_id}","additional_messages":[{"role":"user","content":"x"}]}`, "", ""},
		{"POST", "/v1/threads/{waiting}/messages", `{"role":"user","content":"x"}`, "", ""},
		{"POST", "/v1/threads/{waiting}/runs/{run_id}/submit_tool_outputs", `{"tool_outputs":[]}`, "*", ""},

		{"GET", "/v1/assistants?limit=0", ``, "limit", "integer_below_min_value"},
		{"GET", "/v1/assistants?limit=1e2", ``, "limit", "invalid_type"},
		{"GET", "/v1/assistants?order=up", ``, "order", "invalid_value"},
		{"GET", "/v1/assistants?after=asst_none", ``, "after", "invalid_value"},
		{"GET", "/v1/threads?before=thread_none", ``, "before", "invalid_value"},
		{"GET", "/v1/threads/{thread_id}/messages?after={run_id}", ``, "after", "invalid_value"},
		{"GET", "/v1/threads/{waiting}/messages?after={message_id}", ``, "after", "invalid_value"},
		{"GET", "/v1/threads/{thread_id}/runs?after=%00%ff", ``, "after", "invalid_value"},
		{"GET", "/v1/threads/{thread_id}/runs/{run_id}/steps?before=step_none", ``, "before", "invalid_value"},
	} {
		t.Run(c.method+" "+c.path+" "+c.body[:min(len(c.body), 90)], func(t *testing.T) {
			body := w.path(strings.ReplaceAll(c.body, "{call}", w.pending))
			got := w.as(t).call(c.method, w.path(c.path), body)
			if c.param == "*" {
				got.refused(404, c.code, "")
				return
			}
			require.NotEmpty(t, got.refused(400, c.param, c.code))
		})
	}
	require.Equal(t, before, w.everything(), "what was refused left nothing")
}

// TestOddIDs: an id in a path may be anything, and is at most unknown.
func TestOddIDs(t *testing.T) {
	w := newBadWorld(t)
	for _, id := range []string{
		"thread_%00", "thread_%ff%fe", "thread_%2F..%2F..", "thread_'%20OR%201=1--", "thread_%F0%9F%98%80", "thread_" + strings.Repeat("x", 4000), "thread_..", "thread_{}", "thread_+",
	} {
		for _, path := range []string{"/v1/threads/" + id, "/v1/threads/" + id + "/messages", "/v1/threads/" + id + "/runs/run_x"} {
			r := w.request("GET", "/", nil)
			r.URL.Path, r.URL.RawPath = "", ""
			r.URL.Opaque = "//" + r.URL.Host + path
			got := w.send(r)
			require.True(t, got.status == http.StatusNotFound || got.status == http.StatusBadRequest, "%s: %d %s", path, got.status, got.body)
			require.Less(t, len(got.body), 10_000)
		}
	}
	long := strings.Repeat("y", 1<<20)
	got := w.call("POST", "/v1/threads/"+w.thread+"/messages", `{"role":"`+long+`","content":"x"}`)
	require.Less(t, len(got.body), 2000, "an error does not repeat a megabyte")
	require.NotEmpty(t, got.refused(400, "role", "invalid_value"))
	got = w.call("POST", "/v1/threads/"+w.waiting+"/runs/"+w.waitRun+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+long+`"}]}`)
	require.Less(t, len(got.body), 2000, "an error does not repeat a megabyte")
}

// TestOddTextsAreKept: what is a text is kept as it is, however odd.
func TestOddTextsAreKept(t *testing.T) {
	s := newServer(t, settings{})
	thread := s.post("/v1/threads", "").text("id")
	for _, text := range []string{"\x00", "a\x00b", "\u2028<script>&amp;</script>", "😀", "\ufeff", "\x7f\x1b[31m", "\\ud800", "\r\n\t", "é", "é", strings.Repeat("漢", 256_000)} {
		quoted, err := wire.Marshal(text)
		require.NoError(t, err)
		m := s.post("/v1/threads/"+thread+"/messages", fmt.Sprintf(`{"role":"user","content":%s}`, quoted))
		require.Equal(t, text, m.text("content.0.text.value"))
		require.Equal(t, text, s.get("/v1/threads/"+thread+"/messages/"+m.text("id")).text("content.0.text.value"))
	}
	// As many as fit: a list of them still is one answer.
	require.Len(t, s.get("/v1/threads/"+thread+"/messages").ids(), 11)
}

// TestDeepestSchemaIsShownEverywhere: what is nested as deep as a body may be
// is also shown inside a list, in a run and to the model.
func TestDeepestSchemaIsShownEverywhere(t *testing.T) {
	s := newServer(t, settings{})
	const depth = 240
	schema := strings.Repeat(`{"type":"object","properties":{"a":`, depth/2) + "{}" + strings.Repeat("}}", depth/2)
	a := s.post("/v1/assistants", `{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":`+schema+`}}]}`)
	require.Contains(t, string(s.get("/v1/assistants").body), schema)
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+a.text("id")+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	require.Equal(t, "requires_action", run.text("status"), "%s", run.body)
	require.Contains(t, string(s.get("/v1/threads/"+run.text("thread_id")+"/runs/"+run.text("id")+"/context").body), schema)
}

// TestManyOfEverything stays within what one request may hold.
func TestManyOfEverything(t *testing.T) {
	s := newServer(t, settings{})
	file := s.upload("assistants", "a.txt", "x").ok().text("id")
	attachments := strings.TrimSuffix(strings.Repeat(`{"file_id":"`+file+`","tools":[{"type":"file_search"}]},`, 5000), ",")
	thread := s.post("/v1/threads", `{"messages":[{"role":"user","content":"x","attachments":[`+attachments+`]}]}`).text("id")
	require.Len(t, s.get("/v1/threads/"+thread+"/messages").at("data.0.attachments"), 5000)

	messages := strings.TrimSuffix(strings.Repeat(`{"role":"user","content":"x"},`, 3000), ",")
	thread = s.post("/v1/threads", `{"messages":[`+messages+`]}`).text("id")
	page := s.get("/v1/threads/" + thread + "/messages?limit=100")
	require.Len(t, page.ids(), 100)
	require.Equal(t, true, page.at("has_more"))

	outputs := strings.TrimSuffix(strings.Repeat(`{"tool_call_id":"call_x","output":"y"},`, 10_000), ",")
	s.call("POST", "/v1/threads/"+thread+"/runs/run_x/submit_tool_outputs", `{"tool_outputs":[`+outputs+`]}`).refused(404, "", "")
}

// TestUploadsThatAreRefused: what is refused is in no list.
func TestUploadsThatAreRefused(t *testing.T) {
	s := newServer(t, settings{})
	const boundary = "multipart/form-data; boundary=b"
	part := func(head, body string) string {
		return "--b\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + body + "\r\n"
	}
	file, purpose, end := part(`name="file"; filename="a.txt"`, "x"), part(`name="purpose"`, "assistants"), "--b--\r\n"
	for _, c := range []struct{ name, kind, body string }{
		{"no type", "", purpose + file + end},
		{"JSON", "application/json", `{"purpose":"assistants"}`},
		{"no boundary", "multipart/form-data", purpose + file + end},
		{"nothing", boundary, ""},
		{"no parts", boundary, end},
		{"no file", boundary, purpose + end},
		{"no purpose", boundary, file + end},
		{"an empty purpose", boundary, part(`name="purpose"`, "") + file + end},
		{"another purpose", boundary, part(`name="purpose"`, "fun") + file + end},
		{"no file name", boundary, purpose + part(`name="file"`, "x") + end},
		{"an unknown part", boundary, purpose + file + part(`name="colour"`, "red") + end},
		{"two files", boundary, purpose + file + file + end},
		{"cut in the file", boundary, purpose + file[:len(file)-3]},
		{"cut before the end", boundary, purpose + file},
		{"expiry in the past", boundary, purpose + part(`name="expires_after[anchor]"`, "created_at") + part(`name="expires_after[seconds]"`, "-5") + file + end},
		{"expiry of no number", boundary, purpose + part(`name="expires_after[anchor]"`, "created_at") + part(`name="expires_after[seconds]"`, "soon") + file + end},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.as(t).call("POST", "/v1/files", c.body, "Content-Type", c.kind)
			require.Equal(t, 400, got.status, "%s", got.body)
		})
	}
	require.Empty(t, s.get("/v1/files").ids())
}
