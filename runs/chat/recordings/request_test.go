package recordings_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat"
	"understudy/runs/chat/recordings"
)

// send hands a request on as it is, as calls of other endpoints are.
func (s *session) send(method, path, contentType, body string) (answer string, err error) {
	s.t.Helper()
	ways, done, err := s.Outgoing("", "up")
	require.NoError(s.t, err)
	defer done()
	req, err := http.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", contentType)
	if contentType == "application/gzip" {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := ways[0].Send(req, false)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return string(text), nil
}

const (
	thread = "thread_0123456789abcdefABCDEFGH"
	other  = "thread_zzz3456789abcdefABCDEFGH"
	store  = "vs_0123456789abcdef0123456789abcdef"
	call   = "call_UJSU6FBTSRRXZIEI6PJW3AKU"
)

// TestWhatIsTheSameRequest: records one request and replays another.
func TestWhatIsTheSameRequest(t *testing.T) {
	const asJSON = "application/json"
	form := func(boundary, content string) string {
		var buf bytes.Buffer
		w := multipart.NewWriter(&buf)
		require.NoError(t, w.SetBoundary(boundary))
		require.NoError(t, w.WriteField("model", "whisper-1"))
		part, err := w.CreateFormFile("file", "speech.mp3")
		require.NoError(t, err)
		_, err = part.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return buf.String()
	}
	zipped := func(text string, level int) string {
		var buf bytes.Buffer
		w, err := gzip.NewWriterLevel(&buf, level)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return buf.String()
	}
	image := func(content string) string {
		return `{"image":"data:image/png;base64,` + strings.Repeat(content, 100) + `"}`
	}
	for name, c := range map[string]struct {
		kind, recorded, replayed string
		same                     bool
	}{
		"the order of members":    {asJSON, `{"a":1,"b":{"c":2,"d":3}}`, `{"b": {"d": 3, "c": 2}, "a": 1}`, true},
		"a byte of a text":        {asJSON, `{"a":"text"}`, `{"a":"test"}`, false},
		"another number":          {asJSON, `{"a":1}`, `{"a":2}`, false},
		"an id that was minted":   {asJSON, `{"a":"see ` + thread + `."}`, `{"a":"see ` + other + `."}`, true},
		"an id of another kind":   {asJSON, `{"a":"` + thread + `"}`, `{"a":"` + store + `"}`, false},
		"the same id twice":       {asJSON, `{"a":"` + thread + `","b":"` + thread + `"}`, `{"a":"` + other + `","b":"` + other + `"}`, true},
		"two ids, one id":         {asJSON, `{"a":"` + thread + `","b":"` + other + `"}`, `{"a":"` + other + `","b":"` + other + `"}`, false},
		"an id of a call":         {asJSON, `{"id":"` + call + `"}`, `{"id":"call_0123456789abcdefABCDEFGH"}`, true},
		"an id somebody chose":    {asJSON, `{"a":"thread_mine"}`, `{"a":"thread_yours"}`, false},
		"the order of a list":     {asJSON, `["a","b"]`, `["b","a"]`, false},
		"what is ignored":         {asJSON, `{"a":"It is 2026-11-22."}`, `{"a":"It is 2026-11-23."}`, true},
		"a form's boundary":       {"form", form("one", "sound"), form("two", "sound"), true},
		"a form's content":        {"form", form("one", "sound"), form("one", "noise"), false},
		"a form's binary content": {"form", form("one", "\xff\x00"), form("one", "\xff\x01"), false},
		"how well it is zipped":   {"application/gzip", zipped(`{"a":"b"}`, 1), zipped(`{"a":"b"}`, 0), true},
		"what is zipped":          {"application/gzip", zipped(`{"a":"b"}`, 1), zipped(`{"a":"c"}`, 1), false},
		"not zipped at all":       {"application/gzip", "plain", "plain", true},
		"a text":                  {"text/plain", "one", "two", false},
		"a long text":             {"text/plain", strings.Repeat("a", 1<<17), strings.Repeat("a", 1<<17+1), false},
		"binary":                  {"audio/mpeg", "\xff\x00", "\xff\x01", false},
		"an image":                {asJSON, image("abcd"), image("abcd"), true},
		"another image":           {asJSON, image("abcd"), image("efgh"), false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			url, _ := counting(t)
			options := recordings.Options{Dir: dir, Ignore: []*regexp.Regexp{regexp.MustCompile(`\d{4}-\d\d-\d\d`)}}
			kinds := [2]string{c.kind, c.kind}
			if c.kind == "form" {
				kinds = [2]string{boundaryOf(c.recorded), boundaryOf(c.replayed)}
			}
			want, err := open(t, options, upstream(url)).send("POST", "/things?b=1", kinds[0], c.recorded)
			require.NoError(t, err)
			text, err := os.ReadFile(filepath.Join(dir, files(t, dir)[0]))
			require.NoError(t, err)
			require.Less(t, len(text), 2000, "what is long is its hash")

			options.Replay = true
			s := open(t, options, nowhere)
			got, err := s.send("POST", "/things?b=1", kinds[1], c.replayed)
			if c.same {
				require.NoError(t, err)
				require.Equal(t, want, got)
				return
			}
			require.ErrorAs(t, err, new(*chat.UnsentError))
			for _, elsewhere := range [][2]string{{"PUT", "/things?b=1"}, {"POST", "/things?b=2"}, {"POST", "/things"}} {
				_, err := s.send(elsewhere[0], elsewhere[1], kinds[0], c.recorded)
				require.ErrorContains(t, err, "none is of the kind", elsewhere)
			}
		})
	}
}

