package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"understudy/api/wire"
	"understudy/runs/chat"
	"understudy/runs/chat/recordings"
	"understudy/store"
)

// Recordings say where answers of the upstreams are recorded to, or replayed
// from. At most one of the two is set.
type Recordings struct {
	Record, Replay string
	Ignore         []*regexp.Regexp // what may differ
}

func (r Recordings) on() bool { return r.Record != "" || r.Replay != "" }

// stillTime is what the clock of a server shows that records or replays: it
// stands, so that times are the same in every session.
var stillTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// repetition is what a server has that records or replays, and no other.
type repetition struct {
	set   *recordings.Set // nil = it does neither
	seeds *wire.Seeds
	now   func() time.Time
	data  string // a directory to be removed at the end; "" = none
}

// repeat opens the recordings that the configuration names, and gives the server
// an empty data directory unless it was told another.
func repeat(config *Config, logger *slog.Logger) (*repetition, error) {
	if !config.Recordings.on() {
		return &repetition{now: time.Now}, nil
	}
	r := &repetition{seeds: wire.NewSeeds(config.Recordings.Ignore...), now: func() time.Time { return stillTime }}
	options := recordings.Options{Dir: config.Recordings.Record, Ignore: config.Recordings.Ignore, Logger: logger}
	if config.Recordings.Replay != "" {
		options.Dir, options.Replay = config.Recordings.Replay, true
	}
	var err error
	if r.set, err = recordings.Open(options); err != nil {
		return nil, &usageError{err}
	}
	if config.Data == "" {
		if r.data, err = os.MkdirTemp("", "understudy-"); err != nil {
			return nil, err
		}
		config.Data = r.data
	}
	return r, nil
}

// begin refuses a data directory with objects, whose ids may be those that are
// given again, and says in the directory of new recordings whose answers they are.
func (r *repetition) begin(ctx context.Context, db *store.DB, config Config) error {
	if r.set == nil {
		return nil
	}
	empty, err := db.Empty(ctx)
	switch {
	case err != nil:
		return err
	case !empty:
		return &usageError{fmt.Errorf("the data directory %s has objects, and a server that records or replays begins without any, so that all ids repeat; leave --data out, or name a new directory, instead", config.Data)}
	case r.set.Replay:
		return nil
	default:
		return writeUpstreams(filepath.Join(r.set.Dir, upstreamsFile), config)
	}
}

// through has the upstreams' answers recorded, or replayed.
func (r *repetition) through(c *chat.Config) {
	if r.set == nil {
		return
	}
	c.Through, c.Repeatable, c.Now = r.set.Through, true, r.now
	if r.set.Replay {
		c.Sleep = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) } // nothing gets better by waiting
	}
}

// stopping is called when no new requests are taken.
func (r *repetition) stopping() {
	if r.set != nil {
		r.set.Seal()
	}
}

// close tells what became of the recordings, and removes what was only for this
// session. Its error makes a replay fail that missed something.
func (r *repetition) close() error {
	if r.set == nil {
		return nil
	}
	err := r.set.Close()
	if r.data != "" {
		err = errors.Join(err, os.RemoveAll(r.data))
	}
	return err
}

// tell says in the log what the server is.
func (r Recordings) tell(logger *slog.Logger) {
	switch {
	case r.Record != "":
		logger.Info("recording what upstreams answer", "dir", r.Record)
	case r.Replay != "":
		logger.Info("replaying what was recorded; no upstream is asked", "dir", r.Replay)
	}
}

// upstreamsFile is what a directory of recordings has to say of the upstreams
// they come from: where no configuration does, requests are made for these.
const upstreamsFile = "upstreams.yaml"

