package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// recordedBackend calls a function, then says what it was told, each time under
// ids of its own.
func recordedBackend(t *testing.T) *httptest.Server {
	t.Helper()
	calls := make(chan int, 1)
	calls <- 0
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := <-calls + 1
		calls <- n
		delta := fmt.Sprintf(`{"tool_calls":[{"index":0,"id":"up_%d","function":{"name":"look","arguments":"{\"what\":\"door\"}"}}]}`, n)
		switch {
		case strings.HasSuffix(r.URL.Path, "/embeddings"):
			fmt.Fprint(w, `{ "data": [ {"index": 0, "embedding": [0.5, 0.25]} ], "model": "embed" }`)
			return
		case strings.Contains(string(body), `"role":"tool"`):
			delta = fmt.Sprintf(`{"content":"Answer %d."}`, n)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":%s}]}`+"\n\n", delta)
		fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}`+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(backend.Close)
	return backend
}

// session is a conversation with everything a client sees of it.
func (s *server) session(t *testing.T, question string) string {
	t.Helper()
	said := ""
	ask := func(method, path string, body any) string {
		got := s.send(t, method, path, body)
		said += fmt.Sprintf("%s %s %d %s\n", method, path, got.status, got.body)
		return got.body
	}
	find := func(text, pattern string) string { return regexp.MustCompile(pattern).FindString(text) }
	assistant := s.assistant(t, function("look", "what"))
	thread := s.thread(t, question)
	begun := ask(http.MethodPost, "/threads/"+thread+"/runs", map[string]any{"assistant_id": assistant, "stream": true})
	run, call := find(begun, `run_\w{24}`), find(begun, `call_\w{24}`)
	if call != "" {
		outputs := []any{map[string]any{"tool_call_id": call, "output": "nothing"}}
		ask(http.MethodPost, "/threads/"+thread+"/runs/"+run+"/submit_tool_outputs", map[string]any{"tool_outputs": outputs, "stream": true})
	}
	for _, path := range []string{"", "/messages", "/runs/" + run, "/runs/" + run + "/steps", "/runs/" + run + "/context"} {
		ask(http.MethodGet, "/threads/"+thread+path, nil)
	}
	said += strings.ReplaceAll(ask(http.MethodPost, "/embeddings", map[string]any{"model": "embed", "input": question}), " ", "")
	return said
}

// testRecordings records a session with a backend that wants a key, and has it
// again without both.
func testRecordings(t *testing.T, p program) {
	const key = "zebra-4714-upstream-key"
	backend := recordedBackend(t)
	dir := filepath.Join(t.TempDir(), "recordings")
	file := filepath.Join(t.TempDir(), "understudy.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
data: %s
upstreams:
  - {name: real, base_url: "%s/v1?key=%s", api_key: "${REAL_KEY}", headers: {X-Gateway: "${REAL_KEY}"}, max_retries: 0}
models: {"gpt-4*": real/model-1, "*": real/*}
`, filepath.Join(t.TempDir(), "not-this-one"), backend.URL, key), 0o600))
	serve := func(env []string, args ...string) *server {
		s := &server{process: p.start(t, env, append([]string{"serve", "--listen=127.0.0.1:0"}, args...)...)}
		s.api = s.find(t, `msg="understudy is ready" base_url=(http://[^ \n]+)`)
		return s.as("any-key")
	}
	stop := func(s *server) int {
		s.signal(t, syscall.SIGTERM)
		return s.exit(t)
	}
	strip := func(said string) string { // JSON that is relayed comes back without its white space
		return strings.ReplaceAll(said, `{ "data": [ {"index": 0, "embedding": [0.5, 0.25]} ], "model": "embed" }`, `{"data":[{"index":0,"embedding":[0.5,0.25]}],"model":"embed"}`)
	}

	live := serve([]string{"REAL_KEY=" + key}, "--config="+file, "--record="+dir)
	said := live.session(t, "What is there?")
	require.Contains(t, said, "Answer 2.")
	require.Contains(t, said, `"created_at":1767225600`, "the clock stands still")
	data := live.find(t, `data=(\S+)`)
	require.DirExists(t, data)
	require.Zero(t, stop(live))
	require.NoDirExists(t, data, "a session leaves no state behind")
	backend.Close()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(content), key, entry.Name())
	}

	for name, args := range map[string][]string{
		"with its configuration": {"--config=" + file, "--replay=" + dir},
		"without any":            {"--replay=" + dir},
	} {
		replay := serve([]string{"OPENAI_BASE_URL=" + live.api}, args...)
		require.Equal(t, strip(said), replay.session(t, "What is there?"), name)
		require.Zero(t, stop(replay), replay.stderr)
		require.Contains(t, replay.stderr.String(), "replay ended", name)
	}

	replay := serve(nil, "--replay="+dir)
	missed := replay.session(t, "What is thera?")
	require.Contains(t, missed, `differs at messages[1].content, character 13: recorded \"What is there?\", now \"What is thera?\".`)
	require.Contains(t, replay.stderr.String(), `at="messages[1].content, character 13"`)
	refused := replay.send(t, http.MethodPost, "/embeddings", map[string]any{"model": "embed", "input": "What is thera?"})
	require.Equal(t, http.StatusBadGateway, refused.status)
	require.Equal(t, "false", refused.header.Get("X-Should-Retry"))
	require.Equal(t, 1, stop(replay), "a replay that missed something fails")
	require.Contains(t, replay.stderr.String(), "requests had no recording in "+dir)
}

// testRecordingDirectories: what cannot repeat itself does not start.
func testRecordingDirectories(t *testing.T, p program) {
	dir, data := t.TempDir(), t.TempDir()
	used := p.serve(t, data, nil)
	used.thread(t, "Here.")
	used.insist(t, syscall.SIGTERM)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--record=" + dir, "--data=" + data}, "the data directory " + data + " has objects"},
		{[]string{"--replay=" + dir}, "make some with understudy serve --record " + dir},
		{[]string{"--replay=" + dir + "/none"}, "there is no directory " + dir + "/none"},
		{[]string{"--replay=" + dir, "--record=" + dir}, "cannot replay and record (--record) at once"},
	} {
		r, code := p.run(t, nil, append([]string{"serve", "--listen=127.0.0.1:0"}, c.args...)...)
		require.Equal(t, 2, code)
		require.Contains(t, r.stderr.String(), c.want)
	}
	_, key := p.newKey(t, filepath.Join(data, "new"), "ci", "default")
	s := p.serve(t, filepath.Join(data, "new"), nil, "--record="+dir, "--auth=keys").as(key)
	require.NotEmpty(t, s.thread(t, "Keys may be there."))
}
