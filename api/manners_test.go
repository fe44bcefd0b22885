package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHeadIsGetWithoutBody asks every GET route for its head.
func TestHeadIsGetWithoutBody(t *testing.T) {
	o := newOwned(newServer(t, settings{}))
	for _, r := range routes(t) {
		if r.Method != http.MethodGet || shared(r) || r.Path == "/metrics" { // it is not JSON: TestMetricsOfARun
			continue
		}
		got, head := o.get(o.path(r.Path)), o.call("HEAD", o.path(r.Path), "")
		require.Equal(t, got.status, head.status, r.Path)
		require.Equal(t, got.header.Get("Content-Type"), head.header.Get("Content-Type"), r.Path)
	}
	require.Equal(t, http.StatusNotFound, o.call("HEAD", "/v1/threads/thread_x", "").status)
}

func TestUnknownRoutesAndVerbs(t *testing.T) {
	o := newOwned(newServer(t, settings{}))
	for _, path := range []string{
		"/v1", "/v1/", "/v2/threads", "/v1/threadz", "/v1/threads/", "/v1//threads", "/v1/threads/{thread_id}/", "/v1/threads/{thread_id}/messages/{message_id}/x",
		"/assistants", "/V1/threads", "/favicon.ico",
	} {
		path = o.path(path)
		require.Equal(t, "Invalid URL (GET "+path+")", o.call("GET", path, "").refused(404, "", ""))
	}
	for path, verbs := range map[string]string{
		"/v1/assistants": "PUT PATCH DELETE", "/v1/assistants/{assistant_id}": "PUT PATCH", "/v1/threads/runs": "PUT",
		"/v1/threads/{thread_id}/messages": "DELETE PUT PATCH", "/v1/threads/{thread_id}/runs/{run_id}/cancel": "GET DELETE", "/v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs": "GET PUT",
		"/v1/threads/{thread_id}/runs/{run_id}/steps": "POST DELETE", "/v1/files/{file_id}": "POST PUT", "/v1/models": "POST",
	} {
		for method := range strings.FieldsSeq(verbs) {
			got := o.call(method, o.path(path), "{}")
			require.Equal(t, "Not allowed to "+method+" on "+o.path(path)+". (HINT: Perhaps you meant to use a different HTTP method?)", got.refused(405, "", ""))
		}
	}
	require.Equal(t, http.StatusNoContent, o.call("OPTIONS", "/v1/threads", "").status)
}

func TestRequestIDs(t *testing.T) {
	s := newServer(t, settings{})
	require.Equal(t, "mine-1.2_3", s.call("GET", "/v1/threads", "", "X-Request-Id", "mine-1.2_3").header.Get("X-Request-Id"))
	for _, id := range []string{"", "with space", "a/b", strings.Repeat("x", 129), "ü"} {
		require.Regexp(t, `^req_[0-9a-f]{32}$`, s.call("GET", "/v1/threads", "", "X-Request-Id", id).header.Get("X-Request-Id"))
	}
	first, second := s.get("/v1/threads"), s.get("/v1/threads")
	require.NotEqual(t, first.header.Get("X-Request-Id"), second.header.Get("X-Request-Id"))
}

// TestHealth: a server whose store is gone is alive and not ready, and says so
// without telling why.
func TestHealth(t *testing.T) {
	s := newServer(t, settings{})
	require.Equal(t, "ok", s.get("/healthz").text("status"))
	require.Equal(t, "ready", s.get("/readyz").text("status"))
	require.Equal(t, "understudy", s.get("/").text("name"))

	broken := newServer(t, settings{broken: true})
	require.Equal(t, "ok", broken.get("/healthz").text("status"))
	for _, path := range []string{"/readyz", "/v1/threads", "/v1/assistants/asst_x", "/v1/threads/thread_x/messages", "/v1/files"} {
		got := broken.call("GET", path, "")
		require.GreaterOrEqual(t, got.status, 500, "%s", got.body)
		require.NotContains(t, got.text("error.message"), "sql")
	}
	for _, path := range []string{"/v1/threads", "/v1/threads/thread_x"} {
		got := broken.call("POST", path, "")
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.Equal(t, "server_error", got.text("error.type"))
		require.Contains(t, got.text("error.message"), "The server cannot use its database or disk at the moment.")
		require.Contains(t, got.text("error.message"), got.header.Get("X-Request-Id"))
		require.Equal(t, "true", got.header.Get("X-Should-Retry"))
		require.Equal(t, "2", got.header.Get("Retry-After"))
	}
}