// writeUpstreams writes the upstreams and models of a configuration, as a
// configuration file has them, without keys.
func writeUpstreams(path string, config Config) error {
	type upstream struct {
		Name                string          `yaml:"name"`
		BaseURL             string          `yaml:"base_url"`
		Kind                string          `yaml:"kind,omitempty"`
		Stream              chat.Streaming  `yaml:"stream,omitempty"`
		MaxRetries          *int            `yaml:"max_retries,omitempty"`
		ContextWindow       int             `yaml:"context_window,omitempty"`
		Images              chat.Images     `yaml:"images,omitempty"`
		EmbeddingModel      string          `yaml:"embedding_model,omitempty"`
		EmbeddingDimensions int             `yaml:"embedding_dimensions,omitempty"`
		Profile             map[string]bool `yaml:"profile,omitempty"`
	}
	file := struct {
		Upstreams    []upstream `yaml:"upstreams"`
		Models       *yaml.Node `yaml:"models,omitempty"`
		ModelsStrict bool       `yaml:"models_strict,omitempty"`
	}{ModelsStrict: config.ModelsStrict}
	for _, u := range config.Upstreams {
		file.Upstreams = append(file.Upstreams, upstream{
			u.Name, bareURL(u.BaseURL), u.Kind, u.Stream, u.MaxRetries, u.ContextWindow, u.Images, u.EmbeddingModel, u.EmbeddingSize, u.Profile,
		})
	}
	if len(config.Models) > 0 { // their order counts, which a map of Go's does not have
		file.Models = &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range config.Models {
			for _, text := range []string{m.Pattern, m.Target} {
				file.Models.Content = append(file.Models.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text})
			}
		}
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		return err
	}
	text = append([]byte("# The upstreams that these recordings come from, without keys: understudy serve --replay makes its requests for them\n"+
		"# when no configuration names others. Written by understudy serve --record.\n"), text...)
	return os.WriteFile(path, text, 0o644) //nolint:gosec // it is for everybody who checks the project out
}

// rememberUpstreams takes what the recordings say of their upstreams where
// nothing else was configured.
func (c *configFile) rememberUpstreams(dir string, getenv func(string) string) error {
	path := filepath.Join(dir, upstreamsFile)
	content, err := os.ReadFile(path) //nolint:gosec // beside the recordings that the operator has named
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	remembered, err := readConfig(path, content, getenv, true)
	if err != nil {
		return err
	}
	c.upstreams = remembered.upstreams
	if len(c.models) == 0 {
		c.models, c.modelLines, c.modelsStrict = remembered.models, remembered.modelLines, c.modelsStrict || remembered.modelsStrict
	}
	return nil
}

// readIgnored takes the patterns of what may differ between a request and its
// recording.
func (c *configFile) readIgnored(r *reader, n *yaml.Node) {
	const example = `\d{4}-\d\d-\d\d`
	for _, item := range r.items(n, "record_ignore", "record_ignore: ['"+example+"']") {
		text, ok := r.text(item, "record_ignore", example)
		pattern, err := regexp.Compile(text)
		if ok && (err != nil || text == "") {
			r.fail(item, "record_ignore: %q is not a regular expression that Go reads (https://pkg.go.dev/regexp/syntax); write something like %s instead", text, example)
			continue
		}
		c.recordings.Ignore = append(c.recordings.Ignore, pattern)
	}
}

// loadRecordings resolves where recordings lie, and what follows from there being
// some: a data directory of its own for the session, and the upstreams they know.
func (c *Config) loadRecordings(flags ServeFlags, from settings, file *configFile, url setting) error {
	record, replay := from.pick(flags.Record, "record", file.record), from.pick(flags.Replay, "replay", file.replay)
	if record.where != "" && replay.where != "" {
		return &problem{where: replay.where, text: fmt.Sprintf("a server cannot replay and record (%s) at once; write one of them instead", record.where)}
	}
	for _, s := range []setting{record, replay} {
		if s.where != "" && s.value == "" {
			return &problem{where: s.where, text: "the directory of the recordings has no name; write something like tests/recordings instead"}
		}
	}
	c.Recordings = Recordings{record.value, replay.value, file.recordings.Ignore}
	if data := from.pick(flags.Data, "data", setting{}); c.Recordings.on() && data.where == "" {
		c.Data = ""
	}
	if c.Recordings.Replay == "" || len(file.upstreams) > 0 || url.where != "" {
		return nil
	}
	err := file.rememberUpstreams(c.Recordings.Replay, from.getenv)
	c.Models, c.ModelsStrict = file.models, file.modelsStrict
	return err
}
