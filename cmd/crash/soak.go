package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sample is what a server needs at one moment.
type sample struct {
	rss        int // bytes of memory that the machine gives it
	heap       int // bytes live on its heap
	goroutines int
	files      int // open
	log        int // bytes of the write-ahead log
}

// figure is one of a sample's figures, and how much of it is no growth: so many
// percent, and so much beside.
type figure struct {
	name    string
	of      func(sample) int
	percent int
	beside  int
}

var figures = []figure{
	{"rss", func(s sample) int { return s.rss }, 15, 16 << 20},
	{"heap", func(s sample) int { return s.heap }, 15, 4 << 20},
	{"goroutines", func(s sample) int { return s.goroutines }, 10, 20},
	{"files", func(s sample) int { return s.files }, 10, 10},
	{"log", func(s sample) int { return s.log }, 0, 64 << 20},
}

// soak watches a server under load that lasts.
func soak(ctx context.Context, s settings, dir string, out io.Writer) error {
	c, err := gather(s, filepath.Join(dir, "soak"), lenient, true)
	if err != nil {
		return err
	}
	defer c.upstream.stop()
	if err := c.raise(ctx, nil); err != nil {
		return err
	}
	defer c.process.kill()
	var samples []sample
	err = c.atWork(ctx, func() error {
		tick := time.NewTicker(s.sample)
		defer tick.Stop()
		for end := time.Now().Add(s.soak); time.Now().Before(end); {
			select {
			case <-tick.C:
			case <-c.process.ended:
				return errors.New("the server has ended:\n" + c.process.log())
			case <-ctx.Done():
				return ctx.Err()
			}
			taken, err := c.look(ctx)
			if err != nil {
				return err
			}
			samples = append(samples, taken)
			fmt.Fprintf(out, "%5s  rss %s  heap %s  goroutines %d  files %d  log %s\n",
				time.Duration(len(samples))*s.sample, mib(taken.rss), mib(taken.heap), taken.goroutines, taken.files, mib(taken.log))
		}
		return nil
	})
	if err == nil {
		err = c.check(ctx)
	}
	if err != nil {
		return err
	}
	return errors.Join(c.report(out, fmt.Sprintf("soak of %v", s.soak)), flat(samples, out))
}

func mib(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// look takes a sample of the running server.
func (c *crowd) look(ctx context.Context) (sample, error) {
	c.process.signal(syscall.SIGUSR1)
	line := ""
	select {
	case line = <-c.process.vitals:
	case <-time.After(patience):
		return sample{}, errors.New("the server does not tell its vitals")
	case <-ctx.Done():
		return sample{}, ctx.Err()
	}
	process := fmt.Sprintf("/proc/%d/", c.process.command.Process.Pid)
	status, err := os.ReadFile(process + "status")
	if err != nil {
		return sample{}, err
	}
	files, err := os.ReadDir(process + "fd")
	if err != nil {
		return sample{}, err
	}
	taken := sample{
		rss: 1024 * number(string(status), `VmRSS:\s*(\d+)`), heap: number(line, `heap_live=(\d+)`),
		goroutines: number(line, `goroutines=(\d+)`), files: len(files),
	}
	if log, err := os.Stat(filepath.Join(c.data, "understudy.db-wal")); err == nil {
		taken.log = int(log.Size())
	}
	return taken, nil
}

// number is the first group of a pattern, 0 without one.
func number(text, pattern string) int {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // the pattern has digits
	return n
}

// flat compares the last third of the samples with the middle one; in the first
// the caches fill. The medians decide.
func flat(samples []sample, out io.Writer) error {
	third := len(samples) / 3
	if third == 0 {
		return errors.New("too few samples to tell; write a longer -soak or a shorter -sample")
	}
	var growing, verdicts []string
	for _, f := range figures {
		early, late := median(samples[third:2*third], f.of), median(samples[len(samples)-third:], f.of)
		verdicts = append(verdicts, fmt.Sprintf("%s %+.0f%%", f.name, 100*(float64(late)/float64(max(early, 1))-1)))
		if late > early+early*f.percent/100+f.beside {
			growing = append(growing, fmt.Sprintf("%s from %d to %d", f.name, early, late))
		}
	}
	if growing != nil {
		return fmt.Errorf("not flat: %s", strings.Join(growing, ", "))
	}
	fmt.Fprintf(out, "flat: %s\n", strings.Join(verdicts, ", "))
	return nil
}

func median(samples []sample, of func(sample) int) int {
	values := make([]int, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
