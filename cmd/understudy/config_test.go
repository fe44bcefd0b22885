package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/runs/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is an injected environment.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// load reads a configuration from a file's content (none when it is empty),
// command-line arguments behind "serve", and an environment.
func load(t *testing.T, content string, args []string, env environment) (Config, error) {
	t.Helper()
	if content != "" {
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile("c.yaml", []byte(content), 0o600))
		args = append(args, "--config=c.yaml")
	}
	cli, _, err := parseArgs(append([]string{"serve"}, args...), &bytes.Buffer{}, &bytes.Buffer{})
	require.NoError(t, err)
	return loadConfig(cli.Serve.ServeFlags, env.get)
}

func TestNothingConfigured(t *testing.T) {
	c, err := load(t, "", nil, nil)
	require.NoError(t, err)
	require.Equal(t, Config{
		Listen: "127.0.0.1:8080", Data: "./data", Durability: DurabilityFull, Auth: AuthNone, LogFormat: LogText,
		Upstreams: []Upstream{{Name: "builtin", BaseURL: "builtin://echo", Auth: chat.AuthNone, EmbeddingModel: "builtin/echo"}},
		Tape:      Tape{Keep: 30 * day, MaxSize: 1 << 30},
		Offline:   true,
	}, c)
}

func TestWholeFile(t *testing.T) {
	_, err := load(t, `
listen: 0.0.0.0:9000
data: ${HOME}/state
durability: normal
auth: {mode: keys}
log_format: json
cors_origins: [https://app.example.com, "http://localhost:3000", "*"]
upstreams:
  - name: openai
    base_url: https://api.openai.com/v1
    api_key: ${KEY}
  - name: azure
    base_url: https://x.openai.azure.com/openai/v1?api-version=preview
    api_key_file: key.txt
    auth: api-key
    headers: &common {X-Team: "a ${TEAM}"}
    stream: never
    idle_timeout: 1m30s
    max_retries: 0
    context_window: 16000
    max_concurrent: 8
    images: url
    kind: azure
    profile: {strict: false, merge_roles: true}
    embedding_model: ada
  - {name: offline, base_url: "builtin://echo?delay=5ms", headers: *common}
models:
  "z*": openai/gpt-5
  "a": azure/x | openai/meta/llama
  "*": plain
models_strict: true
image_hosts: [pictures.corp, 10.1.0.0/16, "fd00::7"]
metrics: {token_file: key.txt}
file_search: {quotes: true, memory: 64, workers: 4}
`, nil, environment{"HOME": "/home/ada", "KEY": "sk-1", "TEAM": "b"})
	require.ErrorContains(t, err, `c.yaml:14: api_key_file: open key.txt: no such file`)

	require.NoError(t, os.WriteFile("key.txt", []byte(" sk-2\n"), 0o600))
	path := "c.yaml"
	c, err := loadConfig(ServeFlags{StoreFlags: StoreFlags{Config: &path}}, environment{"HOME": "/home/ada", "KEY": "sk-1", "TEAM": "b"}.get)
	require.NoError(t, err)
	none := 0
	require.Equal(t, Config{
		File: "c.yaml", Listen: "0.0.0.0:9000", Data: "/home/ada/state", Durability: DurabilityNormal, Auth: AuthKeys,
		CORSOrigins: []string{"https://app.example.com", "http://localhost:3000", "*"}, LogFormat: LogJSON, Tape: defaultTape,
		FileSearch: FileSearch{Quotes: true, Memory: 64, Workers: 4}, MetricsToken: "sk-2",
		Upstreams: []Upstream{
			{Name: "openai", BaseURL: "https://api.openai.com/v1", APIKey: "sk-1", EmbeddingModel: "text-embedding-3-small", Where: "c.yaml:10"},
			{
				Name: "azure", BaseURL: "https://x.openai.azure.com/openai/v1?api-version=preview", APIKey: "sk-2", Auth: chat.AuthAPIKey,
				Headers: map[string]Secret{"X-Team": "a b"}, Stream: chat.StreamNever, IdleTimeout: 90 * time.Second,
				MaxRetries: &none, ContextWindow: 16000, EmbeddingModel: "ada", MaxConcurrent: 8, Images: chat.ImagesURL, Where: "c.yaml:13",
				Kind: "azure", Profile: map[string]bool{"strict": false, "merge_roles": true},
			},
			{Name: "offline", BaseURL: "builtin://echo?delay=5ms", Headers: map[string]Secret{"X-Team": "a b"}, EmbeddingModel: "builtin/echo", Where: "c.yaml:26"},
		},
		Models:       []chat.Mapping{{Pattern: "z*", Target: "openai/gpt-5"}, {Pattern: "a", Target: "azure/x | openai/meta/llama"}, {Pattern: "*", Target: "plain"}},
		ModelsStrict: true,
		ImageHosts:   []string{"pictures.corp", "10.1.0.0/16", "fd00::7"},
	}, c)

	revealed := c.Chat()
	require.Equal(t, c.Models, revealed.Models)
	require.True(t, revealed.ModelsStrict)
	require.Equal(t, "sk-2", revealed.Upstreams[1].APIKey)
	require.Equal(t, map[string]string{"X-Team": "a b"}, revealed.Upstreams[1].Headers)
	require.Equal(t, -1, revealed.Upstreams[1].MaxRetries)
	require.Zero(t, revealed.Upstreams[0].MaxRetries)
	require.Equal(t, 8, revealed.Upstreams[1].MaxConcurrent)
	require.Equal(t, chat.ImagesURL, revealed.Upstreams[1].Images)
	require.Equal(t, "azure", revealed.Upstreams[1].Kind)
	require.Equal(t, map[string]bool{"strict": false, "merge_roles": true}, revealed.Upstreams[1].Profile)
	require.Equal(t, c.ImageHosts, revealed.ImageHosts)
}

