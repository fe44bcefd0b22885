package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFlat judges series of samples, fifteen seconds apart.
func TestFlat(t *testing.T) {
	filling := func(i int) int { return min(i, 15) << 22 } // a cache
	noise := func(i int) int { return i * 7919 % 13 << 16 }
	for name, c := range map[string]struct {
		samples int
		rss     func(i int) int
		log     int
		want    string
	}{
		"a cache that is full in time": {40, func(i int) int { return 150<<20 + filling(i) + noise(i) }, 12 << 20, ""},
		"one strange sample":           {40, func(i int) int { return 150<<20 + i/39<<30 }, 12 << 20, ""},
		"a leak":                       {40, func(i int) int { return 150<<20 + filling(i) + noise(i) + i<<18 }, 12 << 20, "not flat: rss by "},
		"a log that never starts over": {40, func(int) int { return 150 << 20 }, 65 << 20, "not flat: the log to 65.0 MiB"},
		"too short a look":             {19, func(int) int { return 150 << 20 }, 0, "19 samples are too few"},
	} {
		t.Run(name, func(t *testing.T) {
			var samples []sample
			for i := range c.samples {
				samples = append(samples, sample{rss: c.rss(i), heap: 20 << 20, goroutines: 100 + i%7, files: 60, log: c.log})
			}
			var out bytes.Buffer
			err := flat(samples, 15*time.Second, &out)
			if c.want == "" {
				require.NoError(t, err)
				require.Contains(t, out.String(), "flat: ")
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Empty(t, out.String())
		})
	}
}
