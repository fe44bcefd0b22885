package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The members of each object in the order the hosted API sent them, with what
// this server adds to satisfy the SDKs' types.
const (
	assistantKeys = "id object created_at name description model instructions tools top_p temperature reasoning_effort tool_resources metadata response_format"
	threadKeys    = "id object created_at metadata tool_resources"
	messageKeys   = "id object created_at assistant_id thread_id run_id status incomplete_details incomplete_at completed_at role content attachments metadata"
	runKeys       = "id object created_at assistant_id thread_id status started_at expires_at cancelled_at failed_at completed_at required_action last_error model instructions tools tool_resources metadata temperature top_p reasoning_effort max_completion_tokens max_prompt_tokens truncation_strategy incomplete_details usage response_format tool_choice parallel_tool_calls"
	stepKeys      = "id object created_at run_id assistant_id thread_id type status cancelled_at completed_at expires_at expired_at failed_at last_error step_details usage metadata"
	usageKeys     = "prompt_tokens completion_tokens total_tokens prompt_token_details completion_tokens_details"
	fileKeys      = "object id purpose filename bytes created_at expires_at status status_details"
	listKeys      = "object data first_id last_id has_more"
	fileListKeys  = "object data has_more first_id last_id"
)

// requireShape asserts the keys of an object and the values of some members,
// as they stand in the JSON.
func requireShape(t testing.TB, object []byte, keys string, members map[string]string) {
	t.Helper()
	require.Equal(t, keys, keyOrder(t, object))
	for name, want := range members {
		require.Equal(t, want, raw(t, object, name), name)
	}
}

