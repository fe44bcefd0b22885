package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// question is what a scripted upstream is asked.
type question struct {
	path                string
	Model               string
	Stream              bool
	Tools               []any
	MaxTokens           int `json:"max_tokens"`
	MaxCompletionTokens int `json:"max_completion_tokens"`
}

// scripted starts an upstream. A script returns a status and a body; status 0
// leaves the answer to one that can do everything.
func scripted(t *testing.T, script func(q question) (status int, body string)) string {
	t.Helper()
	over := make(chan struct{})
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := question{path: strings.TrimPrefix(r.URL.Path, "/v1")}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &q)
		status, answer := script(q)
		if status == hang {
			select {
			case <-r.Context().Done():
			case <-over:
			}
			return
		}
		if status == 0 {
			status, answer = 200, capable(q)
		}
		if strings.HasPrefix(answer, "data:") {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(func() {
		close(over)
		listening.Close()
	})
	return listening.URL + "/v1"
}

const hang = -1

// capable is the answer of an upstream that can do everything.
func capable(q question) string {
	switch {
	case q.path == "/models":
		return `{"data":[{"id":"text-embedding-3-small"},{"id":"gemini-pro"},{"id":"gpt-5-mini"}]}`
	case q.path == "/embeddings":
		return `{"data":[{"index":0,"embedding":[1,2,3]}]}`
	case q.Stream && len(q.Tools) > 0:
		return `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"get_weather","arguments":"{\"city\":\"Paris\"}"}}]},"finish_reason":"tool_calls"}]}` + "\n\ndata: [DONE]\n\n"
	case q.Stream:
		return `data: {"choices":[{"index":0,"delta":{"content":"1 "}}]}` + "\n\n" + `data: {"choices":[{"index":0,"delta":{"content":"2"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	}
	return `{"choices":[{"index":0,"message":{"role":"assistant","content":"whole"},"finish_reason":"stop"}]}`
}

// checked runs the command on a file whose upstreams are given, and shows its
// table without times and with single spaces.
func checked(t *testing.T, config string, args ...string) (code int, table, complaint string) {
	t.Helper()
	t.Chdir(t.TempDir())
	writeFile(t, config)
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), append([]string{"upstreams", "check", "--config", "c.yaml"}, args...),
		System{Stdout: &stdout, Stderr: &stderr, Getenv: environment{}.get})
	require.NotContains(t, stdout.String()+stderr.String(), "sk-")
	table = regexp.MustCompile(` +(<1ms|[0-9.]+m?s) `).ReplaceAllString(stdout.String(), " ")
	return code, regexp.MustCompile(` {2,}`).ReplaceAllString(table, " "), stderr.String()
}

func TestCheckUpstreams(t *testing.T) {
	const key = "api_key: sk-hidden-1234567890"
	for name, c := range map[string]struct {
		script func(q question) (int, string)
		extra  string // of the upstream's configuration
		args   []string
		code   int
		says   []string // lines of the table
	}{
		"all is well": {
			script: func(question) (int, string) { return 0, "" }, extra: "embedding_model: e, ",
			says: []string{"u models ok 3 listed", "u chat ok gpt-5-mini", `u tool call ok get_weather {"city":"Paris"}`, "u stream ok until the first of 2 pieces", "u embeddings ok e, 3 dimensions", "u profile ok generic; nothing had to be changed"},
		},
		"a named model": {
			script: func(q question) (int, string) {
				if q.path == "/chat/completions" && q.Model != "meta/llama" {
					return 404, ""
				}
				return 0, ""
			},
			args: []string{"--model", "meta/llama"}, says: []string{"u chat ok meta/llama", "u embeddings - no embedding_model is configured"},
		},
		"a learnt profile": {
			script: func(q question) (int, string) {
				if q.MaxTokens > 0 {
					return 400, `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens"}}`
				}
				return 0, ""
			},
			says: []string{"u chat ok gpt-5-mini", "u profile ok generic; learnt from a refused request: from now on this model says max_completion_tokens"},
		},
		"a declared kind": {
			script: func(q question) (int, string) {
				if q.path == "/chat/completions" && q.MaxTokens > 0 {
					return 500, ""
				}
				return 0, ""
			},
			extra: "kind: azure, ", says: []string{"u chat ok gpt-5-mini", "u profile ok azure; nothing had to be changed"},
		},
		"a model that cannot stop at once": {
			script: func(q question) (int, string) {
				if q.MaxTokens > 0 {
					return 400, `{"error":{"message":"Could not finish the message because max_tokens or model output limit was reached."}}`
				}
				return 0, ""
			},
			says: []string{"u chat ok gpt-5-mini", "u profile ok generic; nothing had to be changed"},
		},
		"no tools, no stream": {
			script: func(q question) (int, string) {
				if q.path == "/chat/completions" {
					q.Stream = false
				}
				return 200, capable(q)
			},
			says: []string{"u tool call failed it answered with text, although it was told to call a function", "-> assistants with tools need another model, or another server for this one", "u stream failed the answer came in one piece"},
		},
		"never a stream": {
			script: func(question) (int, string) { return 0, "" }, extra: "stream: never, ",
			says: []string{"u chat ok", "u stream - stream: never"},
		},
		"wrong arguments": {
			script: func(q question) (int, string) {
				if len(q.Tools) > 0 {
					return 200, strings.ReplaceAll(capable(q), "city", "town")
				}
				return 0, ""
			},
			says: []string{"u tool call failed it called the function with other arguments than it has"},
		},
		"a wrong key": {
			script: func(question) (int, string) {
				return 401, `{"error":{"message":"Incorrect API key provided: sk-hidden-1234567890."}}`
			},
			args: []string{"--model=m"}, code: 1,
			says: []string{"u models failed HTTP status 401: the models cannot be listed", "u chat failed HTTP status 401: Incorrect API key provided: [key]", "-> look at the key, and at auth: (bearer, raw, api-key or none)"},
		},
		"no list and no model": {
			script: func(question) (int, string) { return 404, "" }, code: 1,
			says: []string{"u models failed HTTP status 404: the models cannot be listed", "-> look at base_url, which usually ends in /v1", "u chat failed no model is known to ask", "-> name one with --model"},
		},
		"no list": {
			script: func(q question) (int, string) {
				if q.path == "/models" {
					return 200, "<html>"
				}
				return 0, ""
			},
			args: []string{"--model=m"}, says: []string{"u models failed what came is no list of models", "u chat ok m"},
		},
		"no money": {
			script: func(q question) (int, string) {
				if q.path == "/models" {
					return 0, ""
				}
				return 429, `{"error":{"code":"insufficient_quota","message":"You exceeded your quota."}}`
			},
			code: 1, says: []string{"u chat failed HTTP status 429: You exceeded your quota.", "-> look at the account's balance and limits"},
		},
		"trouble, in colour": {
			script: func(q question) (int, string) {
				if q.path == "/models" {
					return 0, ""
				}
				return 500, "{\"error\":{\"message\":\"\\u001b[31mbad\"}}"
			},
			code: 1, says: []string{"u chat failed HTTP status 500: [31mbad", "-> the upstream has trouble of its own"},
		},
		"silence": {
			script: func(q question) (int, string) {
				if q.path == "/models" {
					return 0, ""
				}
				return hang, ""
			},
			args: []string{"--timeout=100ms"}, code: 1, says: []string{"u chat failed no answer within the time that --timeout gives", "-> a local model may still be loading"},
		},
		"a wrong embedding model": {
			script: func(q question) (int, string) {
				if q.path == "/embeddings" {
					return 404, `{"error":{"message":"The model 'e' does not exist"}}`
				}
				return 0, ""
			},
			extra: "embedding_model: e, ", says: []string{"u embeddings failed The model 'e' does not exist", "-> write the embedding_model that this upstream has, or none", "u profile ok"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := scripted(t, c.script)
			code, table, complaint := checked(t, fmt.Sprintf("upstreams: [{name: u, base_url: %q, %s%s}]", url, c.extra, key), c.args...)
			require.Equal(t, c.code, code, table+complaint)
			require.NotContains(t, table, "\x1b")
			for _, line := range c.says {
				require.Contains(t, table, line)
			}
			if code == 1 {
				require.Equal(t, "understudy: no chat with u\n", complaint)
			}
		})
	}
}

