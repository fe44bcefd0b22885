package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFileMistakes(t *testing.T) {
	const up = "upstreams:\n  - name: a\n    base_url: http://a\n    "
	for _, c := range []struct{ content, want string }{
		// The document.
		{"a: b: c", `1: this is not YAML (mapping values are not allowed in this context); write "key: value" lines, indented by spaces, instead`},
		{"listen: x:1\n\tdata: y", `2: this is not YAML (found a tab character that violates indentation); write "key: value" lines, indented by spaces, instead`},
		{"data: \x01", `1: this is not YAML (control characters are not allowed); write "key: value" lines, indented by spaces, instead`},
		{"- listen", `1: configuration: expected a map, found a list; write listen: 127.0.0.1:8080 instead`},
		{"hello", `1: configuration: expected a map, found text; write listen: 127.0.0.1:8080 instead`},
		{"data: a\n---\ndata: b", `2: a second document begins here; write one document instead`},
		{"data: a\n---\n{", `3: this is not YAML (did not find expected node content); write "key: value" lines, indented by spaces, instead`},
		{"? [a]\n: b", `1: configuration: a key is a list; write listen: 127.0.0.1:8080 instead`},
		{"data: a\nlisten: 127.0.0.1:1\ndata: b", `3: configuration: "data" was written already on line 1; write it once instead`},
		{"liste: x", `1: configuration: unknown key "liste"; write listen instead`},
		{"model:\n  a: b", `1: configuration: unknown key "model"; write models instead`},
		{"color: red", `1: configuration: unknown key "color"; write adopt, auth, cors_origins, data, durability, file_search, image_hosts, limits, listen, log_format, metrics, models, models_strict, record, record_ignore, relay, replay, run_webhooks, tape, upstreams or webhooks instead`},
		{"<<: {data: x}", `1: configuration: unknown key "<<"; write adopt, auth, cors_origins, data, durability, file_search, image_hosts, limits, listen, log_format, metrics, models, models_strict, record, record_ignore, relay, replay, run_webhooks, tape, upstreams or webhooks instead`},

		// Single settings.
		{"listen: 8080", `1: listen: expected text, found a number; write it in quotes, as "8080", instead`},
		{"listen: \"8080\"", `1: "8080" is not an address to listen on; write 127.0.0.1:8080 instead`},
		{"data: [x]", `1: data: expected text, found a list; write ./data instead`},
		{"data: {x: y}", `1: data: expected text, found a map; write ./data instead`},
		{"data: true", `1: data: expected text, found true or false; write it in quotes, as "true", instead`},
		{"data: 2026-01-01", `1: data: expected text, found a date; write it in quotes, as "2026-01-01", instead`},
		{"data: ''", `1: the data directory has no name; write ./data instead`},
		{"durability: some", `1: durability: "some" is unknown; write full or normal instead`},
		{"log_format: xml", `1: log_format: "xml" is unknown; write text or json instead`},
		{"auth: token", `1: auth: "token" is unknown; write none or keys instead`},
		{"auth: {mode: token}", `1: auth: "token" is unknown; write none or keys instead`},
		{"auth: {kind: none}", `1: auth: unknown key "kind"; write mode instead`},
		{"auth: [none]", `1: auth: expected a map, found a list; write auth: {mode: none} instead`},
		{"models_strict: yes", `1: models_strict: "yes" is neither true nor false; write models_strict: true instead`},
		{"models_strict: []", `1: models_strict: expected true or false, found a list; write models_strict: true instead`},
		{"cors_origins: https://a.b", `1: cors_origins: expected a list, found text; write cors_origins: [https://app.example.com] instead`},
		{"cors_origins: [a.b]", `1: cors_origins: "a.b" is not an origin, which is a scheme, a host and perhaps a port; write https://app.example.com instead`},
		{"cors_origins:\n- https://a.b/path", `2: cors_origins: "https://a.b/path" is not an origin, which is a scheme, a host and perhaps a port; write https://app.example.com instead`},
		{"cors_origins: ['https://*.b']", `1: cors_origins: "https://*.b" is not an origin, which is a scheme, a host and perhaps a port; write https://app.example.com instead`},
		{"file_search: true", `1: file_search: expected a map, found true or false; write file_search: {quotes: true} instead`},
		{"file_search: {memory: 0}", `1: memory: "0" is not a whole number from 1 up; write memory: 256 instead`},
		{"file_search: {quote: true}", `1: file_search: unknown key "quote"; write quotes instead`},
		{"metrics: on", `1: metrics: expected a map, found text; write metrics: {token: "${METRICS_TOKEN}"} instead`},
		{"metrics: {tokens: x}", `1: metrics: unknown key "tokens"; write token instead`},
		{"metrics: {token: 5}", `1: token: expected text, found a number; write token: "…", in quotes, or token: ${METRICS_TOKEN} instead`},
		{"metrics:\n  token_file: none.txt", "2: token_file: open none.txt: no such file or directory; write the name of a file that can be read instead"},
		{"metrics:\n  token: x\n  token_file: good.txt", "3: token and token_file are both there; write one of them instead"},
		{"image_hosts: a.b", `1: image_hosts: expected a list, found text; write image_hosts: [images.example.com] instead`},
		{"image_hosts: [5]", `1: image_hosts: expected text, found a number; write it in quotes, as "5", instead`},
		{"image_hosts:\n- https://a.b", `2: image_hosts: "https://a.b" is neither the name of a host, nor an address, nor a range of them; write images.example.com or 10.1.0.0/16 instead`},
		{"image_hosts: [10.0.0.0/33]", `1: image_hosts: "10.0.0.0/33" is neither the name of a host, nor an address, nor a range of them; write images.example.com or 10.1.0.0/16 instead`},
		{"relay: /mj", `1: relay: expected a list, found text; write relay: [/v1/fine_tuning] instead`},
		{"relay: [mj]", `1: relay: "mj" is not the beginning of a path; write /v1/fine_tuning instead`},
		{"relay: [/a/../b]", `1: relay: "/a/../b" is not the beginning of a path; write /v1/fine_tuning instead`},
		{"relay: [/v1]", `1: relay: "/v1" is answered by this server itself; write another path, like /v1/fine_tuning, instead`},
		{"relay:\n- /", `2: relay: "/" is answered by this server itself; write another path, like /v1/fine_tuning, instead`},
		{"relay: [/v1/threads/]", `1: relay: "/v1/threads/" is answered by this server itself; write another path, like /v1/fine_tuning, instead`},

		{"limits: 5", `1: limits: expected a map, found a number; write limits: {runs: 256} instead`},
		{"limits: {runs: 0}", `1: runs: "0" is not a whole number from 1 up; write runs: 256 instead`},
		{"limits: {run: 5}", `1: limits: unknown key "run"; write runs instead`},
		{"limits: {answers: 1MiB}", `1: answers: "1MiB" is not a size of 32MiB or more, in MiB or GiB; write answers: 512MiB instead`},
		{"limits: {bodies: 64}", `1: bodies: "64" is not a size of 32MiB or more, in MiB or GiB; write bodies: 256MiB instead`},

		{"adopt: all", `1: adopt: "all" is unknown; write off or empty instead`},
		{"tape: on", `1: tape: expected a map, found text; write tape: {keep: 30d} or tape: off instead`},
		{"tape: {kept: 5d}", `1: tape: unknown key "kept"; write keep instead`},
		{"tape: {keep: 30}", `1: keep: "30" is not a time of a second or more, in days or hours; write keep: 30d, or keep: forever, instead`},
		{"tape: {keep: -1d}", `1: keep: "-1d" is not a time of a second or more, in days or hours; write keep: 30d, or keep: forever, instead`},
		{"tape: {keep: 1ms}", `1: keep: "1ms" is not a time of a second or more, in days or hours; write keep: 30d, or keep: forever, instead`},
		{"tape: {max_size: 1GB}", `1: max_size: "1GB" is not a size of 32MiB or more, in MiB or GiB; write max_size: 1GiB instead`},
		{"tape: {off: default}", `1: off: expected a list, found text; write off: [default] instead`},

		// Environment variables.
		{"data: ${NOT_SET}/x", `1: data: the environment variable NOT_SET is not set or is empty; set it, or write the value itself instead`},
		{"data: ${NOT-SET}", `1: data: ${ begins the name of an environment variable, which ends with } and has only letters, digits and _; write ${NAME} instead`},
		{"data: ${OPEN", `1: data: ${ begins the name of an environment variable, which ends with } and has only letters, digits and _; write ${NAME} instead`},
		{"models_strict: ${NOT_SET}", `1: models_strict: the environment variable NOT_SET is not set or is empty; set it, or write the value itself instead`},

		// Upstreams.
		{"upstreams: {name: a}", `1: upstreams: expected a list, found a map; write "- name: openai" below it instead`},
		{"upstreams: [null]", `1: upstreams: an entry of the list is empty; write "- name: openai" below it instead`},
		{"upstreams: [a]", `1: upstreams: expected a map, found text; write name: openai instead`},
		{"upstreams: [{base_url: http://a}]", `1: upstreams: an upstream has no name; write name: openai, or another, instead`},
		{"upstreams:\n- name: a", `2: upstreams: an upstream has no base_url; write base_url: http://localhost:11434/v1, or another, instead`},
		{"upstreams:\n- {name: a, base_url: http://a}\n- {name: a, base_url: http://b}", `3: upstreams: the name "a" is taken by the upstream on line 2; write another name instead`},
		{"upstreams: [{name: a/b, base_url: http://a}]", `1: name: "a/b" cannot be the name of an upstream, which has no space, /, | or *; write name: openai, or another, instead`},
		{"upstreams: [{name: a, base_url: a.b}]", `1: base_url: a base URL begins with http:// or https://; write something like http://localhost:11434/v1 instead`},
		{"upstreams: [{name: a, base_url: 5}]", `1: base_url: expected text, found a number; write it in quotes, as "5", instead`},
		{"upstreams: [{name: a, base_url: 'http://me:sk-hidden@h'}]", `1: base_url: a key or password in the URL would be shown in logs; write it as the upstream's key instead`},
		{up + "baseurl: x", `4: upstreams: unknown key "baseurl"; write base_url instead`},
		{up + "api_key: [sk-hidden]", `4: api_key: expected text, found a list; write api_key: "…", in quotes, or api_key: ${OPENAI_API_KEY} instead`},
		{up + "api_key: 123456", `4: api_key: expected text, found a number; write api_key: "…", in quotes, or api_key: ${OPENAI_API_KEY} instead`},
		{up + "api_key: ''", `4: api_key: the key is empty or contains a line break; write api_key: ${OPENAI_API_KEY} instead`},
		{up + `api_key: "sk-hidden\nx"`, `4: api_key: the key is empty or contains a line break; write api_key: ${OPENAI_API_KEY} instead`},
		{up + "api_key: ${NOT_SET}", `4: api_key: the environment variable NOT_SET is not set or is empty; set it, or write the value itself instead`},
		{up + "api_key: a\n    api_key_file: good.txt", `5: api_key and api_key_file are both there; write one of them instead`},
		{up + "api_key_file: none.txt", `4: api_key_file: open none.txt: no such file or directory; write the name of a file that can be read instead`},
		{up + "api_key_file: bad.txt", `4: api_key_file: the file does not hold one key; write the key alone into it instead`},
		{up + "api_key_file: 5", `4: api_key_file: expected text, found a number; write it in quotes, as "5", instead`},
		{up + "auth: basic", `4: auth: "basic" is unknown; write bearer, raw, api-key or none instead`},
		{up + "headers: [a]", `4: headers: expected a map, found a list; write headers: {X-Title: understudy} instead`},
		{up + "headers: {a b: c}", `4: headers: "a b" cannot be the name of a header; write a name like X-Title instead`},
		{up + "headers: {a: 5}", `4: headers: expected text for a, found a number; write it in quotes instead`},
		{up + `headers: {a: "sk-hidden\n"}`, `4: headers: the value of a contains a line break or another control character; write it in one line instead`},
		{up + "stream: maybe", `4: stream: "maybe" is unknown; write auto, always or never instead`},
		{up + "idle_timeout: 60", `4: idle_timeout: "60" is not a duration above zero with its unit; write idle_timeout: 60s instead`},
		{up + "idle_timeout: -5s", `4: idle_timeout: "-5s" is not a duration above zero with its unit; write idle_timeout: 60s instead`},
		{up + "idle_timeout: [5s]", `4: idle_timeout: expected a duration, found a list; write idle_timeout: 60s instead`},
		{up + "max_retries: many", `4: max_retries: "many" is not a whole number from 0 up; write max_retries: 4 instead`},
		{up + "max_retries: -1", `4: max_retries: "-1" is not a whole number from 0 up; write max_retries: 4 instead`},
		{up + "context_window: 0", `4: context_window: "0" is not a whole number from 1 up; write context_window: 128000 instead`},
		{up + "context_window: {}", `4: context_window: expected a whole number, found a map; write context_window: 128000 instead`},
		{up + "max_concurrent: 0", `4: max_concurrent: "0" is not a whole number from 1 up; write max_concurrent: 256 instead`},
		{up + "images: yes", `4: images: "yes" is unknown; write inline, url or none instead`},
		{up + "kind: opnai", `4: kind: "opnai" is unknown; write openai, azure, anthropic, gemini, mistral, deepseek, moonshot, groq, openrouter, ollama, vllm, llamacpp or generic instead`},
		{up + "kind: [openai]", `4: kind: expected text, found a list; write openai instead`},
		{up + "profile: mistral", `4: profile: expected a map, found text; write profile: {parallel_tool_calls: false} instead`},
		{up + "profile:\n      strict: true\n      parallel_tool_cals: false", `6: profile: unknown key "parallel_tool_cals"; write parallel_tool_calls instead`},
		{up + "profile: {color: true}", `4: profile: unknown key "color"; write assistant_after_tool, echo_extra, echo_reasoning, json_schema, max_completion_tokens, merge_roles, parallel_tool_calls, plain_schemas, reasoning_effort, short_ids, stream_options, strict, system_role, temperature, think_tags, tool_choice or top_p instead`},
		{up + "profile: {strict: maybe}", `4: strict: "maybe" is neither true nor false; write strict: true instead`},
		{up + "embedding_model: []", `4: embedding_model: expected text, found a list; write text-embedding-3-small instead`},

		// Models.
		{"models: [a]", `1: models: expected a map, found a list; write "gpt-4*": openai/gpt-5-mini instead`},
		{"models: {a: 5}", `1: models: expected text, found a number; write it in quotes, as "5", instead`},
		{"models: {a: [b]}", `1: models: expected text, found a list; write openai/gpt-5-mini instead`},
		{"models: {a: }", `1: models: expected text, found nothing; write openai/gpt-5-mini instead`},
		{"models: {'': b}", `1: models: the name of a model is empty; write "*" for all models instead`},
		{"models: {a: b, a: c}", `1: models: "a" was written already on line 1; write it once instead`},
		{"models:\n  a: ''", `2: models: "a" has a target without a name; write builtin/MODEL instead`},
		{up + "\nmodels:\n  x: a/y |", `6: models: "x" has a target without a name; write a/MODEL instead`},
		{up + "\nmodels:\n  x: a/", `6: models: "x" has a target without a name; write a/MODEL instead`},
		{"upstreams: [{name: openai, base_url: http://a}, {name: groq, base_url: http://b}]\nmodels:\n  x: opnai/y", `3: models: "x" goes to the upstream "opnai", which is not configured; write openai/y instead`},
		{"upstreams: [{name: openai, base_url: http://a}, {name: groq, base_url: http://b}]\nmodels:\n  x: meta/y", `3: models: "x" goes to the upstream "meta", which is not configured; write openai/meta/y, or another upstream before it, instead`},

		// Several at once, in the order of their lines.
		{"upstreams: [{name: a}]\ndata: []\nauth: x", "1: upstreams: an upstream has no base_url; write base_url: http://localhost:11434/v1, or another, instead\n" +
			"c.yaml:2: data: expected text, found a list; write ./data instead\nc.yaml:3: auth: \"x\" is unknown; write none or keys instead"},
	} {
		t.Run(c.content, func(t *testing.T) {
			t.Chdir(t.TempDir())
			require.NoError(t, os.WriteFile("good.txt", []byte("sk"), 0o600))
			require.NoError(t, os.WriteFile("bad.txt", []byte("two\nlines"), 0o600))
			require.NoError(t, os.WriteFile("c.yaml", []byte(c.content), 0o600))
			path := "c.yaml"
			_, err := loadConfig(ServeFlags{StoreFlags: StoreFlags{Config: &path}}, environment{}.get)
			require.EqualError(t, err, "c.yaml:"+c.want)
			require.NotContains(t, err.Error(), "hidden")
		})
	}
}