func TestAssistants(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"gpt-4o"}`)
	requireShape(t, a.body, assistantKeys, map[string]string{
		"object": `"assistant"`, "name": "null", "description": "null", "model": `"gpt-4o"`, "instructions": "null", "tools": "[]", "top_p": "1.0", "temperature": "1.0",
		"reasoning_effort": "null", "tool_resources": "{}", "metadata": "{}", "response_format": `"auto"`,
	})
	id := a.text("id")
	require.Regexp(t, `^asst_[0-9A-Za-z]{24}$`, id)
	require.JSONEq(t, string(a.body), string(s.get("/v1/assistants/"+id).body))

	changed := s.post("/v1/assistants/"+id, `{"name":"N","instructions":"I","temperature":0.5,"metadata":{"a":"1"},"tools":[{"type":"code_interpreter"}]}`)
	requireShape(t, changed.body, assistantKeys, map[string]string{
		"id": `"` + id + `"`, "name": `"N"`, "instructions": `"I"`, "temperature": "0.5", "metadata": `{"a":"1"}`,
		"tools": `[{"type":"code_interpreter"}]`, "tool_resources": `{"code_interpreter":{"file_ids":[]}}`, "created_at": raw(t, a.body, "created_at"),
	})
	changed = s.post("/v1/assistants/"+id, `{"name":null,"temperature":null,"metadata":{"b":"2"},"model":""}`)
	requireShape(t, changed.body, assistantKeys, map[string]string{
		"name": "null", "instructions": `"I"`, "temperature": "1.0", "metadata": `{"b":"2"}`, "model": `"gpt-4o"`, "tools": `[{"type":"code_interpreter"}]`,
	})
	require.JSONEq(t, string(changed.body), string(s.post("/v1/assistants/"+id, `{"metadata":null}`).body))
	require.JSONEq(t, string(changed.body), string(s.post("/v1/assistants/"+id, ``).body), "nothing to change changes nothing")

	require.Equal(t, `{"id":"`+id+`","object":"assistant.deleted","deleted":true}`, string(s.delete("/v1/assistants/"+id).body))
	for _, method := range []string{"GET", "POST", "DELETE"} {
		require.Equal(t, "No assistant found with id '"+id+"'.", s.call(method, "/v1/assistants/"+id, "").refused(404, "", ""))
	}
}

func TestThreads(t *testing.T) {
	s := newServer(t, settings{})
	th := s.post("/v1/threads", "")
	requireShape(t, th.body, threadKeys, map[string]string{"object": `"thread"`, "metadata": "{}", "tool_resources": "{}"})
	id := th.text("id")
	require.Regexp(t, `^thread_[0-9A-Za-z]{24}$`, id)
	require.Equal(t, string(th.body), string(s.get("/v1/threads/"+id).body))
	require.Equal(t, string(th.body), string(s.get("/v1/threads/"+strings.Replace(id, "_", "%5F", 1)).body), "an id may be percent-encoded")

	changed := s.post("/v1/threads/"+id, `{"metadata":{"a":"1","b":"2"}}`)
	require.Equal(t, `{"a":"1","b":"2"}`, raw(t, changed.body, "metadata"))
	changed = s.post("/v1/threads/"+id, `{"metadata":{"c":"3"}}`)
	require.Equal(t, `{"c":"3"}`, raw(t, changed.body, "metadata"), "metadata is replaced as a whole")
	require.Equal(t, string(changed.body), string(s.post("/v1/threads/"+id, `{"metadata":null}`).body))
	require.Equal(t, "{}", raw(t, s.post("/v1/threads/"+id, `{"metadata":{}}`).body, "metadata"))

	m := s.post("/v1/threads/"+id+"/messages", `{"role":"user","content":"hi"}`).text("id")
	require.Equal(t, `{"id":"`+id+`","object":"thread.deleted","deleted":true}`, string(s.delete("/v1/threads/"+id).body))
	for _, path := range []string{"", "/messages", "/messages/" + m, "/runs"} {
		require.Equal(t, "No thread found with id '"+id+"'.", s.call("GET", "/v1/threads/"+id+path, "").refused(404, "", ""))
	}
	s.call("POST", "/v1/threads/"+id+"/messages", `{"role":"user","content":"hi"}`).refused(404, "", "")
	s.call("DELETE", "/v1/threads/"+id, "").refused(404, "", "")
}

func TestMessages(t *testing.T) {
	s := newServer(t, settings{})
	file := s.upload("assistants", "a.txt", "x").ok().text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":[{"type":"text","text":"two"}]}]}`).text("id")
	m := s.post("/v1/threads/"+th+"/messages", `{"role":"user","content":"three","attachments":[{"file_id":"`+file+`","tools":[{"type":"file_search"}]}],"metadata":{"k":"v"}}`)
	requireShape(t, m.body, messageKeys, map[string]string{
		"object": `"thread.message"`, "assistant_id": "null", "run_id": "null", "thread_id": `"` + th + `"`, "role": `"user"`, "status": `"completed"`,
		"content":     `[{"type":"text","text":{"value":"three","annotations":[]}}]`,
		"attachments": `[{"file_id":"` + file + `","tools":[{"type":"file_search"}]}]`, "metadata": `{"k":"v"}`, "incomplete_details": "null", "incomplete_at": "null",
		"completed_at": raw(t, m.body, "created_at"),
	})
	list := s.get("/v1/threads/" + th + "/messages?order=asc")
	var texts []any
	for i := range list.ids() {
		texts = append(texts, list.at(fmt.Sprintf("data.%d.content.0.text.value", i)))
	}
	require.Equal(t, []any{"one", "two", "three"}, texts)
	id := m.text("id")
	changed := s.post("/v1/threads/"+th+"/messages/"+id, `{"metadata":{"n":"1"}}`)
	require.Equal(t, strings.Replace(string(m.body), `{"k":"v"}`, `{"n":"1"}`, 1), string(changed.body))
	require.Equal(t, string(changed.body), string(s.post("/v1/threads/"+th+"/messages/"+id, `{}`).body))

	other := s.post("/v1/threads", "").text("id")
	s.call("GET", "/v1/threads/"+other+"/messages/"+id, "").refused(404, "", "")
	require.Equal(t, `{"id":"`+id+`","object":"thread.message.deleted","deleted":true}`, string(s.delete("/v1/threads/"+th+"/messages/"+id).body))
	require.Equal(t, "No message found with id '"+id+"'.", s.call("GET", "/v1/threads/"+th+"/messages/"+id, "").refused(404, "", ""))
	require.Len(t, s.get("/v1/threads/"+th+"/messages").ids(), 2)
}

func TestFiles(t *testing.T) {
	s := newServer(t, settings{})
	requireShape(t, s.get("/v1/files").body, fileListKeys, map[string]string{"data": "[]", "first_id": "null", "last_id": "null", "has_more": "false"})
	f := s.upload("assistants", "näme \"x\".txt", "hello").ok()
	requireShape(t, f.body, fileKeys, map[string]string{
		"object": `"file"`, "purpose": `"assistants"`, "filename": `"näme \"x\".txt"`, "bytes": "5", "expires_at": "null", "status": `"processed"`, "status_details": "null",
	})
	id := f.text("id")
	require.Regexp(t, `^file-[0-9A-Za-z]{22,24}$`, id)
	require.Equal(t, string(f.body), string(s.get("/v1/files/"+id).body))
	content := s.get("/v1/files/" + id + "/content")
	require.Equal(t, "hello", string(content.body))
	require.Contains(t, content.header.Get("Content-Disposition"), "attachment")

	vision := s.upload("vision", "p.png", "\x89PNG\r\n\x1a\n").ok().text("id")
	require.Equal(t, []string{vision, id}, s.get("/v1/files").ids(), "newest first")
	require.Equal(t, []string{vision}, s.get("/v1/files?purpose=vision").ids())
	require.Empty(t, s.get("/v1/files?purpose=batch").ids())
	page := s.get("/v1/files?limit=1&order=asc")
	requireShape(t, page.body, fileListKeys, map[string]string{"first_id": `"` + id + `"`, "last_id": `"` + id + `"`, "has_more": "true"})
	require.Equal(t, []string{vision}, s.get("/v1/files?limit=1&order=asc&after="+id).ids())

	require.Equal(t, `{"object":"file","deleted":true,"id":"`+id+`"}`, string(s.delete("/v1/files/"+id).body))
	for _, path := range []string{"", "/content"} {
		require.Equal(t, "No such File object: "+id, s.call("GET", "/v1/files/"+id+path, "").refused(404, "id", ""))
	}
	require.Equal(t, []string{vision}, s.get("/v1/files").ids())
}

