package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// bench is what rows measure with. What several rows need is made or measured
// when the first of them asks for it.
type bench struct {
	settings
	work      string // directory of everything that is made
	self      string // this program
	processes []*process

	upstream, proxy, disk, slowDisk func() (*process, error)
	full, slowFull, slowNormal      func() (*server, error)
	library                         func() (*library, error)
	single, many                    func() ([]round, error)
}

// newBench makes the directory and the server's binary; the caller tears it down.
func newBench(ctx context.Context, s settings) (_ *bench, err error) {
	b := &bench{settings: s}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.work, err = os.MkdirTemp(s.dir, ".bench-*"); err != nil {
		return nil, err
	}
	if b.work, err = filepath.Abs(b.work); err != nil {
		return nil, err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.work, "understudy")
		if err := build(ctx, b.binary); err != nil {
			return nil, errors.Join(err, b.tearDown())
		}
	}
	b.upstream = sync.OnceValues(func() (*process, error) { return b.role(ctx, nil, "upstream") })
	b.proxy = sync.OnceValues(func() (*process, error) {
		upstream, err := b.upstream()
		if err != nil {
			return nil, err
		}
		return b.role(ctx, nil, "proxy", "-target="+upstream.base)
	})
	b.disk = sync.OnceValues(func() (*process, error) { return b.role(ctx, nil, "disk", "-dir="+b.folder("disk")) })
	b.slowDisk = sync.OnceValues(func() (*process, error) {
		return b.role(ctx, slowed, "disk", "-dir="+b.folder("slow-disk"))
	})
	b.full = sync.OnceValues(func() (*server, error) { return b.serve(ctx, nil, "full", b.folder("full")) })
	b.slowFull = sync.OnceValues(func() (*server, error) { return b.serve(ctx, slowed, "full", b.folder("slow-full")) })
	b.slowNormal = sync.OnceValues(func() (*server, error) { return b.serve(ctx, slowed, "normal", b.folder("slow-normal")) })
	b.library = sync.OnceValues(func() (*library, error) { return b.newLibrary(ctx) })
	b.single = sync.OnceValues(func() ([]round, error) { return b.oneClient(ctx) })
	b.many = sync.OnceValues(func() ([]round, error) { return b.manyClients(ctx) })
	return b, nil
}

// build builds the server of this module.
func build(ctx context.Context, path string, flags ...string) error {
	arguments := append(append([]string{"build", "-ldflags=-s -w", "-o", path}, flags...), "understudy/cmd/understudy")
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building the server: %w: %s", err, said)
	}
	return nil
}

// folder makes a directory in the working directory.
func (b *bench) folder(name string) string {
	path := filepath.Join(b.work, name)
	_ = os.MkdirAll(path, 0o700) // whoever uses it tells
	return path
}

// slowed is the command in front of another whose syncs it makes 2 ms slower,
// and nothing else: seccomp spares the other system calls. strace is no parent
// of it, so that signals reach the command.
var slowed = []string{
	"strace", "-D", "--seccomp-bpf", "-f", "-o", "/dev/null",
	"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_exit=2000",
}

// prefixed puts a command in front of another, after a try whether it can be.
func prefixed(ctx context.Context, prefix, command []string) ([]string, error) {
	if len(prefix) == 0 {
		return command, nil
	}
	if _, err := exec.LookPath(prefix[0]); err != nil {
		return nil, &notMeasured{prefix[0] + " is not installed, which slows the disk"}
	}
	try := append(append([]string(nil), prefix...), "true")
	if said, err := exec.CommandContext(ctx, try[0], try[1:]...).CombinedOutput(); err != nil {
		return nil, &notMeasured{fmt.Sprintf("%s cannot slow the disk: %v: %s", prefix[0], err, strings.TrimSpace(string(said)))}
	}
	return append(append([]string(nil), prefix...), command...), nil
}

var anyAddress = regexp.MustCompile(`(http://\S+)`)

// role starts this program in one of its roles.
func (b *bench) role(ctx context.Context, prefix []string, name string, flags ...string) (*process, error) {
	command, err := prefixed(ctx, prefix, append([]string{b.self, roleWord, name}, flags...))
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, anyAddress, command...)
	if err == nil {
		b.processes = append(b.processes, p)
	}
	return p, err
}

// tearDown stops all children and removes what was made.
func (b *bench) tearDown() error {
	var failures []error
	for i := len(b.processes) - 1; i >= 0; i-- {
		failures = append(failures, b.processes[i].stop())
	}
	return errors.Join(append(failures, os.RemoveAll(b.work))...)
}
