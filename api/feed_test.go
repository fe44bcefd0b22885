package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// followed is what a feed sends, line by line.
type followed struct {
	t     *testing.T
	lines *bufio.Scanner
}

// follow opens the feed of the server's client, and returns when it is open.
func (s *testServer) follow(t *testing.T) *followed {
	t.Helper()
	response, err := http.DefaultClient.Do(s.request("GET", "/v1/x/runs/events?stream=true", nil))
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", response.Header.Get("Content-Type"))
	f := &followed{t, bufio.NewScanner(response.Body)}
	require.True(t, f.lines.Scan())
	require.True(t, strings.HasPrefix(f.lines.Text(), ": "), f.lines.Text())
	return f
}

// next waits for the next object.
func (f *followed) next() map[string]any {
	f.t.Helper()
	for f.lines.Scan() {
		if data, ok := strings.CutPrefix(f.lines.Text(), "data: "); ok {
			var o map[string]any
			require.NoError(f.t, json.Unmarshal([]byte(data), &o))
			return o
		}
	}
	require.FailNow(f.t, "the feed has ended")
	return nil
}

// TestRunsFeed: what has not ended is listed, and a stream begins with it and
// goes on with what comes; other projects see nothing of it.
func TestRunsFeed(t *testing.T) {
	s := newServer(t, settings{keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	mine.call("GET", "/v1/x/runs/events?stream=maybe", "").refused(http.StatusBadRequest, "stream", "invalid_value")
	s.call("GET", "/v1/x/runs/events", "").refused(http.StatusUnauthorized, "", "")
	require.JSONEq(t, `{"object":"list","data":[]}`, string(mine.get("/v1/x/runs/events").body))

	assistant := mine.post("/v1/assistants", `{"model":"m","tools":[`+metricsFunction+`]}`).text("id")
	run := mine.settle(mine.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Weather in Oslo?"}]}}`))
	require.Equal(t, "requires_action", run.text("status"))
	listed := mine.get("/v1/x/runs/events")
	require.Equal(t, run.text("id"), listed.text("data.0.id"))
	require.Equal(t, "weather", listed.text("data.0.waits_for.0"))
	require.JSONEq(t, `{"object":"list","data":[]}`, string(theirs.get("/v1/x/runs/events").body))

	feed, other := mine.follow(t), theirs.follow(t)
	require.Equal(t, "requires_action", feed.next()["status"])
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	mine.post("/v1/threads/"+run.text("thread_id")+"/runs/"+run.text("id")+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"rain"}]}`)
	for _, status := range []string{"queued", "in_progress", "completed"} {
		p := feed.next()
		require.Equal(t, "thread.run.progress", p["object"])
		require.Equal(t, run.text("id"), p["id"])
		require.Equal(t, status, p["status"])
	}
	assistant = theirs.post("/v1/assistants", `{"model":"n"}`).text("id")
	theirs.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Hi"}]}}`)
	require.Equal(t, "n", other.next()["model"], "the first it hears is its own")
}