// TestPaging walks every list of the API in both directions.
func TestPaging(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	thread := s.post("/v1/threads", "").text("id")
	call := func(path, body string) func() string {
		return func() string { return s.post(path, body).text("id") }
	}
	for _, c := range []struct {
		path   string
		create func() string
		remove bool // whether an object of the list can be deleted
	}{
		{"/v1/assistants", call("/v1/assistants", `{"model":"m"}`), true},
		{"/v1/threads", call("/v1/threads", ""), true},
		{"/v1/threads/" + thread + "/messages", call("/v1/threads/"+thread+"/messages", `{"role":"user","content":"x"}`), true},
		{"/v1/threads/" + thread + "/runs", func() string {
			return s.settle(s.post("/v1/threads/"+thread+"/runs", `{"assistant_id":"`+a+`"}`)).text("id")
		}, false},
	} {
		t.Run(c.path, func(t *testing.T) {
			s := s.as(t)
			ids := slices.Clone(s.get(c.path + "?order=asc").ids())
			for len(ids) < 6 {
				ids = append(ids, c.create())
			}
			ids = ids[:6]
			q := func(query string, hasMore bool, want ...string) {
				t.Helper()
				page := s.get(c.path + "?" + query)
				require.Equal(t, listKeys, keyOrder(t, page.body))
				require.Equal(t, append([]string{}, want...), page.ids(), query)
				require.Equal(t, hasMore, page.at("has_more"), query)
				if len(want) > 0 {
					require.Equal(t, []string{want[0], want[len(want)-1]}, []string{page.text("first_id"), page.text("last_id")}, query)
				} else {
					require.Equal(t, "null null", raw(t, page.body, "first_id")+" "+raw(t, page.body, "last_id"))
				}
			}
			q("order=asc&limit=2", true, ids[0], ids[1])
			q("order=asc&limit=2&after="+ids[1], true, ids[2], ids[3])
			q("order=asc&limit=2&after="+ids[3], false, ids[4], ids[5])
			q("order=asc&after="+ids[5], false)
			q("limit=2&after="+ids[2], false, ids[1], ids[0])
			q("order=asc&limit=2&before="+ids[3], true, ids[1], ids[2])
			q("order=asc&limit=2&before="+ids[2], false, ids[0], ids[1])
			q("order=asc&before="+ids[0], false)
			q("limit=2&before="+ids[1], true, ids[3], ids[2])
			q("order=asc&limit=9&after="+ids[0]+"&before="+ids[3], false, ids[1], ids[2])
			q("order=asc&limit=1&after="+ids[0]+"&before="+ids[3], true, ids[1])
			q("order=asc&after="+ids[3]+"&before="+ids[1], false)
			if !c.remove {
				return
			}
			s.delete(c.path + "/" + ids[2])
			q("order=asc&limit=2&after="+ids[2], true, ids[3], ids[4])
			q("order=asc&limit=9&before="+ids[2], false, ids[0], ids[1])
			q("order=asc&limit=2&after="+ids[0], true, ids[1], ids[3])
		})
	}
	run := s.settle(s.post("/v1/threads/"+thread+"/runs", `{"assistant_id":"`+a+`"}`)).text("id")
	require.Len(t, s.get("/v1/threads/"+thread+"/messages?run_id="+run).ids(), 1)
	require.Empty(t, s.get("/v1/threads/"+thread+"/messages?run_id=run_none").ids())
	for range 20 {
		s.post("/v1/threads", "")
	}
	require.Len(t, s.get("/v1/threads").ids(), 20, "the default is 20")
	require.Len(t, s.get("/v1/threads?limit=100").ids(), 25)
}

// TestAChosenThreadIsMadeOnce: of many clients that ask for one id at once,
// all get the same thread.
func TestAChosenThreadIsMadeOnce(t *testing.T) {
	s := newServer(t, settings{}).with("Understudy-Id", "thread_support")
	var bodies []string
	for _, got := range s.together(12, "/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`) {
		bodies = append(bodies, string(got.ok().body))
	}
	require.Len(t, slices.Compact(bodies), 1)
	require.Len(t, s.get("/v1/threads/thread_support/messages").ids(), 1)
	require.Len(t, s.get("/v1/threads").ids(), 1)
}
