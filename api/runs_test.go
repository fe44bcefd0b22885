package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const weather = `{"type":"function","function":{"name":"get_weather","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]},"strict":false}}`

func TestRunFromStartToEnd(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m","instructions":"Be kind.","tools":[`+weather+`],"temperature":0.5}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"weather in Paris"}]}`).text("id")
	created := s.post("/v1/threads/"+th+"/runs", `{"assistant_id":"`+a+`"}`)
	requireShape(t, created.body, runKeys, map[string]string{
		"object": `"thread.run"`, "assistant_id": `"` + a + `"`, "thread_id": `"` + th + `"`, "status": `"queued"`, "started_at": "null", "cancelled_at": "null",
		"failed_at": "null", "completed_at": "null", "required_action": "null", "last_error": "null", "model": `"m"`, "instructions": `"Be kind."`,
		"tools": "[" + weather + "]", "tool_resources": "{}", "metadata": "{}", "temperature": "0.5", "top_p": "1.0", "reasoning_effort": "null",
		"max_completion_tokens": "null", "max_prompt_tokens": "null", "truncation_strategy": `{"type":"auto","last_messages":null}`, "incomplete_details": "null",
		"usage": "null", "response_format": `"auto"`, "tool_choice": `"auto"`, "parallel_tool_calls": "true",
	})
	createdAt, _ := created.at("created_at").(float64)
	require.InDelta(t, createdAt+600, created.at("expires_at"), 0)

	waiting := s.settle(created)
	requireShape(t, waiting.body, runKeys, map[string]string{"status": `"requires_action"`, "usage": "null", "expires_at": raw(t, created.body, "expires_at")})
	require.NotNil(t, waiting.at("started_at"))
	call := waiting.text("required_action.submit_tool_outputs.tool_calls.0.id")
	require.Regexp(t, `^call_[0-9A-Za-z]{24}$`, call)
	require.Equal(t, "type submit_tool_outputs", keyOrder(t, []byte(raw(t, waiting.body, "required_action"))))
	require.Equal(t, "get_weather", waiting.text("required_action.submit_tool_outputs.tool_calls.0.function.name"))
	path := "/v1/threads/" + th + "/runs/" + created.text("id")

	open := s.get(path + "/steps").at("data.0")
	require.Equal(t, "in_progress", member(open, "status"))
	require.Nil(t, member(open, "usage"))
	require.Nil(t, member(open, "step_details.tool_calls.0.function.output"))

	accepted := s.post(path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"22 degrees"}]}`)
	require.Equal(t, "queued", accepted.text("status"))
	require.Nil(t, accepted.at("required_action"))
	done := s.settle(accepted)
	requireShape(t, done.body, runKeys, map[string]string{"status": `"completed"`, "expires_at": "null", "required_action": "null"})
	require.NotNil(t, done.at("completed_at"))
	require.Equal(t, usageKeys, keyOrder(t, []byte(raw(t, done.body, "usage"))))

	steps := s.get(path + "/steps")
	require.Equal(t, "message_creation", steps.text("data.0.type"), "newest first")
	require.Equal(t, "22 degrees", steps.text("data.1.step_details.tool_calls.0.function.output"))
	sum := 0.0
	for _, i := range []string{"0", "1"} {
		step := s.get(path + "/steps/" + steps.text("data."+i+".id"))
		requireShape(t, step.body, stepKeys, map[string]string{"status": `"completed"`, "expires_at": "null", "expired_at": "null", "last_error": "null", "metadata": "{}"})
		n, _ := step.at("usage.total_tokens").(float64)
		sum += n
	}
	require.InDelta(t, sum, done.at("usage.total_tokens"), 0, "usage is summed over the steps")

	answer := s.get("/v1/threads/" + th + "/messages").at("data.0")
	require.Equal(t, steps.text("data.0.step_details.message_creation.message_id"), member(answer, "id"))
	require.Equal(t, []any{a, created.text("id"), "assistant"}, []any{member(answer, "assistant_id"), member(answer, "run_id"), member(answer, "role")})
	require.Contains(t, member(answer, "content.0.text.value"), "22 degrees")
	require.Equal(t, created.text("id"), s.get("/v1/threads/" + th + "/runs").ids()[0])
}

func TestRunOverrides(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m","instructions":"I","tools":[`+weather+`]}`).text("id")
	for _, c := range []struct {
		name, body string
		want       map[string]string
	}{
		{"instructions", `"instructions":"Other."`, map[string]string{"instructions": `"Other."`}},
		{"more instructions", `"additional_instructions":"More."`, map[string]string{"instructions": `"I\n\nMore."`}},
		{"model", `"model":"x"`, map[string]string{"model": `"x"`}},
		{"no tools", `"tools":[]`, map[string]string{"tools": "[]"}},
		{"sampling", `"temperature":0,"top_p":0.25,"reasoning_effort":"high"`, map[string]string{"temperature": "0.0", "top_p": "0.25", "reasoning_effort": `"high"`}},
		{"caps", `"max_prompt_tokens":1000,"max_completion_tokens":256`, map[string]string{"max_prompt_tokens": "1000", "max_completion_tokens": "256"}},
		{"truncation", `"truncation_strategy":{"type":"last_messages","last_messages":3}`, map[string]string{"truncation_strategy": `{"type":"last_messages","last_messages":3}`}},
		{
			"tool choice", `"tool_choice":{"type":"function","function":{"name":"get_weather"}},"parallel_tool_calls":false`,
			map[string]string{"tool_choice": `{"type":"function","function":{"name":"get_weather"}}`, "parallel_tool_calls": "false"},
		},
		{"none", `"tool_choice":"none"`, map[string]string{"tool_choice": `"none"`}},
		{"format", `"response_format":{"type":"json_object"}`, map[string]string{"response_format": `{"type":"json_object"}`}},
		{"metadata", `"metadata":{"a":"b"}`, map[string]string{"metadata": `{"a":"b"}`}},
		{
			"nulls", `"model":null,"instructions":null,"additional_instructions":null,"additional_messages":null,"tools":null,"metadata":null,"temperature":null,"top_p":null,"stream":null,"max_prompt_tokens":null,"max_completion_tokens":null,"truncation_strategy":null,"tool_choice":null,"parallel_tool_calls":null,"response_format":null,"reasoning_effort":null`,
			map[string]string{"model": `"m"`, "instructions": `"I"`, "tools": "[" + weather + "]", "tool_choice": `"auto"`, "parallel_tool_calls": "true", "response_format": `"auto"`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.as(t)
			th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
			run := s.post("/v1/threads/"+th+"/runs", `{"assistant_id":"`+a+`",`+c.body+`}`)
			requireShape(t, run.body, runKeys, c.want)
			requireShape(t, s.settle(run).body, runKeys, c.want)
		})
	}
}

