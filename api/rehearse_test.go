package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// weatherModel asks for the weather and then tells it; how depends on which model
// it is asked as. A model called "chatty" asks twice, "broken" answers nothing.
func weatherModel(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Model    string
		Messages []struct{ Role, Content string }
	}
	if json.NewDecoder(r.Body).Decode(&request) != nil || request.Model == "broken" {
		refusingModel(w, r)
		return
	}
	outputs := 0
	for _, m := range request.Messages {
		if m.Role == "tool" {
			outputs++
		}
	}
	delta := fmt.Sprintf(`{"content":"%s says: %s"}`, request.Model, request.Messages[len(request.Messages)-1].Content)
	if outputs == 0 || outputs == 1 && request.Model == "chatty" {
		delta = fmt.Sprintf(`{"tool_calls":[{"index":0,"id":"c","function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\",\"n\":%d}"}}]}`, outputs)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":%s,"finish_reason":null}]}`+"\n\n", delta)
	fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`+"\n\ndata: [DONE]\n\n")
}

// askWeather makes a thread and a run on it, and answers its call.
func (s *testServer) askWeather(model string) (thread string, run reply) {
	s.t.Helper()
	assistant := s.post("/v1/assistants", `{"model":"`+model+`","tools":[{"type":"function","function":{"name":"get_weather"}}]}`).text("id")
	thread = s.post("/v1/threads", `{"messages":[{"role":"user","content":"How is the weather?"}],"metadata":{"user":"1"}}`).text("id")
	run = s.settle(s.post("/v1/threads/"+thread+"/runs", `{"assistant_id":"`+assistant+`"}`))
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	run = s.settle(s.post("/v1/threads/"+thread+"/runs/"+run.text("id")+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"rain"}]}`))
	require.Equal(s.t, "completed", run.text("status"))
	return thread, run
}

func TestReplayRun(t *testing.T) {
	s := newServer(t, settings{model: weatherModel})
	thread, run := s.askWeather("old")
	path := "/v1/threads/" + thread + "/runs/" + run.text("id") + "/replay"

	replay := s.settle(s.post(path, `{"model":"new"}`))
	require.Equal(t, "completed", replay.text("status"))
	require.Equal(t, map[string]any{"x.replay_of": run.text("id")}, replay.at("metadata"))
	fork := "/v1/threads/" + replay.text("thread_id")
	require.Equal(t, "new says: rain", s.get(fork+"/messages?limit=1").text("data.0.content.0.text.value"))
	require.Equal(t, "rain", s.get(fork+"/runs/"+replay.text("id")+"/steps?order=asc").text("data.0.step_details.tool_calls.0.function.output"))
	require.Len(t, s.get(fork+"/runs/"+replay.text("id")+"/context").at("model_calls"), 2)
	require.Equal(t, []string{thread}, s.get("/v1/threads").ids(), "the fork is in no list")
	require.Equal(t, []string{run.text("id")}, s.get("/v1/threads/"+thread+"/runs").ids())
	require.Len(t, s.get("/v1/threads/"+thread+"/messages").ids(), 2)

	chatty := s.settle(s.post(path, `{"model":"chatty"}`))
	require.Equal(t, "failed", chatty.text("status"))
	require.Contains(t, chatty.text("last_error.message"), "The replay stops at an unrecorded tool call")
	require.Equal(t, "failed", s.settle(s.post(path, `{"model":"broken"}`)).text("status"))

	stream := readEvents(t, s.post(path, `{"stream":true,"model":"new"}`).body)
	require.Contains(t, names(stream), "thread.run.completed")
	require.NotContains(t, names(stream), "thread.run.requires_action")

	s.call("POST", path, `{}`, "Understudy-Webhook", "https://example.com").refused(400, "Understudy-Webhook", "invalid_value")
	s.call("POST", path, `{"assistant_id":"asst_1"}`).refused(400, "assistant_id", "unknown_parameter")
	s.call("POST", path, `{"temperature":3}`).refused(400, "temperature", "decimal_above_max_value")
	s.call("POST", "/v1/threads/"+thread+"/runs/run_none/replay", `{}`).refused(404, "", "")
	s.delete("/v1/threads/" + thread)
	s.call("POST", path, `{}`).refused(404, "", "")
	s.call("GET", fork, "").refused(404, "", "")
}