func boundaryOf(form string) string {
	return "multipart/form-data; boundary=" + strings.TrimPrefix(form[:strings.Index(form, "\r\n")], "--")
}

// TestExactRequestsFirst: where requests differ by an id only, each has its own
// answer again, in whatever order they come.
func TestExactRequestsFirst(t *testing.T) {
	dir := t.TempDir()
	url, _ := counting(t)
	live := open(t, recordings.Options{Dir: dir}, upstream(url))
	require.Equal(t, "answer 1", live.say("About "+thread).Answer.Text)
	require.Equal(t, "answer 2", live.say("About "+other).Answer.Text)
	s := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)
	require.Equal(t, "answer 2", s.say("About "+other).Answer.Text)
	require.Equal(t, "answer 1", s.say("About "+thread).Answer.Text)
	require.Equal(t, "answer 2", s.say("About thread_000000000000000000000000").Answer.Text, "and another id has the last")
}

// TestUpstreamsAreToldApart by their names, wherever they lie.
func TestUpstreamsAreToldApart(t *testing.T) {
	dir := t.TempDir()
	url, _ := counting(t)
	two := func(base string) chat.Config {
		config := upstream(base)
		config.Upstreams = append(config.Upstreams, chat.Upstream{Name: "other", BaseURL: base, Headers: map[string]string{"X-Key": "another-secret"}})
		return config
	}
	ask := func(s *session, model string) string {
		req := saying("Hi.")
		req.Model = model
		return s.ask(t.Context(), req).Answer.Text
	}
	live := open(t, recordings.Options{Dir: dir}, two(url))
	require.Equal(t, "answer 1", ask(live, "other/m"))
	require.Equal(t, "answer 2", ask(live, "up/m"))
	s := open(t, recordings.Options{Dir: dir, Replay: true}, two("http://127.0.0.1:1/elsewhere"))
	require.Equal(t, "answer 2", ask(s, "up/m"))
	require.Equal(t, "answer 1", ask(s, "other/m"))
}

// TestImagesAreRecorded: what messages point to is fetched once, and not at all
// by a replay.
func TestImagesAreRecorded(t *testing.T) {
	dir := t.TempDir()
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 500)
	var fetched atomic.Int64
	pictures := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		fmt.Fprint(w, png)
	}))
	url, _ := counting(t)
	req := saying("What is this?")
	req.Messages[0].Content = append(req.Messages[0].Content, chat.Part{ImageURL: pictures.URL + "/cat.png"})
	live := upstream(url)
	live.ImageHosts = []string{"127.0.0.1"}
	first := open(t, recordings.Options{Dir: dir}, live).ask(t.Context(), req)
	require.NoError(t, first.Error)
	require.EqualValues(t, 1, fetched.Load())
	pictures.Close()

	s := open(t, recordings.Options{Dir: dir, Replay: true}, nowhere)
	require.Equal(t, first, s.ask(t.Context(), req))
	req.Messages[0].Content[1].ImageURL = pictures.URL + "/dog.png"
	require.ErrorContains(t, s.ask(t.Context(), req).Error, "No recording in "+dir+" answers this request (GET "+pictures.URL+"/dog.png)")
}

func TestEmbeddingsAndModelsAreRecorded(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"data":[{"id":"gpt-4o"}]}`)
			return
		}
		fmt.Fprintf(w, `{"data":[{"index":0,"embedding":[%s1]}]}`, strings.Repeat("0.25, ", 100))
	}))
	t.Cleanup(server.Close)
	ask := func(s *session) (vectors [][]float32, models []string) {
		vectors, _, err := s.Embed(t.Context(), "", []string{"text"})
		require.NoError(t, err)
		return vectors, s.ListModels(t.Context())
	}
	config := func(url string) chat.Config {
		c := upstream(url)
		c.Upstreams[0].EmbeddingModel = "embed"
		return c
	}
	vectors, models := ask(open(t, recordings.Options{Dir: dir}, config(server.URL+"/v1")))
	require.Equal(t, []string{"gpt-4o"}, models)
	text, err := os.ReadFile(filepath.Join(dir, files(t, dir)[0]))
	require.NoError(t, err)
	require.Less(t, bytes.Count(text, []byte("\n")), 20, "a vector stands on one line")
	again, listed := ask(open(t, recordings.Options{Dir: dir, Replay: true}, config("http://127.0.0.1:1/v1")))
	require.Equal(t, vectors, again)
	require.Equal(t, models, listed)
}
