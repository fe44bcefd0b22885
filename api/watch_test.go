package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
)

// runOn creates an assistant, a thread and a run, and returns the path of the
// run, which came to a rest.
func runOn(s *testServer, assistant string) string {
	s.t.Helper()
	a := s.post("/v1/assistants", assistant).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"weather in Paris"}]}}`))
	return "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
}

// watch reads the stream of a run.
func (s *testServer) watch(path, query string, headers ...string) []sentEvent {
	s.t.Helper()
	got := s.call("GET", path+"?stream=true"+query, "", headers...).ok()
	require.Equal(s.t, "text/event-stream; charset=utf-8", got.header.Get("Content-Type"))
	return readEvents(s.t, got.body)
}

func ids(events []sentEvent) string {
	var list []string
	for _, e := range events {
		if e.id != "" {
			list = append(list, e.id)
		}
	}
	return strings.Join(list, " ")
}

// TestEventIDs: what is stored has an id, the same in every stream.
func TestEventIDs(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	live := readEvents(t, s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","stream":true,"thread":{"messages":[{"role":"user","content":"hi"}]}}`).body)
	require.Equal(t, "0 1 2 3 4 5", ids(live), "the thread, created, queued, the message, its step, completed")
	run := reply{t: t, body: live[1].data}
	path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
	all := s.watch(path, "")
	require.Equal(t, names(live)[1:], names(all), "the thread is not an event of the run")
	byID := map[string]sentEvent{}
	for _, e := range live {
		if e.id != "" {
			byID[e.id] = e
		}
	}
	for _, e := range all {
		if e.id != "" {
			require.Equal(t, byID[e.id], e)
		}
	}
}

