package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"understudy/runs/chat"
	"understudy/runs/chat/builtin"
)

// Upstream is one configured backend. Zero fields stand for the defaults of
// chat.Upstream.
type Upstream struct {
	Name           string
	BaseURL        string
	APIKey         Secret
	Auth           chat.Auth
	Headers        map[string]Secret
	Stream         chat.Streaming
	IdleTimeout    time.Duration
	MaxRetries     *int // nil means the default, 0 none
	ContextWindow  int  // tokens
	EmbeddingModel string
	EmbeddingSize  int // dimensions; 0 = the model's own
	MaxConcurrent  int
	Images         chat.Images
	Kind           string // empty = told by the address
	Profile        map[string]bool

	// Where says where the address was written: FILE:LINE, a flag, or an
	// environment variable.
	Where string
}

const (
	exampleURL  = "http://localhost:11434/v1"
	builtinURL  = "builtin://echo"
	openAIHost  = "api.openai.com"
	openAIEmbed = "text-embedding-3-small"

	exampleDimensions = 256
)

// offlineUpstream answers when nothing else is configured.
var offlineUpstream = Upstream{Name: "builtin", BaseURL: builtinURL, Auth: chat.AuthNone, EmbeddingModel: builtin.Model}

// String names the upstream without its key.
func (u Upstream) String() string { return u.Name + "=" + publicURL(u.BaseURL) }

// GoString keeps %#v as silent about keys as String.
func (u Upstream) GoString() string { return u.String() }

// LogValue implements slog.LogValuer.
func (u Upstream) LogValue() slog.Value { return slog.StringValue(u.String()) }

// reveal is the upstream as the chat client takes it.
func (u Upstream) reveal() chat.Upstream {
	revealed := chat.Upstream{
		Name:                u.Name,
		BaseURL:             u.BaseURL,
		APIKey:              u.APIKey.Reveal(),
		Auth:                u.Auth,
		Stream:              u.Stream,
		IdleTimeout:         u.IdleTimeout,
		ContextWindow:       u.ContextWindow,
		EmbeddingModel:      u.EmbeddingModel,
		EmbeddingDimensions: u.EmbeddingSize,
		MaxConcurrent:       u.MaxConcurrent,
		Images:              u.Images,
		Kind:                u.Kind,
		Profile:             u.Profile,
	}
	if u.MaxRetries != nil {
		revealed.MaxRetries = *u.MaxRetries
		if *u.MaxRetries == 0 {
			revealed.MaxRetries = -1 // what the chat client calls none
		}
	}
	for name, value := range u.Headers {
		if revealed.Headers == nil {
			revealed.Headers = map[string]string{}
		}
		revealed.Headers[name] = value.Reveal()
	}
	return revealed
}

// chooseUpstreams lets the flags or the environment replace the file's
// upstreams, and falls back on OpenAI's own variables. None means that nothing
// is configured.
func chooseUpstreams(fromFile []Upstream, address, key setting, getenv func(string) string) ([]Upstream, error) {
	if strings.ContainsAny(key.value, "\r\n\x00") {
		return nil, &problem{where: key.where, text: "the key contains a line break; write the key alone instead"}
	}
	switch {
	case address.where != "":
		// The file's key stays behind: it was meant for another host.
		return oneUpstream("default", address, Secret(key.value))
	case key.where != "" && len(fromFile) > 1:
		return nil, &problem{where: key.where, text: fmt.Sprintf("%s has %d upstreams and one key cannot be for all; write api_key there instead", fileOf(fromFile[0].Where), len(fromFile))}
	case key.where != "" && len(fromFile) == 1:
		one := fromFile[0]
		one.APIKey = Secret(key.value)
		return []Upstream{one}, nil
	case key.where != "":
		return oneUpstream("openai", setting{chat.DefaultBaseURL, key.where}, Secret(key.value))
	case len(fromFile) > 0:
		return fromFile, nil
	}
	base, openAIKey := getenv("OPENAI_BASE_URL"), getenv("OPENAI_API_KEY")
	switch {
	case base != "":
		return oneUpstream("openai", setting{base, "OPENAI_BASE_URL"}, Secret(openAIKey))
	case openAIKey != "":
		return oneUpstream("openai", setting{chat.DefaultBaseURL, "OPENAI_API_KEY"}, Secret(openAIKey))
	}
	return nil, nil
}

// fileOf is the file of a FILE:LINE.
func fileOf(where string) string { return where[:strings.LastIndexByte(where, ':')] }

