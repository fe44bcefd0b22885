package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/store"
)

func TestTapeSettings(t *testing.T) {
	for content, want := range map[string]struct {
		limits store.TapeLimits
		shown  string
		off    bool // for the project default
	}{
		"data: x":                           {store.TapeLimits{Keep: 30 * day, Size: 1 << 30}, "{keep: 720h0m0s, max_size: 1024MiB, off: []}", false},
		"tape: off":                         {store.TapeLimits{Keep: 1}, "off", true},
		"tape: {keep: 7d}":                  {store.TapeLimits{Keep: 7 * day, Size: 1 << 30}, "{keep: 168h0m0s, max_size: 1024MiB, off: []}", false},
		"tape: {keep: 36h, max_size: 2GiB}": {store.TapeLimits{Keep: 36 * time.Hour, Size: 2 << 30}, "{keep: 36h0m0s, max_size: 2048MiB, off: []}", false},
		"tape: {keep: forever, max_size: unlimited, off: [default, b]}": {
			store.TapeLimits{Off: []string{"default", "b"}}, "{keep: forever, max_size: unlimited, off: [default b]}", true,
		},
	} {
		c, err := load(t, content, nil, nil)
		require.NoError(t, err, content)
		require.Equal(t, want.limits, c.Tape.limits(), content)
		require.Equal(t, want.shown, c.Tape.String())
		require.Equal(t, want.off, c.Tape.isOff("default"), content)
		require.Contains(t, c.String(), "tape="+want.shown)
	}
}
