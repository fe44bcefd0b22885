package recordings_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/runs/chat"
	"understudy/runs/chat/recordings"
)

// TestFailures: an upstream that cannot be reached cannot be reached again, for
// the same reason.
func TestFailures(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	breaking := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(breaking.Close)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for url, want := range map[string]string{
		"http://127.0.0.1:1/v1":                                      "connection refused",
		"http://" + silent.Addr().String() + "/v1":                   "it did not answer in time",
		breaking.URL + "/v1":                                         "the connection broke",
		untrusted.URL + "/v1":                                        "its certificate is not trusted",
		strings.Replace(plain.URL, "http://", "https://", 1) + "/v1": "it speaks http, not https",
		"http://no-such-host.invalid/v1":                             "its host name is not known",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			config := upstream(url)
			config.Upstreams[0].MaxRetries, config.Upstreams[0].IdleTimeout = -1, time.Minute
			if want == "it did not answer in time" {
				config.Upstreams[0].IdleTimeout = 10 * time.Millisecond
			}
			live := open(t, recordings.Options{Dir: dir}, config).say("Hi.")
			require.ErrorContains(t, live.Error, want)
			config.Upstreams[0].BaseURL = "http://127.0.0.1:1/v1"
			require.Equal(t, live, open(t, recordings.Options{Dir: dir, Replay: true}, config).say("Hi."))
		})
	}
}

// TestGivingUp: where a call was given up, its replay waits until it is, and has
// said by then what the backend had.
func TestGivingUp(t *testing.T) {
	for name, begun := range map[string]string{"before the answer": "", "in the answer": `data: {"choices":[{"delta":{"content":"Half"}}]}` + "\n\n"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			asked := make(chan struct{}, 2)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if begun != "" {
					_, _ = io.WriteString(w, begun)
					_ = http.NewResponseController(w).Flush()
				}
				asked <- struct{}{}
				<-r.Context().Done()
			}))
			t.Cleanup(server.Close)
			stop := errors.New("cancelled")
			giveUp := func(s *session, begin <-chan struct{}) seen {
				ctx, cancel := context.WithCancelCause(t.Context())
				shown := &first{seen: make(chan struct{}), cancel: func() { cancel(stop) }}
				if begun == "" {
					go func() { <-begin; cancel(stop) }()
				}
				_, err := s.Complete(ctx, saying("Hi."), shown)
				return seen{Error: err, Shown: shown.text}
			}
			live := giveUp(open(t, recordings.Options{Dir: dir}, upstream(server.URL+"/v1")), asked)
			require.Equal(t, stop, live.Error)
			text, err := os.ReadFile(filepath.Join(dir, files(t, dir)[0]))
			require.NoError(t, err)
			require.Regexp(t, `"end": ?"gave up"`, string(text))

			now := make(chan struct{})
			close(now)
			require.Equal(t, live, giveUp(open(t, recordings.Options{Dir: dir, Replay: true}, nowhere), now))
		})
	}
}

// first cancels when it is shown something.
type first struct {
	text   string
	seen   chan struct{}
	cancel func()
}

func (f *first) Text(delta string) {
	f.text += delta
	f.cancel()
}

func (f *first) Refusal(string) {}

// TestStopping: what is given up because the server stops is not recorded.
func TestStopping(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	s := open(t, recordings.Options{Dir: dir}, upstream(server.URL+"/v1"))
	s.set.Seal()
	require.ErrorIs(t, s.ask(ctx, saying("Hi.")).Error, context.Canceled)
	require.Empty(t, files(t, dir))
}

// TestAnyBody: whatever bytes an upstream answers come back, JSON without its
// white space.
func TestAnyBody(t *testing.T) {
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	t.Cleanup(server.Close)
	event := rapid.SampledFrom([]string{
		`data: {"a":1}` + "\n\n", `data: {"a": "<b>"}` + "\n\n", "data: [DONE]\n\n", ": comment\n\n", "event: x\ndata: 1\n\n", "data: \"[DONE]\"\n\n", "\r\n", "{", "ü", "\xff", `data: {"a":1}`,
	})
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		body = []byte(strings.Join(rapid.SliceOf(event).Draw(r, "body"), ""))
		n++
		dir := filepath.Join(t.TempDir(), "some")
		live, err := open(t, recordings.Options{Dir: dir}, upstream(server.URL+"/v1")).send("GET", "/any", "text/plain", "")
		require.NoError(r, err)
		replayed, err := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere).send("GET", "/any", "text/plain", "")
		require.NoError(r, err)
		require.Equal(r, strings.ReplaceAll(live, `": "`, `":"`), strings.ReplaceAll(replayed, `": "`, `":"`))
	})
	require.Positive(t, n)
}

