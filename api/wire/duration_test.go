package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "0d": 0, "65535d": 65535 * 24 * time.Hour, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute, "-1s": -time.Second,
	} {
		got, err := wire.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "d", "30", "-1d", "1.5d", "1d12h", "65536d", "d1", "30 d"} {
		_, err := wire.ParseDuration(text)
		require.Error(t, err, text)
	}
}
