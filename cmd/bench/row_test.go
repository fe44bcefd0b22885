package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowIsPrinted(t *testing.T) {
	r := row{name: "two ways", figures: []figure{
		{"fast", atMost(2, ""), "1"},
		{"slow", aim{}, "-"},
		{"strong", atLeast(5, " kg"), "7"},
	}}
	var out bytes.Buffer
	missed := r.print(&out, 7, [][]float64{{1, 3, 2}, {8}, {4, 4.5}})
	require.Equal(t, 1, missed, "what is for information cannot miss")
	require.Equal(t, ""+
		" 7 two ways: fast                                                                  2.00 (1.00..3.00)          <= 2         1          pass\n"+
		"   ... slow                                                                        8.00 (8.00..8.00)          -            -\n"+
		"   ... strong                                                                      4.25 (4.00..4.50)          >= 5 kg      7          FAIL\n",
		out.String())
}

func TestRowsAreWhatTheyShow(t *testing.T) {
	for i, r := range rowsOfSpeed {
		require.NotNil(t, r.measure, "row %d", i+1)
		require.NotEmpty(t, r.figures, "row %d", i+1)
		for _, f := range r.figures {
			require.NotEmpty(t, f.stretch, "row %d %s", i+1, f.name)
		}
	}
}

// A row that breaks, or that cannot be measured here, leaves the others alone.
func TestSectionGoesOn(t *testing.T) {
	values := func(v float64) func(context.Context, *bench) ([][]float64, error) {
		return func(context.Context, *bench) ([][]float64, error) { return [][]float64{{v}}, nil }
	}
	failing := func(err error) func(context.Context, *bench) ([][]float64, error) {
		return func(context.Context, *bench) ([][]float64, error) { return nil, fmt.Errorf("measuring: %w", err) }
	}
	one := []figure{{"", atMost(1, ""), "-"}}
	s := section{name: "s", title: "Title", rows: []row{
		{"lacking", one, failing(&notMeasured{"no strace"})},
		{"broken", one, failing(io.ErrUnexpectedEOF)},
		{"bad", one, values(2)},
		{"good", one, values(1)},
	}}
	var out bytes.Buffer
	require.Equal(t, 2, s.measure(t.Context(), &bench{settings: settings{rounds: 1}}, &out))
	require.Contains(t, out.String(), " 1 lacking: NOT MEASURED: no strace\n 2 broken: FAIL: measuring: unexpected EOF\n 3 bad ")
	require.Regexp(t, `(?m)^ 3 bad .* FAIL\n 4 good .* pass\n2 missed, 1 not measured, `, out.String())

	out.Reset()
	require.Equal(t, 0, s.measure(t.Context(), &bench{settings: settings{rounds: 1, rows: []int{1, 4}}}, &out))
	require.NotContains(t, out.String(), "bad")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, 0, s.measure(ended, &bench{}, &out), "an interrupt ends it")
}
