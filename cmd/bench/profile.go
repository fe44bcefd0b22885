package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// profile puts the server under load after load, and writes a CPU profile of
// each, profiles of memory at the end, and a summary of all of them.
func profile(ctx context.Context, s settings, out io.Writer) (err error) {
	if err := os.MkdirAll(s.profile, 0o755); err != nil { //nolint:gosec // for everyone who may read the sources
		return err
	}
	s.binary = filepath.Join(s.profile, "understudy")
	if err := build(ctx, s.binary, "-tags=profile"); err != nil {
		return err
	}
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.tearDown()) }()
	socket := filepath.Join(os.TempDir(), fmt.Sprintf("understudy-profile-%d", os.Getpid())) // the names of sockets are short
	defer func() { _ = os.Remove(socket) }()                                                 // the server may have done so
	server, err := b.serve(ctx, []string{"env", "PROFILE_SOCKET=" + socket}, "full", b.folder("profiled"))
	if err != nil {
		return err
	}
	summary, err := os.Create(filepath.Join(s.profile, "summary.txt"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, summary.Close()) }()
	p := &profiler{dir: s.profile, binary: s.binary, socket: socket, out: io.MultiWriter(out, summary)}
	run, err := server.completedRun()
	if err != nil {
		return err
	}
	many, err1 := newClosed(crowd, nil, server.flowing())
	single, err2 := newClosed(1, nil, server.flowing())
	streaming, err3 := newClosed(crowd, nil, server.streaming(steady))
	reading, err4 := newClosed(readers, nil, getting(server.base, run))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	lasting := time.Duration(s.rounds) * s.slice
	for _, l := range []named{{"gets-16", reading}, {"flows-64", many}, {"flows-1", single}, {"streams-64", streaming}} {
		if err := p.cpu(ctx, l, lasting); err != nil {
			return err
		}
	}
	return errors.Join(p.fetch(ctx, "/heap", "heap"), p.fetch(ctx, "/allocs", "allocs"),
		p.top(ctx, "heap", "-sample_index=inuse_space"), p.top(ctx, "allocs", "-sample_index=alloc_space"))
}

// profiler fetches the profiles of a server that was built for it.
type profiler struct {
	dir, binary, socket string
	out                 io.Writer
}

// cpu profiles the server while it bears a load, which it closes.
func (p *profiler) cpu(ctx context.Context, l named, lasting time.Duration) error {
	defer l.close()
	seconds := strconv.Itoa(max(1, int(math.Round(lasting.Seconds()))))
	var both errgroup.Group
	both.Go(func() error { return p.fetch(ctx, "/cpu?seconds="+seconds, l.name) })
	both.Go(func() error { _, err := l.offer(ctx, lasting); return err })
	if err := both.Wait(); err != nil {
		return err
	}
	return errors.Join(p.top(ctx, l.name), p.top(ctx, l.name, "-cum", "-show=^(understudy|modernc.org/sqlite|net/http|encoding/json)"))
}

func (p *profiler) path(name string) string { return filepath.Join(p.dir, name+".pprof") }

// fetch asks the server for a profile and writes it to a file.
func (p *profiler) fetch(ctx context.Context, path, name string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", p.socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	fetched, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the server has no profile %s: %s", name, fetched)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(p.path(name), fetched, 0o600)
}

// top adds the top of a profile to the summary.
func (p *profiler) top(ctx context.Context, name string, flags ...string) error {
	arguments := append(append([]string{"tool", "pprof", "-top", "-nodecount=40"}, flags...), p.binary, p.path(name))
	command := exec.CommandContext(ctx, "go", arguments...)
	shown, err := command.Output()
	fmt.Fprintf(p.out, "== %s %v\n%s\n", name, flags, shown)
	return err
}
