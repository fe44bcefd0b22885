package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestForkThread copies a conversation with calls of tools and goes on with both.
func TestForkThread(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m","tools":[{"type":"function","function":{"name":"lookup","parameters":{"type":"object","properties":{}}}}]}`).text("id")
	thread := s.post("/v1/threads", `{"metadata":{"user":"u"},"messages":[{"role":"user","content":"first"}]}`).text("id")
	run := s.settle(s.post("/v1/threads/"+thread+"/runs", `{"assistant_id":"`+a+`"}`))
	require.Equal(t, "requires_action", run.text("status"))
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	path := "/v1/threads/" + thread + "/runs/" + run.text("id")
	s.settle(s.post(path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"found it"}]}`))
	question := s.post("/v1/threads/"+thread+"/messages", `{"role":"user","content":"second"}`).text("id")

	whole := s.post("/v1/threads/"+thread+"/fork", ``)
	requireShape(t, whole.body, threadKeys, map[string]string{"object": `"thread"`, "metadata": `{"user":"u"}`})
	require.NotEqual(t, thread, whole.text("id"))
	require.Equal(t, string(whole.body), string(s.get("/v1/threads/"+whole.text("id")).body))
	require.Equal(t, []string{whole.text("id"), thread}, s.get("/v1/threads").ids())

	first := s.get("/v1/threads/" + thread + "/messages?order=asc").ids()[0]
	short := s.post("/v1/threads/"+thread+"/fork", `{"after":"`+first+`"}`).text("id")
	messages := s.get("/v1/threads/" + short + "/messages")
	require.Len(t, messages.ids(), 1)
	requireShape(t, s.get("/v1/threads/"+short+"/messages/"+messages.ids()[0]).body, messageKeys, map[string]string{"thread_id": `"` + short + `"`})

	forked := s.settle(s.post("/v1/threads/"+whole.text("id")+"/runs", `{"assistant_id":"`+a+`","tool_choice":"none"}`))
	require.Equal(t, "completed", forked.text("status"))
	tape := s.get("/v1/threads/" + whole.text("id") + "/runs/" + forked.text("id") + "/context")
	require.Contains(t, string(tape.body), "found it", "the model sees what the tools answered before the fork")
	require.Equal(t, []string{question}, s.get("/v1/threads/"+thread+"/messages?limit=1").ids(), "the origin stays as it was")

	s.call("POST", "/v1/threads/thread_none/fork", ``).refused(404, "", "")
	require.Contains(t, s.call("POST", "/v1/threads/"+thread+"/fork", `{"after":"msg_none"}`).refused(404, "", ""), "No message found with id 'msg_none'")
	s.call("POST", "/v1/threads/"+thread+"/fork", `{"after":"run_x"}`).refused(400, "after", "invalid_value")
	s.call("POST", "/v1/threads/"+thread+"/fork", `{"after":7}`).refused(400, "after", "invalid_type")
	s.call("POST", "/v1/threads/"+thread+"/fork", `{"until":"x"}`).refused(400, "until", "unknown_parameter")
	open := newServer(t, settings{keys: true})
	mine, theirs := open.newKey("mine"), open.newKey("theirs")
	secret := mine.post("/v1/threads", `{}`).text("id")
	theirs.call("POST", "/v1/threads/"+secret+"/fork", ``).refused(404, "", "")
}

// busy is a thread with a run that waits for its client, and the assistant's id.
func (s *testServer) busy() (path, assistant string, run reply) {
	s.t.Helper()
	assistant = s.post("/v1/assistants", `{"model":"m","tools":[{"type":"function","function":{"name":"lookup","parameters":{"type":"object","properties":{}}}}]}`).text("id")
	path = "/v1/threads/" + s.post("/v1/threads", `{"messages":[{"role":"user","content":"first"}]}`).text("id")
	run = s.settle(s.post(path+"/runs", `{"assistant_id":"`+assistant+`"}`))
	require.Equal(s.t, "requires_action", run.text("status"))
	return path, assistant, run
}

// TestOnBusy sends messages and runs to a thread that a run holds.
func TestOnBusy(t *testing.T) {
	s := newServer(t, settings{})
	path, a, run := s.busy()
	body, enqueue := `{"assistant_id":"`+a+`","tool_choice":"none"}`, []string{"Understudy-On-Busy", "enqueue"}
	for _, headers := range [][]string{nil, {"Understudy-On-Busy", "reject"}, {"Understudy-On-Busy", ""}} {
		require.Contains(t, s.call("POST", path+"/messages", `{"role":"user","content":"x"}`, headers...).refused(400, "", ""), "while a run "+run.text("id")+" is active")
		require.Contains(t, s.call("POST", path+"/runs", body, headers...).refused(400, "", ""), "already has an active run "+run.text("id"))
	}
	for _, target := range []string{"/messages", "/runs"} {
		require.Equal(t, "Invalid 'Understudy-On-Busy': 'wait'. Expected 'reject', 'enqueue' or 'interrupt'.",
			s.call("POST", path+target, body, "Understudy-On-Busy", "wait").refused(400, "Understudy-On-Busy", "invalid_value"))
	}
	message := s.call("POST", path+"/messages", `{"role":"user","content":"second","metadata":{"a":"1"}}`, enqueue...).ok()
	requireShape(t, message.body, messageKeys, map[string]string{"role": `"user"`, "status": `"completed"`})
	waiting := path + "/messages/" + message.text("id")
	require.Equal(t, string(message.body), string(s.get(waiting).body), "what waits can be looked at")
	require.Equal(t, "2", s.post(waiting, `{"metadata":{"a":"2"}}`).text("metadata.a"))
	require.NotContains(t, s.get(path+"/messages").ids(), message.text("id"))
	dropped := s.call("POST", path+"/messages", `{"role":"user","content":"dropped"}`, enqueue...).ok().text("id")
	s.delete(path + "/messages/" + dropped)
	s.call("GET", path+"/messages/"+dropped, "").refused(404, "", "")
	queued := s.call("POST", path+"/runs", body, append(enqueue, "Idempotency-Key", "k")...).ok()
	requireShape(t, queued.body, runKeys, map[string]string{"status": `"queued"`})
	require.Equal(t, string(queued.body), string(s.call("POST", path+"/runs", body, append(enqueue, "Idempotency-Key", "k")...).ok().body))
	require.Equal(t, []string{queued.text("id"), run.text("id")}, s.get(path+"/runs").ids())

	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	s.post(path+"/runs/"+run.text("id")+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"found it"}]}`)
	require.Equal(t, "completed", s.settle(queued).text("status"))
	messages := s.get(path + "/messages?order=asc")
	require.Equal(t, []any{"user", "assistant", "user", "assistant"}, []any{messages.at("data.0.role"), messages.at("data.1.role"), messages.at("data.2.role"), messages.at("data.3.role")})
	require.Equal(t, message.text("id"), messages.ids()[2])
	require.Equal(t, "2", messages.text("data.2.metadata.a"))

	path, a, run = s.busy()
	interrupt := []string{"Understudy-On-Busy", "interrupt"}
	id := s.call("POST", path+"/messages", `{"role":"user","content":"instead"}`, interrupt...).ok().text("id")
	require.Equal(t, id, s.get(path + "/messages").ids()[0])
	require.Equal(t, "cancelled", s.get(path+"/runs/"+run.text("id")).text("status"))
	next := s.settle(s.call("POST", path+"/runs", `{"assistant_id":"`+a+`","tool_choice":"none"}`, interrupt...).ok())
	require.Equal(t, "completed", next.text("status"))
	s.call("POST", "/v1/threads/thread_none/messages", `{"role":"user","content":"x"}`, interrupt...).refused(404, "", "")
}