func oneUpstream(name string, address setting, key Secret) ([]Upstream, error) {
	if reason := badURL(address.value); reason != "" {
		return nil, &problem{where: address.where, text: reason}
	}
	return []Upstream{{
		Name:           name,
		BaseURL:        address.value,
		APIKey:         key,
		EmbeddingModel: embeddingModelOf(address.value),
		Where:          address.where,
	}}, nil
}

// embeddingModelOf is the embedding model of the two hosts that are known to
// have one; others must be asked for theirs.
func embeddingModelOf(base string) string {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "builtin":
		return builtin.Model
	case u.Hostname() == openAIHost:
		return openAIEmbed
	}
	return ""
}

// badURL says what is wrong with a base URL and what to write, or is empty. It
// repeats nothing of the URL but its scheme: the rest may hold a key.
func badURL(base string) string {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "this is not a URL; write something like " + exampleURL + " instead"
	case u.User != nil:
		return "a key or password in the URL would be shown in logs; write it as the upstream's key instead"
	case u.Scheme == "builtin" && u.Host == "echo":
		return ""
	case u.Scheme == "builtin":
		return "the only built-in model is the echo model; write " + builtinURL + " instead"
	case u.Scheme != "http" && u.Scheme != "https":
		return "a base URL begins with http:// or https://; write something like " + exampleURL + " instead"
	case u.Hostname() == "":
		return "the URL has no host; write something like " + exampleURL + " instead"
	}
	return ""
}

func (c *configFile) readUpstreams(r *reader, n *yaml.Node) {
	lines := map[string]int{}
	for _, item := range r.items(n, "upstreams", "\"- name: openai\" below it") {
		before := len(r.problems)
		u := readUpstream(r, item)
		if line, taken := lines[u.Name]; taken && u.Name != "" {
			r.fail(item, "upstreams: the name %q is taken by the upstream on line %d; write another name instead", u.Name, line)
		}
		lines[u.Name] = item.Line
		if len(r.problems) == before {
			c.upstreams = append(c.upstreams, u)
		}
	}
}

func readUpstream(r *reader, n *yaml.Node) Upstream {
	u := Upstream{Where: r.where(n)}
	var keys []*yaml.Node
	named, addressed := false, false
	r.mapping(n, "upstreams", "name: openai", fields{
		"name":     func(n *yaml.Node) { u.Name, named = readName(r, n), true },
		"base_url": func(n *yaml.Node) { u.BaseURL, u.Where, addressed = readURL(r, n), r.where(n), true },
		"api_key": func(n *yaml.Node) {
			keys, u.APIKey = append(keys, n), readUpstreamKey(r, n)
		},
		"api_key_file": func(n *yaml.Node) {
			keys, u.APIKey = append(keys, n), readUpstreamKeyFile(r, n)
		},
		"auth":         func(n *yaml.Node) { u.Auth = chat.Auth(r.oneOf(n, "auth", "bearer", "raw", "api-key", "none")) },
		"headers":      func(n *yaml.Node) { u.Headers = readHeaders(r, n) },
		"stream":       func(n *yaml.Node) { u.Stream = chat.Streaming(r.oneOf(n, "stream", "auto", "always", "never")) },
		"idle_timeout": func(n *yaml.Node) { u.IdleTimeout = r.duration(n, "idle_timeout", "60s") },
		"max_retries": func(n *yaml.Node) {
			if retries, ok := r.integer(n, "max_retries", 0, chat.DefaultMaxRetries); ok {
				u.MaxRetries = &retries
			}
		},
		"context_window":       func(n *yaml.Node) { u.ContextWindow, _ = r.integer(n, "context_window", 1, chat.DefaultContextWindow) },
		"embedding_model":      func(n *yaml.Node) { u.EmbeddingModel, _ = r.text(n, "embedding_model", openAIEmbed) },
		"embedding_dimensions": func(n *yaml.Node) { u.EmbeddingSize, _ = r.integer(n, "embedding_dimensions", 1, exampleDimensions) },
		"max_concurrent":       func(n *yaml.Node) { u.MaxConcurrent, _ = r.integer(n, "max_concurrent", 1, chat.DefaultMaxConcurrent) },
		"images":               func(n *yaml.Node) { u.Images = chat.Images(r.oneOf(n, "images", "inline", "url", "none")) },
		"kind":                 func(n *yaml.Node) { u.Kind = r.oneOf(n, "kind", chat.Kinds()...) },
		"profile":              func(n *yaml.Node) { u.Profile = readProfile(r, n) },
	})
	if n.Kind != yaml.MappingNode {
		return u
	}
	if !named {
		r.fail(n, "upstreams: an upstream has no name; write name: openai, or another, instead")
	}
	if !addressed {
		r.fail(n, "upstreams: an upstream has no base_url; write base_url: %s, or another, instead", exampleURL)
	}
	if len(keys) > 1 {
		r.fail(keys[1], "api_key and api_key_file are both there; write one of them instead")
	}
	if u.EmbeddingModel == "" {
		u.EmbeddingModel = embeddingModelOf(u.BaseURL)
	}
	return u
}

