package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// percentile takes it from sorted times; 0 when there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100]
}

// spread is a figure over all rounds.
type spread struct{ median, min, max float64 }

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}

// String shows the median and how far the figure strayed.
func (s spread) String() string {
	digits := 2
	if s.median >= 20 {
		digits = 0
	}
	return fmt.Sprintf("%.*f (%.*f..%.*f)", digits, s.median, digits, s.min, digits, s.max)
}

// over forms a figure in every round.
func over(rounds []round, figure func(round) float64) []float64 {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = figure(r)
	}
	return values
}

// per divides; nothing was measured when there is nothing to divide by.
func per[A, B ~int | ~int64 | ~uint64 | ~float64](a A, b B) float64 {
	if b == 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

// aim is what a figure must reach.
type aim struct {
	bound   float64 // 0 = the figure is for information
	atLeast bool    // otherwise at most
	unit    string
}

func atMost(bound float64, unit string) aim  { return aim{bound: bound, unit: unit} }
func atLeast(bound float64, unit string) aim { return aim{bound: bound, atLeast: true, unit: unit} }

// met judges a median. A figure that could not be formed is a miss.
func (a aim) met(median float64) bool {
	switch {
	case a.bound == 0:
		return true
	case a.atLeast:
		return median >= a.bound
	}
	return median <= a.bound
}

func (a aim) String() string {
	switch {
	case a.bound == 0:
		return "-"
	case a.atLeast:
		return fmt.Sprintf(">= %g%s", a.bound, a.unit)
	}
	return fmt.Sprintf("<= %g%s", a.bound, a.unit)
}