func TestReplayUnderKeys(t *testing.T) {
	s := newServer(t, settings{model: weatherModel, keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	thread, run := mine.askWeather("old")
	path := "/v1/threads/" + thread + "/runs/" + run.text("id") + "/replay"
	theirs.call("POST", path, `{}`).refused(404, "", "")

	first := mine.call("POST", path, `{}`, "Idempotency-Key", "k").ok()
	again := mine.call("POST", path, `{}`, "Idempotency-Key", "k").ok()
	require.Equal(t, first.text("id"), again.text("id"))
	replay := mine.settle(first)

	require.Equal(t, []string{run.text("id")}, mine.get("/v1/x/runs").ids())
	require.Empty(t, theirs.get("/v1/x/runs").ids())
	diff := "/v1/x/diff?a=" + run.text("id") + "&b=" + replay.text("id")
	require.Equal(t, true, mine.get(diff).at("same"))
	theirs.call("GET", diff, "").refused(404, "", "")
}

func TestDiffRuns(t *testing.T) {
	s := newServer(t, settings{model: weatherModel})
	thread, run := s.askWeather("old")
	replay := s.settle(s.post("/v1/threads/"+thread+"/runs/"+run.text("id")+"/replay", `{"model":"new"}`))
	d := s.get("/v1/x/diff?a=" + run.text("id") + "&b=" + replay.text("id"))
	require.Equal(t, "object same a b settings first_divergence tool_calls json text steps", keyOrder(t, d.body))
	require.Equal(t, false, d.at("same"))
	require.Equal(t, true, d.at("tool_calls.same"))
	require.Equal(t, "[-old-]{+new+} says: rain", d.text("text.diff"))
	require.Equal(t, map[string]any{"step": 1.0, "call": nil, "what": "text", "a": "old says: rain", "b": "new says: rain"}, d.at("first_divergence"))
	require.Equal(t, 30.0, d.at("a.usage.total_tokens"))
	require.Equal(t, 2.0, d.at("b.latency.model_calls"))
	require.Equal(t, "new", d.text("settings.model.b"))
	require.Len(t, d.at("steps"), 2)
	require.Equal(t, run.text("id"), d.text("b.replay_of"))

	s.call("GET", "/v1/x/diff?a=run_1", "").refused(400, "b", "missing_required_parameter")
	s.call("GET", "/v1/x/diff?a=run_1&b=thread_1", "").refused(400, "b", "invalid_value")
	s.call("GET", "/v1/x/diff?a=run_1&b=run_2", "").refused(404, "", "")
}

func TestPastRuns(t *testing.T) {
	s := newServer(t, settings{model: weatherModel})
	var ids []string
	for _, model := range []string{"one", "two", "one"} {
		_, run := s.askWeather(model)
		ids = append(ids, run.text("id"))
	}
	assistant := s.post("/v1/assistants", `{"model":"broken","instructions":"x"}`).text("id")
	failed := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`"}`))
	ids = append(ids, failed.text("id"))
	for query, want := range map[string][]string{
		"":                                     {ids[3], ids[2], ids[1], ids[0]},
		"?limit=2":                             {ids[3], ids[2]},
		"?limit=2&after=" + ids[2]:             {ids[1], ids[0]},
		"?model=one":                           {ids[2], ids[0]},
		"?model=one&limit=1&after=" + ids[3]:   {ids[2]},
		"?model=none":                          {},
		"?status=failed":                       {ids[3]},
		"?status=failed,completed&limit=2":     {ids[3], ids[2]},
		"?status=completed&status=failed":      {ids[3], ids[2], ids[1], ids[0]},
		"?model=two&status=completed&limit=10": {ids[1]},
	} {
		require.Equal(t, want, s.get("/v1/x/runs"+query).ids(), query)
	}
	require.Equal(t, true, s.get("/v1/x/runs?model=one&limit=1").at("has_more"))
	require.Equal(t, false, s.get("/v1/x/runs?model=one&limit=2").at("has_more"))
	s.delete("/v1/threads/" + failed.text("thread_id"))
	require.Len(t, s.get("/v1/x/runs").ids(), 3)

	s.call("GET", "/v1/x/runs?after=run_none", "").refused(400, "after", "invalid_value")
	s.call("GET", "/v1/x/runs?status=done", "").refused(400, "status", "invalid_value")
	s.call("GET", "/v1/x/runs?limit=101", "").refused(400, "limit", "integer_above_max_value")
	s.call("GET", "/v1/x/runs?order=asc", "").refused(400, "order", "invalid_value")
	s.call("GET", "/v1/x/runs?before="+ids[1], "").refused(400, "before", "invalid_value")
}
