package recordings_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/runs/chat"
	"understudy/runs/chat/chattest"
	"understudy/runs/chat/recordings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-a-very-secret-key-123"

// session is a chat client whose upstream is recorded or replayed.
type session struct {
	*chat.Client
	t   *testing.T
	set *recordings.Set
	log *strings.Builder
}

func open(t *testing.T, o recordings.Options, config chat.Config) *session {
	t.Helper()
	s := &session{t: t, log: &strings.Builder{}}
	o.Logger = logTo(s.log)
	var err error
	s.set, err = recordings.Open(o)
	require.NoError(t, err)
	config.Through, config.Repeatable = s.set.Through, true
	config.Now = func() time.Time { return time.Unix(7, 0) }
	config.Sleep = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	s.Client, err = chat.New(config)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func upstream(url string) chat.Config {
	return chat.Config{Upstreams: []chat.Upstream{{Name: "up", BaseURL: url, APIKey: key, MaxRetries: 2, IdleTimeout: time.Second}}}
}

// nowhere is the upstream of replays: nothing listens on port 1.
var nowhere = upstream("http://127.0.0.1:1/v1")

// seen is what a caller gets of a model call.
type seen struct {
	Answer *chat.Answer
	Error  error
	Shown  string
}

type sink struct{ strings.Builder }

func (s *sink) Text(delta string)    { s.WriteString(delta) }
func (s *sink) Refusal(delta string) { s.WriteString("refusal " + delta) }

func (s *session) ask(ctx context.Context, req chat.Request) seen {
	var shown sink
	answer, err := s.Complete(ctx, req, &shown)
	answer.Exchange.Host = ""      // it may lie elsewhere by now
	answer.Exchange.Response = nil // JSON comes back without its white space
	return seen{answer, err, shown.String()}
}

func (s *session) say(text string) seen { return s.ask(s.t.Context(), saying(text)) }

func saying(text string) chat.Request {
	return chat.Request{Model: "gpt-4o", Messages: []chat.Message{{Role: chat.User, Content: []chat.Part{{Text: text}}}}}
}

// files are the names of the recordings, sorted.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	for i, file := range found {
		found[i] = filepath.Base(file)
	}
	return found
}

