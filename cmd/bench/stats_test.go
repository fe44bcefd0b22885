package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0},
		{hundred[:1], 99, 1},
		{hundred[:3], 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
	} {
		require.Equal(t, c.want, percentile(c.sorted, c.p), "percentile %d of %d times", c.p, len(c.sorted))
	}
	require.Equal(t, quantiles{p50: 2, p99: 2}, quantilesOf([]time.Duration{3, 1, 2}), "times are sorted first")
}

func TestSpread(t *testing.T) {
	require.Equal(t, spread{median: 2, min: 1, max: 9}, spreadOf([]float64{9, 1, 2}))
	require.Equal(t, spread{median: 3, min: 1, max: 9}, spreadOf([]float64{9, 1, 2, 4}), "between the two in the middle")
	require.Equal(t, "2.00 (1.00..9.00)", spreadOf([]float64{9, 1, 2}).String())
	require.Equal(t, "120 (20..300)", spreadOf([]float64{120.2, 20, 300}).String(), "large figures need no decimals")
	require.True(t, math.IsNaN(spreadOf(nil).median))
}

func TestFiguresAreFormedInsideARound(t *testing.T) {
	rounds := []round{
		{flows: {done: 10, cpu: 40}, proxied: {done: 20, cpu: 20}},
		{flows: {done: 10, cpu: 400}, proxied: {done: 2, cpu: 20}}, // all was ten times slower
	}
	ratio := func(r round) float64 { return per(r[flows].perDone(), r[proxied].perDone()) }
	require.Equal(t, []float64{4, 4}, over(rounds, ratio))
	require.True(t, math.IsNaN(ratio(round{})), "nothing was measured")
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		must   aim
		median float64
		met    bool
	}{
		{atMost(3, ""), 3, true},
		{atMost(3, ""), 3.01, false},
		{atMost(3, ""), math.NaN(), false},
		{atLeast(0.6, ""), 0.6, true},
		{atLeast(0.6, ""), 0.59, false},
		{atLeast(0.6, ""), math.NaN(), false},
		{aim{}, 1e9, true},
	} {
		require.Equal(t, c.met, c.must.met(c.median), "%v against %v", c.median, c.must)
	}
	require.Equal(t, "<= 300 ms", atMost(300, " ms").String())
	require.Equal(t, ">= 0.15", atLeast(0.15, "").String())
}
