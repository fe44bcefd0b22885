package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestMemoryIsShared lets answers wait for room and for the end of others, one
// go on when all wait, and none wait for what is short.
func TestMemoryIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mib = 1 << 20
		m := NewMemory(10 * mib)
		a, b, c := m.Share(), m.Share(), m.Share()
		grows := func(s *Share, size int) <-chan error {
			ended := make(chan error, 1)
			go func() { ended <- s.hold(t.Context(), size) }()
			synctest.Wait()
			return ended
		}
		require.NoError(t, <-grows(a, 6*mib))
		require.NoError(t, <-grows(b, 4*mib))
		require.NoError(t, <-grows(c, uncounted))
		first := grows(b, 5*mib)
		require.Empty(t, first, "a goes on, so b waits")
		require.NoError(t, <-grows(a, 5*mib), "it holds as much already")
		require.NoError(t, <-grows(a, 30*mib), "it is the only one that does not wait")
		newcomer := grows(c, 2*mib)
		require.Empty(t, newcomer)
		a.Release()
		require.NoError(t, <-first)
		require.NoError(t, <-newcomer)

		impatient, leave := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.hold(impatient, 9*mib) }()
		synctest.Wait()
		leave(errors.New("left"))
		require.EqualError(t, <-ended, "left")
		for _, s := range []*Share{a, b, c, nil} {
			s.Release()
			s.Release()
		}
		require.EqualValues(t, 10*mib, m.left)
		require.Zero(t, m.busy)
	})
}

// TestLongAnswersTakeTurns has many long answers come at once; no more are read
// than there is room for, and all come.
func TestLongAnswersTakeTurns(t *testing.T) {
	const size = 3 << 20
	h := newHarness(t, Config{}, map[string]http.Handler{"up": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":"stop"}]}`, strings.Repeat("x", size))
	})})
	m := NewMemory(8 << 20)
	ended := make(chan error, 12)
	var asking sync.WaitGroup
	for range cap(ended) {
		asking.Go(func() {
			request := hello("m")
			request.Memory = m.Share()
			defer request.Memory.Release()
			answer, err := h.Complete(t.Context(), request, nil)
			if err == nil && len(answer.Text) != size {
				err = io.ErrUnexpectedEOF
			}
			m.mu.Lock()
			if m.left < -(copies+2)*size { // one goes beyond the bound
				err = fmt.Errorf("%d bytes too many", -m.left)
			}
			m.mu.Unlock()
			ended <- err
		})
	}
	asking.Wait() // until all was given back
	for range cap(ended) {
		require.NoError(t, <-ended)
	}
	require.EqualValues(t, 8<<20, m.left)
}

// TestEveryFormOfAnAnswerIsCounted: what a share holds in the end is the body and
// what was kept of it, whatever it is.
func TestEveryFormOfAnAnswerIsCounted(t *testing.T) {
	const size = 3 << 20
	long := strings.Repeat("x", size)
	chunk := func(delta string) string {
		return `data: {"choices":[{"index":0,"delta":` + delta + "}]}\n\n"
	}
	end := `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	for name, answer := range map[string]string{
		"a document":  `{"choices":[{"message":{"content":"` + long + `"},"finish_reason":"stop"}]}`,
		"a stream":    chunk(`{"content":"`+long+`"}`) + end,
		"a refusal":   chunk(`{"refusal":"`+long+`"}`) + end,
		"thoughts":    chunk(`{"reasoning_content":"`+long+`"}`) + end,
		"think tags":  chunk(`{"content":"<think>`+long+`</think>."}`) + end,
		"blocks":      chunk(`{"thinking_blocks":[{"type":"thinking","thinking":"`+long+`","signature":"s"}]}`) + end,
		"arguments":   chunk(`{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\":\"`+long+`\"}"}}]}`) + end,
		"the old way": chunk(`{"function_call":{"name":"f","arguments":"{\"a\":\"`+long+`\"}"}}`) + end,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, Config{}, map[string]http.Handler{"up": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, answer)
			})})
			request := hello("m")
			request.Memory = NewMemory(1 << 30).Share()
			defer request.Memory.Release()
			_, err := h.Complete(t.Context(), request, nil)
			require.NoError(t, err)
			require.GreaterOrEqual(t, request.Memory.held, int64(len(answer)+copies*size))
		})
	}
}
