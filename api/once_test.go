package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/keys"
	"understudy/api/wire"
)

// answersInMemory stands for the store; the store's own suite covers the rows.
type answersInMemory map[string][2][]byte

func (a answersInMemory) SaveAnswer(_ context.Context, scope string, hash, answer []byte, _ time.Time) error {
	a[scope] = [2][]byte{hash, answer}
	return nil
}

func (a answersInMemory) Answer(_ context.Context, scope string) (hash, answer []byte, err error) {
	if kept, ok := a[scope]; ok {
		return kept[0], kept[1], nil
	}
	return nil, nil, wire.ErrNotFound
}

type anyKeys struct{ keys.Store }

func onceServer(keyed bool) *server {
	s := &server{Options: Options{Answers: answersInMemory{}, Now: time.Now}, attempts: attempts{byScope: map[string]*attempt{}}}
	if keyed {
		s.Keys = anyKeys{}
	}
	return s
}

// post carries out one POST through once and returns what the client got.
func post(ctx context.Context, s *server, h handler, body string, headers ...string) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/threads", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	return w, s.once(h)(&call{w: w, r: r, project: "p"})
}

// counting is a handler that reads its body and numbers its successes.
func counting(n *atomic.Int64) handler {
	return func(c *call) error {
		if _, err := c.body(); err != nil {
			return err
		}
		return c.json(json.RawMessage(`{"n":`+string(rune('0'+n.Add(1)))+`}`), nil)
	}
}

func TestIdempotencyKey(t *testing.T) {
	var n atomic.Int64
	s, h := onceServer(false), counting(&n)
	first, err := post(t.Context(), s, h, `{"a":1}`, "Idempotency-Key", "k")
	require.NoError(t, err)
	again, err := post(t.Context(), s, h, `{"a":1}`, "Idempotency-Key", "k")
	require.NoError(t, err)
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))

	_, err = post(t.Context(), s, h, `{"a":2}`, "Idempotency-Key", "k")
	require.ErrorContains(t, err, "same parameters")

	other, err := post(t.Context(), s, h, `{"a":1}`, "Idempotency-Key", "other")
	require.NoError(t, err)
	require.JSONEq(t, `{"n":2}`, other.Body.String())

	_, err = post(t.Context(), s, h, `{}`, "Idempotency-Key", strings.Repeat("k", 256))
	require.ErrorContains(t, err, "255 bytes")
}

