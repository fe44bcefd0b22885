package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// newKey makes a key beside a server that may be running.
func (p program) newKey(t *testing.T, data, name, project string) (id, key string) {
	t.Helper()
	r, code := p.run(t, nil, "keys", "create", name, "--project="+project, "--data="+data)
	require.Equal(t, 0, code)
	require.Contains(t, r.stderr.String(), "for project \""+project+"\". It is shown this once:")
	return r.find(t, `(?m)^Key (\w+) `), strings.TrimSpace(r.stdout.String())
}

// testKeys makes, uses and revokes keys while a server runs that wants them.
func testKeys(t *testing.T, p program) {
	data := t.TempDir()
	s := p.serve(t, data, nil, "--auth=keys")

	s.as("")
	refused := s.send(t, http.MethodGet, "/assistants", nil)
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Contains(t, refused.body, `"message":"You didn't provide an API key.`)
	_, err := s.as("sk-nobody-made-this-one").client.ListAssistants(t.Context(), nil, nil, nil, nil)
	require.Equal(t, http.StatusUnauthorized, apiError(t, err).HTTPStatusCode)
	require.Equal(t, "invalid_api_key", apiError(t, err).Code)
	require.Contains(t, apiError(t, err).Message, "Incorrect API key provided: sk-")
	require.NotContains(t, apiError(t, err).Message, "nobody-made")
	require.Equal(t, http.StatusOK, s.as("").probe(t, "/healthz"), "a probe has no key")

	id, key := p.newKey(t, data, "laptop", "default")
	otherID, other := p.newKey(t, data, "ci", "staging")
	thread := s.as(key).thread(t, "Hello")
	assistant := s.assistant(t)
	run := s.begin(t, thread, assistant)
	s.ends(t, run, openai.RunStatusCompleted)

	s.as(other)
	for path, message := range map[string]string{
		"/assistants/" + assistant:                            "No assistant found with id '" + assistant + "'.",
		"/threads/" + thread:                                  "No thread found with id '" + thread + "'.",
		"/threads/" + thread + "/messages":                    "No thread found with id '" + thread + "'.",
		"/threads/" + thread + "/runs/" + run.ID:              "No thread found with id '" + thread + "'.",
		"/threads/" + thread + "/runs/" + run.ID + "/context": "No thread found with id '" + thread + "'.",
	} {
		foreign := s.send(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusNotFound, foreign.status, path)
		require.Contains(t, foreign.body, message, path)
	}
	_, err = s.client.CreateThreadAndRun(t.Context(), openai.CreateThreadAndRunRequest{RunRequest: openai.RunRequest{AssistantID: assistant}})
	require.Equal(t, http.StatusNotFound, apiError(t, err).HTTPStatusCode)

	list, code := p.run(t, nil, "keys", "list", "--data="+data)
	require.Equal(t, 0, code)
	require.Regexp(t, `^ID +PROJECT +NAME +CREATED +REVOKED\n`, list.stdout.String())
	require.Regexp(t, `(?m)^`+id+` +default +laptop +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d *$`, list.stdout.String())
	require.NotContains(t, list.stdout.String(), key)
	listed, code := p.run(t, nil, "keys", "list", "--json", "--data="+data)
	require.Equal(t, 0, code)
	projects := map[string]string{}
	for lines := json.NewDecoder(strings.NewReader(listed.stdout.String())); lines.More(); {
		var line struct{ ID, Project string }
		require.NoError(t, lines.Decode(&line))
		projects[line.ID] = line.Project
	}
	require.Equal(t, map[string]string{id: "default", otherID: "staging"}, projects)

	revoking, code := p.run(t, nil, "keys", "revoke", id, "--data="+data)
	require.Equal(t, 0, code)
	require.Equal(t, "Key "+id+" is revoked.\n", revoking.stdout.String())
	_, err = s.as(key).client.RetrieveThread(t.Context(), thread)
	require.Equal(t, http.StatusUnauthorized, apiError(t, err).HTTPStatusCode)
	require.Equal(t, http.StatusOK, s.as(other).send(t, http.MethodGet, "/assistants", nil).status)
	again, code := p.run(t, nil, "keys", "revoke", id, "--data="+data)
	require.Equal(t, 1, code)
	require.Equal(t, "understudy: no key \""+id+"\" is in use; 'understudy keys list' shows them\n", again.stderr.String())

	requireSecretFiles(t, data, key, other)
}

// requireSecretFiles checks that nothing in the data directory holds a secret,
// and that other users cannot read it.
func requireSecretFiles(t *testing.T, data string, secrets ...string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			require.NotContains(t, string(content), secret, path)
		}
		return err
	}))
	require.Positive(t, files)
	info, err := os.Stat(filepath.Join(data, "understudy.db"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
}

// testDataDirectory checks that a data directory has one server.
func testDataDirectory(t *testing.T, p program) {
	data := t.TempDir()
	s := p.serve(t, data, nil)
	second, code := p.run(t, nil, "serve", "--listen=127.0.0.1:0", "--data="+data)
	require.Equal(t, 1, code)
	require.Equal(t, "understudy: the data directory "+data+" is in use by another understudy: stop that one, or choose another directory\n", second.stderr.String())
	require.Equal(t, http.StatusOK, s.probe(t, "/readyz"))
	s.signal(t, syscall.SIGINT)
	require.Equal(t, 0, s.exit(t), "an interrupt at the keyboard is as good as SIGTERM")
	p.serve(t, data, nil)
}

// testWebPages checks that a web page cannot drive a local server through its
// visitor's browser.
func testWebPages(t *testing.T, p program) {
	s := p.serve(t, t.TempDir(), nil)
	for header, status := range map[string]int{
		"Host: rebound.example":            http.StatusForbidden,
		"Host: localhost:8080":             http.StatusOK,
		"Origin: https://page.example":     http.StatusForbidden,
		"Origin: null":                     http.StatusForbidden,
		"Origin: http://localhost:3000":    http.StatusOK,
		"Origin: http://127.0.0.1:3000":    http.StatusOK,
		"Origin: http://localhost.example": http.StatusForbidden,
	} {
		made := s.send(t, http.MethodPost, "/threads", map[string]any{}, header)
		require.Equal(t, status, made.status, "%s: %s", header, made.body)
	}
	list := s.send(t, http.MethodGet, "/threads", nil)
	require.Equal(t, 3, strings.Count(list.body, `"object":"thread"`), "nothing was made for the refused: %s", list.body)
}