func TestPrecedence(t *testing.T) {
	const file = "listen: 127.0.0.1:1\ndata: f\ndurability: normal\nauth: keys\nlog_format: json\n"
	env := environment{
		"UNDERSTUDY_LISTEN": "127.0.0.1:2", "UNDERSTUDY_DATA": "e", "UNDERSTUDY_DURABILITY": "full",
		"UNDERSTUDY_AUTH": "none", "UNDERSTUDY_LOG_FORMAT": "text",
	}
	flags := []string{"--listen=127.0.0.1:3", "--data=g", "--durability=normal", "--auth=keys", "--log-format=json"}
	for name, c := range map[string]struct {
		args []string
		env  environment
		want string
	}{
		"file":            {nil, nil, "127.0.0.1:1 f normal keys json"},
		"env beats file":  {nil, env, "127.0.0.1:2 e full none text"},
		"flags beat env":  {flags, env, "127.0.0.1:3 g normal keys json"},
		"flags beat file": {flags, nil, "127.0.0.1:3 g normal keys json"},
		"empty env":       {nil, environment{"UNDERSTUDY_DATA": ""}, "127.0.0.1:1 f normal keys json"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, file, c.args, c.env)
			require.NoError(t, err)
			require.Equal(t, c.want, fmt.Sprintln(got.Listen, got.Data, got.Durability, got.Auth, got.LogFormat)[:len(c.want)])
		})
	}
}

func TestConfigFileFromTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	require.NoError(t, os.WriteFile(path, []byte("data: there"), 0o600))
	c, err := loadConfig(ServeFlags{}, environment{"UNDERSTUDY_CONFIG": path}.get)
	require.NoError(t, err)
	require.Equal(t, "there", c.Data)

	_, err = loadConfig(ServeFlags{}, environment{"UNDERSTUDY_CONFIG": path + "x"}.get)
	require.EqualError(t, err, "UNDERSTUDY_CONFIG: open "+path+"x: no such file or directory; write the name of a file that can be read instead")
}

