package api_test

import (
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
