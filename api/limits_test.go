package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

const tooFast = "You've exceeded the rate limit, please slow down and try again later."

// TestRateLimit lets a key ask so often a minute, evenly in the end, and tells
// it where it stands.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := assemble(t, settings{keys: true, perMinute: 6})
		s.client = overPipe(t, s)
		one, other := s.newKey("default"), s.newKey("default")
		standing := func(a reply) string {
			return fmt.Sprint(a.status, " of ", a.header.Get("X-Ratelimit-Limit-Requests"), ": ", a.header.Get("X-Ratelimit-Remaining-Requests"),
				" left, all in ", a.header.Get("X-Ratelimit-Reset-Requests"))
		}
		for i, want := range []string{
			"200 of 6: 5 left, all in 10s", "200 of 6: 4 left, all in 20s", "200 of 6: 3 left, all in 30s",
			"200 of 6: 2 left, all in 40s", "200 of 6: 1 left, all in 50s", "200 of 6: 0 left, all in 1m0s",
		} {
			require.Equal(t, want, standing(one.call("GET", "/v1/assistants", "")), i)
		}
		a := one.call("GET", "/v1/assistants", "")
		require.Equal(t, tooFast, a.refused(http.StatusTooManyRequests, "", "rate_limit_exceeded"))
		require.Equal(t, "invalid_request_error", a.text("error.type"))
		require.Equal(t, "10", a.header.Get("Retry-After"))
		require.Equal(t, "10000", a.header.Get("Retry-After-Ms"))
		require.Equal(t, "429 of 6: 0 left, all in 1m0s", standing(a), "what is refused does not count")
		require.Equal(t, "200 of 6: 5 left, all in 10s", standing(other.call("GET", "/v1/assistants", "")), "another key has its own share")
		require.Equal(t, http.StatusUnauthorized, s.with("Authorization", "Bearer wrong").call("GET", "/v1/assistants", "").status)

		time.Sleep(9 * time.Second)
		require.Equal(t, "1", one.call("GET", "/v1/assistants", "").header.Get("Retry-After"))
		time.Sleep(time.Second)
		one.get("/v1/assistants")
		one.call("GET", "/v1/assistants", "").refused(http.StatusTooManyRequests, "", "rate_limit_exceeded")

		s.handler.Change(nil, nil, 0)
		require.Empty(t, one.get("/v1/assistants").header.Get("X-Ratelimit-Limit-Requests"))
	})
}

// TestRateLimitCountsOnce counts a held poll and a stream as one request, and
// everybody together where there are no keys.
func TestRateLimitCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newHeldModel(t)
		s := assemble(t, settings{model: model.ServeHTTP, perMinute: 100})
		s.client = overPipe(t, s)
		a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
		streaming := s.start(s.request("POST", "/v1/threads/runs", strings.NewReader(`{"assistant_id":"`+a+`","stream":true,"thread":{"messages":[{"role":"user","content":"hi"}]}}`)))
		run := s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`)
		polling := s.start(s.request("GET", "/v1/threads/"+run.text("thread_id")+"/runs/"+run.text("id"), nil, "Prefer", "wait=25"))
		time.Sleep(20 * time.Second) // gives 33 requests back
		require.Equal(t, "99", s.call("GET", "/v1/assistants", "").header.Get("X-Ratelimit-Remaining-Requests"))
		model.release()
		polling()
		streaming()
		require.Equal(t, "98", s.call("GET", "/v1/assistants", "").header.Get("X-Ratelimit-Remaining-Requests"))
		require.Equal(t, http.StatusOK, s.call("GET", "/healthz", "").status, "probes have no key and no bound")
	})
}

// TestFullQueueOverHTTP shows the refusal as SDKs take it.
func TestFullQueueOverHTTP(t *testing.T) {
	model := newHeldModel(t)
	defer model.release()
	s := newServer(t, settings{model: model.ServeHTTP, limits: runs.Limits{Runs: 1, Queue: 1}})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	body := `{"assistant_id":"` + a + `","thread":{"messages":[{"role":"user","content":"hi"}]}}`
	s.post("/v1/threads/runs", body)
	require.Equal(t, "queued", s.post("/v1/threads/runs", body).text("status"))
	for _, body := range []string{body, strings.Replace(body, "{", `{"stream":true,`, 1)} {
		refused := s.call("POST", "/v1/threads/runs", body)
		require.Equal(t, tooFast, refused.refused(http.StatusTooManyRequests, "", "rate_limit_exceeded"))
		require.Equal(t, "5", refused.header.Get("Retry-After"))
	}
}

// heldBody is a body whose last byte waits.
type heldBody struct {
	io.Reader
	gate chan struct{}
	once sync.Once
	sent chan struct{}
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.once.Do(func() { close(b.sent) })
		<-b.gate
	}
	return n, err
}

// TestMemoryOfBodies refuses a large body for the moment while others fill what
// all may occupy, and small ones never.
func TestMemoryOfBodies(t *testing.T) {
	const most = 1 << 20
	s := assemble(t, settings{bodies: most})
	s.client = overPipe(t, s) // which holds nothing back
	large := func(n int) io.Reader { return strings.NewReader(`{"metadata":{"a":"` + strings.Repeat("x", n)) }
	end := strings.NewReader(`"}}`)
	for _, path := range []string{"/v1/threads", "/v1/chat/completions"} {
		held := &heldBody{Reader: large(most * 3 / 4), gate: make(chan struct{}), sent: make(chan struct{})}
		first, ended := s.request("POST", path, io.MultiReader(held, end)), make(chan int)
		go func() {
			status := 0
			if answer, err := s.client.Do(first); err == nil {
				_ = answer.Body.Close()
				status = answer.StatusCode
			}
			ended <- status
		}()
		<-held.sent
		refused := s.call("POST", "/v1/threads", `{"metadata":{"a":"`+strings.Repeat("x", most*3/4)+`"}}`)
		require.Contains(t, refused.refused(http.StatusServiceUnavailable, "", ""), "busy with other large requests")
		require.Equal(t, "true", refused.header.Get("X-Should-Retry"))
		require.Equal(t, "2", refused.header.Get("Retry-After"))
		s.post("/v1/threads", `{"metadata":{"a":"`+strings.Repeat("x", 500)+`"}}`)
		close(held.gate)
		require.Equal(t, http.StatusBadRequest, <-ended)
		again := s.call("POST", "/v1/threads", `{"metadata":{"a":"`+strings.Repeat("x", most*3/4)+`"}}`)
		again.refused(http.StatusBadRequest, "metadata.a", "string_above_max_length")
		end.Reset(`"}}`)
	}
}
