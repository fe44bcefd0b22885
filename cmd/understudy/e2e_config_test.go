package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// testProgram runs the commands that end by themselves.
func testProgram(t *testing.T, p program) {
	shown, code := p.run(t, nil, "version")
	require.Equal(t, 0, code)
	require.Regexp(t, `^understudy \S+ \(go1\.\d+\S*\)\n$`, shown.stdout.String())
	shown, code = p.run(t, nil, "version", "--json")
	require.Equal(t, 0, code)
	var version struct{ Version, Go string }
	require.NoError(t, json.Unmarshal([]byte(shown.stdout.String()), &version))
	require.NotEmpty(t, version.Version)

	for _, line := range []string{"--help", "serve --help", "keys --help"} {
		help, code := p.run(t, nil, strings.Fields(line)...)
		require.Equal(t, 0, code)
		require.Contains(t, help.stdout.String(), "Usage: understudy ")
		require.Empty(t, help.stderr.String())
	}
}

// testMistakes starts the program in ways that cannot work: it says what to
// write instead and ends with 2.
func testMistakes(t *testing.T, p program) {
	file := filepath.Join(t.TempDir(), "understudy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("listen: 127.0.0.1:0\nupstreams:\n  - name: a\n    base_url: ftp://a\nmodel: {}\n"), 0o600))
	const itself = " is this server itself; write the address of a Chat Completions backend instead"
	for _, c := range []struct {
		line, env, says string
	}{
		{"", "", `expected one of "serve", "version", "keys"`},
		{"serve --lisen x", "", `did you mean "--listen"?`},
		{"keys revoke", "", `expected "<id>"`},
		{"serve --durability fast", "", `--durability: "fast" is unknown; write full or normal instead`},
		{"serve", "UNDERSTUDY_AUTH=oauth", `UNDERSTUDY_AUTH: "oauth" is unknown; write none or keys instead`},
		{"serve --listen 8080", "", `--listen: "8080" is not an address to listen on; write 127.0.0.1:8080 instead`},
		{"serve --listen 0.0.0.0:0", "", `--listen: 0.0.0.0:0 can be reached from other machines, and nothing says who may use it; write auth: keys (--auth keys)`},
		{"serve", "UNDERSTUDY_CONFIG=" + file, file + `:4: base_url: a base URL begins with http:// or https://; write something like http://localhost:11434/v1 instead`},
		{"serve", "UNDERSTUDY_CONFIG=" + file, file + `:5: `},
		{"serve --config none.yaml", "", `--config: open none.yaml: no such file or directory; write the name of a file that can be read instead`},
		{"serve --listen 127.0.0.1:9131", "OPENAI_BASE_URL=http://localhost:9131/v1", "OPENAI_BASE_URL: the upstream openai at http://localhost:9131/v1" + itself},
		{"serve --listen 127.0.0.1:9131 --upstream-url http://127.0.0.1:9131/v1", "", "--upstream-url: the upstream default at http://127.0.0.1:9131/v1" + itself},
	} {
		t.Run(c.line+" "+c.env, func(t *testing.T) {
			var env []string
			if c.env != "" {
				env = []string{c.env}
			}
			r, code := p.run(t, env, strings.Fields(c.line)...)
			require.Equal(t, 2, code)
			require.Contains(t, r.stderr.String(), c.says)
			require.Contains(t, r.stderr.String(), "See 'understudy --help'.\n")
			require.NotContains(t, r.stderr.String(), "ready")
			require.NoDirExists(t, filepath.Join(r.Dir, "data"), "nothing was begun")
		})
	}
}

// testRouting checks where runs go: to the backend of OpenAI's own variables,
// and to each of several upstreams of a file.
func testRouting(t *testing.T, p program) {
	one, two := startBackend(t), startBackend(t)
	ask := func(t *testing.T, s *server, model, words string) openai.Run {
		t.Helper()
		assistant := s.make(t, "/assistants", map[string]any{"model": model})
		return s.begin(t, s.thread(t, words), assistant)
	}
	t.Run("OpenAI's own variables", func(t *testing.T) {
		s := p.serve(t, t.TempDir(), []string{"OPENAI_BASE_URL=" + one.url, "OPENAI_API_KEY=own-key"})
		run := ask(t, s, "gpt-4o", "Hi")
		call := one.next(t, "Hi")
		require.Equal(t, "Bearer own-key", call.header.Get("Authorization"))
		require.Equal(t, "gpt-4o", call.Model)
		call.reply(t, "Ho")
		s.ends(t, run, openai.RunStatusCompleted)
	})
	t.Run("a file", func(t *testing.T) {
		data := t.TempDir()
		file := filepath.Join(data, "understudy.yaml")
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
log_format: text
upstreams:
  - {name: one, base_url: %q, api_key: "${KEY_ONE}", headers: {X-Team: blue}}
  - {name: two, base_url: %q, api_key: key-two, auth: api-key}
models:
  "gpt-4*": two/small
  "any*": down/x
  "ll*": one/*
`, one.url, two.url), 0o600))
		broken, code := p.run(t, []string{"KEY_ONE=key-one"}, "serve", "--config="+file)
		require.Equal(t, 2, code)
		require.Contains(t, broken.stderr.String(), file+`:8: models: "any*" goes to the upstream "down", which is not configured; write `)
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(content), `"any*": down/x`, `"any*": one/x | two/y`, 1)), 0o600))

		s := p.serve(t, data, []string{"KEY_ONE=key-one"}, "--config="+file)
		for asked, want := range map[string]struct {
			backend       *backend
			model, header string
			value         string
		}{
			"gpt-4o":      {two, "small", "Api-Key", "key-two"},
			"llama":       {one, "llama", "Authorization", "Bearer key-one"},
			"two/phi":     {two, "phi", "Api-Key", "key-two"},
			"acme/phi":    {one, "acme/phi", "X-Team", "blue"},
			"anything":    {one, "x", "Authorization", "Bearer key-one"},
			"gpt-4-turbo": {two, "small", "Api-Key", "key-two"},
		} {
			run := ask(t, s, asked, "To "+asked)
			call := want.backend.next(t, "To "+asked)
			require.Equal(t, want.model, call.Model)
			require.Equal(t, want.value, call.header.Get(want.header))
			call.reply(t, "Yes.")
			require.Equal(t, asked, s.ends(t, run, openai.RunStatusCompleted).Model, "a run shows what was asked for")
		}
		run := ask(t, s, "anyone", "Over here")
		one.next(t, "Over here").refuse(t, http.StatusUnauthorized, `{"error":{"message":"Not you.","type":"invalid_request_error"}}`)
		call := two.next(t, "Over here")
		require.Equal(t, "y", call.Model)
		call.reply(t, "Yes.")
		s.ends(t, run, openai.RunStatusCompleted)
	})
}
