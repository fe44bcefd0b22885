package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
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
`, b.url, inURL, inFile, inHead), 0o600))
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
	for _, content := range []string{"Answered.", "Fine.", "Be brief."} {
		require.NotContains(t, s.stderr.String(), content, "the log has no content")
	}
	require.Empty(t, s.stdout.String(), "the log goes to standard error")
	requireSecretFiles(t, data, inFile, inHead, inURL, key)
}