// readProfile takes what is written about an upstream's ways, by name.
func readProfile(r *reader, n *yaml.Node) map[string]bool {
	profile := map[string]bool{}
	known := fields{}
	for _, name := range chat.ProfileNames() {
		known[name] = func(n *yaml.Node) { profile[name] = r.boolean(n, name) }
	}
	r.mapping(n, "profile", "profile: {parallel_tool_calls: false}", known)
	return profile
}

func readName(r *reader, n *yaml.Node) string {
	name, ok := r.text(n, "name", "openai")
	if ok && (name == "" || strings.ContainsAny(name, "/|* \t\r\n")) {
		r.fail(n, "name: %q cannot be the name of an upstream, which has no space, /, | or *; write name: openai, or another, instead", n.Value)
	}
	return name
}

func readURL(r *reader, n *yaml.Node) string {
	base, ok := r.text(n, "base_url", exampleURL)
	if !ok {
		return ""
	}
	if reason := badURL(base); reason != "" {
		r.fail(n, "base_url: %s", reason)
		return ""
	}
	return base
}

func readUpstreamKey(r *reader, n *yaml.Node) Secret {
	if r.keyless {
		return ""
	}
	return readKey(r, n, "api_key", "${OPENAI_API_KEY}")
}

func readUpstreamKeyFile(r *reader, n *yaml.Node) Secret {
	if r.keyless {
		return ""
	}
	return readKeyFile(r, n, "api_key_file", "/run/secrets/openai")
}

// readKey takes a key. Problems never repeat it.
func readKey(r *reader, n *yaml.Node, name, example string) Secret {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		r.fail(n, "%[1]s: expected text, found %[2]s; write %[1]s: \"…\", in quotes, or %[1]s: %[3]s instead", name, kind(n), example)
		return ""
	}
	key, ok := r.expand(n, name)
	if ok && (strings.TrimSpace(key) == "" || strings.ContainsAny(key, "\r\n\x00")) {
		r.fail(n, "%[1]s: the key is empty or contains a line break; write %[1]s: %[2]s instead", name, example)
		return ""
	}
	return Secret(key)
}

// readKeyFile takes the key out of a file, as secret mounts have it: alone, and
// perhaps with a line break at the end.
func readKeyFile(r *reader, n *yaml.Node, name, example string) Secret {
	path, ok := r.text(n, name, example)
	if !ok {
		return ""
	}
	content, err := os.ReadFile(path) //nolint:gosec // a path that the operator has configured
	if err != nil {
		r.fail(n, "%s: %v; write the name of a file that can be read instead", name, err)
		return ""
	}
	key := strings.TrimSpace(string(content))
	if key == "" || strings.ContainsAny(key, "\r\n\x00") {
		r.fail(n, "%s: the file does not hold one key; write the key alone into it instead", name)
		return ""
	}
	return Secret(key)
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// readHeaders takes extra headers. Their values count as secrets: many
// gateways want their key in a header of their own.
func readHeaders(r *reader, n *yaml.Node) map[string]Secret {
	headers := map[string]Secret{}
	if r.keyless {
		return headers
	}
	for key, value := range r.entries(n, "headers", "headers: {X-Title: understudy}") {
		if !headerName.MatchString(key.Value) {
			r.fail(key, "headers: %q cannot be the name of a header; write a name like X-Title instead", key.Value)
			continue
		}
		if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
			r.fail(value, "headers: expected text for %s, found %s; write it in quotes instead", key.Value, kind(value))
			continue
		}
		text, ok := r.expand(value, key.Value)
		if ok && slices.ContainsFunc([]byte(text), func(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }) {
			r.fail(value, "headers: the value of %s contains a line break or another control character; write it in one line instead", key.Value)
			continue
		}
		headers[key.Value] = Secret(text)
	}
	return headers
}