func TestFilesThatAreFine(t *testing.T) {
	for _, content := range []string{
		"", "# nothing", "---\n", "listen:\nauth:\nupstreams:\nmodels:\ncors_origins:\n", "null",
		"upstreams: [{name: a, base_url: http://a, api_key: , headers: , stream: }]",
		"upstreams: [{name: a, base_url: http://a}]\nmodels: {x: meta-llama/llama}",
		"upstreams: [{name: a, base_url: http://a, max_retries: \"${N}\", context_window: \"${N}\"}]",
	} {
		_, err := readConfig("c.yaml", []byte(content), environment{"N": "7"}.get, false)
		require.NoError(t, err, content)
	}
}

func TestDistance(t *testing.T) {
	for words, want := range map[string]int{"a a": 0, "listen liste": 1, "kitten sitting": 3, "abc cab": 2, "x abc": 3} {
		a, b, _ := strings.Cut(words, " ")
		require.Equal(t, want, distance(a, b), words)
		require.Equal(t, want, distance(b, a), words)
	}
}

// Whatever the file holds, reading it ends with a configuration or with lines
// that say where, what and what instead, and never with a variable's value.
func FuzzReadConfig(f *testing.F) {
	f.Add([]byte(exampleConfig))
	f.Add([]byte("upstreams:\n- &a {name: a, base_url: http://a, api_key: ${SECRET}}\n- *a\nmodels: {x: a/b|c}"))
	f.Add([]byte("listen: [a\nauth: {mode: ${SECRET}}\nbase_url: ${SECRET}"))
	f.Add([]byte("&x [*x]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		getenv := func(name string) string {
			if name == "SECRET" {
				return "hidden-value"
			}
			return ""
		}
		c, err := readConfig("c.yaml", content, getenv, false)
		if err == nil {
			err = c.checkModels([]Upstream{{Name: "a"}, {Name: "b"}}, setting{})
		}
		if err == nil {
			return
		}
		require.NotContains(t, err.Error(), "hidden-value")
		for line := range strings.SplitSeq(err.Error(), "\n") {
			require.Regexp(t, `^c\.yaml:[0-9]+: .+; (write|set) .+ instead$`, line)
		}
	})
}
