package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"understudy/runs/chat"
)

// AuthMode says whom the server answers.
type AuthMode string

// The modes of authentication.
const (
	AuthNone AuthMode = "none" // everyone who reaches the address
	AuthKeys AuthMode = "keys" // clients with a key made by "understudy keys create"
)

// Durability says what an answered request survives.
type Durability string

// The levels of durability.
const (
	DurabilityFull   Durability = "full"   // a power cut
	DurabilityNormal Durability = "normal" // a crash of the server, not of the machine
)

// LogFormat is the format of log lines.
type LogFormat string

// The formats of the log.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

const (
	defaultListen = "127.0.0.1:8080"
	defaultData   = "./data"
)

// Config is the configuration with everything resolved and checked: flags beat
// the environment, which beats the file, which beats the defaults. Printing it
// shows no key.
type Config struct {
	File         string // the configuration file; empty when there is none
	Listen       string // host:port; an empty host means all interfaces
	Data         string // directory of the database and the files
	Durability   Durability
	Auth         AuthMode
	CORSOrigins  []string // origins of web pages that may call, or "*"
	Upstreams    []Upstream
	Models       []chat.Mapping // in the order of the file: the first match wins
	ModelsStrict bool           // refuse models that match nothing
	Relay        []string       // prefixes of paths that go to the upstreams as they are
	ImageHosts   []string       // names, addresses or ranges that images may come from though they are not public
	FileSearch   FileSearch
	Limits       Limits
	Tape         Tape
	Adopt        bool // unknown thread ids come to life
	LogFormat    LogFormat
	Webhooks     Webhooks
	Recordings   Recordings
	MetricsToken Secret // what opens /metrics; empty = see docs/metrics.md
	Traces       Traces

	// Offline says that nothing named an upstream, so the built-in model
	// answers; start-up tells the user.
	Offline bool
}

// Chat is the part of the configuration that the chat client takes, with the
// keys revealed.
func (c Config) Chat() chat.Config {
	config := chat.Config{Models: c.Models, ModelsStrict: c.ModelsStrict, ImageHosts: c.ImageHosts}
	for _, u := range c.Upstreams {
		config.Upstreams = append(config.Upstreams, u.reveal())
	}
	return config
}

// String describes the configuration in one line, without any key.
func (c Config) String() string {
	upstreams := make([]string, len(c.Upstreams))
	for i, u := range c.Upstreams {
		upstreams[i] = u.String()
	}
	return fmt.Sprintf("file=%q listen=%s data=%q durability=%s auth=%s cors_origins=%v upstreams=[%s] models=%d models_strict=%t relay=%v file_search=%s limits=%s tape=%s adopt=%t webhooks=%s log_format=%s",
		c.File, c.Listen, c.Data, c.Durability, c.Auth, c.CORSOrigins, strings.Join(upstreams, ", "), len(c.Models), c.ModelsStrict, c.Relay, c.FileSearch, c.Limits, c.Tape, c.Adopt, c.Webhooks, c.LogFormat)
}

// GoString keeps %#v as silent about keys as String.
func (c Config) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// setting is one value and where it was written: FILE:LINE, a flag, or an
// environment variable. An empty where means that it was not written.
type setting struct{ value, where string }

// settings resolves single values from the three sources.
type settings struct {
	getenv func(string) string
}

// pick returns the flag's value, else the environment's, else the file's. An
// empty environment variable counts as unset.
func (s settings) pick(flag *string, name string, file setting) setting {
	if flag != nil {
		return setting{*flag, "--" + name}
	}
	env := "UNDERSTUDY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if value := s.getenv(env); value != "" {
		return setting{value, env}
	}
	return file
}

// oneOf checks a setting that is one of several words; the first is the default.
func (s setting) oneOf(words ...string) (string, error) {
	if s.where == "" {
		return words[0], nil
	}
	for _, word := range words {
		if s.value == word {
			return word, nil
		}
	}
	return "", &problem{where: s.where, text: fmt.Sprintf("%q is unknown; write %s instead", s.value, either(words))}
}