func TestMisses(t *testing.T) {
	ask := func(instructions, question string, temperature float64) chat.Request {
		req := saying(question)
		req.Temperature = &temperature
		req.Messages = append([]chat.Message{{Role: chat.System, Content: []chat.Part{{Text: instructions}}}}, req.Messages...)
		return req
	}
	dir := t.TempDir()
	url, _ := counting(t)
	live := open(t, recordings.Options{Dir: dir}, upstream(url))
	live.ask(t.Context(), ask("You are brief.", "What is the weather in Paris?", 0))
	live.ask(t.Context(), ask("You translate.", "Chat "+strings.Repeat("très long ", 20)+"et noir", 0))
	for name, c := range map[string]struct {
		req  chat.Request
		want string
	}{
		"a byte": {
			ask("You are brief.", "What is the weather in Pariz?", 0),
			`differs at messages[1].content, character 28: recorded "What is the weather in Paris?", now "What is the weather in Pariz?". Make`,
		},
		"far inside, with accents": {
			ask("You translate.", "Chat "+strings.Repeat("très long ", 20)+"et gris", 0),
			`differs at messages[1].content, character 209: recorded "…s long très long très long et noir", now "…s long très long très long et gris". Make`,
		},
		"several places": {
			ask("You are curt.", "What is the weather in Rome?", 0.5),
			`differs at messages[0].content, character 9: recorded "You are brief.", now "You are curt.". It also differs at messages[1].content, temperature. Make`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)
			got := s.ask(t.Context(), c.req)
			failure, ok := errors.AsType[*chat.Error](got.Error)
			require.True(t, ok)
			require.Equal(t, chat.ServerError, failure.Code)
			require.Contains(t, failure.Message, "No recording in "+dir+" answers this request (POST /chat/completions to up). The nearest, chat-completions-gpt-4o-")
			require.Contains(t, failure.Message, c.want+" the recording with: understudy serve --record "+dir)
			require.Empty(t, got.Answer.Exchange.Retries, "it is no use to try again")
			require.Contains(t, s.log.String(), `level=ERROR msg="no recording answers a request" request="POST /chat/completions to up" nearest=chat-completions-gpt-4o-`)
		})
	}
}

// TestMissesAreShownWherever they are in a body.
func TestMissesAreShownWherever(t *testing.T) {
	const recorded = `{"model":"m","list":[1,{"a":"b"}],"object":{"x":true}}`
	dir := t.TempDir()
	url, _ := counting(t)
	_, err := open(t, recordings.Options{Dir: dir}, upstream(url)).send("POST", "/things", "application/json", recorded)
	require.NoError(t, err)
	for body, want := range map[string]string{
		`{"model":"m","list":[1,{"a":"b"},3],"object":{"x":true}}`: "at list[2]: recorded nothing, now 3.",
		`{"model":"m","list":[1],"object":{"x":true}}`:             `at list[1]: recorded {"a":"b"}, now nothing.`,
		`{"model":"m","list":1,"object":{"x":true}}`:               `at list: recorded [1,{"a":"b"}], now 1.`,
		`{"model":"m","list":[1,{"a":"b"}],"object":{"x":null}}`:   "at object.x: recorded true, now null.",
		`{"model":"m","list":[1,{"a":"b"}],"object":{"y":true}}`:   "at object.x: recorded true, now nothing. It also differs at object.y.",
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"list":[1,{"a":"b"}]}`:     "at a: recorded nothing, now 1. It also differs at b, c, d and 3 other places.",
		`[]`: `at the body: recorded {"list":[1,{"a":"b"}],"model":"m","object":{"x":tr…, now [].`,
	} {
		_, err := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere).send("POST", "/things", "application/json", body)
		require.ErrorContains(t, err, want)
	}
	_, err = open(t, recordings.Options{Dir: dir, Replay: true}, chat.Config{
		Upstreams: []chat.Upstream{{Name: "up", BaseURL: "http://127.0.0.1:1"}},
	}).send("POST", "/others", "application/json", recorded)
	require.ErrorContains(t, err, "answers this request (POST /others to up), and none is of the kind. Make it with: understudy serve --record "+dir)
}