func TestRunMetadata(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","metadata":{"a":"1"},"thread":{"messages":[{"role":"user","content":"hi"}],"metadata":{"t":"1"}}}`))
	require.Equal(t, "null", raw(t, run.body, "instructions"))
	path := "/v1/threads/" + run.text("thread_id")
	require.Equal(t, `{"t":"1"}`, raw(t, s.get(path).body, "metadata"))
	path += "/runs/" + run.text("id")
	changed := s.post(path, `{"metadata":{"b":"2"}}`)
	require.Equal(t, strings.Replace(string(run.body), `{"a":"1"}`, `{"b":"2"}`, 1), string(changed.body))
	require.Equal(t, string(changed.body), string(s.post(path, `{"metadata":null}`).body))
	require.Equal(t, string(changed.body), string(s.post(path, ``).body))
}

func TestCancel(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	run := s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`)
	<-model.asked
	path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
	require.Equal(t, "in_progress", s.get(path).text("status"))
	s.call("POST", "/v1/threads/"+run.text("thread_id")+"/messages", `{"role":"user","content":"x"}`).refused(400, "", "")
	cancelling := s.post(path+"/cancel", "")
	require.Equal(t, "cancelling", cancelling.text("status"))
	require.Nil(t, cancelling.at("cancelled_at"))
	ended := s.settle(run)
	requireShape(t, ended.body, runKeys, map[string]string{"status": `"cancelled"`, "expires_at": "null"})
	require.NotNil(t, ended.at("cancelled_at"))
	require.Equal(t, "Cannot cancel run with status 'cancelled'.", s.call("POST", path+"/cancel", "").refused(400, "", ""))
	s.post("/v1/threads/"+run.text("thread_id")+"/messages", `{"role":"user","content":"x"}`)
}

// TestTwoRunsAtOnce: of many runs created at once on one thread exactly one is.
func TestTwoRunsAtOnce(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
	var winner string
	for _, got := range s.together(16, "/v1/threads/"+th+"/runs", `{"assistant_id":"`+a+`","additional_messages":[{"role":"user","content":"more"}]}`) {
		if got.status == 200 {
			require.Empty(t, winner, "a second run")
			winner = got.text("id")
		} else {
			require.Regexp(t, `^Thread `+th+` already has an active run run_\w+\.$`, got.refused(400, "", ""))
		}
	}
	require.Equal(t, []string{winner}, s.get("/v1/threads/"+th+"/runs").ids())
	require.Len(t, s.get("/v1/threads/"+th+"/messages").ids(), 2, "what was refused added no message")
}

// TestFailingModel: what a backend refuses is the run's last_error.
func TestFailingModel(t *testing.T) {
	s := newServer(t, settings{model: refusingModel})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	requireShape(t, run.body, runKeys, map[string]string{"status": `"failed"`, "expires_at": "null", "completed_at": "null"})
	require.NotNil(t, run.at("failed_at"))
	require.Equal(t, "code message", keyOrder(t, []byte(raw(t, run.body, "last_error"))))
	require.NotEmpty(t, run.text("last_error.message"))
	s.post("/v1/threads/"+run.text("thread_id")+"/messages", `{"role":"user","content":"the thread is free"}`)
}

// waitingRun makes a run that waits for the output of one call.
func waitingRun(s *testServer) (path, thread, call string) {
	s.t.Helper()
	a := s.post("/v1/assistants", `{"model":"m","tools":[`+weather+`]}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	require.Equal(s.t, "requires_action", run.text("status"))
	thread = run.text("thread_id")
	return "/v1/threads/" + thread + "/runs/" + run.text("id"), thread, run.text("required_action.submit_tool_outputs.tool_calls.0.id")
}

