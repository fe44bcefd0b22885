package chat

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// reply is one answer of a scripted backend.
type reply struct {
	status int
	header map[string]string
	body   string
}

// script is a backend in memory that answers in turn and repeats its last
// answer. It keeps what it was sent.
type script struct {
	replies []reply
	sent    []map[string]any
	headers []http.Header
	paths   []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.sent = append(s.sent, body)
	s.headers = append(s.headers, r.Header.Clone())
	s.paths = append(s.paths, r.URL.String())
	a := s.replies[min(len(s.sent), len(s.replies))-1]
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func ok(text string) reply { return reply{body: message(`{"content":` + string(quoted(text)) + `}`)} }

func refusedWith(message string) reply {
	return reply{status: http.StatusBadRequest, body: `{"error":{"message":` + string(quoted(message)) + `}}`}
}

// harness is a client whose upstreams are scripts, and which does not wait.
type harness struct {
	*Client
	waits []time.Duration
	log   bytes.Buffer
}

func newHarness(t *testing.T, config Config, backends map[string]http.Handler) *harness {
	h := &harness{}
	config.Schemes = map[string]http.RoundTripper{}
	for name, s := range backends {
		config.Schemes[name] = HandlerTransport(s)
		found := false
		for _, u := range config.Upstreams {
			found = found || u.Name == name
		}
		if !found {
			config.Upstreams = append(config.Upstreams, Upstream{Name: name})
		}
	}
	for i := range config.Upstreams {
		config.Upstreams[i].BaseURL = config.Upstreams[i].Name + "://test/v1"
	}
	config.Logger = slog.New(slog.NewTextHandler(&h.log, nil))
	config.Sleep = func(ctx context.Context, d time.Duration) error {
		h.waits = append(h.waits, d)
		return ctx.Err()
	}
	client, err := New(config)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	h.Client = client
	return h
}

func user(text string) Message { return Message{Role: User, Content: []Part{{Text: text}}} }

func hello(model string) Request { return Request{Model: model, Messages: []Message{user("hello")}} }

func TestCompleteRetries(t *testing.T) {
	s := &script{replies: []reply{
		{status: 503, body: "busy"},
		{status: 429, header: map[string]string{"Retry-After": "7"}, body: `{"error":{"message":"slow down"}}`},
		{body: deltas(`{"content":"he"}`, `{"content":"y"}`)},
	}}
	h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
	var shown recorder
	answer, err := h.Complete(t.Context(), hello("m"), &shown)
	require.NoError(t, err)
	require.Equal(t, "hey", answer.Text)
	require.Equal(t, "hey", shown.text.String())
	require.Len(t, answer.Exchange.Retries, 2)
	require.Len(t, h.waits, 2)
	require.InDelta(t, firstWait.Seconds(), h.waits[0].Seconds(), 0.2)
	require.Equal(t, 7*time.Second, h.waits[1])
	require.Equal(t, "/v1/chat/completions", strings.TrimPrefix(s.paths[0], "up://test"))
}

func TestCompleteGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		reply reply
		tries int
		code  ErrorCode
	}{
		"server error":       {reply{status: 500, body: "{}"}, 5, ServerError},
		"quota":              {reply{status: 429, body: `{"error":{"code":"insufficient_quota","message":"pay"}}`}, 1, RateLimitExceeded},
		"wrong key":          {reply{status: 401, body: `{"error":{"message":"no"}}`}, 1, ServerError},
		"groq tool use":      {reply{status: 400, body: `{"error":{"code":"tool_use_failed","message":"m"}}`}, 3, ServerError},
		"nothing at all":     {reply{}, 5, ServerError},
		"redirect":           {reply{status: 302, header: map[string]string{"Location": "/login"}}, 1, ServerError},
		"cut behind a delta": {reply{body: `data: {"choices":[{"delta":{"content":"x"}}]}` + "\n\n"}, 1, ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{replies: []reply{tc.reply}}
			h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
			answer, err := h.Complete(t.Context(), hello("m"), &recorder{})
			var failed *Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, tc.code, failed.Code)
			require.Len(t, s.sent, tc.tries)
			require.Len(t, answer.Exchange.Retries, tc.tries-1)
			require.Equal(t, cmp.Or(tc.reply.status, http.StatusOK), answer.Exchange.Status)
		})
	}
}

// Where nobody watches, an answer that broke off is asked for again.
func TestCompleteRepeatsWhatNobodySaw(t *testing.T) {
	s := &script{replies: []reply{{body: `data: {"choices":[{"delta":{"content":"x"}}]}` + "\n\n"}, ok("hi")}}
	h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
	answer, err := h.Complete(t.Context(), hello("m"), nil)
	require.NoError(t, err)
	require.Equal(t, "hi", answer.Text)
}

func TestCompleteFallsBackToTheNextUpstream(t *testing.T) {
	down := &script{replies: []reply{{status: 500, body: "down"}}}
	up := &script{replies: []reply{ok("hi")}}
	config := Config{Models: []Mapping{{"m", "down/a|up/b"}}}
	h := newHarness(t, config, map[string]http.Handler{"down": down, "up": up})
	answer, err := h.Complete(t.Context(), hello("m"), nil)
	require.NoError(t, err)
	require.Equal(t, "hi", answer.Text)
	require.Len(t, down.sent, 2, "a dead upstream is not waited for when another stands ready")
	require.Equal(t, "a", down.sent[0]["model"])
	require.Equal(t, "b", up.sent[0]["model"])
	require.Equal(t, "up", answer.Exchange.Upstream)

	// What is wrong with the prompt is not asked of the next one.
	down.replies = []reply{refusedWith("prompt is too long: 10 tokens > 5 maximum")}
	_, err = h.Complete(t.Context(), hello("m"), nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Overflow)
	require.Len(t, up.sent, 1)
}

