package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// server is an Understudy that serves.
type server struct {
	*process
	assistants map[string]string // by the upstream whose way they answer in
}

// ways are the upstreams that every server has; the first is the default.
var ways = []string{plain, steady, silent, late, marked}

var readyLine = regexp.MustCompile(`msg="understudy is ready".* base_url=(\S+)`)

// serve starts a server on a data directory, with a command in front of it that
// may be none, and with an assistant for each way of the upstream. More is
// written into its configuration.
func (b *bench) serve(ctx context.Context, prefix []string, durability, data string, more ...string) (*server, error) {
	s, err := b.launch(ctx, prefix, durability, data, more...)
	if err != nil {
		return nil, err
	}
	b.processes = append(b.processes, s.process)
	return s, s.hire()
}

// hire makes an assistant for each way of the upstream.
func (s *server) hire() error {
	c, err := newConn(s.base)
	if err != nil {
		return err
	}
	defer c.close()
	for _, way := range ways {
		if s.assistants[way], err = c.create("/assistants", fmt.Sprintf(`{"model":"%s/m","instructions":"Be brief."}`, way)); err != nil {
			return err
		}
	}
	return nil
}

// launch starts a server, which the caller stops.
func (b *bench) launch(ctx context.Context, prefix []string, durability, data string, more ...string) (*server, error) {
	config, err := b.configuration(more...)
	if err != nil {
		return nil, err
	}
	command, err := prefixed(ctx, prefix, []string{
		b.binary, "serve", "--listen=127.0.0.1:0", "--data=" + data, "--durability=" + durability, "--config=" + config,
	})
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, readyLine, command...)
	if err != nil {
		return nil, err
	}
	p.walIdx = filepath.Join(data, databaseFile+"-shm")
	return &server{process: p, assistants: map[string]string{}}, nil
}

// configuration writes the configuration of all servers, and more of one. A
// server has read it when it is ready.
func (b *bench) configuration(more ...string) (path string, err error) {
	upstream, err := b.upstream()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString(strings.Join(more, "") + "limits: {runs: 8192}\nupstreams:\n")
	for _, way := range ways {
		fmt.Fprintf(&text, "  - {name: %s, base_url: \"%s/%[1]s\", auth: none, max_concurrent: 4096}\n", way, upstream.base)
	}
	path = filepath.Join(b.work, "config.yaml")
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}
