package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGCPercent: small heaps are left alone for longer, and large ones hold a
// bounded amount of garbage, or a bounded share.
func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 400, 4 << 20: 400, 16 << 20: 400, 32 << 20: 200, 64 << 20: 100, 128 << 20: 100, 256 << 20: 50, 512 << 20: 25, 1 << 30: 25, 1 << 40: 25,
	} {
		require.Equal(t, want, gcPercent(live), "%d bytes in use", live)
		garbage := live / 100 * uint64(want)
		require.LessOrEqual(t, garbage, max(mostGarbage, live/4))
	}
}