func TestUpstreamSources(t *testing.T) {
	const file = "upstreams: [{name: local, base_url: http://l/v1, api_key: file-key}]"
	openAI := environment{"OPENAI_API_KEY": "sk-openai", "OPENAI_BASE_URL": "http://o/v1"}
	for name, c := range map[string]struct {
		file string
		args []string
		env  environment
		want string
	}{
		"file":                {file, nil, openAI, "local http://l/v1 file-key"},
		"url replaces file":   {file, []string{"--upstream-url=http://u/v1"}, openAI, "default http://u/v1 "},
		"url and key":         {file, []string{"--upstream-url=http://u/v1", "--upstream-key=k"}, nil, "default http://u/v1 k"},
		"url, key from env":   {"", []string{"--upstream-url=http://u/v1"}, environment{"UNDERSTUDY_UPSTREAM_KEY": "e"}, "default http://u/v1 e"},
		"both from env":       {"", nil, environment{"UNDERSTUDY_UPSTREAM_URL": "http://e/v1", "UNDERSTUDY_UPSTREAM_KEY": "e"}, "default http://e/v1 e"},
		"key for the file's":  {file, []string{"--upstream-key=k"}, nil, "local http://l/v1 k"},
		"key alone":           {"", []string{"--upstream-key=k"}, nil, "openai https://api.openai.com/v1 k"},
		"OpenAI's own":        {"", nil, openAI, "openai http://o/v1 sk-openai"},
		"OpenAI's own key":    {"", nil, environment{"OPENAI_API_KEY": "sk"}, "openai https://api.openai.com/v1 sk"},
		"OpenAI's own URL":    {"", nil, environment{"OPENAI_BASE_URL": "http://o/v1"}, "openai http://o/v1 "},
		"an empty list":       {"upstreams: []", nil, openAI, "openai http://o/v1 sk-openai"},
		"nothing":             {"upstreams:", nil, nil, "builtin builtin://echo "},
		"the model by itself": {"", []string{"--upstream-url=builtin://echo?delay=1s"}, nil, "default builtin://echo?delay=1s "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, c.file, c.args, c.env)
			require.NoError(t, err)
			require.Len(t, got.Upstreams, 1)
			u := got.Upstreams[0]
			require.Equal(t, c.want, u.Name+" "+u.BaseURL+" "+u.APIKey.Reveal())
			require.Equal(t, name == "nothing", got.Offline)
		})
	}
}

func TestBothSpellingsOfAuth(t *testing.T) {
	for _, auth := range []string{"none", "{mode: none}", "\n  mode: none"} {
		c, err := load(t, "listen: 0.0.0.0:8080\nauth: "+auth, nil, nil)
		require.NoError(t, err, "written out, so listening everywhere is fine")
		require.Equal(t, AuthNone, c.Auth)
	}
}

func TestFlagAndEnvironmentMistakes(t *testing.T) {
	const beyond = ` can be reached from other machines, and nothing says who may use it; write auth: keys (--auth keys) and make a key with "understudy keys create", or write auth: none (--auth none) to let everyone in, instead`
	for want, c := range map[string]struct {
		file string
		args []string
		env  environment
	}{
		`--durability: "fast" is unknown; write full or normal instead`:                                                                        {args: []string{"--durability=fast"}},
		`UNDERSTUDY_AUTH: "oauth" is unknown; write none or keys instead`:                                                                      {env: environment{"UNDERSTUDY_AUTH": "oauth"}},
		`--log-format: "xml" is unknown; write text or json instead`:                                                                           {args: []string{"--log-format=xml"}},
		`--data: the data directory has no name; write ./data instead`:                                                                         {args: []string{"--data="}},
		`--listen: "8080" is not an address to listen on; write 127.0.0.1:8080 instead`:                                                        {args: []string{"--listen=8080"}},
		`--listen: "::1" is not an address to listen on; write [::1]:8080 instead`:                                                             {args: []string{"--listen=::1"}},
		`--listen: "http://localhost:99/" is not an address to listen on; write localhost:99 instead`:                                          {args: []string{"--listen=http://localhost:99/"}},
		`--listen: "127.0.0.1:99999" is not an address to listen on; write 127.0.0.1:8080 instead`:                                             {args: []string{"--listen=127.0.0.1:99999"}},
		`--listen: "a b:80" is not an address to listen on; write 127.0.0.1:80 instead`:                                                        {args: []string{"--listen=a b:80"}},
		`UNDERSTUDY_LISTEN: :8080` + beyond:                                                                                                    {env: environment{"UNDERSTUDY_LISTEN": ":8080"}},
		`--listen: 0.0.0.0:8080` + beyond:                                                                                                      {args: []string{"--listen=0.0.0.0:8080"}},
		`--listen: example.com:8080` + beyond:                                                                                                  {args: []string{"--listen=example.com:8080"}},
		`c.yaml:2: [::]:8080` + beyond:                                                                                                         {file: "data: d\nlisten: \"[::]:8080\""},
		`--upstream-url: a base URL begins with http:// or https://; write something like http://localhost:11434/v1 instead`:                   {args: []string{"--upstream-url=localhost:11434/v1"}},
		`--upstream-url: the URL has no host; write something like http://localhost:11434/v1 instead`:                                          {args: []string{"--upstream-url=http:///v1"}},
		`OPENAI_BASE_URL: this is not a URL; write something like http://localhost:11434/v1 instead`:                                           {env: environment{"OPENAI_BASE_URL": "http://[::1"}},
		`--upstream-url: a key or password in the URL would be shown in logs; write it as the upstream's key instead`:                          {args: []string{"--upstream-url=http://me:pass@h/v1"}},
		`--upstream-url: the only built-in model is the echo model; write builtin://echo instead`:                                              {args: []string{"--upstream-url=builtin://gpt"}},
		`--upstream-key: the key contains a line break; write the key alone instead`:                                                           {args: []string{"--upstream-key=sk\nx"}},
		`--upstream-key: c.yaml has 2 upstreams and one key cannot be for all; write api_key there instead`:                                    {file: "upstreams: [{name: a, base_url: http://a}, {name: b, base_url: http://b}]", args: []string{"--upstream-key=k"}},
		`c.yaml:2: models: "*" goes to the upstream "a", which --upstream-url replaces; write default/x, or leave --upstream-url out, instead`: {file: "upstreams: [{name: a, base_url: http://a}]\nmodels: {\"*\": a/x}", args: []string{"--upstream-url=http://u"}},
		`--config: open none.yaml: no such file or directory; write the name of a file that can be read instead`:                               {args: []string{"--config=none.yaml"}},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := load(t, c.file, c.args, c.env)
			require.EqualError(t, err, want)
		})
	}
}

