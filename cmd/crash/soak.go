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

// figure is one of a sample's figures, and what an hour may add to it at the pace
// at which it grew: what the samples differ by themselves looks like no more.
type figure struct {
	name string
	of   func(sample) int
	more int // in percent of its median
}

var figures = []figure{
	{"rss", func(s sample) int { return s.rss }, 25},
	{"heap", func(s sample) int { return s.heap }, 50},
	{"goroutines", func(s sample) int { return s.goroutines }, 50},
	{"files", func(s sample) int { return s.files }, 50},
}

// mostLog is how long the write-ahead log may become, in bytes. It grows and
// starts over, and so has no pace.
const mostLog = 64 << 20

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
	return errors.Join(c.report(out, fmt.Sprintf("soak of %v", s.soak)), flat(samples, s.sample, out))
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

// leastSamples are needed to tell a pace from chance.
const leastSamples = 20

// flat judges the second half of the samples: in the first the caches fill, of
// which SQLite's, in 64 MB for each of a few connections, takes longest.
func flat(samples []sample, every time.Duration, out io.Writer) error {
	if len(samples) < leastSamples {
		return fmt.Errorf("%d samples are too few to tell; write a longer -soak or a shorter -sample", len(samples))
	}
	warm := samples[len(samples)/2:]
	var growing, verdicts []string
	for _, f := range figures {
		values := make([]float64, len(warm))
		for i, s := range warm {
			values[i] = float64(f.of(s))
		}
		more := 100 * pace(values) * float64(time.Hour/every) / max(median(values), 1)
		verdicts = append(verdicts, fmt.Sprintf("%s %+.0f%%", f.name, more))
		if more > float64(f.more) {
			growing = append(growing, fmt.Sprintf("%s by %.0f%% an hour", f.name, more))
		}
	}
	for _, s := range samples {
		if s.log > mostLog {
			growing = append(growing, "the log to "+mib(s.log))
			break
		}
	}
	if growing != nil {
		return fmt.Errorf("not flat: %s", strings.Join(growing, ", "))
	}
	fmt.Fprintf(out, "flat: what an hour would add, as the second half went: %s\n", strings.Join(verdicts, ", "))
	return nil
}

// pace is by how much values grow from one to the next: the median of what it is
// between any two of them (Theil and Sen), which a few strange ones do not change.
func pace(values []float64) float64 {
	var slopes []float64
	for i := range values {
		for j := range i {
			slopes = append(slopes, (values[i]-values[j])/float64(i-j))
		}
	}
	return median(slopes)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
