package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/webhooks"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// told is an endpoint that answers with a status and hands on what it was sent.
func told(t *testing.T, status int) (url string, came <-chan webhooks.Event) {
	events := make(chan webhooks.Event, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event webhooks.Event
		if json.Unmarshal(body, &event) == nil {
			events <- event
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, events
}

// statusOf is the status of the run in an event.
func statusOf(t *testing.T, e webhooks.Event) string {
	var run runs.Run
	require.NoError(t, json.Unmarshal(e.Data, &run))
	require.Equal(t, "thread.run."+string(run.Status), e.Type)
	return string(run.Status)
}

// TestWebhooksOfARun follows a run over HTTP: an endpoint of the configuration
// and one of the run's own are told what a client sees.
func TestWebhooksOfARun(t *testing.T) {
	url, came := told(t, http.StatusNoContent)
	own, ownCame := told(t, http.StatusNoContent)
	s := newServer(t, settings{webhooks: webhooks.Config{
		Endpoints: []webhooks.Endpoint{{URL: url, Secret: webhookSecret, Events: webhooks.Statuses()}},
		Runs:      webhooks.PerRun{Secret: webhookSecret, Hosts: []string{"127.0.0.1"}},
	}})
	assistant := s.post("/v1/assistants", `{"model":"m","tools":[`+metricsFunction+`]}`).text("id")
	made := s.with("Understudy-Webhook", own).post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Weather in Oslo?"}]}}`)
	for _, want := range []string{"queued", "in_progress", "requires_action"} {
		require.Equal(t, want, statusOf(t, <-came))
	}
	waits := <-ownCame
	require.Equal(t, "requires_action", statusOf(t, waits))
	path := "/v1/threads/" + made.text("thread_id") + "/runs/" + made.text("id")
	require.JSONEq(t, string(s.get(path).body), string(waits.Data))

	call := s.get(path).text("required_action.submit_tool_outputs.tool_calls.0.id")
	s.post(path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"rain"}]}`)
	for _, want := range []string{"queued", "in_progress", "completed"} {
		require.Equal(t, want, statusOf(t, <-came))
	}
	over := <-ownCame
	require.Equal(t, "completed", statusOf(t, over))
	require.JSONEq(t, string(s.get(path).body), string(over.Data))
	require.NotEqual(t, waits.ID, over.ID)
	s.post(path, `{"metadata":{"a":"b"}}`) // is no change of state

	again := s.post("/v1/threads/"+made.text("thread_id")+"/runs", `{"assistant_id":"`+assistant+`"}`)
	for _, want := range []string{"queued", "in_progress"} {
		require.Equal(t, want, statusOf(t, <-came), again.text("id"))
	}
	require.Empty(t, ownCame, "it was for one run")
}

// TestCancelledRunIsTold: what a client did is told as well.
func TestCancelledRunIsTold(t *testing.T) {
	url, came := told(t, http.StatusOK)
	asked := make(chan struct{})
	s := newServer(t, settings{
		webhooks: webhooks.Config{Endpoints: []webhooks.Endpoint{{URL: url, Secret: webhookSecret, Events: webhooks.Statuses()}}},
		model: func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		},
	})
	assistant := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	made := s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Hi"}]}}`)
	<-asked
	s.post("/v1/threads/"+made.text("thread_id")+"/runs/"+made.text("id")+"/cancel", `{}`)
	for _, want := range []string{"queued", "in_progress", "cancelling", "cancelled"} {
		require.Equal(t, want, statusOf(t, <-came))
	}
}

