package wire_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestFloatsKeepTheirPoint(t *testing.T) {
	for f, want := range map[wire.Float]string{0: "0.0", 1: "1.0", 0.7: "0.7", 2: "2.0", 1e-7: "0.0000001", 1e21: "1000000000000000000000.0"} {
		data, err := wire.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
}

func TestTextsAreNotEscaped(t *testing.T) {
	data, err := wire.Marshal(struct {
		Text     string        `json:"text"`
		Metadata wire.Metadata `json:"metadata"`
		None     wire.Metadata `json:"none"`
	}{"a<b>&c", wire.Metadata{"k": "<&>"}, nil})
	require.NoError(t, err)
	require.Equal(t, `{"text":"a<b>&c","metadata":{"k":"<&>"},"none":{}}`, string(data))
	_, err = wire.Marshal(func() {})
	require.Error(t, err)
}

func TestOrNoSuchSpeaksOfWhatIsMissing(t *testing.T) {
	e := apiError(t, wire.OrNoSuch(fmt.Errorf("read: %w", wire.ErrNotFound), "run step", "step_1"))
	require.Equal(t, "No run step found with id 'step_1'.", e.Message)
	require.Equal(t, wire.NotFound, e.Kind)
	other := errors.New("disk")
	require.Same(t, other, wire.OrNoSuch(other, "run", "run_1"))
	require.NoError(t, wire.OrNoSuch(nil, "run", "run_1"))
}
