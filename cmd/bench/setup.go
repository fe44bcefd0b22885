package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// bench is what the loads work with.
type bench struct {
	dir       string
	children  []*exec.Cmd // the server is the last
	backend   string      // base URLs
	proxy     string
	server    string
	client    *http.Client
	assistant string
	database  *sql.DB
}

// setUp starts everything; the caller tears it down, also after an error.
func (b *bench) setUp(ctx context.Context, s settings) (err error) {
	if b.dir, err = os.MkdirTemp(s.dir, ".bench-*"); err != nil {
		return err
	}
	if b.database, err = openDatabase(ctx, b.dir, s.durability); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	anything := regexp.MustCompile(`(http://\S+)`)
	if b.backend, err = b.start(ctx, anything, self, "-role=backend"); err != nil {
		return err
	}
	if b.proxy, err = b.start(ctx, anything, self, "-role=proxy", "-target="+b.backend); err != nil {
		return err
	}
	if s.server == "" {
		s.server = filepath.Join(b.dir, "understudy")
		build := exec.CommandContext(ctx, "go", "build", "-o", s.server, "understudy/cmd/understudy") //nolint:gosec // a path of our own
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building the server: %w: %s", err, said)
		}
	}
	b.server, err = b.start(ctx, regexp.MustCompile(`base_url=(http://\S+)/v1`), s.server, "serve",
		"--listen=127.0.0.1:0", "--data="+filepath.Join(b.dir, "data"), "--upstream-url="+b.backend, "--durability="+s.durability)
	if err != nil {
		return err
	}
	b.assistant, err = create(ctx, b.client, b.server+"/v1/assistants", `{"model":"m","instructions":"Be brief."}`)
	return err
}

// start starts a child process and waits until it has told its address.
func (b *bench) start(ctx context.Context, address *regexp.Regexp, path string, args ...string) (string, error) {
	child := exec.CommandContext(ctx, path, args...) //nolint:gosec // bench itself, and the server that it was told to measure
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 30 * time.Second
	said, writing, err := os.Pipe()
	if err != nil {
		return "", err
	}
	child.Stdout, child.Stderr = writing, writing
	err = child.Start()
	_ = writing.Close() // the child has its own
	if err != nil {
		return "", errors.Join(err, said.Close())
	}
	b.children = append(b.children, child)
	lines := bufio.NewReader(said)
	for last := ""; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", errors.Join(fmt.Errorf("%s ended: %s", filepath.Base(path), last), said.Close())
		}
		if found := address.FindStringSubmatch(line); found != nil {
			go func() {
				_, _ = io.Copy(io.Discard, lines) // a full pipe would stop the child
				_ = said.Close()
			}()
			return found[1], nil
		}
		last = line
	}
}

// tearDown stops all children and removes what was made.
func (b *bench) tearDown() error {
	var failures []error
	b.client.CloseIdleConnections()
	for i := len(b.children) - 1; i >= 0; i-- {
		_ = b.children[i].Process.Signal(syscall.SIGTERM) // it may have ended
		if err := b.children[i].Wait(); b.children[i].ProcessState.ExitCode() > 0 {
			failures = append(failures, fmt.Errorf("%s: %w", filepath.Base(b.children[i].Path), err))
		}
	}
	if b.database != nil {
		failures = append(failures, b.database.Close())
	}
	return errors.Join(append(failures, os.RemoveAll(b.dir))...)
}

// loads are all there are, in the order of a round.
func (b *bench) loads() []load {
	return []load{
		{direct, func() work { return calling(b.client, b.backend) }},
		b.flows(),
		{proxied, func() work { return calling(b.client, b.proxy) }},
		{commit, func() work { return committing(b.database) }},
	}
}

func (b *bench) flows() load {
	return load{flow, func() work { return (&flows{client: b.client, base: b.server + "/v1", assistant: b.assistant}).work }}
}