func TestLoopbackNeedsNoAuth(t *testing.T) {
	for written, want := range map[string]string{
		"localhost:80": "localhost:80", "LOCALHOST:80": "LOCALHOST:80", "127.9.9.9:080": "127.9.9.9:80",
		"[::1]:0": "[::1]:0", "[::ffff:127.0.0.1]:1": "[::ffff:127.0.0.1]:1",
	} {
		c, err := load(t, "", []string{"--listen", written}, nil)
		require.NoError(t, err)
		require.Equal(t, want, c.Listen)
	}
}

func TestDataDirForOtherCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte("data: there\nlisten: 0.0.0.0:1\nupstreams: [{api_key: \"${MISSING}\"}]"), 0o600))
	flags := StoreFlags{Config: &path}
	got, err := loadDataDir(flags, environment{}.get)
	require.NoError(t, err, "mistakes elsewhere do not matter")
	require.Equal(t, "there", got)

	got, err = loadDataDir(flags, environment{"UNDERSTUDY_DATA": "env"}.get)
	require.NoError(t, err)
	require.Equal(t, "env", got)

	require.NoError(t, os.WriteFile(path, []byte("data: [a]"), 0o600))
	_, err = loadDataDir(flags, environment{}.get)
	require.EqualError(t, err, path+":1: data: expected text, found a list; write ./data instead")
}

func TestKeysAreNeverShown(t *testing.T) {
	c, err := load(t, `
upstreams:
  - {name: a, base_url: "https://h/v1?key=sk-hidden", api_key: sk-hidden, headers: {X-Key: sk-hidden}}
`, nil, nil)
	require.NoError(t, err)
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&shown, verb+"\n", c)
		fmt.Fprintf(&shown, verb+"\n", &c)
		fmt.Fprintf(&shown, verb+"\n", c.Upstreams)
		fmt.Fprintf(&shown, verb+"\n", c.Upstreams[0].Headers)
	}
	for _, verb := range []string{"%d", "%x", "%X", "%v", "%#v", "%t", "%10s"} {
		fmt.Fprintf(&shown, verb+"\n", c.Upstreams[0].APIKey)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&shown, nil)} {
		slog.New(handler).Info("start", "config", c, "upstream", c.Upstreams[0], "key", c.Upstreams[0].APIKey, "headers", c.Upstreams[0].Headers)
	}
	encoded, err := json.Marshal(map[string]any{"key": c.Upstreams[0].APIKey, "headers": c.Upstreams[0].Headers})
	require.NoError(t, err)
	shown.Write(encoded)
	require.NotContains(t, shown.String(), "hidden")
	require.NotRegexp(t, `(?i)736b2d`, shown.String(), "nor in hexadecimal")
	require.Contains(t, shown.String(), "a=https://h/v1?[redacted]")
	require.Equal(t, "sk-hidden", c.Chat().Upstreams[0].APIKey)
	require.Empty(t, Secret("").String())
	require.Equal(t, "https://[redacted]@h/", publicURL("https://u:p@h/"))
	require.Equal(t, "[redacted]", publicURL("http://[::1"))
}
