package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// row is a line of the table, or several where it has several figures.
type row struct {
	name    string
	figures []figure
	// measure returns each figure's values, one for each round.
	measure func(context.Context, *bench) ([][]float64, error)
}

// figure is one number and what it must reach.
type figure struct {
	name    string // what tells it from the row's others
	must    aim
	stretch string // what a bare sketch of the server reached
}

// rowsOfSpeed are numbered from 1.
var rowsOfSpeed = []row{
	{"added latency of a flow, 1 client, in 2 GETs + proxy + 2 commits", []figure{
		{"", atMost(3, ""), "1.8-2.3"},
		{"the message in a request of its own", aim{}, "-"},
	}, addedLatency},
	{"fsync 2 ms slower, 1 client, in commits", []figure{
		{"flow", atMost(3.3, ""), "2.1-2.4"},
		{"the message in a request of its own", aim{}, "-"},
		{"time to first delta", atMost(1.5, ""), "1.13-1.35"},
	}, slowLatency},
	{"transactions per flow", []figure{
		{"64 in flight", atMost(0.35, ""), "0.17"},
		{"1 in flight", atMost(4.3, ""), "3.2"},
	}, transactionsPerFlow},
	{"fsync 2 ms slower, 64 in flight: flows/s, full / normal durability", []figure{
		{"", atLeast(0.6, ""), "0.75"},
	}, slowThroughput},
	{"CPU per flow / proxy's per call, 64 in flight", []figure{
		{"", atMost(8, ""), "3.4-4.0"},
	}, cpuPerFlow},
	{"flows/s / proxied calls/s, 64 in flight", []figure{
		{"", atLeast(0.15, ""), "0.28-0.32"},
	}, throughput},
	{"CPU per streamed delta / proxy's, 64 streams", []figure{
		{"", atMost(2.5, ""), "1.4"},
	}, cpuPerDelta},
	{"2,000 idle streams", []figure{
		{"memory of each / proxy's", atMost(2, ""), "1.4"},
		{"CPU", atMost(2, " ms/s"), "0"},
	}, idleCost},
	{"growth of a thread", []figure{
		{"flow at 10,000 messages / at 100, 50 of them kept", atMost(1.3, ""), "1.0"},
		{"prompt of 16k tokens at 10,000 / at 1,000", atMost(1.5, ""), "1.2"},
	}, threadGrowth},
	{"createAndPoll / own direct call, upstream of 300 ms", []figure{
		{"Node SDK", atMost(1.04, ""), "1.005"},
		{"Python SDK", atMost(1.04, ""), "1.005"},
	}, sdkPolls},
	{"300 flows/s for 30 s", []figure{
		{"p99 / p50", atMost(4, ""), "2.7"},
		{"size of the write-ahead log", atMost(64, " MB"), "20"},
	}, tail},
	{"reads", []figure{
		{"20 messages, any page of 100,000 / of 100", atMost(1.5, ""), "1.0"},
		{"rate of GET run / of a bare GET", atLeast(0.45, ""), "0.6"},
	}, reads},
	{"start to ready on 1,000,000 messages", []figure{
		{"/ on an empty database", atMost(2, ""), "-"},
		{"in all", atMost(300, " ms"), "-"},
		{"idle memory", atMost(60, " MB"), "-"},
	}, starts},
}

// notMeasured says what a row lacks on this machine. It is no miss.
type notMeasured struct{ why string }

func (e *notMeasured) Error() string { return e.why }

// measure measures the rows and prints each as soon as it is known. It counts
// the figures that miss their aim; a row that breaks is one.
func (s section) measure(ctx context.Context, b *bench, out io.Writer) (missed int) {
	fmt.Fprintf(out, "%s; %d rounds of %v slices: median (min..max), must, stretch\n", s.title, b.rounds, b.slice)
	began, skipped := time.Now(), 0
	for i, r := range s.rows {
		if ctx.Err() != nil || len(b.rows) > 0 && !slices.Contains(b.rows, i+1) {
			continue
		}
		values, err := r.measure(ctx, b)
		if lack, ok := errors.AsType[*notMeasured](err); ok {
			fmt.Fprintf(out, "%2d %s: NOT MEASURED: %s\n", i+1, r.name, lack.why)
			skipped++
		} else if err != nil {
			fmt.Fprintf(out, "%2d %s: FAIL: %v\n", i+1, r.name, err)
			missed++
		} else {
			missed += r.print(out, i+1, values)
		}
	}
	fmt.Fprintf(out, "%d missed, %d not measured, %v\n", missed, skipped, time.Since(began).Round(time.Second))
	return missed
}

// print writes the row's lines and counts its misses.
func (r row) print(out io.Writer, number int, values [][]float64) (missed int) {
	for i, f := range r.figures {
		name := strings.TrimSuffix(r.name+": "+f.name, ": ")
		label := fmt.Sprintf("%2d %s", number, name)
		if i > 0 {
			label = "   ... " + f.name
		}
		all := spreadOf(values[i])
		verdict := "pass"
		switch {
		case f.must.bound == 0:
			verdict = ""
		case !f.must.met(all.median):
			verdict = "FAIL"
			missed++
		}
		line := fmt.Sprintf("%-82s %-26v %-12v %-10s %s", label, all, f.must, f.stretch, verdict)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	return missed
}