// TestUndeliveredWebhooks are listed for their project, and counted.
func TestUndeliveredWebhooks(t *testing.T) {
	gone, goneCame := told(t, http.StatusGone)
	busy, busyCame := told(t, http.StatusServiceUnavailable)
	s := newServer(t, settings{keys: true, metrics: "token", webhooks: webhooks.Config{
		Endpoints: []webhooks.Endpoint{
			{URL: gone + "/hidden", Secret: webhookSecret, Events: []runs.Status{runs.Queued}},
			{URL: busy + "/hidden", Secret: webhookSecret, Events: []runs.Status{runs.Completed}},
		},
	}})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	require.JSONEq(t, `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`, string(mine.get("/v1/x/webhooks/deliveries").body))
	assistant := mine.post("/v1/assistants", `{"model":"m"}`).text("id")
	run := mine.settle(mine.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Hi"}]}}`))
	queued, completed := <-goneCame, <-busyCame
	for len(s.scraped(`understudy_webhook_attempts_total{outcome="dead"} 1`, `understudy_webhook_attempts_total{outcome="failed"} 1`,
		`understudy_webhooks_undelivered{state="dead"} 1`, `understudy_webhooks_undelivered{state="pending"} 1`)) > 0 {
	}
	list := mine.get("/v1/x/webhooks/deliveries")
	for list.at("data.0.attempts") == 0.0 { // what is counted is stored behind that
		list = mine.get("/v1/x/webhooks/deliveries")
	}
	require.Equal(t, []string{completed.ID, queued.ID}, list.ids())
	require.NotContains(t, string(list.body), "hidden")
	for path, want := range map[string]any{
		"data.0.object": "webhook.delivery", "data.0.status": "pending", "data.0.type": "thread.run.completed", "data.0.attempts": 1.0,
		"data.0.run_id": run.text("id"), "data.0.thread_id": run.text("thread_id"), "data.0.endpoint": busy, "data.0.last_error": "HTTP status 503",
		"data.0.dead_at": nil, "data.1.status": "dead", "data.1.next_attempt_at": nil, "data.1.endpoint": gone,
	} {
		require.Equal(t, want, list.at(path), path)
	}
	for query, want := range map[string][]string{
		"?limit=1":                              {completed.ID, "more"},
		"?limit=1&after=" + completed.ID:        {queued.ID},
		"?before=" + queued.ID:                  {completed.ID},
		"?order=asc":                            {queued.ID, completed.ID},
		"?status=dead":                          {queued.ID},
		"?status=pending&no=matter":             {completed.ID},
		"?status=pending&after=" + completed.ID: nil,
	} {
		page := mine.get("/v1/x/webhooks/deliveries" + query)
		ids := page.ids()
		if page.at("has_more") == true {
			ids = append(ids, "more")
		}
		require.Equal(t, append([]string{}, want...), append([]string{}, ids...), query)
	}
	for query, want := range map[string][2]string{
		"?limit=0":                    {"limit", "integer_below_min_value"},
		"?order=up":                   {"order", "invalid_value"},
		"?after=evt_1":                {"after", "invalid_value"},
		"?before=" + run.text("id"):   {"before", "invalid_value"},
		"?status=delivered":           {"status", "invalid_value"},
		"?status=":                    {"status", "invalid_value"},
		"?status=dead&status=pending": {"status", "invalid_value"},
	} {
		mine.call("GET", "/v1/x/webhooks/deliveries"+query, "").refused(http.StatusBadRequest, want[0], want[1])
	}
	require.Empty(t, theirs.get("/v1/x/webhooks/deliveries").ids())
	mine.delete("/v1/threads/" + run.text("thread_id"))
	require.Empty(t, mine.get("/v1/x/webhooks/deliveries").ids())
}

// scraped returns those of the lines that /metrics does not show.
func (s *testServer) scraped(lines ...string) (missing []string) {
	_, body := s.scrape("Authorization", "Bearer token")
	for _, line := range lines {
		if !strings.Contains(body, line+"\n") {
			missing = append(missing, line)
		}
	}
	return missing
}

// TestWebhooksThatAreRefused names why, before anything is made.
func TestWebhooksThatAreRefused(t *testing.T) {
	none := newServer(t, settings{})
	some := newServer(t, settings{webhooks: webhooks.Config{Runs: webhooks.PerRun{Secret: webhookSecret, Hosts: []string{"*"}}}})
	for _, s := range []*testServer{none, some} {
		assistant := s.post("/v1/assistants", `{"model":"m"}`).text("id")
		for _, url := range []string{"http://127.0.0.1/", "ftp://example.com", "x", "http://10.0.0.1:80"} {
			s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Hi"}]}}`, "Understudy-Webhook", url).
				refused(http.StatusBadRequest, "Understudy-Webhook", "invalid_value")
		}
		require.Empty(t, s.get("/v1/threads").ids())
	}
}
