package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat"
)

func TestWhereRecordingsLie(t *testing.T) {
	for name, c := range map[string]struct {
		content        string
		args           []string
		env            environment
		record, replay string
		data           string
	}{
		"nowhere":                    {data: "./data"},
		"a flag":                     {args: []string{"--record=a"}, record: "a"},
		"the environment":            {env: environment{"UNDERSTUDY_REPLAY": "b"}, replay: "b"},
		"the file":                   {content: "record: c\ndata: ./state", record: "c"},
		"a flag before the file":     {content: "replay: c", args: []string{"--replay=a"}, replay: "a"},
		"with a data directory":      {args: []string{"--record=a", "--data=d"}, record: "a", data: "d"},
		"with one by environment":    {args: []string{"--replay=a"}, env: environment{"UNDERSTUDY_DATA": "d"}, replay: "a", data: "d"},
		"a file's data is not taken": {content: "data: ./state", args: []string{"--replay=a"}, replay: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := load(t, c.content, c.args, c.env)
			require.NoError(t, err)
			require.Equal(t, Recordings{Record: c.record, Replay: c.replay}, config.Recordings)
			require.Equal(t, c.data, config.Data)
		})
	}
}

func TestRecordingMistakes(t *testing.T) {
	for _, c := range []struct {
		content string
		args    []string
		want    string
	}{
		{"record: a", []string{"--replay=b"}, "--replay: a server cannot replay and record (c.yaml:1) at once; write one of them instead"},
		{"", []string{"--record="}, "--record: the directory of the recordings has no name; write something like tests/recordings instead"},
		{"record: [a]", nil, "c.yaml:1: record: expected text, found a list"},
		{"record_ignore: \\d+", nil, `c.yaml:1: record_ignore: expected a list, found text; write record_ignore: ['\d{4}-\d\d-\d\d'] instead`},
		{"record_ignore: ['(']", nil, `c.yaml:1: record_ignore: "(" is not a regular expression that Go reads`},
		{"record_ignore: ['']", nil, `c.yaml:1: record_ignore: "" is not a regular expression`},
	} {
		_, err := load(t, c.content, c.args, nil)
		require.ErrorContains(t, err, c.want, c.content)
	}
}

func TestReplaysNeedNoKeys(t *testing.T) {
	const content = `
upstreams:
  - {name: a, base_url: http://a/v1, api_key: "${NOT_SET}", headers: {X-Key: "${NOT_SET}"}}
  - {name: b, base_url: http://b/v1, api_key_file: /no/such/file}
record_ignore: ['\d{4}']
`
	_, err := load(t, content, nil, nil)
	require.ErrorContains(t, err, "NOT_SET")
	for _, c := range []struct {
		content string
		args    []string
		env     environment
	}{
		{content, []string{"--replay=r"}, nil},
		{content, nil, environment{"UNDERSTUDY_REPLAY": "r"}},
		{content + "replay: r\n", nil, nil},
	} {
		config, err := load(t, c.content, c.args, c.env)
		require.NoError(t, err)
		require.Equal(t, "r", config.Recordings.Replay)
		require.Equal(t, `\d{4}`, config.Recordings.Ignore[0].String())
		require.Len(t, config.Upstreams, 2)
		require.Empty(t, config.Upstreams[0].APIKey)
		require.Empty(t, config.Upstreams[0].Headers)
	}
}

// TestUpstreamsAreRemembered: a replay without a configuration makes its requests
// as the recorded server did.
func TestUpstreamsAreRemembered(t *testing.T) {
	const content = `
upstreams:
  - name: a
    base_url: https://user.example/v1?api-version=1&key=secret-key
    api_key: secret-key
    headers: {X-Key: secret-key}
    kind: azure
    stream: never
    max_retries: 0
    context_window: 8000
    images: none
    embedding_model: embed
    embedding_dimensions: 256
    profile: {strict: false}
  - {name: b, base_url: "builtin://echo?delay=1s"}
models: {"z*": a/one, "a*": b/two | a/three}
models_strict: true
`
	recorded, err := load(t, content, []string{"--record=r"}, nil)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, writeUpstreams(filepath.Join(dir, upstreamsFile), recorded))
	text, err := os.ReadFile(filepath.Join(dir, upstreamsFile))
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")

	env := environment{"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"}
	config, err := load(t, "", []string{"--replay=" + dir}, env)
	require.NoError(t, err)
	require.Equal(t, recorded.Models, config.Models)
	require.True(t, config.ModelsStrict)
	require.False(t, config.Offline)
	for i, u := range recorded.Upstreams {
		u.APIKey, u.Headers, u.Where, u.BaseURL = "", nil, config.Upstreams[i].Where, config.Upstreams[i].BaseURL
		require.Equal(t, u, config.Upstreams[i])
	}
	require.Equal(t, "https://user.example/v1", config.Upstreams[0].BaseURL)
	require.Equal(t, "builtin://echo", config.Upstreams[1].BaseURL)

	config, err = load(t, "models: {x: a/y}", []string{"--replay=" + dir}, env)
	require.NoError(t, err)
	require.Equal(t, []chat.Mapping{{Pattern: "x", Target: "a/y"}}, config.Models, "what is configured counts")
	config, err = load(t, "", []string{"--replay=" + dir, "--upstream-url=http://else/v1"}, env)
	require.NoError(t, err)
	require.Equal(t, "http://else/v1", config.Upstreams[0].BaseURL)

	require.NoError(t, os.WriteFile(filepath.Join(dir, upstreamsFile), []byte("upstreams: 7"), 0o600))
	_, err = load(t, "", []string{"--replay=" + dir}, env)
	require.ErrorContains(t, err, filepath.Join(dir, upstreamsFile)+":1: upstreams: expected a list")
}
