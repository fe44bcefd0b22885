package main

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"understudy/api"
	"understudy/runs/chat"
	"understudy/runs/outbound"
)

// configFile is what a configuration file says, before flags and environment
// have their say.
type configFile struct {
	name         string
	listen       setting
	data         setting
	durability   setting
	auth         setting
	logFormat    setting
	adopt        bool
	corsOrigins  []string
	upstreams    []Upstream
	models       []chat.Mapping
	modelLines   []*yaml.Node // of the targets in models
	modelsStrict bool
	imageHosts   []string
	relay        []string
	fileSearch   FileSearch
	limits       Limits
	tape         *Tape // nil = not written
	metricsToken Secret
	webhooks     Webhooks
	record       setting
	replay       setting
	recordings   Recordings // Ignore alone
}

// readConfig reads a configuration file. Its error holds every mistake, one a
// line, each with FILE:LINE and what to write instead.
func readConfig(name string, content []byte, getenv func(string) string, replays bool) (configFile, error) {
	c := configFile{name: name}
	r := &reader{file: name, getenv: getenv, keyless: replays}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return c, nil
	case err != nil:
		r.invalid(err)
		return c, r.err()
	}
	c.read(r, follow(document.Content[0]))
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.invalid(err)
	default:
		r.fail(&second, "a second document begins here; write one document instead")
	}
	return c, r.err()
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// invalid reports what the YAML parser says, at the line it names.
func (r *reader) invalid(err error) {
	where := &yaml.Node{Line: 1}
	text := err.Error()
	if m := syntaxError.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if line, err := strconv.Atoi(m[1]); err == nil {
			where.Line = line
		}
	}
	r.fail(where, "this is not YAML (%s); write \"key: value\" lines, indented by spaces, instead", text)
}

// read takes the top level of the file.
func (c *configFile) read(r *reader, n *yaml.Node) {
	r.keyless = r.keyless || hasKey(n, "replay")
	r.mapping(n, "configuration", "listen: "+defaultListen, c.keys(r))
}

// keys are those of the top level, and how each is read.
func (c *configFile) keys(r *reader) fields {
	return fields{
		"listen":        r.setting(&c.listen, "listen", defaultListen),
		"data":          r.setting(&c.data, "data", defaultData),
		"durability":    r.word(&c.durability, "durability", "full", "normal"),
		"log_format":    r.word(&c.logFormat, "log_format", "text", "json"),
		"auth":          func(n *yaml.Node) { c.readAuth(r, n) },
		"cors_origins":  func(n *yaml.Node) { c.readOrigins(r, n) },
		"upstreams":     func(n *yaml.Node) { c.readUpstreams(r, n) },
		"models":        func(n *yaml.Node) { c.readModels(r, n) },
		"models_strict": func(n *yaml.Node) { c.modelsStrict = r.boolean(n, "models_strict") },
		"relay":         func(n *yaml.Node) { c.readRelay(r, n) },
		"image_hosts":   func(n *yaml.Node) { c.readImageHosts(r, n) },
		"metrics":       func(n *yaml.Node) { c.readMetrics(r, n) },
		"file_search":   func(n *yaml.Node) { c.readFileSearch(r, n) },
		"webhooks":      func(n *yaml.Node) { c.readWebhooks(r, n) },
		"run_webhooks":  func(n *yaml.Node) { c.readRunWebhooks(r, n) },
		"record":        r.setting(&c.record, "record", "tests/recordings"),
		"replay":        r.setting(&c.replay, "replay", "tests/recordings"),
		"record_ignore": func(n *yaml.Node) { c.readIgnored(r, n) },
		"limits":        func(n *yaml.Node) { c.limits = readLimits(r, n) },
		"adopt":         func(n *yaml.Node) { c.adopt = r.oneOf(n, "adopt", "off", "empty") == "empty" },
		"tape":          func(n *yaml.Node) { c.tape = new(readTape(r, n)) },
	}
}

// setting returns the reader of a text that flags and environment can override.
func (r *reader) setting(target *setting, key, example string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if value, ok := r.text(n, key, example); ok {
			*target = setting{value, r.where(n)}
		}
	}
}

// word is setting for one of several words.
func (r *reader) word(target *setting, key string, words ...string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if value := r.oneOf(n, key, words...); value != "" {
			*target = setting{value, r.where(n)}
		}
	}
}

// readAuth takes both "auth: none" and "auth: {mode: none}".
func (c *configFile) readAuth(r *reader, n *yaml.Node) {
	mode := r.word(&c.auth, "auth", "none", "keys")
	if n.Kind == yaml.ScalarNode {
		mode(n)
		return
	}
	r.mapping(n, "auth", "auth: {mode: none}", fields{"mode": mode})
}