func TestExpiresIn(t *testing.T) {
	s := newServer(t, settings{})
	_, a, _ := s.busy()
	for _, tc := range []struct {
		header, metadata string
		want             float64
	}{{"", "", 600}, {"48h", "", 172800}, {"90", `{"x.expires_in":"24h"}`, 90}, {"", `{"x.expires_in":"24h"}`, 86400}} {
		metadata := tc.metadata
		if metadata == "" {
			metadata = "{}"
		}
		run := s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"x"}]},"metadata":`+metadata+`}`,
			"Understudy-Expires-In", tc.header).ok()
		created, _ := run.at("created_at").(float64)
		require.Equal(t, created+tc.want, run.at("expires_at"))
		require.Equal(t, created+tc.want, s.settle(run).at("expires_at"), "while it waits for its client")
	}
	s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+a+`"}`, "Understudy-Expires-In", "31d").refused(400, "Understudy-Expires-In", "invalid_value")
	s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+a+`","metadata":{"x.expires_in":"0"}}`).refused(400, "metadata.x.expires_in", "invalid_value")
}

// TestAdopt: an application's old thread ids come to life, on whatever route.
func TestAdopt(t *testing.T) {
	s := newServer(t, settings{adopt: true, keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	a := mine.post("/v1/assistants", `{"model":"m","instructions":"hi"}`).text("id")
	for i, use := range []func(path string){
		func(path string) {
			requireShape(t, mine.get(path).body, threadKeys, map[string]string{"metadata": "{}", "tool_resources": "{}"})
		},
		func(path string) { require.Empty(t, mine.get(path+"/messages").ids()) },
		func(path string) { mine.post(path+"/messages", `{"role":"user","content":"hi"}`) },
		func(path string) { mine.settle(mine.post(path+"/runs", `{"assistant_id":"`+a+`"}`)) },
		func(path string) { mine.post(path, `{"metadata":{"a":"b"}}`) },
		func(path string) { mine.call("GET", path+"/messages/msg_old", "").refused(404, "", "") },
	} {
		path := "/v1/threads/thread_Old" + string(rune('A'+i))
		use(path)
		mine.get(path)
		require.Contains(t, theirs.call("GET", path, "").refused(404, "", ""), "No thread found")
		mine.delete(path)
		mine.call("GET", path, "").refused(404, "", "")
		theirs.call("GET", path, "").refused(404, "", "")
	}
	for _, id := range []string{"thread_", "thread_a%20b", "thread_a%2Fb", "thread_" + strings.Repeat("x", 65)} {
		mine.call("GET", "/v1/threads/"+id, "").refused(404, "", "")
	}
	mine.call("GET", "/v1/threads/asst_1", "").refused(400, "thread_id", "invalid_value")
	require.Empty(t, mine.get("/v1/threads").ids())
	newServer(t, settings{}).call("GET", "/v1/threads/thread_OldA", "").refused(404, "", "")
}

// TestEditAndRewind takes messages back; what they were can still be read.
func TestEditAndRewind(t *testing.T) {
	s := newServer(t, settings{})
	path, a, run := s.busy()
	require.Contains(t, s.call("POST", path+"/rewind", `{"to":"`+s.get(path + "/messages").ids()[0]+`"}`).refused(400, "", ""), "while a run "+run.text("id")+" is active")
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	s.settle(s.post(path+"/runs/"+run.text("id")+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"found it"}]}`))
	ids := s.get(path + "/messages?order=asc").ids()
	question, answer := ids[0], s.get(path+"/messages/"+ids[1])

	edited := s.post(path+"/messages/"+question+"/edit", `{"content":"another question"}`)
	requireShape(t, edited.body, messageKeys, map[string]string{"id": `"` + question + `"`, "content": `[{"type":"text","text":{"value":"another question","annotations":[]}}]`})
	require.Equal(t, string(edited.body), string(s.get(path+"/messages/"+question).body))
	require.Equal(t, ids, s.get(path+"/messages?order=asc").ids())

	thread := s.post(path+"/rewind", `{"to":"`+question+`"}`)
	require.Equal(t, string(thread.body), string(s.get(path).body))
	require.Equal(t, []string{question}, s.get(path+"/messages").ids())
	require.Empty(t, s.get(path+"/messages?after="+answer.text("id")+"&order=asc").ids(), "it is a cursor still")
	s.call("GET", path+"/messages/"+answer.text("id"), "").refused(404, "", "")
	require.Equal(t, "completed", s.get(path+"/runs/"+run.text("id")).text("status"), "a run is history, too, and stays")

	next := s.settle(s.post(path+"/runs", `{"assistant_id":"`+a+`","tool_choice":"none"}`))
	sent, err := json.Marshal(s.get(path + "/runs/" + next.text("id") + "/context").at("model_calls.0.request.messages"))
	require.NoError(t, err)
	tape := string(sent)
	require.Contains(t, tape, "another question")
	for _, gone := range []string{"first", "found it"} {
		require.NotContains(t, tape, gone, "the model is not told of it")
	}

	history := s.get(path + "/history")
	requireShape(t, history.body, listKeys, map[string]string{"has_more": "false"})
	require.Equal(t, []any{"rewound", "edited"}, []any{history.at("data.0.reason"), history.at("data.1.reason")})
	require.Equal(t, answer.at("content"), history.at("data.0.message.content"))
	require.Equal(t, "first", history.text("data.1.message.content.0.text.value"))
	require.Regexp(t, `^ver_`, history.ids()[0])
	require.Equal(t, history.ids()[1:], s.get(path+"/history?message_id="+question).ids())
	s.call("GET", path+"/history?message_id=question", "").refused(400, "message_id", "invalid_value")
	require.Equal(t, history.ids()[1:], s.get(path+"/history?limit=1&after="+history.ids()[0]).ids())

	s.delete(path + "/messages/" + answer.text("id"))
	s.call("DELETE", path+"/messages/"+answer.text("id"), "").refused(404, "", "")
	require.Equal(t, history.ids()[1:], s.get(path+"/history").ids(), "what is deleted is gone for good")
	again := s.post(path+"/messages/"+question+"/edit", `{"content":[{"type":"text","text":"a third"}],"rewind":true}`)
	require.Equal(t, []string{again.text("id")}, s.get(path+"/messages").ids())
	require.Len(t, s.get(path+"/history").ids(), 3)

	for body, param := range map[string]string{`{}`: "to", `{"to":"run_1"}`: "to", `{"to":1}`: "to"} {
		require.Equal(t, param, s.call("POST", path+"/rewind", body).text("error.param"))
	}
	s.call("POST", path+"/rewind", `{"to":"msg_none"}`).refused(404, "", "")
	s.call("POST", path+"/messages/"+question+"/edit", `{"rewind":true}`).refused(400, "content", "missing_required_parameter")
	s.call("POST", path+"/messages/"+question+"/edit", `{"content":"x","role":"user"}`).refused(400, "role", "unknown_parameter")
	s.call("POST", path+"/messages/"+question, `{"content":"x"}`).refused(400, "content", "unknown_parameter")
	s.call("GET", "/v1/threads/thread_none/history", "").refused(404, "", "")
	s.call("GET", path+"/history?after=ver_none", "").refused(400, "after", "invalid_value")
}

// TestSearchThreads finds conversations by what was said in them.
func TestSearchThreads(t *testing.T) {
	s := newServer(t, settings{})
	ids := make([]string, 3)
	for i, text := range []string{"Where is my parcel?", "The parcel has come, the parcel is here", "Something else"} {
		ids[i] = s.post("/v1/threads", `{"metadata":{"user":"`+string(rune('a'+i))+`"},"messages":[{"role":"user","content":"`+text+`"}]}`).text("id")
	}
	found := s.get("/v1/threads?q=parcel")
	requireShape(t, found.body, listKeys, map[string]string{"has_more": "false"})
	require.Equal(t, []string{ids[1], ids[0]}, found.ids(), "the newest first")
	require.Equal(t, ids[:2], s.get("/v1/threads?q=parcel&order=asc").ids())
	first := found.ids()[0]
	object, err := json.Marshal(found.at("data.0"))
	require.NoError(t, err)
	require.Contains(t, string(object), `"x_matches":[{"message_id":"`+s.get("/v1/threads/" + first + "/messages").ids()[0]+`","snippet":"`)
	page := s.get("/v1/threads?q=parcel&limit=1")
	require.Equal(t, true, page.at("has_more"))
	require.Equal(t, found.ids()[1:], s.get("/v1/threads?q=parcel&limit=1&after="+first).ids())
	require.Equal(t, ids[:1], s.get("/v1/threads?q=parcel&metadata[user]=a").ids())
	for _, none := range []string{"", "+", "%20%09"} {
		require.Equal(t, s.get("/v1/threads").ids(), s.get("/v1/threads?q="+none).ids(), "no words are no search")
	}
	require.Empty(t, s.get("/v1/threads?q=nothing").ids())
	require.Empty(t, s.get("/v1/threads?q=%3F").ids())
	s.call("GET", "/v1/threads?q="+strings.Repeat("x", 513), "").refused(400, "q", "invalid_value")
	s.call("GET", "/v1/threads?q=parcel&after=thread_none", "").refused(400, "after", "invalid_value")
}

// TestSearchGoesOnBehindWhatIsGone reads pages of a search whose cursor was
// deleted, or is not found any more.
func TestSearchGoesOnBehindWhatIsGone(t *testing.T) {
	s := newServer(t, settings{keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	ids := make([]string, 5)
	for i := range ids {
		ids[len(ids)-1-i] = mine.post("/v1/threads", `{"metadata":{"parcel":"p"}}`).text("id")
	}
	next := func(query string) []string { return mine.get("/v1/threads?q=parcel&limit=2" + query).ids() }
	require.Equal(t, ids[:2], next(""))
	mine.delete("/v1/threads/" + ids[1])
	require.Equal(t, ids[2:4], next("&after="+ids[1]))
	mine.post("/v1/threads/"+ids[3], `{"metadata":{"letter":"p"}}`)
	mine.delete("/v1/threads/" + ids[2])
	require.Equal(t, ids[4:], next("&after="+ids[3]))
	require.Equal(t, ids[4:], next("&metadata[parcel]=p&after="+ids[1]))
	require.Equal(t, ids[:1], next("&before="+ids[3]))
	require.Equal(t, ids[4:], next("&before="+ids[1]+"&order=asc"))
	require.Empty(t, next("&after="+ids[4]))
	theirs.call("GET", "/v1/threads?q=parcel&after="+ids[1], "").refused(400, "after", "invalid_value")
}