func TestIdempotencyKeyOfAFailedCallIsFree(t *testing.T) {
	s := onceServer(false)
	_, err := post(t.Context(), s, func(*call) error { return errors.New("no") }, `{}`, "Idempotency-Key", "k")
	require.Error(t, err)
	var n atomic.Int64
	w, err := post(t.Context(), s, counting(&n), `{}`, "Idempotency-Key", "k")
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1}`, w.Body.String())
}

func TestIdempotencyKeyOfACallUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		s, release := onceServer(false), make(chan struct{})
		slow := func(c *call) error { <-release; return counting(&n)(c) }
		answers := make(chan string, 2)
		for range 2 {
			go func() {
				w, err := post(t.Context(), s, slow, `{}`, "Idempotency-Key", "k")
				answers <- fmt.Sprint(w.Body, err)
			}()
		}
		synctest.Wait()
		close(release)
		for range 2 {
			require.Equal(t, `{"n":1}<nil>`, strings.ReplaceAll(<-answers, " ", ""))
		}
		require.EqualValues(t, 1, n.Load())
	})
}

// TestIdempotencyKeyOfACallThatTakesLong: who repeats it is told so in time, and
// has the answer once there is one.
func TestIdempotencyKeyOfACallThatTakesLong(t *testing.T) {
	for name, headers := range map[string][]string{
		"under a key":   {"Idempotency-Key", "k"},
		"as SDKs retry": {"X-Stainless-Retry-Count", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				s, release := onceServer(true), make(chan struct{})
				slow := func(c *call) error { <-release; return counting(&n)(c) }
				first := make(chan string)
				go func() {
					w, err := post(t.Context(), s, slow, `{}`, headers...)
					first <- fmt.Sprint(w.Body, err)
				}()
				synctest.Wait()
				begun := time.Now()
				_, err := post(t.Context(), s, slow, `{}`, headers...)
				require.ErrorIs(t, err, errUnderWay)
				require.Equal(t, underWayPatience, time.Since(begun))
				close(release)
				require.Contains(t, <-first, `{"n":1}`)
				require.EqualValues(t, 1, n.Load())
			})
		})
	}
}

func TestRetryOfAnUndeliveredAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		keyed, lost bool
		body        string
		later       time.Duration
		want        string
	}{
		"gets the first answer":           {true, true, `{}`, time.Minute, `{"n":1}`},
		"not when it was delivered":       {true, false, `{}`, time.Minute, `{"n":2}`},
		"not with another body":           {true, true, `{"x":1}`, time.Minute, `{"n":2}`},
		"not when callers have no keys":   {false, true, `{}`, time.Minute, `{"n":2}`},
		"not when it comes much too late": {true, true, `{}`, time.Hour, `{"n":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				s, h := onceServer(c.keyed), counting(&n)
				ctx, cancel := context.WithCancel(t.Context())
				leave := func(call *call) error {
					if c.lost {
						cancel()
					}
					return h(call)
				}
				_, err := post(ctx, s, leave, `{}`, "X-Stainless-Retry-Count", "0")
				require.NoError(t, err)
				cancel()
				time.Sleep(c.later)
				w, err := post(t.Context(), s, h, c.body, "X-Stainless-Retry-Count", "1")
				require.NoError(t, err)
				require.JSONEq(t, c.want, w.Body.String())
			})
		})
	}
}

// TestRetriesOfLaterCalls: the same words are said again and again in a chat. A
// retry is that of the last call that was made in them, also of one whose first
// try never arrived.
func TestRetriesOfLaterCalls(t *testing.T) {
	var n atomic.Int64
	s, h := onceServer(true), counting(&n)
	try := func(count string, lost bool, want string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w, err := post(ctx, s, func(c *call) error {
			if lost {
				cancel()
			}
			return h(c)
		}, `{}`, "X-Stainless-Retry-Count", count)
		require.NoError(t, err)
		require.JSONEq(t, want, w.Body.String())
	}
	try("0", true, `{"n":1}`)
	try("1", false, `{"n":1}`)
	try("1", false, `{"n":2}`)
	try("0", true, `{"n":3}`)
	try("0", true, `{"n":4}`)
	try("1", false, `{"n":4}`)
	try("0", true, `{"n":5}`)
	try("0", false, `{"n":6}`)
	try("1", false, `{"n":7}`)
}

// TestRetryThatWaited: who waited for the answer of a call under way has had it,
// and the next retry is another call's.
func TestRetryThatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		s, h := onceServer(true), counting(&n)
		held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 2)
		ctx, hangUp := context.WithCancel(t.Context())
		go func() {
			_, err := post(ctx, s, func(c *call) error {
				<-held
				err := h(c)
				<-release // the answer is known, and not sent
				return err
			}, `{}`, "X-Stainless-Retry-Count", "0")
			ended <- err
		}()
		synctest.Wait()
		hangUp()
		go func() {
			w, err := post(t.Context(), s, h, `{}`, "X-Stainless-Retry-Count", "1")
			ended <- errors.Join(err, is(`{"n":1}`, w.Body.String()))
		}()
		synctest.Wait()
		close(held)
		require.NoError(t, <-ended)
		close(release)
		require.NoError(t, <-ended)
		w, err := post(t.Context(), s, h, `{}`, "X-Stainless-Retry-Count", "1")
		require.NoError(t, err)
		require.JSONEq(t, `{"n":2}`, w.Body.String())
	})
}

func is(want, got string) error {
	if got != want {
		return fmt.Errorf("%s, not %s", got, want)
	}
	return nil
}