// TestStreamIsTakenUp from behind each place that a client may name.
func TestStreamIsTakenUp(t *testing.T) {
	s := newServer(t, settings{})
	done := runOn(s, `{"model":"m"}`)
	waiting := runOn(s, `{"model":"m","tools":[`+weather+`]}`)
	for _, tc := range []struct {
		name, path, query string
		headers           []string
		want              string
	}{
		{"from the beginning", done, "&starting_after=0", nil, runStart + messageStep + "thread.run.completed done"},
		{"before the message", done, "&starting_after=2", nil, "thread.run.in_progress " + messageStep + "thread.run.completed done"},
		{"behind the message", done, "&starting_after=3", nil, "thread.run.step.completed thread.run.completed done"},
		{"at the end", done, "&starting_after=5", nil, "done"},
		{"as a browser does", done, "", []string{"Last-Event-ID", "4"}, "thread.run.completed done"},
		{"the header is newer", done, "&starting_after=1", []string{"Last-Event-ID", "4"}, "thread.run.completed done"},
		{"waiting for outputs", waiting, "", nil, runStart + callStep + "thread.run.requires_action done"},
		{"before the calls", waiting, "&starting_after=2", nil, "thread.run.in_progress " + callStep + "thread.run.requires_action done"},
		{"nothing but the wait", waiting, "&starting_after=3", nil, "done"},
		{"in version 1", done, "&starting_after=4", []string{"OpenAI-Beta", "assistants=v1"}, "thread.run.completed done"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, strings.Join(names(s.as(t).watch(tc.path, tc.query, tc.headers...)), " "))
		})
	}
	old := s.watch(done, "", "OpenAI-Beta", "assistants=v1")
	require.Contains(t, string(old[0].data), `"file_ids":[]`)
	require.NotContains(t, string(old[0].data), "tool_resources")
	require.Equal(t, "5", old[len(old)-2].id)

	run := s.get(waiting)
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	s.settle(s.post(waiting+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"22"}]}`))
	require.Equal(t, "thread.run.step.completed thread.run.queued thread.run.in_progress "+messageStep+"thread.run.completed done", strings.Join(names(s.watch(waiting, "&starting_after=3")), " "))
}

// TestStreamThatCannotBeTakenUp names the parameter or header that is wrong.
func TestStreamThatCannotBeTakenUp(t *testing.T) {
	s := newServer(t, settings{keys: true})
	owner := s.newKey("p1")
	path := runOn(owner, `{"model":"m"}`)
	for _, tc := range []struct {
		query   string
		headers []string
		param   string
		want    string
	}{
		{"stream=true&starting_after=6", nil, "starting_after", "Invalid 'starting_after': '6'. The last event of this run so far has the id 5."},
		{"stream=true&starting_after=-1", nil, "starting_after", "a number from 0"},
		{"stream=true&starting_after=x", nil, "starting_after", "a number from 0"},
		{"stream=true&starting_after=99999999999999999999", nil, "starting_after", "a number from 0"},
		{"stream=true", []string{"Last-Event-ID", "6"}, "Last-Event-ID", "The last event of this run so far has the id 5."},
		{"stream=true", []string{"Last-Event-ID", "run_1"}, "Last-Event-ID", "a number from 0"},
		{"stream=yes", nil, "stream", "Expected 'true' or 'false'."},
	} {
		t.Run(tc.query+strings.Join(tc.headers, " "), func(t *testing.T) {
			got := owner.as(t).call("GET", path+"?"+tc.query, "", tc.headers...)
			require.Contains(t, got.refused(400, tc.param, "invalid_value"), tc.want)
		})
	}
	require.Equal(t, "completed", owner.get(path+"?stream=false").text("status"))
	s.newKey("p2").call("GET", path+"?stream=true", "").refused(404, "", "")
	owner.call("GET", path+"x?stream=true", "").refused(404, "", "")
}

// openStream begins to read a stream and returns its lines and what leaves it.
func (s *testServer) openStream(method, path, body string, headers ...string) (*bufio.Reader, func()) {
	s.t.Helper()
	ctx, leave := context.WithCancel(s.t.Context())
	response, err := http.DefaultClient.Do(s.request(method, path, strings.NewReader(body), headers...).WithContext(ctx))
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, response.StatusCode)
	return bufio.NewReader(response.Body), func() {
		leave()
		_ = response.Body.Close()
	}
}

// upTo reads lines up to one that contains the text.
func upTo(t *testing.T, lines *bufio.Reader, text string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "the stream ended before %q", text)
		if strings.Contains(line, text) {
			return
		}
	}
}

// TestStreamGivenUpIsTakenUp by the same client, in the middle of a message and
// beside another watcher.
func TestStreamGivenUpIsTakenUp(t *testing.T) {
	model := newPacedModel()
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
	lines, leave := s.openStream("POST", "/v1/threads/"+th+"/runs", `{"assistant_id":"`+a+`","stream":true}`)
	model.say("One")
	model.say(", two")
	upTo(t, lines, `", two"`)
	leave()
	path := "/v1/threads/" + th + "/runs/" + s.get("/v1/threads/" + th + "/runs").ids()[0] + "?stream=true"
	resumed, leaveResumed := s.openStream("GET", path, "", "Last-Event-ID", "2")
	defer leaveResumed()
	upTo(t, resumed, "thread.message.created")
	upTo(t, resumed, `"value":"One, two","annotations":[]`)
	beside := s.start(s.request("GET", path, http.NoBody))
	model.say(", three")
	upTo(t, resumed, `"value":", three"`)
	model.end()
	upTo(t, resumed, "thread.message.completed")
	upTo(t, resumed, "[DONE]")
	require.Equal(t, runStart+messageStep+"thread.run.completed done", strings.Join(names(readEvents(t, beside().body)), " "))
}

// pacedModel streams what it is told to say.
type pacedModel struct{ pieces chan string }

func newPacedModel() *pacedModel { return &pacedModel{make(chan string)} }

func (m *pacedModel) say(piece string) { m.pieces <- piece }
func (m *pacedModel) end()             { close(m.pieces) }

func (m *pacedModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		select {
		case piece, more := <-m.pieces:
			if !more {
				fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
				return
			}
			text, _ := json.Marshal(piece) // a string encodes
			fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":%s}}]}\n\n", text)
			_ = http.NewResponseController(w).Flush() // the reader sees it late, and the test fails
		case <-r.Context().Done():
			return
		}
	}
}

// TestOnDisconnect: what becomes of a run whose client goes away is the
// client's choice.
func TestOnDisconnect(t *testing.T) {
	for value, want := range map[string]string{"": "completed", "continue": "completed", "cancel": "cancelled"} {
		t.Run("header "+strconv.Quote(value), func(t *testing.T) {
			model := newPacedModel()
			s := newServer(t, settings{model: model.ServeHTTP})
			a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
			th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
			lines, leave := s.openStream("POST", "/v1/threads/"+th+"/runs", `{"assistant_id":"`+a+`","stream":true}`, "Understudy-On-Disconnect", value)
			model.say("One")
			upTo(t, lines, `"One"`)
			path := "/v1/threads/" + th + "/runs/" + s.get("/v1/threads/" + th + "/runs").ids()[0]
			watcher, leaveWatcher := s.openStream("GET", path+"?stream=true", "", "Understudy-On-Disconnect", "cancel")
			upTo(t, watcher, `"One"`)
			leaveWatcher() // a watcher's leaving is nobody's business
			model.say(", two")
			upTo(t, lines, `", two"`)
			leave()
			if want == "completed" {
				model.end()
			}
			require.Equal(t, want, s.settle(reply{t: t, body: s.get(path).body}).text("status"))
		})
	}
	s := newServer(t, settings{})
	path := runOn(s, `{"model":"m","tools":[`+weather+`]}`)
	for _, post := range []string{"/v1/threads/runs", path[:strings.Index(path, "/run_")], path + "/submit_tool_outputs"} {
		message := s.call("POST", post, `{"stream":true}`, "Understudy-On-Disconnect", "stop").refused(400, "Understudy-On-Disconnect", "invalid_value")
		require.Equal(t, "Invalid 'Understudy-On-Disconnect': 'stop'. Expected 'continue' or 'cancel'.", message)
	}
	require.Equal(t, "requires_action", s.get(path).text("status"))
}

// TestRetryOfAnOpenStream under its Idempotency-Key does not wait for the first
// one's end: it has the same stream beside it.
func TestRetryOfAnOpenStream(t *testing.T) {
	model := newPacedModel()
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	body := `{"assistant_id":"` + a + `","stream":true,"thread":{"messages":[{"role":"user","content":"hi"}]}}`
	first, leave := s.openStream("POST", "/v1/threads/runs", body, "Idempotency-Key", "k")
	defer leave()
	model.say("One")
	upTo(t, first, `"One"`)
	s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+a+`"}`, "Idempotency-Key", "k").refused(400, "Idempotency-Key", "idempotency_key_reused")
	again, leaveAgain := s.openStream("POST", "/v1/threads/runs", body, "Idempotency-Key", "k")
	defer leaveAgain()
	upTo(t, again, "event: thread.created")
	upTo(t, again, `"value":"One"`)
	model.say(", two")
	upTo(t, again, `", two"`)
	upTo(t, first, `", two"`)
	model.end()
	upTo(t, again, "[DONE]")
	upTo(t, first, "[DONE]")
}