func (c *configFile) readOrigins(r *reader, n *yaml.Node) {
	const example = "https://app.example.com"
	for _, item := range r.items(n, "cors_origins", "cors_origins: ["+example+"]") {
		origin, ok := r.text(item, "cors_origins", example)
		if !ok {
			continue
		}
		if origin != "*" && !isOrigin(origin) {
			r.fail(item, "cors_origins: %q is not an origin, which is a scheme, a host and perhaps a port; write %s instead", item.Value, example)
			continue
		}
		c.corsOrigins = append(c.corsOrigins, origin)
	}
}

var pathPrefix = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// readRelay takes prefixes of paths. What the server answers itself cannot be
// the upstreams' as well.
func (c *configFile) readRelay(r *reader, n *yaml.Node) {
	const example = "/v1/fine_tuning"
	for _, item := range r.items(n, "relay", "relay: ["+example+"]") {
		prefix, ok := r.text(item, "relay", example)
		prefix = strings.TrimSuffix(prefix, "/")
		switch {
		case !ok:
		case prefix != "" && !pathPrefix.MatchString(prefix):
			r.fail(item, "relay: %q is not the beginning of a path; write %s instead", item.Value, example)
		case api.Serves(prefix):
			r.fail(item, "relay: %q is answered by this server itself; write another path, like %s, instead", item.Value, example)
		default:
			c.relay = append(c.relay, prefix)
		}
	}
}

// isOrigin reports whether a browser could send the text as an Origin header.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.Scheme+"://"+u.Host == text && !strings.ContainsAny(u.Host, "*@ ")
}

func (c *configFile) readImageHosts(r *reader, n *yaml.Node) {
	const example = "images.example.com"
	for _, item := range r.items(n, "image_hosts", "image_hosts: ["+example+"]") {
		host, ok := r.text(item, "image_hosts", example)
		if !ok {
			continue
		}
		if _, err := outbound.NewGuardedDialer([]string{host}); err != nil {
			r.fail(item, "image_hosts: %q is neither the name of a host, nor an address, nor a range of them; write %s or 10.1.0.0/16 instead", item.Value, example)
			continue
		}
		c.imageHosts = append(c.imageHosts, host)
	}
}

// readModels keeps the order of the map. Targets are checked later, when the
// upstreams are known.
func (c *configFile) readModels(r *reader, n *yaml.Node) {
	for key, value := range r.entries(n, "models", `"gpt-4*": openai/gpt-5-mini`) {
		if strings.TrimSpace(key.Value) == "" {
			r.fail(key, "models: the name of a model is empty; write \"*\" for all models instead")
			continue
		}
		target, ok := r.text(value, "models", "openai/gpt-5-mini")
		if !ok {
			continue
		}
		c.models = append(c.models, chat.Mapping{Pattern: key.Value, Target: target})
		c.modelLines = append(c.modelLines, value)
	}
}

// checkModels checks that what the models map names is there. With a single
// upstream, a first part that is another name belongs to the model's name, as
// in meta-llama/Llama; with several it would not be clear where to go.
func (c *configFile) checkModels(upstreams []Upstream, override setting) error {
	r := &reader{file: c.name}
	names := make([]string, len(upstreams))
	known := map[string]bool{}
	for i, u := range upstreams {
		names[i], known[u.Name] = u.Name, true
	}
	replaced := map[string]bool{}
	for _, u := range c.upstreams {
		replaced[u.Name] = !known[u.Name]
	}
	for i, m := range c.models {
		n := c.modelLines[i]
		for target := range strings.SplitSeq(m.Target, "|") {
			target = strings.TrimSpace(target)
			name, model, slash := strings.Cut(target, "/")
			switch {
			case target == "" || slash && model == "" || slash && name == "":
				r.fail(n, "models: %q has a target without a name; write %s/MODEL instead", m.Pattern, names[0])
			case !slash || known[name]:
			case replaced[name]:
				r.fail(n, "models: %q goes to the upstream %q, which %s replaces; write default/%s, or leave %s out, instead", m.Pattern, name, override.where, model, override.where)
			case len(upstreams) > 1 && nearest(name, names) != "":
				r.fail(n, "models: %q goes to the upstream %q, which is not configured; write %s/%s instead", m.Pattern, name, nearest(name, names), model)
			case len(upstreams) > 1:
				r.fail(n, "models: %q goes to the upstream %q, which is not configured; write %s/%s, or another upstream before it, instead", m.Pattern, name, names[0], target)
			}
		}
	}
	return r.err()
}
