package api_test

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// figures reads /metrics: the values by name and labels.
func (s *testServer) figures() map[string]float64 {
	s.t.Helper()
	status, body := s.scrape()
	require.Equal(s.t, http.StatusOK, status, body)
	values := map[string]float64{}
	for line := range strings.Lines(body) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			number, err := strconv.ParseFloat(value, 64)
			if err == nil { // else labels have blanks in them, which none of those below has
				values[name] = number
			}
		}
	}
	return values
}

func (s *testServer) scrape(headers ...string) (status int, body string) {
	s.t.Helper()
	response, err := http.DefaultClient.Do(s.request("GET", "/metrics", nil, headers...))
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(text)
}

const metricsFunction = `{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}`

// TestMetricsOfARun follows a run through its phases, from the request to the
// client's tool outputs, and finds each counted.
func TestMetricsOfARun(t *testing.T) {
	s := newServer(t, settings{})
	assistant := s.post("/v1/assistants", `{"model":"m","tools":[`+metricsFunction+`]}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Weather in Oslo?"}]}}`))
	require.Equal(t, "requires_action", run.text("status"))

	waiting := s.figures()
	require.Equal(t, 1.0, waiting[`understudy_runs_waiting{phase="client"}`])
	require.Equal(t, 0.0, waiting[`understudy_runs_waiting{phase="queue"}`])
	require.Equal(t, 0.0, waiting[`understudy_runs_at_work{phase="model"}`])
	require.Equal(t, 1.0, waiting[`understudy_run_phase_seconds_count{phase="queue"}`])
	require.Equal(t, 1.0, waiting[`understudy_run_phase_seconds_count{phase="model"}`])
	require.NotContains(t, waiting, `understudy_runs_ended_total{status="completed"}`)

	path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
	call := run.text("required_action.submit_tool_outputs.tool_calls.0.id")
	s.post(path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"`+call+`","output":"rain"}]}`)
	require.Equal(t, "completed", s.settle(run).text("status"))
	s.call("GET", path[:len(path)-1], "").refused(http.StatusNotFound, "", "")
	s.call("GET", "/v1/threads?limit=0", "").refused(http.StatusBadRequest, "limit", "integer_below_min_value")
	s.call("GET", "/wp-login.php", "").refused(http.StatusNotFound, "", "")

	seen := s.figures()
	for name, want := range map[string]float64{
		`understudy_http_requests_total{method="POST",route="/threads/runs",status="200"}`:                                          1,
		`understudy_http_requests_total{method="POST",route="/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",status="200"}`: 1,
		`understudy_http_requests_total{method="GET",route="/threads/{thread_id}/runs/{run_id}",status="200"}`:                      2,
		`understudy_http_requests_total{method="GET",route="/threads/{thread_id}/runs/{run_id}",status="404"}`:                      1,
		`understudy_http_requests_total{method="GET",route="/threads",status="400"}`:                                                1,
		`understudy_http_requests_total{method="GET",route="other",status="404"}`:                                                   1,
		`understudy_http_requests_total{method="GET",route="/metrics",status="200"}`:                                                1,
		`understudy_http_request_seconds_count{route="/threads/runs"}`:                                                              1,
		`understudy_runs_waiting{phase="client"}`:                                                                                   0,
		`understudy_run_phase_seconds_count{phase="queue"}`:                                                                         2,
		`understudy_run_phase_seconds_count{phase="model"}`:                                                                         2,
		`understudy_run_phase_seconds_count{phase="client"}`:                                                                        1,
		`understudy_runs_ended_total{status="completed"}`:                                                                           1,
		`understudy_model_calls_total{model="m",outcome="ok",upstream="test"}`:                                                      2,
		`understudy_upstream_seconds_count{upstream="test"}`:                                                                        2,
		`understudy_first_token_seconds_count{upstream="test"}`:                                                                     2,
		`understudy_upstream_retries_total{upstream="test"}`:                                                                        0,
		`understudy_http_open_streams`:                                                                                              0,
		`understudy_build_info{version="test"}`:                                                                                     1,
	} {
		require.Equal(t, want, seen[name], name)
	}
	head, err := http.DefaultClient.Do(s.request("HEAD", "/metrics", nil))
	require.NoError(t, err)
	require.NoError(t, head.Body.Close())
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Contains(t, head.Header.Get("Content-Type"), "text/plain")
	require.Greater(t, seen[`understudy_tokens_total{kind="prompt",model="m",upstream="test"}`], 1.0)
	require.Greater(t, seen[`understudy_tokens_total{kind="completion",model="m",upstream="test"}`], 1.0)
	require.Greater(t, seen[`understudy_store_commit_seconds_count`], 3.0)
	require.GreaterOrEqual(t, seen[`understudy_store_commit_operations_sum`], seen[`understudy_store_commit_operations_count`])
	require.Greater(t, seen[`understudy_database_bytes{part="database"}`]+seen[`understudy_database_bytes{part="log"}`], 4096.0)
}

// TestMetricsOfAnOpenStream counts a stream while it is open, and the model at
// work behind it; the upstream's failure has its code.
func TestMetricsOfAnOpenStream(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	s := newServer(t, settings{model: func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		http.Error(w, `{"error":{"message":"slow down"}}`, http.StatusTooManyRequests)
	}})
	assistant := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	response, err := http.DefaultClient.Do(s.request("POST", "/v1/threads/runs",
		strings.NewReader(`{"assistant_id":"`+assistant+`","stream":true,"thread":{"messages":[{"role":"user","content":"Hi"}]}}`)))
	require.NoError(t, err)
	defer response.Body.Close()
	<-asked
	open := s.figures()
	require.Equal(t, 1.0, open[`understudy_http_open_streams`])
	require.Equal(t, 1.0, open[`understudy_runs_at_work{phase="model"}`])
	close(answer)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
	}
	require.Eventually(t, func() bool { return s.figures()[`understudy_runs_ended_total{status="failed"}`] == 1 }, 10*time.Second, time.Millisecond, "the run is counted behind its last event")
	closed := s.figures()
	require.Equal(t, 0.0, closed[`understudy_runs_at_work{phase="model"}`])
	require.Equal(t, 1.0, closed[`understudy_model_calls_total{model="m",outcome="rate_limit_exceeded",upstream="test"}`])
	require.Eventually(t, func() bool { return s.figures()[`understudy_http_open_streams`] == 0 }, 10*time.Second, time.Millisecond, "the handler ends behind its last byte")
}

// TestWhoMayReadMetrics is the careful operator's table.
func TestWhoMayReadMetrics(t *testing.T) {
	for name, c := range map[string]struct {
		settings settings
		key      bool // send a project's key
		headers  []string
		status   int
		says     string
	}{
		"no keys":                        {status: 200},
		"no keys, another Host":          {headers: []string{"Host", "evil.example"}, status: 403, says: "loopback"},
		"no keys, a web page":            {headers: []string{"Origin", "https://evil.example"}, status: 403, says: "loopback"},
		"a token and nothing sent":       {settings: settings{metrics: "mt"}, status: 401, says: "Bearer"},
		"a token":                        {settings: settings{metrics: "mt"}, headers: []string{"Authorization", "Bearer mt"}, status: 200},
		"a wrong token":                  {settings: settings{metrics: "mt"}, headers: []string{"Authorization", "Bearer mtt"}, status: 401, says: "Bearer"},
		"keys":                           {settings: settings{keys: true}, status: 403, says: "metrics: {token:"},
		"keys, with one":                 {settings: settings{keys: true}, key: true, status: 403, says: "metrics: {token:"},
		"keys and a token, with a key":   {settings: settings{keys: true, metrics: "mt"}, key: true, status: 401, says: "Bearer"},
		"keys and a token, with a token": {settings: settings{keys: true, metrics: "mt"}, headers: []string{"Authorization", "Bearer mt"}, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, c.settings)
			if c.key {
				s = s.newKey("default")
			}
			status, body := s.scrape(c.headers...)
			require.Equal(t, c.status, status, body)
			require.Equal(t, c.status == 200, strings.Contains(body, "understudy_build_info"), body)
			require.Contains(t, body, c.says)
		})
	}
	s := newServer(t, settings{keys: true, metrics: "mt"})
	require.Equal(t, http.StatusUnauthorized, s.call("GET", "/v1/threads", "", "Authorization", "Bearer mt").status, "the token opens nothing else")
}
