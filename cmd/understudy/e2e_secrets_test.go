package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"

	"understudy/store"
)

// testSecrets gives the server secrets of every kind, has backends quote them,
// and looks for them in all that the server says and writes.
func testSecrets(t *testing.T, p program) {
	const (
		inFile = "zebra-4711-upstream-key"
		inHead = "zebra-4712-gateway-key"
		inURL  = "zebra-4713-query-key"
	)
	b, data := startBackend(t), t.TempDir()
	file := filepath.Join(t.TempDir(), "understudy.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
auth: keys
upstreams:
  - {name: secretive, base_url: "%s?api_key=%s", api_key: %s, headers: {X-Gateway: %s}}
  - {name: dead, base_url: "http://127.0.0.1:1/v1?api_key=%s", api_key: %s, headers: {X-Gateway: %s}, max_retries: 0}
`, b.url, inURL, inFile, inHead, inURL, inFile, inHead), 0o600))
	_, key := p.newKey(t, data, "laptop", "default")
	s := p.serve(t, data, nil, "--config="+file).as(key)
	assistant := s.assistant(t, function("look", "what"))
	said := ""
	show := func(path string) {
		shown := s.send(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, shown.status)
		said += shown.body + fmt.Sprint(shown.header)
	}
	quoting := fmt.Sprintf(`{"error":{"message":"Incorrect API key provided: %s (%s, %s).","type":"invalid_request_error","code":"invalid_api_key"}}`, inFile, inHead, inURL)
	for words, c := range map[string]struct {
		answer func(*testing.T, *modelCall)
		status openai.RunStatus
	}{
		"Refused.": {func(t *testing.T, c *modelCall) {
			t.Helper()
			c.refuse(t, http.StatusUnauthorized, quoting)
		}, openai.RunStatusFailed},
		"Refused by a page.": {func(t *testing.T, c *modelCall) {
			t.Helper()
			c.refuse(t, http.StatusForbidden, "<html><body>Key "+inFile+" is unknown.</body></html>")
		}, openai.RunStatusFailed},
		"Refused inside an answer.": {func(t *testing.T, c *modelCall) {
			t.Helper()
			c.refuse(t, http.StatusOK, quoting)
		}, openai.RunStatusFailed},
		"Refused at length.": {func(t *testing.T, c *modelCall) {
			t.Helper()
			c.refuse(t, http.StatusForbidden, strings.Repeat(quoting, 100))
		}, openai.RunStatusFailed},
		"Answered with keys.": {func(t *testing.T, c *modelCall) {
			t.Helper()
			for range 50 {
				c.chunk(t, fmt.Sprintf(`{"provider":%q,"gateway":%q}`, inFile, inHead), "null")
			}
			c.reply(t, "Fine.")
		}, openai.RunStatusCompleted},
		"Answered.": {func(t *testing.T, c *modelCall) { t.Helper(); c.reply(t, "Fine.") }, openai.RunStatusCompleted},
	} {
		thread := s.thread(t, words)
		events := s.stream(t, "/threads/"+thread+"/runs", map[string]any{"assistant_id": assistant})
		call := b.next(t, words)
		require.Equal(t, "Bearer "+inFile, call.header.Get("Authorization"), "the backend gets its key")
		require.Equal(t, inHead, call.header.Get("X-Gateway"))
		c.answer(t, call)
		came := events.rest(t)
		run := runOf(t, came[len(came)-2])
		require.Equal(t, c.status, run.Status)
		said += fmt.Sprint(came, events.header)
		show("/threads/" + thread + "/runs/" + run.ID)
		show("/threads/" + thread + "/runs/" + run.ID + "/steps")
		show("/threads/" + thread + "/runs/" + run.ID + "/context")
	}
	show("/models")
	show("/assistants")
	for _, dead := range []string{"/responses", "/threads/runs"} {
		got := s.send(t, http.MethodPost, dead, map[string]any{"model": "dead/m", "assistant_id": assistant, "thread": map[string]any{}, "instructions": "x"})
		said += got.body + fmt.Sprint(got.header)
	}
	refused := s.as(inFile).send(t, http.MethodGet, "/assistants", nil)
	require.Equal(t, http.StatusUnauthorized, refused.status)
	said += refused.body
	require.Contains(t, said, "Incorrect API key provided: ", "the backend's sentence is told")
	var told []string
	for _, secret := range []string{inFile, inHead, inURL, key} {
		if strings.Contains(said, secret) {
			told = append(told, secret)
		}
		require.NotContains(t, s.stderr.String(), secret)
	}
	require.Empty(t, told, "answers show secrets")

	// What is wrong with a configuration, read again or checked, is told without its secrets.
	original, err := os.ReadFile(file)
	require.NoError(t, err)
	said = ""
	for _, mistake := range []string{"auth: basic", "api_key: [" + inFile + "]", "api_key: \"" + inFile + "\\n\"", "headers: [" + inHead + "]", "{" + inHead} {
		content := strings.Replace(string(original), "max_retries: 0", mistake, 1)
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		s.signal(t, syscall.SIGHUP)
		s.find(t, "(not taken over)")
		checked, code := p.run(t, nil, "upstreams", "check", "--config="+file)
		require.NotZero(t, code)
		said += checked.stdout.String() + checked.stderr.String()
	}
	said += p.checkUpstreams(t, quoting, inURL, inFile, inHead)
	for _, secret := range []string{inFile, inHead, inURL, key} {
		require.NotContains(t, said, secret)
	}
	for _, content := range []string{"Answered.", "Fine.", "Be brief."} {
		require.NotContains(t, s.stderr.String(), content, "the log has no content")
	}
	require.Empty(t, s.stdout.String(), "the log goes to standard error")
	requireSecretFiles(t, data, inFile, inHead, inURL, key)
	requireSecretRows(t, data, inFile, inHead, inURL, key)
}

// requireSecretRows looks for secrets in all that the database has, compressed
// or not.
func requireSecretRows(t *testing.T, data string, secrets ...string) {
	t.Helper()
	db, err := store.OpenShared(t.Context(), store.Options{Dir: data})
	require.NoError(t, err)
	defer db.Close()
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer decoder.Close()
	frames := 0
	require.NoError(t, db.View(t.Context(), func(r store.Reader) error {
		for _, table := range readColumn(t, r, "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'") {
			for _, column := range readColumn(t, r, "SELECT name FROM pragma_table_info('"+table+"')") {
				for _, value := range readColumn(t, r, `SELECT CAST("`+column+`" AS BLOB) FROM "`+table+`" WHERE "`+column+`" IS NOT NULL`) {
					if strings.HasPrefix(value, "\x28\xb5\x2f\xfd") {
						unpacked, err := decoder.DecodeAll([]byte(value), nil)
						require.NoError(t, err)
						value = string(unpacked)
						frames++
					}
					for _, secret := range secrets {
						require.NotContains(t, value, secret, "%s.%s", table, column)
					}
				}
			}
		}
		return nil
	}))
	require.GreaterOrEqual(t, frames, 2, "the two long answers are compressed")
}

func readColumn(t *testing.T, r store.Reader, query string) (values []string) {
	t.Helper()
	rows, err := r.Query(query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var value []byte
		require.NoError(t, rows.Scan(&value))
		values = append(values, string(value))
	}
	require.NoError(t, rows.Err())
	return values
}

// checkUpstreams runs the check against an upstream that refuses every call with
// words that quote its keys, and returns what it prints.
func (p program) checkUpstreams(t *testing.T, quoting string, secrets ...any) string {
	t.Helper()
	quoter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, quoting)
	}))
	defer quoter.Close()
	file := filepath.Join(t.TempDir(), "check.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "upstreams:\n  - {name: quoter, base_url: \""+quoter.URL+"?api_key=%s\", api_key: %s, headers: {X-Gateway: %s}}\n", secrets...), 0o600))
	checked, code := p.run(t, nil, "upstreams", "check", "--config="+file, "--model=m")
	require.Equal(t, 1, code)
	require.Contains(t, checked.stdout.String(), "Incorrect API key provided")
	return checked.stdout.String() + checked.stderr.String()
}