func TestCompleteEndsWithItsContext(t *testing.T) {
	gone := errors.New("the run was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	started := make(chan struct{})
	h := newHarness(t, Config{}, map[string]http.Handler{"up": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"x"}}]}`+"\n\n")
		close(started)
		<-r.Context().Done()
	})})
	go func() {
		<-started
		cancel(gone)
	}()
	answer, err := h.Complete(ctx, hello("m"), nil)
	require.ErrorIs(t, err, gone)
	require.Equal(t, "x", answer.Text)
	require.Empty(t, h.waits)
}

func TestCompleteIdle(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_ = sleep(r.Context(), 50*time.Second)
			_, _ = io.WriteString(w, ": still here\n\n")
		}
		<-r.Context().Done()
	}
	dead := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		message string
		took    time.Duration
	}{
		"inside an answer": {slow, "nothing more", 3*50*time.Second + DefaultIdleTimeout},
		"before an answer": {dead, "did not answer in time", headerPatience * DefaultIdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", MaxRetries: -1}}},
					map[string]http.Handler{"up": tc.handler})
				begun := time.Now()
				_, err := h.Complete(t.Context(), hello("m"), nil)
				require.ErrorContains(t, err, tc.message)
				require.Equal(t, tc.took, time.Since(begun))
			})
		})
	}
}

func TestCompleteAuth(t *testing.T) {
	for auth, want := range map[Auth]map[string]string{
		"":         {"Authorization": "Bearer key-1"},
		AuthBearer: {"Authorization": "Bearer key-1"},
		AuthRaw:    {"Authorization": "key-1"},
		AuthAPIKey: {"Api-Key": "key-1", "Authorization": ""},
		AuthNone:   {"Api-Key": "", "Authorization": ""},
	} {
		s := &script{replies: []reply{ok("hi")}}
		h := newHarness(t, Config{Upstreams: []Upstream{{
			Name: "up", APIKey: "key-1", Auth: auth, Headers: map[string]string{"X-Team": "blue"},
		}}}, map[string]http.Handler{"up": s})
		_, err := h.Complete(t.Context(), hello("m"), nil)
		require.NoError(t, err)
		for name, value := range want {
			require.Equal(t, value, s.headers[0].Get(name), auth)
		}
		require.Equal(t, "blue", s.headers[0].Get("X-Team"))
		require.Empty(t, s.headers[0].Get("Accept-Encoding"))
	}
}

func TestCompleteHidesKeys(t *testing.T) {
	s := &script{replies: []reply{{status: 403, body: `{"error":{"message":"bad key zoo-secret-1, also sk-abcdef123456 and abc***xyz at https://u:p@x.y/z?key=AIzaSyA1234567&b=1 <b>now</b>"}}`}}}
	h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", APIKey: "zoo-secret-1"}}}, map[string]http.Handler{"up": s})
	answer, err := h.Complete(t.Context(), hello("m"), nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "bad key [key], also [key] and [key] at https://x.y/z?key=[key]&b=1 now", failed.Message)
	require.NotContains(t, h.log.String(), "zoo-secret-1")
	require.NotContains(t, string(answer.Exchange.Request)+string(answer.Exchange.Response), "zoo-secret-1")
}

func TestCompleteNamesTheUnknownModel(t *testing.T) {
	s := &script{replies: []reply{{status: 404, body: `{"error":{"message":"The model 'x' does not exist","code":"model_not_found"}}`}}}
	h := newHarness(t, Config{Models: []Mapping{{"gpt-*", "up/x"}}}, map[string]http.Handler{"up": s})
	_, err := h.Complete(t.Context(), hello("gpt-4o"), nil)
	require.ErrorContains(t, err, `"gpt-4o" went to the upstream "up" as "x"`)
	require.ErrorContains(t, err, "models:")
}

func TestCompleteOneCallAtATime(t *testing.T) {
	s := &script{replies: []reply{{body: message(toolCall + `{"id":"a","function":{"name":"ping"}},{"id":"b","function":{"name":"ping"}}]}`)}}}
	h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
	req := hello("m")
	req.Tools = []Tool{{Name: "ping"}}
	req.ParallelToolCalls = new(bool)
	answer, err := h.Complete(t.Context(), req, nil)
	require.NoError(t, err)
	require.Len(t, answer.Calls, 1)
	require.Equal(t, []string{"a"}, readState(answer.State, Target{"up", "m"}).IDs)
	require.Equal(t, false, s.sent[0]["parallel_tool_calls"])
}

func TestHandlerTransportPanics(t *testing.T) {
	abort := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", MaxRetries: -1}}}, map[string]http.Handler{"up": abort})
	_, err := h.Complete(t.Context(), hello("m"), nil)
	require.ErrorContains(t, err, "broke")
}