func TestCancelWhileWaiting(t *testing.T) {
	s := newServer(t, settings{})
	path, thread, call := waitingRun(s)
	cancelling := s.post(path+"/cancel", "")
	require.Equal(t, "cancelling", cancelling.text("status"))
	require.Nil(t, cancelling.at("required_action"))
	require.Equal(t, "cancelled", s.settle(cancelling).text("status"))
	require.Equal(t, "cancelled", s.get(path+"/steps").text("data.0.status"))
	require.Equal(t, `Runs in status "cancelled" do not accept tool outputs.`,
		s.call("POST", path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`"}]}`).refused(400, "", ""))
	s.post("/v1/threads/"+thread+"/messages", `{"role":"user","content":"free"}`)
}

// TestOutputsAreTakenOnce: of many submissions at once exactly one counts.
func TestOutputsAreTakenOnce(t *testing.T) {
	s := newServer(t, settings{})
	path, thread, call := waitingRun(s)
	accepted := 0
	for _, got := range s.together(12, path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"22"}]}`) {
		if got.status == 200 {
			accepted++
		} else {
			require.Regexp(t, `^Runs in status "\w+" do not accept tool outputs\.$`, got.refused(400, "", ""))
		}
	}
	require.Equal(t, 1, accepted)
	require.Equal(t, "completed", s.settle(s.get(path)).text("status"))
	require.Len(t, s.get("/v1/threads/"+thread+"/messages").ids(), 2)
	require.Len(t, s.get(path+"/steps").ids(), 2)
}

// TestDeletingDuringARun deletes what a run is about while it is at work.
func TestDeletingDuringARun(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	start := func() (assistant, thread, path string) {
		assistant = s.post("/v1/assistants", `{"model":"m"}`).text("id")
		run := s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`)
		<-model.asked
		return assistant, run.text("thread_id"), "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
	}
	_, doomed, doomedRun := start()
	s.delete("/v1/threads/" + doomed)
	s.call("GET", doomedRun, "").refused(404, "", "")
	s.call("POST", doomedRun+"/cancel", "").refused(404, "", "")

	assistant, thread, path := start()
	s.delete("/v1/assistants/" + assistant)
	s.delete("/v1/threads/" + thread + "/messages/" + s.get("/v1/threads/" + thread + "/messages").ids()[0])
	model.release()
	require.Equal(t, "completed", s.settle(s.get(path)).text("status"))
	require.Len(t, s.get("/v1/threads/"+thread+"/messages").ids(), 1)
	s.call("POST", "/v1/threads/"+thread+"/runs", `{"assistant_id":"`+assistant+`"}`).refused(404, "", "")
}