func TestCheckSeveralUpstreams(t *testing.T) {
	asked := make(chan string, 99)
	url := scripted(t, func(q question) (int, string) {
		if q.path == "/chat/completions" {
			asked <- q.Model
		}
		return 0, ""
	})
	code, table, complaint := checked(t, fmt.Sprintf(`
upstreams:
- {name: down, base_url: "http://127.0.0.1:1/v1"}
- {name: up, base_url: %q}
models: {a: meta-llama/x | up/*, "*": up/org/mapped}
models_strict: true
`, url))
	require.Equal(t, 2, code, complaint)
	require.Contains(t, complaint, `c.yaml:5: models: "a" goes to the upstream "meta-llama"`)
	require.Empty(t, table)

	code, table, complaint = checked(t, fmt.Sprintf(`
upstreams:
- {name: down, base_url: "http://127.0.0.1:1/v1"}
- {name: up, base_url: %q}
models: {a: plain | up/*, "*": up/org/mapped}
models_strict: true
`, url))
	require.Equal(t, 1, code)
	require.Equal(t, "understudy: no chat with down\n", complaint)
	require.Contains(t, table, `down chat failed The upstream "down" could not be reached: connection refused.`+"\n -> look whether it runs, and at base_url: http://127.0.0.1:1/v1\nup models ok")
	require.Equal(t, "org/mapped", <-asked)
}

func TestLikelyModel(t *testing.T) {
	for want, ids := range map[string][]string{
		"":                 {},
		"whisper-1":        {"whisper-1"},
		"llama3":           {"nomic-embed-text", "llama3", "qwen3"},
		"gpt-5-nano":       {"dall-e-3", "gpt-5", "gpt-4o-mini-tts", "gpt-5-nano"},
		"gemini-2.5-flash": {"gemini-2.5-pro", "gemini-embedding-001", "gemini-2.5-flash"},
	} {
		require.Equal(t, want, likelyModel(ids))
	}
}