// TestRetryOfAStream under an Idempotency-Key is told the same from its
// beginning, the thread included, though the run has ended.
func TestRetryOfAStream(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m","tools":[`+weather+`]}`).text("id")
	body := `{"assistant_id":"` + a + `","stream":true,"thread":{"messages":[{"role":"user","content":"weather in Paris"}]}}`
	twice := func(path, body, key string) []sentEvent {
		t.Helper()
		first := readEvents(t, s.call("POST", path, body, "Idempotency-Key", key).ok().body)
		again := readEvents(t, s.call("POST", path, body, "Idempotency-Key", key).ok().body)
		require.Equal(t, names(first), names(again))
		require.Equal(t, ids(first), ids(again))
		return first
	}
	events := twice("/v1/threads/runs", body, "create")
	waiting := reply{t: t, body: events[len(events)-2].data}
	call := waiting.text("required_action.submit_tool_outputs.tool_calls.0.id")
	events = twice("/v1/threads/"+waiting.text("thread_id")+"/runs/"+waiting.text("id")+"/submit_tool_outputs",
		`{"stream":true,"tool_outputs":[{"tool_call_id":"`+call+`","output":"22"}]}`, "submit")
	require.Equal(t, "thread.run.step.completed", events[0].name)
}

// TestDeadReaderIsDropped: who takes nothing for a minute is let go, also while
// there is nothing to say but that the stream is alive.
func TestDeadReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newHeldModel(t)
		s := assemble(t, settings{model: model.ServeHTTP})
		ended := make(chan time.Time, 1)
		handler := s.handler.Handler
		s.handler.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(w, r)
			if strings.HasSuffix(r.URL.Path, "/threads/runs") {
				ended <- time.Now()
			}
		})
		client := overPipe(t, s)
		response, err := client.Do(s.request("POST", "/v1/assistants", strings.NewReader(`{"model":"m"}`)))
		require.NoError(t, err)
		data, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		a := reply{t: t, body: data}.text("id")
		conn := listenOnPipe(t, s.handler)
		body := `{"assistant_id":"` + a + `","stream":true,"thread":{"messages":[{"role":"user","content":"hi"}]}}`
		_, err = fmt.Fprintf(conn, "POST /v1/threads/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		require.NoError(t, err)
		asked := time.Now()
		<-model.asked
		require.Equal(t, api.StreamPatience, (<-ended).Sub(asked))
		model.release()
	})
}
