package chat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// patient is a client in virtual time, which waits as in real life.
func patient(t *testing.T, config Config, backends map[string]http.Handler) *harness {
	h := newHarness(t, config, backends)
	h.config.Sleep = sleep
	return h
}

// flaky answers with a status and counts.
type flaky struct {
	status atomic.Int64
	asked  atomic.Int64
}

func newFlaky(status int) *flaky {
	f := &flaky{}
	f.status.Store(int64(status))
	return f
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	f.asked.Add(1)
	w.WriteHeader(int(f.status.Load()))
	_, _ = io.WriteString(w, message(`{"content":"hi"}`))
}

func TestSickUpstreamIsGivenARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := newFlaky(http.StatusServiceUnavailable)
		h := patient(t, Config{Upstreams: []Upstream{{Name: "up", MaxRetries: -1}}}, map[string]http.Handler{"up": backend})
		begun := time.Now()
		for _, call := range []struct {
			at     time.Duration
			asked  int64
			answer string // contained in the error; "" = it succeeds
			heals  bool   // before the call
		}{
			{0, 1, "503", false},
			{1 * time.Second, 2, "503", false},
			{2 * time.Second, 3, "503", false},
			{3 * time.Second, 4, "503", false},
			{4 * time.Second, 5, "503", false}, // five failures, but not yet for long enough
			{5 * time.Second, 6, "503", false}, // from here on it is sick
			{5 * time.Second, 6, "given a rest", false},
			{9 * time.Second, 6, "given a rest", false},
			{10 * time.Second, 7, "503", false}, // one call finds out
			{10 * time.Second, 7, "given a rest", false},
			{14 * time.Second, 7, "given a rest", true},
			{15 * time.Second, 8, "", false}, // and finds it well
			{15 * time.Second, 9, "", false},
		} {
			require.NoError(t, sleep(t.Context(), call.at-time.Since(begun)))
			if call.heals {
				backend.status.Store(http.StatusOK)
			}
			_, err := h.Complete(t.Context(), hello("m"), nil)
			require.Equal(t, call.asked, backend.asked.Load(), call.at)
			require.Equal(t, call.at, time.Since(begun), "no call waits")
			if call.answer == "" {
				require.NoError(t, err)
				continue
			}
			var failed *Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, ServerError, failed.Code)
			require.ErrorContains(t, err, call.answer)
		}
		require.Contains(t, h.log.String(), "keeps failing")
		require.Contains(t, h.log.String(), "answers again")
	})
}

// A run that finds an upstream at rest is as patient as with one that fails,
// and lives to see it well again.
func TestRestIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := newFlaky(http.StatusBadGateway)
		h := patient(t, Config{}, map[string]http.Handler{"up": backend})
		for range sickCalls {
			_, err := h.Complete(t.Context(), hello("m"), nil)
			require.Error(t, err)
		}

		backend.status.Store(http.StatusOK)
		answer, err := h.Complete(t.Context(), hello("m"), nil)
		require.NoError(t, err)
		require.Equal(t, "hi", answer.Text)
		require.NotEmpty(t, answer.Exchange.Retries)
	})
}

// One conversation that a backend cannot bear says little about the backend.
func TestOneBadCallIsNoSickness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := newFlaky(http.StatusInternalServerError)
		h := patient(t, Config{}, map[string]http.Handler{"up": backend})
		_, err := h.Complete(t.Context(), hello("m"), nil)
		require.Error(t, err)
		require.EqualValues(t, 1+DefaultMaxRetries, backend.asked.Load())

		backend.status.Store(http.StatusOK)
		answer, err := h.Complete(t.Context(), hello("m"), nil)
		require.NoError(t, err)
		require.Empty(t, answer.Exchange.Retries, "the next call is asked at once")
	})
}

func TestMishapIsNoSickness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 30
		var asked atomic.Int64
		h := patient(t, Config{}, map[string]http.Handler{"up": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) <= callers {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, message(`{"content":"hi"}`))
		})})
		errs := make(chan error, callers)
		for range callers {
			go func() {
				_, err := h.Complete(t.Context(), hello("m"), nil)
				errs <- err
			}()
		}
		for range callers {
			require.NoError(t, <-errs)
		}
		require.EqualValues(t, 2*callers, asked.Load())
	})
}

func TestSickUpstreamIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick, well := newFlaky(http.StatusInternalServerError), newFlaky(http.StatusOK)
		h := patient(t, Config{Models: []Mapping{{"m", "sick/a|well/b"}}}, map[string]http.Handler{"sick": sick, "well": well})
		for range 20 {
			_, err := h.Complete(t.Context(), hello("m"), nil)
			require.NoError(t, err)
			require.NoError(t, sleep(t.Context(), 500*time.Millisecond))
		}
		asked := sick.asked.Load()
		begun := time.Now()
		for range 20 {
			answer, err := h.Complete(t.Context(), hello("m"), nil)
			require.NoError(t, err)
			require.Equal(t, "well", answer.Exchange.Upstream)
		}
		require.Zero(t, time.Since(begun))
		require.LessOrEqual(t, sick.asked.Load()-asked, int64(1))
	})
}

func TestWhatMakesAnUpstreamSick(t *testing.T) {
	for name, tc := range map[string]struct {
		reply reply
		sick  bool
	}{
		"server error":          {reply{status: 500, body: "{}"}, true},
		"overloaded":            {reply{status: 529}, true},
		"nothing":               {reply{}, true},
		"a cut":                 {reply{body: `data: {"choices":[{"delta":{"content":"x"}}]}` + "\n\n"}, true},
		"an answer":             {ok("hi"), false},
		"loading":               {reply{status: 503, body: `{"error":{"message":"Loading model"}}`}, false},
		"rate limit":            {reply{status: 429, body: `{}`}, false},
		"no credit":             {reply{status: 402, body: `{}`}, false},
		"wrong key":             {reply{status: 401, body: `{}`}, false},
		"wrong request":         {reply{status: 400, body: `{"error":{"message":"no"}}`}, false},
		"too long":              {reply{status: 413, body: `{}`}, false},
		"a call gone wrong":     {reply{status: 400, body: `{"error":{"code":"tool_use_failed","message":"m"}}`}, false},
		"no such thing":         {reply{status: 501, body: `{}`}, false},
		"an error inside a 200": {reply{body: `{"error":{"message":"bad upstream","code":502}}`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: []reply{tc.reply}}
				h := patient(t, Config{Upstreams: []Upstream{{Name: "up", MaxRetries: -1}}}, map[string]http.Handler{"up": s})
				for range 10 {
					_, _ = h.Complete(t.Context(), hello("m"), nil)
					require.NoError(t, sleep(t.Context(), time.Second))
				}
				require.Equal(t, tc.sick, len(s.sent) < 10, "%d of 10 were let through", len(s.sent))
			})
		})
	}
}

// Calls that their caller breaks off tell nothing about the upstream.
func TestBrokenOffCallsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := patient(t, Config{}, map[string]http.Handler{"up": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		})})
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := h.Complete(ctx, hello("m"), nil)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Zero(t, h.gates["up"].failed)
	})
}

func TestMaxConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived, proceed := make(chan string, 9), make(chan struct{})
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived <- r.URL.Path
			<-proceed
			_, _ = io.WriteString(w, message(`{"content":"hi"}`))
		})
		h := patient(t, Config{Upstreams: []Upstream{{Name: "slow", MaxConcurrent: 2, EmbeddingModel: "e"}}},
			map[string]http.Handler{"slow": slow, "quick": newFlaky(http.StatusOK)})
		ended := make(chan string, 9)
		start := func(ctx context.Context, model string) {
			go func() {
				answer, err := h.Complete(ctx, hello("slow/"+model), nil)
				if err != nil {
					ended <- model + " " + err.Error()
					return
				}
				ended <- model + " " + answer.Text
			}()
			synctest.Wait() // so that callers stand in line in this order
		}
		impatient, leave := context.WithCancelCause(t.Context())
		start(t.Context(), "a")
		start(t.Context(), "b")
		start(impatient, "c")
		start(t.Context(), "d")
		go func() { _, _, _ = h.Embed(t.Context(), "", []string{"e"}) }()
		synctest.Wait()
		require.Len(t, arrived, 2, "the others wait for a place")

		_, err := h.Complete(t.Context(), hello("quick/m"), nil)
		require.NoError(t, err, "another upstream has places of its own")

		leave(errors.New("left"))
		require.Equal(t, "c left", <-ended)
		require.Len(t, arrived, 2)

		proceed <- struct{}{}
		synctest.Wait()
		require.Len(t, arrived, 3, "one place became free, one call took it")
		proceed <- struct{}{}
		synctest.Wait()
		require.Len(t, arrived, 4)
		close(proceed)
		require.ElementsMatch(t, []string{"a hi", "b hi", "d hi"}, []string{<-ended, <-ended, <-ended})
		synctest.Wait()
		var paths []string
		for len(arrived) > 0 {
			paths = append(paths, <-arrived)
		}
		require.Equal(t, []string{"/v1/chat/completions", "/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings"}, paths,
			"first come, first served")
	})
}
