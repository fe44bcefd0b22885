package api_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api"
)

// TestNothingIsDoneInADryRun asks everything for a dry run that has none: it is
// refused, and nothing is changed.
func TestNothingIsDoneInADryRun(t *testing.T) {
	var calls atomic.Int64
	s := newServer(t, settings{model: counted(&calls)})
	thread := s.post("/v1/threads", `{"messages":[{"role":"user","content":"Hello"}]}`).text("id")
	before := rows(t, s.db)
	paths := []api.Route{{Method: http.MethodPost, Path: "/v1/chat/completions"}}
	routes, err := api.Routes()
	require.NoError(t, err)
	have := []string{"/threads/{thread_id}/runs", "/threads/runs"}
	for _, r := range routes {
		dry := slices.ContainsFunc(have, func(path string) bool {
			return slices.Contains([]string{"/v1" + path, "/openai" + path, "/openai/v1" + path}, r.Path)
		})
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !dry {
			paths = append(paths, r)
		}
	}
	require.Greater(t, len(paths), 60)
	ids := strings.NewReplacer("{thread_id}", thread, "{message_id}", "msg_1", "{assistant_id}", "asst_1", "{run_id}", "run_1",
		"{vector_store_id}", "vs_1", "{batch_id}", "vsfb_1", "{file_id}", "file-1", "{upload_id}", "upload_1")
	for _, r := range paths {
		t.Run(r.Method+r.Path, func(t *testing.T) {
			s.as(t).call(r.Method, ids.Replace(r.Path), `{"model":"m","messages":[]}`, "Understudy-Dry-Run", "true").refused(400, "Understudy-Dry-Run", "invalid_value")
		})
	}
	s.call("POST", "/v1/threads", `{}`, "Understudy-Dry-Run", "yes").refused(400, "Understudy-Dry-Run", "invalid_value")
	require.Zero(t, calls.Load(), "no model was asked")
	require.Equal(t, before, rows(t, s.db))

	s.call("GET", "/v1/threads/"+thread, "", "Understudy-Dry-Run", "true").ok()
	s.call("POST", "/v1/threads", `{}`, "Understudy-Dry-Run", "false").ok()
}