// loadConfig resolves the configuration from the flags, the environment and
// the file they name.
func loadConfig(flags ServeFlags, getenv func(string) string) (Config, error) {
	from := settings{getenv}
	file, err := openConfig(from.pick(flags.Config, "config", setting{}), getenv, from.pick(flags.Replay, "replay", setting{}).where != "")
	if err != nil {
		return Config{}, err
	}
	c := Config{
		File:         file.name,
		CORSOrigins:  file.corsOrigins,
		Models:       file.models,
		ModelsStrict: file.modelsStrict,
		Relay:        file.relay,
		ImageHosts:   file.imageHosts,
		MetricsToken: file.metricsToken,
		FileSearch:   file.fileSearch,
		Limits:       file.limits,
		Webhooks:     file.webhooks,
		Tape:         defaultTape,
		Adopt:        file.adopt,
	}
	if file.tape != nil {
		c.Tape = *file.tape
	}
	if c.Traces, err = readTraces(getenv); err != nil {
		return Config{}, err
	}
	if c.Data, err = from.pick(flags.Data, "data", file.data).directory(); err != nil {
		return Config{}, err
	}
	durability, err := from.pick(flags.Durability, "durability", file.durability).oneOf("full", "normal")
	if err != nil {
		return Config{}, err
	}
	format, err := from.pick(flags.LogFormat, "log-format", file.logFormat).oneOf("text", "json")
	if err != nil {
		return Config{}, err
	}
	auth := from.pick(flags.Auth, "auth", file.auth)
	mode, err := auth.oneOf("none", "keys")
	if err != nil {
		return Config{}, err
	}
	c.Durability, c.LogFormat, c.Auth = Durability(durability), LogFormat(format), AuthMode(mode)
	if c.Listen, err = from.pick(flags.Listen, "listen", file.listen).listen(auth); err != nil {
		return Config{}, err
	}
	url := from.pick(flags.UpstreamURL, "upstream-url", setting{})
	if err := c.loadRecordings(flags, from, &file, url); err != nil {
		return Config{}, err
	}
	key := from.pick(flags.UpstreamKey, "upstream-key", setting{})
	if c.Upstreams, err = chooseUpstreams(file.upstreams, url, key, getenv); err != nil {
		return Config{}, err
	}
	if len(c.Upstreams) == 0 {
		c.Upstreams, c.Offline = []Upstream{offlineUpstream}, true
	}
	return c, file.checkModels(c.Upstreams, url)
}

// loadDataDir resolves only the data directory, for commands that need no more:
// what else is wrong in the file is no reason not to make a key.
func loadDataDir(flags StoreFlags, getenv func(string) string) (string, error) {
	from := settings{getenv}
	data := from.pick(flags.Data, "data", setting{})
	if data.where == "" {
		file, err := openConfig(from.pick(flags.Config, "config", setting{}), getenv, false)
		if err != nil && file.data.where == "" {
			return "", err
		}
		data = file.data
	}
	return data.directory()
}

// openConfig reads the file that the configuration names; without one it is as
// good as empty. A server that replays needs no keys of upstreams.
func openConfig(path setting, getenv func(string) string, replays bool) (configFile, error) {
	if path.where == "" {
		return configFile{}, nil
	}
	content, err := os.ReadFile(path.value)
	if err != nil {
		return configFile{}, &problem{where: path.where, text: fmt.Sprintf("%v; write the name of a file that can be read instead", err)}
	}
	return readConfig(path.value, content, getenv, replays)
}

// directory checks the data directory's name; the store makes it.
func (s setting) directory() (string, error) {
	switch {
	case s.where == "":
		return defaultData, nil
	case strings.TrimSpace(s.value) == "":
		return "", &problem{where: s.where, text: "the data directory has no name; write " + defaultData + " instead"}
	}
	return s.value, nil
}

// openToAll reports whether the operator let everyone in: no keys, and an
// address that other machines reach. Only then are foreign Hosts answered.
func (c Config) openToAll() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return c.Auth == AuthNone && err == nil && !isLoopback(host)
}
