// Command crash proves that the server loses nothing it acknowledged.
//
// It starts the built server on a scripted backend, drives it from many clients
// that keep a ledger of every answer they got, kills it at random instants, also
// while it starts, starts it again on the same data, and compares the ledgers
// with what the server shows over HTTP. What was acknowledged must be there,
// once, in its order; what was refused must not be; a request that the server
// died over may have been carried out or not, but not twice; every run comes to
// its end and leaves its thread free.
//
// With -faults it does the same while the disk fails: strace makes some of the
// server's writes and syncs fail. With -soak nothing is killed; the server must
// need no more memory, goroutines and files as time goes on, once its caches are
// full.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// settings are what the command line decides.
type settings struct {
	kills   int
	faults  int
	soak    time.Duration
	sample  time.Duration
	clients int
	timing  bool
	dir     string
	server  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := perform(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func perform(ctx context.Context, args []string, out io.Writer) (err error) {
	var s settings
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.IntVar(&s.kills, "kills", 50, "how often the server is killed")
	flags.IntVar(&s.faults, "faults", 0, "how often the server is started on a disk that fails, and killed")
	flags.DurationVar(&s.soak, "soak", 0, "instead, how long the server is watched under load")
	flags.DurationVar(&s.sample, "sample", 15*time.Second, "how often a soaked server is looked at")
	flags.IntVar(&s.clients, "clients", 24, "clients at work")
	flags.BoolVar(&s.timing, "timing", true, "a promise of time that is broken counts; false for a machine that is busy with other things")
	flags.StringVar(&s.dir, "dir", ".", "directory in which the data directory is made and removed again")
	flags.StringVar(&s.server, "server", "", "built server (default: this module's)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, ".crash-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if s.server == "" {
		if s.server, err = build(ctx, dir); err != nil {
			return err
		}
	}
	if s.soak > 0 {
		return soak(ctx, s, dir, out)
	}
	if s.kills > 0 {
		if err := trial(ctx, s, filepath.Join(dir, "kills"), out, kills(s.kills)); err != nil {
			return err
		}
	}
	if s.faults > 0 {
		if reason := canFault(ctx); reason != "" {
			fmt.Fprintf(out, "failing disk: skipped, because strace cannot make it fail: %s\n", reason)
			return nil
		}
		return trial(ctx, s, filepath.Join(dir, "faults"), out, diskFaults(s.faults))
	}
	return nil
}

// crowd is the server with its clients.
type crowd struct {
	settings
	data     string
	upstream *upstream
	target   *target
	verdict  *verdict
	client   *client
	workers  []*worker
	process  *process
}

// gather makes the clients; the server is started by raise.
func gather(s settings, data string, due deadlines, forgetful bool) (*crowd, error) {
	upstream, err := startUpstream(20 * time.Millisecond)
	if err != nil {
		return nil, err
	}
	c := &crowd{settings: s, data: data, upstream: upstream, target: newTarget(), verdict: newVerdict()}
	c.client = &client{
		http:   &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: s.clients}},
		target: c.target, verdict: c.verdict,
	}
	for n := range s.clients {
		own := *c.client
		if n%2 == 1 {
			own.keys = fmt.Sprint("client ", n)
		}
		c.workers = append(c.workers, &worker{
			client: &own, n: n, upstream: upstream, due: due, forgetful: forgetful, shelf: &shelf{client: &own, owner: n},
		})
	}
	return c, nil
}

// raise starts the server and waits until it is ready.
func (c *crowd) raise(ctx context.Context, wrapper []string) (err error) {
	if c.process, err = start(wrapper, c.server, c.data, c.upstream.url); err != nil {
		return err
	}
	base, err := c.process.await(ctx)
	if err != nil {
		return err
	}
	c.target.isUp(base, c.process.begun)
	c.verdict.time(&c.verdict.restart, nil, time.Since(c.process.begun))
	return nil
}

// drop kills the server in the middle of what it does.
func (c *crowd) drop() {
	c.process.signal(syscall.SIGKILL)
	c.target.isDown()
	c.process.kill()
	c.client.http.CloseIdleConnections()
}

// atWork lets the clients work while f runs, and then come to rest.
func (c *crowd) atWork(ctx context.Context, f func() error) error {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, w := range c.workers {
		wg.Go(func() { w.work(ctx, stop) })
	}
	err := f()
	close(stop)
	if err != nil { // they would wait for a server that does not come
		return err
	}
	wg.Wait()
	return ctx.Err()
}

// check compares all ledgers with the server.
func (c *crowd) check(ctx context.Context) error {
	pause(ctx, settled)
	listed, err := c.client.take(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, w := range c.workers {
		wg.Go(func() {
			for _, thread := range w.threads {
				thread.check(ctx)
			}
			w.shelf.check(ctx, listed)
		})
	}
	wg.Wait()
	return ctx.Err()
}

// report prints the line that sums up, and what was found first.
func (c *crowd) report(out io.Writer, what string) error {
	for _, text := range c.verdict.texts {
		fmt.Fprintln(out, text)
	}
	fmt.Fprintln(out, c.verdict.summary(what))
	if c.verdict.faulty() {
		return errors.New("the server has failed its clients; its last words:\n" + c.process.log())
	}
	return nil
}
