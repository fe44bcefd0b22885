package chat

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// handOn sends a request on to the upstream up.
func handOn(t *testing.T, h *harness) (*http.Response, error) {
	t.Helper()
	ways, done, err := h.Outgoing("m", "up")
	require.NoError(t, err)
	defer done()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/responses", strings.NewReader("{}"))
	require.NoError(t, err)
	return ways[0].Send(r, false)
}

// TestHandedOnCallsTakeTheirTurn: a call that is handed on has a place of its
// upstream until its answer is read.
func TestHandedOnCallsTakeTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := patient(t, Config{Upstreams: []Upstream{{Name: "up", MaxConcurrent: 1}}}, map[string]http.Handler{"up": newFlaky(http.StatusOK)})
		res, err := handOn(t, h)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := h.Complete(t.Context(), hello("m"), nil)
			ended <- err
		}()
		synctest.Wait()
		require.Empty(t, ended, "the answer of the call before is still being read")
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.NoError(t, <-ended)
	})
}

// TestHandedOnCallsPassTheBreaker: they find out that an upstream is sick, are
// refused while it rests, and find it well again.
func TestHandedOnCallsPassTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := newFlaky(http.StatusBadGateway)
		h := patient(t, Config{Upstreams: []Upstream{{Name: "up"}}}, map[string]http.Handler{"up": backend})
		for range sickCalls + 1 {
			res, err := handOn(t, h)
			require.NoError(t, err, "what an upstream answers is handed back")
			require.Equal(t, http.StatusBadGateway, res.StatusCode)
			require.NoError(t, res.Body.Close())
			require.NoError(t, sleep(t.Context(), sickTime/sickCalls))
		}
		asked := backend.asked.Load()
		_, err := handOn(t, h)
		var failed *SendError
		require.ErrorAs(t, err, &failed)
		require.Contains(t, failed.Message, "given a rest")
		require.Equal(t, asked, backend.asked.Load())

		backend.status.Store(http.StatusOK)
		require.NoError(t, sleep(t.Context(), restTime))
		for range 2 {
			res, err := handOn(t, h)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
		}
	})
}
