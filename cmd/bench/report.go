package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// report prints the table of one concurrency.
func report(out io.Writer, workers int, rounds []round) {
	fmt.Fprintf(out, "\nconcurrency %d\n  %-10s %28s %30s %28s\n", workers, "", "p50 µs", "p99 µs", "per second")
	for _, name := range []string{direct, proxied, commit, flow} {
		fmt.Fprintf(out, "  %-10s %28s %30s %28s\n", name,
			over(rounds, "%.0f", func(r round) float64 { return micros(r[name].p50) }),
			over(rounds, "%.0f", func(r round) float64 { return micros(r[name].p99) }),
			over(rounds, "%.0f", func(r round) float64 { return r[name].rate }))
	}
	for _, f := range []struct {
		what, format string
		of           func(round) float64
	}{
		{"added by the server, p50 µs", "%.0f", func(r round) float64 { return added(r, flow, median50) }},
		{"added by the server, p99 µs", "%.0f", func(r round) float64 { return added(r, flow, tail99) }},
		{"added by the proxy, p50 µs", "%.0f", func(r round) float64 { return added(r, proxied, median50) }},
		{"flow / direct, p50", "%.2f", func(r round) float64 { return ratio(r, direct, median50) }},
		{"flow / direct, p99", "%.2f", func(r round) float64 { return ratio(r, direct, tail99) }},
		{"flow / proxied, p50", "%.2f", func(r round) float64 { return ratio(r, proxied, median50) }},
		{"added / (added by the proxy + 2 commits), p50", "%.2f", func(r round) float64 {
			return added(r, flow, median50) / (added(r, proxied, median50) + 2*micros(r[commit].p50))
		}},
		{"flows / proxied calls, per second", "%.3f", func(r round) float64 { return r[flow].rate / r[proxied].rate }},
	} {
		fmt.Fprintf(out, "  %-42s %s\n", f.what, over(rounds, f.format, f.of))
	}
}

func median50(s sample) time.Duration { return s.p50 }
func tail99(s sample) time.Duration   { return s.p99 }

// added is how much longer than the direct call a load takes, in microseconds.
func added(r round, name string, of func(sample) time.Duration) float64 {
	return micros(of(r[name]) - of(r[direct]))
}

// ratio compares the flow with another load.
func ratio(r round, other string, of func(sample) time.Duration) float64 {
	return float64(of(r[flow])) / float64(of(r[other]))
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// over shows a figure over all rounds: its median, and how far it strayed.
func over(rounds []round, format string, figure func(round) float64) string {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = figure(r)
	}
	slices.Sort(values)
	return fmt.Sprintf(format+" ("+format+".."+format+")", values[len(values)/2], values[0], values[len(values)-1])
}