// TestVersion1Shapes goes through everything as a version 1 client: each answer
// is compared with that version's description on the way.
func TestVersion1Shapes(t *testing.T) {
	s := newServer(t, settings{}).with("OpenAI-Beta", "assistants=v1")
	o := newOwnedV1(s)
	for _, path := range []string{
		"/v1/assistants", "/v1/assistants/{assistant_id}", "/v1/assistants/{assistant_id}/files", "/v1/assistants/{assistant_id}/files/{file_id}",
		"/v1/threads/{thread_id}", "/v1/threads/{thread_id}/messages", "/v1/threads/{thread_id}/messages/{message_id}", "/v1/threads/{thread_id}/messages/{message_id}/files",
		"/v1/threads/{thread_id}/messages/{message_id}/files/{file_id}", "/v1/threads/{thread_id}/runs", "/v1/threads/{thread_id}/runs/{run_id}",
		"/v1/threads/{thread_id}/runs/{run_id}/steps", "/v1/threads/{thread_id}/runs/{run_id}/steps/{step_id}", "/v1/files", "/v1/files/{file_id}",
	} {
		s.get(o.path(path))
	}
	stream := s.post("/v1/threads/"+o.thread+"/runs", `{"assistant_id":"`+o.assistant+`","stream":true}`)
	events := readEvents(t, stream.body)
	waiting := reply{t: t, body: events[len(events)-2].data}
	call := waiting.text("required_action.submit_tool_outputs.tool_calls.0.id")
	require.NotEmpty(t, call)
	s.post("/v1/threads/"+o.thread+"/runs/"+waiting.text("id")+"/submit_tool_outputs", `{"stream":true,"tool_outputs":[{"tool_call_id":"`+call+`","output":"22"}]}`)
	s.post("/v1/threads/"+o.thread+"/messages", `{"role":"user","content":"again"}`)
	run := s.settle(s.post("/v1/threads/"+o.thread+"/runs", `{"assistant_id":"`+o.assistant+`"}`))
	s.post("/v1/threads/"+o.thread+"/runs/"+run.text("id")+"/cancel", "")
	for _, path := range []string{"/v1/assistants/{assistant_id}/files/{file_id}", "/v1/assistants/{assistant_id}", "/v1/threads/{thread_id}"} {
		s.delete(o.path(path))
	}
}

// newOwnedV1 is newOwned in the words of version 1.
func newOwnedV1(s *testServer) *owned {
	o := &owned{testServer: s}
	o.file = s.upload("assistants", "notes.txt", "notes").ok().text("id")
	o.assistant = s.post("/v1/assistants", `{"model":"m","instructions":"Help.","tools":[`+weather+`,{"type":"retrieval"}],"file_ids":["`+o.file+`"],"metadata":{"n":1}}`).text("id")
	o.thread = s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi","file_ids":["`+o.file+`"]}]}`).text("id")
	run := s.settle(s.post("/v1/threads/"+o.thread+"/runs", `{"assistant_id":"`+o.assistant+`","tools":[{"type":"retrieval"}]}`))
	o.run = run.text("id")
	o.message = s.get("/v1/threads/" + o.thread + "/messages?order=asc").ids()[0]
	o.step = s.get("/v1/threads/" + o.thread + "/runs/" + o.run + "/steps").ids()[0]
	return o
}