// counting is a backend that answers with the number of the call.
func counting(t *testing.T) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"choices":[{"message":{"content":"answer %d"},"finish_reason":"stop"}]}`, n)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1", calls
}

// TestBackends: whatever a backend does comes back from its recording as it came
// from the backend.
func TestBackends(t *testing.T) {
	tools := make([]chat.Tool, 0, len(chattest.Tools))
	for _, name := range slices.Sorted(maps.Keys(chattest.Tools)) {
		tools = append(tools, chat.Tool{Name: name, Parameters: chattest.Tools[name]})
	}
	for _, fixture := range chattest.Fixtures(t, "../testdata/zoo") {
		t.Run(fixture.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := chattest.Serve(t, fixture.Answers()...)
			config := upstream(server.URL())
			config.Upstreams[0].Stream, config.Upstreams[0].MaxRetries = chat.StreamAlways, 1
			if fixture.RequestKind == "json" {
				config.Upstreams[0].Stream = chat.StreamNever
			}
			if ms := fixture.ClientConfig.IdleTimeoutMS; ms > 0 {
				config.Upstreams[0].IdleTimeout = time.Duration(ms) * time.Millisecond
			}
			req := saying("Hello?")
			req.Tools, req.MaxCompletionTokens = tools, fixture.RunParams.MaxCompletionTokens
			live := open(t, recordings.Options{Dir: dir}, config).ask(t.Context(), req)

			config.Upstreams[0].BaseURL, config.Upstreams[0].APIKey = "http://127.0.0.1:1/v1", ""
			replayed := open(t, recordings.Options{Dir: dir, Replay: true}, config)
			require.Equal(t, live, replayed.ask(t.Context(), req))
			require.NoError(t, replayed.set.Close(), "nothing is missed")
		})
	}
}

func TestFilesAreReadable(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Set-Cookie", "session="+key)
		fmt.Fprint(w, `data: {"choices":[{"delta":{"content":"Less <than>"}}]}`+"\n\n"+
			`data: {"choices":[{"delta":{"content":" `+key+`"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(server.Close)
	s := open(t, recordings.Options{Dir: dir}, upstream(server.URL+"/v1"))
	require.NoError(t, s.say("What is\nless?").Error)
	require.Equal(t, []string{"chat-completions-gpt-4o-79fe078719b2.json"}, files(t, dir))
	text, err := os.ReadFile(filepath.Join(dir, files(t, dir)[0]))
	require.NoError(t, err)
	require.Equal(t, `{
  "request": {
    "upstream": "up",
    "method": "POST",
    "path": "/chat/completions",
    "body": {
      "model": "gpt-4o",
      "messages": [{"role":"user","content":"What is\nless?"}],
      "stream": true,
      "stream_options": {"include_usage":true}
    }
  },
  "answer": {
    "status": 200,
    "headers": {"Content-Type":"text/event-stream"},
    "events": [
      {"choices":[{"delta":{"content":"Less <than>"}}]},
      {"choices":[{"delta":{"content":" [key]"},"finish_reason":"stop"}]},
      "[DONE]"
    ]
  }
}
`, string(text))
}

func TestEqualRequestsAreAnsweredInTurn(t *testing.T) {
	dir := t.TempDir()
	url, calls := counting(t)
	record := func(times int) (texts []string) {
		s := open(t, recordings.Options{Dir: dir}, upstream(url))
		for range times {
			texts = append(texts, s.say("Hi.").Answer.Text)
		}
		require.NoError(t, s.set.Close())
		return texts
	}
	require.Equal(t, []string{"answer 1", "answer 2"}, record(2))
	require.Equal(t, []string{"answer 1"}, record(1), "what is recorded is not asked again")
	require.EqualValues(t, 2, calls.Load())
	require.Equal(t, []string{"answer 1", "answer 2", "answer 3"}, record(3), "what goes beyond it is")
	names := files(t, dir)
	base := strings.TrimSuffix(names[2], ".json")
	require.ElementsMatch(t, []string{base + ".json", base + "-2.json", base + "-3.json"}, names)

	s := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)
	for _, want := range []string{"answer 1", "answer 2", "answer 3", "answer 3"} {
		require.Equal(t, want, s.say("Hi.").Answer.Text)
	}
	require.NoError(t, s.set.Close())
}

// TestRetries: a call that was refused at first is refused at first again.
func TestRetries(t *testing.T) {
	dir := t.TempDir()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			http.Error(w, `{"error":{"message":"slow down"}}`, http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, `{"choices":[{"message":{"content":"now"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(server.Close)
	live := open(t, recordings.Options{Dir: dir}, upstream(server.URL+"/v1")).say("Hi.")
	require.Equal(t, "now", live.Answer.Text)
	require.Len(t, live.Answer.Exchange.Retries, 1)
	require.Equal(t, live, open(t, recordings.Options{Dir: dir, Replay: true}, nowhere).say("Hi."))
}

// TestRefusalsAreLearntAnew: what a call sends does not depend on the calls before
// it, or a part of a session could not be replayed.
func TestRefusalsAreLearntAnew(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "stream_options") {
			http.Error(w, `{"error":{"message":"Unknown parameter: 'stream_options'."}}`, http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, `{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(server.Close)
	live := open(t, recordings.Options{Dir: dir}, upstream(server.URL+"/v1"))
	require.NoError(t, live.say("one").Error)
	require.NoError(t, live.say("two").Error)
	require.Len(t, files(t, dir), 4)
	require.Equal(t, "yes", open(t, recordings.Options{Dir: dir, Replay: true}, nowhere).say("two").Answer.Text)
}

func TestConcurrentCalls(t *testing.T) {
	dir := t.TempDir()
	url, calls := counting(t)
	ask := func(s *session) map[string]string {
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[string]string{}
		for i := range 20 {
			wg.Go(func() {
				text := fmt.Sprintf("question %d", i)
				answer := s.say(text).Answer.Text
				mu.Lock()
				defer mu.Unlock()
				answers[text] = answer
			})
		}
		wg.Wait()
		return answers
	}
	live := ask(open(t, recordings.Options{Dir: dir}, upstream(url)))
	require.EqualValues(t, 20, calls.Load())
	require.Equal(t, live, ask(open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)))
}

// TestTwoServersRecord into one directory: neither overwrites what the other wrote.
func TestTwoServersRecord(t *testing.T) {
	dir := t.TempDir()
	url, _ := counting(t)
	one, other := open(t, recordings.Options{Dir: dir}, upstream(url)), open(t, recordings.Options{Dir: dir}, upstream(url))
	require.Equal(t, "answer 1", one.say("Hi.").Answer.Text)
	require.Equal(t, "answer 2", other.say("Hi.").Answer.Text)
	s := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)
	require.Equal(t, "answer 1", s.say("Hi.").Answer.Text)
	require.Equal(t, "answer 2", s.say("Hi.").Answer.Text)
}

func TestCloseSaysWhatBecameOfThem(t *testing.T) {
	dir := t.TempDir()
	url, _ := counting(t)
	live := open(t, recordings.Options{Dir: dir}, upstream(url))
	live.say("one")
	live.say("two")
	require.NoError(t, live.set.Close())
	require.Contains(t, live.log.String(), "recording ended")
	require.Contains(t, live.log.String(), "new=2")

	s := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)
	s.say("one")
	s.say("three")
	require.EqualError(t, s.set.Close(), "1 requests had no recording in "+dir)
	require.Contains(t, s.log.String(), "used=1 unused=1 missed=1")
	require.Contains(t, s.log.String(), "recordings that nothing asked for")
}

func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	_, err := recordings.Open(recordings.Options{Dir: filepath.Join(dir, "none"), Replay: true})
	require.ErrorContains(t, err, "make it with understudy serve --record "+filepath.Join(dir, "none"))
	_, err = recordings.Open(recordings.Options{Dir: dir, Replay: true})
	require.ErrorContains(t, err, "has no recordings; make some with understudy serve --record "+dir)
	_, err = recordings.Open(recordings.Options{Dir: filepath.Join(dir, "a", "new", "one")})
	require.NoError(t, err)

	const good = `{"request":{"method":"GET","path":"/models"},"answer":{"status":200}}`
	for text, problem := range map[string]string{
		`{`:  "unexpected EOF",
		`{}`: "its request has no method or no path",
		`{"request":{"method":"GET","path":"/models"}}`:                                             "its answer has no status",
		strings.Replace(good, `"status":200`, `"state":200`, 1):                                     `unknown field "state"`,
		strings.Replace(good, `"status":200`, `"failed":"badly"`, 1):                                `failed by "badly"; write too slow, connection refused,`,
		strings.Replace(good, `"status":200`, `"status":99`, 1):                                     "the status 99; write one of three digits",
		strings.Replace(good, `"status":200`, `"status":200,"end":"broken"`, 1):                     `ends by "broken"; write gave up, broke, too slow, or leave it away`,
		strings.Replace(good, `"status":200`, `"status":200,"base64":"*"`, 1):                       "illegal base64",
		strings.Replace(good, `"method":"GET","path":"/models"`, `"method":"GET","headers":"x"`, 1): `unknown field "headers"`,
	} {
		path := filepath.Join(dir, "some.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := recordings.Open(recordings.Options{Dir: dir, Replay: true})
		require.ErrorContains(t, err, path+" is not a recording: ", text)
		require.ErrorContains(t, err, problem)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "some.json"), []byte(good), 0o600))
	_, err = recordings.Open(recordings.Options{Dir: dir, Replay: true})
	require.NoError(t, err)
}
