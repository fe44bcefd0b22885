// Command bench measures what the server costs beyond the model's own time.
//
// It starts the built server beside a scripted upstream, a bare
// httputil.ReverseProxy in front of the same upstream, and bare SQLite commits
// on the same disk, each a process of its own. A round is one short slice of
// each load in turn. Machines are noisy, so a figure is a ratio of what one
// round measured, where all loads met the same noise; the median over the
// rounds is judged, and shown with how far it strayed.
//
// The figures are the rows of a table; see docs/performance.md for what they
// mean. The exit code is 1 when one misses what it must reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are what the command line decides.
type settings struct {
	rounds  int
	slice   time.Duration
	rows    []int  // numbers of the rows to measure; empty = all
	dir     string // where what is made is put: the disk to measure
	binary  string // built server; empty = build it
	sdk     string // where make sdk-install has put the SDKs
	profile string // where profiles go; empty = measure instead
}

// section is one table of figures. Its rows are numbered from 1.
type section struct {
	name, title string
	rows        []row
}

var sections = []section{
	{"speed", "Speed, durability full, the tape on", rowsOfSpeed},
	{"tape", "The tape of model calls, durability full", rowsOfTape},
	{"retrieval", "Retrieval from vector stores, 1,536 dimensions, 20 hits, one search at a time", rowsOfRetrieval},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == roleWord {
		return play(ctx, args[1:], out)
	}
	s, chosen, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if s.profile != "" {
		return profile(ctx, s, out)
	}
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	missed := 0
	for _, section := range chosen {
		missed += section.measure(ctx, b, out)
	}
	if err := errors.Join(ctx.Err(), b.tearDown()); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d figures miss what they must reach", missed)
	}
	return nil
}

// parse reads the command line, and says which sections are to be measured.
func parse(args []string) (s settings, chosen []section, err error) {
	rows, names := "", ""
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 9, "rounds of one slice of every load")
	flags.DurationVar(&s.slice, "slice", 600*time.Millisecond, "length of a slice")
	flags.StringVar(&rows, "rows", "", "numbers of the rows to measure, with commas between them (default: all); they are of the first table that -sections names")
	flags.StringVar(&names, "sections", "", "names of the tables to measure, with commas between them (default: all)")
	flags.StringVar(&s.dir, "dir", ".", "directory on the disk to measure; what is made in it is removed again")
	flags.StringVar(&s.binary, "server", "", "built server to measure (default: this module's)")
	flags.StringVar(&s.sdk, "sdk", ".sdk", "where make sdk-install has put the SDKs")
	flags.StringVar(&s.profile, "profile", "", "profile the server under load instead, and put the profiles into this directory")
	if err := flags.Parse(args); err != nil {
		return s, nil, err
	}
	if s.rounds < 1 || s.slice <= 0 {
		return s, nil, errors.New("there must be at least one round, of slices that last; write -rounds 9 -slice 600ms instead")
	}
	chosen, err = choose(names)
	if err == nil && rows != "" {
		if names == "" {
			chosen = sections[:1]
		}
		s.rows, err = numbers(rows, len(chosen[0].rows))
	}
	return s, chosen, err
}

// choose returns the sections of a list with commas; all for none.
func choose(names string) (chosen []section, err error) {
	if names == "" {
		return sections, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-sections: there is no table %q; write %s instead", name, sections[0].name)
		}
		chosen = append(chosen, sections[i])
	}
	return chosen, nil
}

// numbers reads a list with commas of numbers from 1 to most.
func numbers(list string, most int) (all []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("-rows: there is no row %q; write 1,3 instead, up to %d", text, most)
		}
		all = append(all, n)
	}
	return all, nil
}
