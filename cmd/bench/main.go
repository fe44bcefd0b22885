// Command bench measures what the server adds to a model call.
//
// In one process run it alternates short slices of four loads, each offered by
// as many workers as the concurrency says, who wait for one answer before they
// send the next request:
//
//   - direct: the model call itself, to a scripted backend on loopback;
//   - proxied: the same call through a bare httputil.ReverseProxy, the least
//     that anything between a client and its backend adds;
//   - commit: one row written to SQLite on the same disk and with the same
//     settings, the least that anything durable costs;
//   - flow: what a client of the server does for one answer: add a message,
//     create a run, and learn of its end by a held request.
//
// Machines are noisy, so the figures to judge by are ratios: they are formed
// within a round, in which all loads meet the same noise, and the median over
// the rounds counts. Server, backend and proxy run as processes of their own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// settings are what the command line decides.
type settings struct {
	rounds      int
	slice       time.Duration
	concurrency []int
	dir         string // where the data directory is made
	server      string // built server; empty = build it
	durability  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	concurrency, role, target := "", "", ""
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 9, "rounds of one slice of every load")
	flags.DurationVar(&s.slice, "slice", 700*time.Millisecond, "length of a slice")
	flags.StringVar(&concurrency, "concurrency", "1,32", "numbers of workers, with commas between them")
	flags.StringVar(&s.dir, "dir", ".", "directory on the disk to measure; what is made in it is removed again")
	flags.StringVar(&s.server, "server", "", "built server to measure (default: this module's)")
	flags.StringVar(&s.durability, "durability", "full", "durability of the server and of the bare commits: full or normal")
	flags.StringVar(&role, "role", "", "used by bench itself: be the backend or the proxy")
	flags.StringVar(&target, "target", "", "used by bench itself: where the proxy leads")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if role != "" {
		return play(ctx, role, target, out)
	}
	for text := range strings.SplitSeq(concurrency, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("-concurrency: %q is not a number of workers; write 1,32 instead", text)
		}
		s.concurrency = append(s.concurrency, n)
	}
	if s.rounds < 1 || s.slice <= 0 {
		return errors.New("there must be at least one round, of slices that last; write -rounds 9 -slice 700ms instead")
	}
	return measure(ctx, s, out)
}

// measure starts the processes, runs all rounds and prints what came out.
func measure(ctx context.Context, s settings, out io.Writer) (err error) {
	b := &bench{client: newClient()}
	defer func() { err = errors.Join(err, b.tearDown()) }()
	if err := b.setUp(ctx, s); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d rounds of %v slices, durability %s: median (min..max) over the rounds\n", s.rounds, s.slice, s.durability)
	for _, workers := range s.concurrency {
		loads := b.loads()
		for _, l := range loads { // connections are made, caches filled
			if _, err := offer(ctx, l, workers, s.slice); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
		var rounds []round
		for range s.rounds {
			r := round{}
			for _, l := range loads {
				if r[l.name], err = offer(ctx, l, workers, s.slice); err != nil {
					return fmt.Errorf("%s: %w", l.name, err)
				}
			}
			rounds = append(rounds, r)
		}
		syncs, counted := b.syncsPerFlow(ctx, workers)
		report(out, workers, rounds)
		if counted {
			fmt.Fprintf(out, "  %-42s %.2f\n", "disk syncs per flow (a commit is one)", syncs)
		}
	}
	return nil
}
