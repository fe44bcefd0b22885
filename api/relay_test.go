package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
	"understudy/api/keys"
	"understudy/api/wire"
	"understudy/runs/chat"
	"understudy/runs/chat/builtin"
)

// farCall is a call as an upstream gets it.
type farCall struct {
	method, uri, host, body string
	header                  http.Header
	length                  int64
	encoding                []string // Transfer-Encoding
}

// farSide is an upstream on loopback that answers what it is told.
type farSide struct {
	url   string
	calls chan farCall
}

// newFarSide starts an upstream; answer nil means an answer that says ok.
func newFarSide(t *testing.T, answer http.HandlerFunc) *farSide {
	t.Helper()
	f := &farSide{calls: make(chan farCall, 16)}
	if answer == nil {
		answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	}
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller broke off
		}
		f.calls <- farCall{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.ContentLength, r.TransferEncoding}
		answer(w, r)
	}))
	t.Cleanup(listening.Close)
	f.url = listening.URL
	return f
}

// relaying starts a server before upstreams and returns its address.
func relaying(t *testing.T, config chat.Config, o api.Options) string {
	t.Helper()
	client, err := chat.New(config)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	o.Upstreams, o.Now = client, time.Now
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	listening := httptest.NewServer(api.New(o))
	t.Cleanup(listening.Close)
	return listening.URL
}

// ask makes a request with headers "Name: value", over a connection of its own,
// and leaves what comes back as it is.
func ask(t *testing.T, method, url string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

// aKey is a store of one API key.
type aKey struct {
	keys.Store
	key keys.Key
}

func (s aKey) Key(_ context.Context, id string) (keys.Key, error) {
	if id != s.key.ID {
		return keys.Key{}, wire.ErrNotFound
	}
	return s.key, nil
}

const form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--bx\r\n" +
	"\r\n--b\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n--b--\r\n"

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

func TestRelayedRequests(t *testing.T) {
	first, second := newFarSide(t, nil), newFarSide(t, nil)
	url := relaying(t, chat.Config{
		Upstreams: []chat.Upstream{
			{Name: "first", BaseURL: first.url + "/api/v1/?fixed=1&api-version=7"},
			{Name: "second", BaseURL: second.url + "/v1"},
		},
		Models: []chat.Mapping{{Pattern: "gpt-4*", Target: "second/mini"}, {Pattern: `odd"name`, Target: "second/x"}, {Pattern: "to odd", Target: `second/o"dd`}},
	}, api.Options{Relay: []string{"/v1/fine_tuning", "/mj"}})
	multipart := "Content-Type: multipart/form-data; boundary=b"
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		to                 *farSide
		uri, got           string // got "" = the body as it was sent
	}{
		"chat": {"POST", "/v1/chat/completions", "\n{ \"model\" :\t\"mine\",\"messages\":[ ] ,\"é\\u00e9\":1.0e+2 }\r\n", nil, first, "/api/v1/chat/completions?fixed=1&api-version=7", ""},
		"a renamed model": {
			"POST", "/v1/chat/completions", " {\"messages\":[{\"model\":\"no\"}], \"model\" : \"gpt-4o\" , \"x\":{\"model\":\"gpt-4\"}}", nil, second,
			"/v1/chat/completions", " {\"messages\":[{\"model\":\"no\"}], \"model\" : \"mini\" , \"x\":{\"model\":\"gpt-4\"}}",
		},
		"a model with its upstream": {"POST", "/v1/embeddings", `{"model":"second/e","input":"a"}`, nil, second, "/v1/embeddings", `{"model":"e","input":"a"}`},
		"names in quotes":           {"POST", "/v1/responses", `{"model":"odd\"name"}`, nil, second, "/v1/responses", `{"model":"x"}`},
		"names that need quotes":    {"POST", "/v1/responses", `{"model":"to odd"}`, nil, second, "/v1/responses", `{"model":"o\"dd"}`},
		"an escaped member":         {"POST", "/v1/responses", `{"mod\u0065l":"gpt\u002d4"}`, nil, second, "/v1/responses", `{"mod\u0065l":"mini"}`},
		"several models": {
			"POST", "/v1/chat/completions", `{"model":"second/a","model":"gpt-4o"}`, nil, second, "/v1/chat/completions", `{"model":"mini","model":"mini"}`,
		},
		"no model":              {"POST", "/v1/moderations", `{"input":"model"}`, nil, first, "/api/v1/moderations?fixed=1&api-version=7", ""},
		"a model of null":       {"POST", "/v1/moderations", `{"model":null,"input":"a"}`, nil, first, "/api/v1/moderations?fixed=1&api-version=7", ""},
		"no JSON":               {"POST", "/v1/completions", `hello, "model": "gpt-4"`, nil, first, "/api/v1/completions?fixed=1&api-version=7", ""},
		"broken JSON":           {"POST", "/v1/completions", `{"model":"gpt-4`, nil, first, "/api/v1/completions?fixed=1&api-version=7", ""},
		"a list":                {"POST", "/v1/completions", `[{"model":"gpt-4"}]`, nil, first, "/api/v1/completions?fixed=1&api-version=7", ""},
		"no body":               {"POST", "/v1/responses/resp_1/cancel", "", nil, first, "/api/v1/responses/resp_1/cancel?fixed=1&api-version=7", ""},
		"queries":               {"GET", "/v1/responses/r%2F1/input_items?limit=2&fixed=3&a=%20b&&c", "", nil, first, "/api/v1/responses/r%2F1/input_items?fixed=1&api-version=7&limit=2&a=%20b&c", ""},
		"HEAD":                  {"HEAD", "/v1/responses/r", "", nil, first, "/api/v1/responses/r?fixed=1&api-version=7", ""},
		"OPTIONS":               {"OPTIONS", "/v1/responses", "", nil, first, "/api/v1/responses?fixed=1&api-version=7", ""},
		"DELETE":                {"DELETE", "/v1/responses/r", "", nil, first, "/api/v1/responses/r?fixed=1&api-version=7", ""},
		"audio":                 {"POST", "/v1/audio/transcriptions", fmt.Sprintf(form, "whisper"), []string{multipart}, first, "/api/v1/audio/transcriptions?fixed=1&api-version=7", ""},
		"audio elsewhere":       {"POST", "/v1/audio/transcriptions", fmt.Sprintf(form, "gpt-4o-transcribe"), []string{multipart}, second, "/v1/audio/transcriptions", fmt.Sprintf(form, "mini")},
		"a broken form":         {"POST", "/v1/audio/transcriptions", "--b\r\nx", []string{multipart}, first, "/api/v1/audio/transcriptions?fixed=1&api-version=7", ""},
		"images":                {"POST", "/v1/images/generations", `{"prompt":"{","model":"gpt-4-image"}`, nil, second, "/v1/images/generations", `{"prompt":"{","model":"mini"}`},
		"zipped":                {"POST", "/v1/responses", gzipped(`{"model":"mine"}`), []string{"Content-Encoding: gzip"}, first, "/api/v1/responses?fixed=1&api-version=7", ""},
		"zipped and renamed":    {"POST", "/v1/responses", gzipped(`{"model":"gpt-4"}`), []string{"Content-Encoding: gzip"}, second, "/v1/responses", `{"model":"mini"}`},
		"a named upstream":      {"POST", "/v1/responses", `{"model":"gpt-4"}`, []string{"Understudy-Upstream: first"}, first, "/api/v1/responses?fixed=1&api-version=7", ""},
		"a configured prefix":   {"POST", "/v1/fine_tuning/jobs", `{"model":"gpt-4"}`, nil, second, "/v1/fine_tuning/jobs", `{"model":"mini"}`},
		"beside the base URL":   {"POST", "/mj/submit/imagine?x=1", `{"prompt":"a"}`, nil, first, "/api/mj/submit/imagine?fixed=1&api-version=7&x=1", ""},
		"Azure":                 {"POST", "/openai/deployments/gpt-4/chat/completions?api-version=2024-10-21&x=1", `{"messages":[]}`, nil, second, "/v1/chat/completions?x=1", `{"model":"mini","messages":[]}`},
		"Azure, empty":          {"POST", "/openai/deployments/mine/embeddings?api-version=2024-10-21", `{ }`, nil, first, "/api/v1/embeddings?fixed=1&api-version=7", `{"model":"mine" }`},
		"Azure, model too":      {"POST", "/openai/deployments/second%2Fa/embeddings", `{"model":"b"}`, nil, second, "/v1/embeddings", `{"model":"a"}`},
		"Azure, audio":          {"POST", "/openai/deployments/w/audio/transcriptions", "--b--", []string{multipart}, first, "/api/v1/audio/transcriptions?fixed=1&api-version=7", "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw\r\n--b--"},
		"Azure, new":            {"POST", "/openai/v1/responses?api-version=preview", `{"model":"gpt-4"}`, nil, second, "/v1/responses", `{"model":"mini"}`},
		"Azure, named upstream": {"POST", "/openai/deployments/gpt-4/chat/completions", `{}`, []string{"Understudy-Upstream: second"}, second, "/v1/chat/completions", `{"model":"gpt-4"}`},
	} {
		t.Run(name, func(t *testing.T) {
			response := ask(t, c.method, url+c.path, strings.NewReader(c.body), c.headers...)
			if c.method != "HEAD" {
				require.Equal(t, "ok", text(t, response))
			}
			require.Equal(t, http.StatusOK, response.StatusCode)
			got := <-c.to.calls
			want := c.got
			if want == "" {
				want = c.body
			}
			require.Equal(t, [3]string{c.method, c.uri, want}, [3]string{got.method, got.uri, got.body})
			require.Equal(t, int64(len(want)), got.length)
			require.Equal(t, strings.TrimPrefix(c.to.url, "http://"), got.host)
		})
	}
}

func TestChunkedRequestsStayChunked(t *testing.T) {
	far := newFarSide(t, nil)
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
	for _, c := range []struct{ body, got string }{
		{"not json " + strings.Repeat("x", 3<<20), ""},
		{`{"model":"u/a","x":"` + strings.Repeat(`\"`, 1<<20) + `"}`, `{"model":"a","x":"` + strings.Repeat(`\"`, 1<<20) + `"}`},
		{`{"x":"` + strings.Repeat("x", 3<<20) + `","model":"u/a"}`, `{"x":"` + strings.Repeat("x", 3<<20) + `","model":"a"}`},
	} {
		response := ask(t, "POST", url+"/v1/responses", struct{ io.Reader }{strings.NewReader(c.body)})
		require.Equal(t, "ok", text(t, response))
		got := <-far.calls
		if c.got == "" {
			c.got = c.body
		}
		require.True(t, c.got == got.body, "the body is another")
	}
}

func TestRelayedHeaders(t *testing.T) {
	far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for name, value := range map[string]string{
			"Set-Cookie": "session=1", "WWW-Authenticate": "Bearer", "Connection": "X-Private", "X-Private": "1", "Keep-Alive": "timeout=5",
			"Alt-Svc": "h3", "Access-Control-Allow-Origin": "https://elsewhere.example", "Vary": "Accept", "X-Request-Id": "req_far",
			"X-Ratelimit-Remaining-Tokens": "9", "Content-Type": "application/json; x=1", "Understudy-Hop": "far",
		} {
			h.Set(name, value)
		}
		w.WriteHeader(http.StatusTeapot)
	})
	key, secret := keys.Mint("default", "test", time.Now())
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{
		{Name: "bearer", BaseURL: far.url, APIKey: "sk-upstream", Headers: map[string]string{"X-Title": "configured", "Understudy-Hop": "own"}},
		{Name: "azure", BaseURL: far.url, APIKey: "sk-azure", Auth: chat.AuthAPIKey},
		{Name: "open", BaseURL: far.url, APIKey: "sk-unsent", Auth: chat.AuthNone},
	}}, api.Options{Keys: aKey{key: key}, Hop: "own"})
	sent := []string{
		"Authorization: Bearer " + secret, "Api-Key: sk-client", "X-Api-Key: sk-client", "Cookie: a=b", "Origin: https://app.example", "Referer: https://app.example",
		"Openai-Organization: org-client", "X-Forwarded-For: 10.0.0.1", "Understudy-Id: x", "Sec-Fetch-Mode: cors", "Connection: X-Hop", "X-Hop: 1", "Te: trailers",
		"Understudy-Hop: other", "X-Title: client", "X-Stainless-Lang: js", "OpenAI-Beta: realtime=v1", "User-Agent: sdk/1", "Idempotency-Key: k", "Accept: a/b", "Accept: c/d",
	}
	common := http.Header{
		"X-Stainless-Lang": {"js"}, "Openai-Beta": {"realtime=v1"}, "User-Agent": {"sdk/1"}, "Idempotency-Key": {"k"}, "Accept": {"a/b", "c/d"},
		"Accept-Encoding": {"identity"}, "Content-Length": {"2"}, "X-Title": {"client"}, "Understudy-Hop": {"other"},
	}
	for upstream, own := range map[string]http.Header{
		"bearer": {"Authorization": {"Bearer sk-upstream"}, "X-Title": {"configured"}, "Understudy-Hop": {"other, own"}},
		"azure":  {"Api-Key": {"sk-azure"}},
		"open":   {},
	} {
		t.Run(upstream, func(t *testing.T) {
			response := ask(t, "POST", url+"/v1/responses", strings.NewReader("{}"), append([]string{"Understudy-Upstream: " + upstream}, sent...)...)
			want := common.Clone()
			for name, values := range own {
				want[name] = values
			}
			require.Equal(t, want, (<-far.calls).header)

			require.Equal(t, http.StatusTeapot, response.StatusCode)
			got := response.Header
			for _, name := range []string{"Date", "Openai-Processing-Ms", "Openai-Version", "Connection", "Access-Control-Expose-Headers"} {
				got.Del(name) // ours
			}
			require.Equal(t, http.Header{
				"X-Request-Id": {"req_far"}, "X-Ratelimit-Remaining-Tokens": {"9"}, "Content-Type": {"application/json; x=1"}, "Content-Length": {"0"},
				"Vary": {"Origin", "Accept"}, "Access-Control-Allow-Origin": {"https://app.example"},
			}, got)
		})
	}
}

func TestRelayedAnswers(t *testing.T) {
	const key = "sk-upstream-1234567890"
	var answer http.HandlerFunc
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url, APIKey: key}}}, api.Options{})
	for name, c := range map[string]struct {
		status     int
		head, body string
		got        string // "" = as it was sent
	}{
		"plain":          {200, "Content-Type: application/json", "{ \"a\" : 1 }\n\n", ""},
		"untyped":        {200, "Content-Type:", "<html>", ""},
		"zipped":         {200, "Content-Encoding: gzip", gzipped("hello"), ""},
		"nothing":        {204, "X-A: b", "", ""},
		"a redirect":     {302, "Location: https://cdn.example/a.png", "", ""},
		"a refusal":      {400, "Content-Type: application/json", `{"error":{"message":"no"}}`, ""},
		"too many":       {429, "Retry-After: 7", `{}`, ""},
		"no such thing":  {404, "X-A: b", ``, ""},
		"down":           {503, "Content-Type: text/html", `<html>down</html>`, ""},
		"the key itself": {401, "Content-Type: text/plain", "invalid: " + key + "!", "invalid: [key]!"},
		"a long error":   {500, "Content-Type: text/plain", strings.Repeat("x", 200<<10), ""},
	} {
		t.Run(name, func(t *testing.T) {
			name, value, _ := strings.Cut(c.head, ":")
			value = strings.TrimSpace(value)
			answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header()[name] = []string{value}
				if value == "" {
					w.Header()[name] = nil
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}
			response := ask(t, "GET", url+"/v1/responses/r", nil)
			<-far.calls
			if c.got == "" {
				c.got = c.body
			}
			require.True(t, c.got == text(t, response), "the body is another")
			require.Equal(t, c.status, response.StatusCode)
			require.Equal(t, value, response.Header.Get(name))
		})
	}
	t.Run("the length of a HEAD", func(t *testing.T) {
		answer = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1234") }
		response := ask(t, "HEAD", url+"/v1/responses/r", nil)
		require.Equal(t, int64(1234), response.ContentLength)
	})
}

func TestRelayedStreamsAreNotHeldBack(t *testing.T) {
	var seen = make(chan string)
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w).Flush
		for _, event := range []string{"", ": ping\n\n", "data: {\"a\":", "1}\n\n", "data: [DONE]\n\n"} {
			_, _ = io.WriteString(w, event)
			_ = flush()
			select { // the client has it before there is more
			case got := <-seen:
				if got != event {
					panic(http.ErrAbortHandler)
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
	response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	seen <- ""
	var all strings.Builder
	for buf := make([]byte, 100); ; {
		n, err := response.Body.Read(buf)
		all.Write(buf[:n])
		if n > 0 {
			seen <- string(buf[:n])
		}
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.Equal(t, ": ping\n\ndata: {\"a\":1}\n\ndata: [DONE]\n\n", all.String())
}

func TestRelayedUploadsAreNotHeldBack(t *testing.T) {
	begun := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.CopyN(io.Discard, r.Body, 1<<20)
		close(begun)
		rest, restErr := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, rest, errors.Join(err, restErr))
	}))
	t.Cleanup(upstream.Close)
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: upstream.URL}}}, api.Options{})
	out, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, `{"model":"m","x":"`+strings.Repeat("x", 2<<20))
		<-begun
		_ = in.CloseWithError(func() error { _, err := io.WriteString(in, `"}`); return err }())
	}()
	response := ask(t, "POST", url+"/v1/responses", out)
	require.Equal(t, fmt.Sprint(len(`{"model":"m","x":"`)+1<<20+len(`"}`), error(nil)), text(t, response))
}

func TestAnAnswerThatBreaksOffBreaksOff(t *testing.T) {
	for name, length := range map[string]string{"with a length": "100", "without": ""} {
		t.Run(name, func(t *testing.T) {
			far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(w, "data: half")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
			response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{}`))
			body, err := io.ReadAll(response.Body)
			require.Equal(t, "data: half", string(body))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}

func TestAClientThatLeavesEndsItsCall(t *testing.T) {
	for name, speak := range map[string]bool{"before the answer": false, "within it": true} {
		t.Run(name, func(t *testing.T) {
			under, gone := make(chan struct{}), make(chan struct{})
			far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
				if speak {
					_, _ = io.WriteString(w, "data: x\n\n")
					_ = http.NewResponseController(w).Flush()
				}
				close(under)
				<-r.Context().Done()
				close(gone)
			})
			url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{}`))
			require.NoError(t, err)
			left := make(chan struct{})
			go func() {
				defer close(left)
				response, err := new(http.Transport).RoundTrip(r)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}()
			<-under
			leave()
			<-gone
			<-left
		})
	}
}

func TestAnUploadThatBreaksOff(t *testing.T) {
	for name, size := range map[string]int{"before it is sent on": 10, "after": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			far := newFarSide(t, nil)
			var log bytes.Buffer
			client, err := chat.New(chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			handler := api.New(api.Options{Upstreams: client, Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			body := io.MultiReader(strings.NewReader(`{"model":"m","x":"`+strings.Repeat("x", size)), brokenReader{})
			answer := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/v1/responses", body)
			handler.ServeHTTP(answer, r)
			require.Equal(t, http.StatusBadRequest, answer.Code)
			require.Contains(t, answer.Body.String(), "The request body could not be read to its end.")
			require.NotContains(t, log.String(), "level=ERROR")
			require.Empty(t, far.calls)
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// errorOf reads the envelope, all of whose keys must be there.
func errorOf(t *testing.T, response *http.Response) (message, kind, code string) {
	t.Helper()
	var body struct {
		Error map[string]*string `json:"error"`
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, response)), &body))
	require.Len(t, body.Error, 4)
	if body.Error["code"] != nil {
		code = *body.Error["code"]
	}
	return *body.Error["message"], *body.Error["type"], code
}

func TestRelayErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	far := newFarSide(t, nil)
	key, secret := keys.Mint("default", "test", time.Now())
	config := chat.Config{
		Upstreams: []chat.Upstream{{Name: "down", BaseURL: "http://" + closed.Addr().String()}, {Name: "far", BaseURL: far.url}},
		Models:    []chat.Mapping{{Pattern: "known", Target: "far/x"}}, ModelsStrict: true,
	}
	loopback := relaying(t, config, api.Options{Hop: "hop_1"})
	withKeys := relaying(t, config, api.Options{Keys: aKey{key: key}})
	open := relaying(t, config, api.Options{AnyHost: true})
	big := `{"model":"far/x","a":"` + strings.Repeat("a", 2<<20) + `","model":"down/x"}`
	for name, c := range map[string]struct {
		url, method, path, body string
		headers                 []string
		status                  int
		kind, code, says        string
	}{
		"down":             {loopback, "POST", "/v1/responses", `{"model":"down/x"}`, nil, 502, "server_error", "upstream_unreachable", `The upstream "down" could not be reached: connection refused.`},
		"strict":           {loopback, "POST", "/v1/responses", `{"model":"x"}`, nil, 404, "invalid_request_error", "model_not_found", `The model "x" is not known here: no entry of the models: map in the server's configuration matches it.`},
		"unknown upstream": {loopback, "GET", "/v1/responses/r", "", []string{"Understudy-Upstream: fra"}, 400, "invalid_request_error", "invalid_value", `Invalid 'Understudy-Upstream': no upstream is called "fra"; there is down, far.`},
		"no key":           {withKeys, "POST", "/v1/responses", `{}`, []string{"Understudy-Upstream: far"}, 401, "invalid_request_error", "", "You didn't provide an API key."},
		"open to all":      {open, "POST", "/v1/responses", `{}`, []string{"Understudy-Upstream: far"}, 403, "invalid_request_error", "", "This server answers everybody without API keys, so the header Understudy-Upstream is not heeded."},
		"a loop":           {loopback, "POST", "/v1/responses", `{}`, []string{"Understudy-Hop: hop_0, hop_1"}, 508, "server_error", "loop_detected", "This call was sent out by this server and has come back to it"},
		"a loop of lists":  {loopback, "GET", "/v1/models", "", []string{"Understudy-Hop: a", "Understudy-Hop: hop_1"}, 508, "server_error", "loop_detected", "This call was sent out by this server"},
		"climbing":         {loopback, "GET", "/v1/responses/../organization/admin_api_keys", "", nil, 404, "invalid_request_error", "", "Invalid URL"},
		"climbing, hidden": {loopback, "GET", "/v1/responses/%2e%2e%2forganization", "", nil, 404, "invalid_request_error", "", "Invalid URL"},
		"TRACE":            {loopback, "TRACE", "/v1/responses", "", nil, 404, "invalid_request_error", "", "Invalid URL"},
		"not relayed":      {loopback, "POST", "/v1/fine_tuning/jobs", "{}", nil, 404, "invalid_request_error", "", "Invalid URL (POST /v1/fine_tuning/jobs)"},
		"beside":           {loopback, "POST", "/v1/completionsx", "{}", nil, 404, "invalid_request_error", "", "Invalid URL"},
		"not zipped":       {loopback, "POST", "/v1/responses", "{}", []string{"Content-Encoding: gzip"}, 400, "invalid_request_error", "", "is not gzip"},
		"another encoding": {loopback, "POST", "/v1/responses", "{}", []string{"Content-Encoding: br"}, 400, "invalid_request_error", "", "Content-Encoding 'br' is not supported."},
		"two models":       {loopback, "POST", "/v1/responses", big, nil, 400, "invalid_request_error", "invalid_value", "'model' more than once"},
		"a model too late": {loopback, "POST", "/v1/responses", `{"a":"` + strings.Repeat("a", 33<<20) + `"}`, nil, 413, "invalid_request_error", "", "names no model in its first 32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			response := ask(t, c.method, c.url+c.path, strings.NewReader(c.body), c.headers...)
			require.Equal(t, c.status, response.StatusCode)
			message, kind, code := errorOf(t, response)
			require.Equal(t, [2]string{c.kind, c.code}, [2]string{kind, code})
			require.Contains(t, message, c.says)
			require.Empty(t, far.calls)
		})
	}
	t.Run("a key opens the choice", func(t *testing.T) {
		response := ask(t, "POST", withKeys+"/v1/responses", strings.NewReader(`{"model":"x"}`), "Understudy-Upstream: far", "Authorization: Bearer "+secret)
		require.Equal(t, "ok", text(t, response))
		require.Equal(t, `{"model":"x"}`, (<-far.calls).body)
	})
}

func TestALoopEnds(t *testing.T) {
	var outer, inner http.Handler
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { outer.ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(w, r) }))
	t.Cleanup(back.Close)
	before := func(url, hop string) http.Handler {
		client, err := chat.New(chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: url, Headers: map[string]string{chat.HopHeader: hop}}}})
		require.NoError(t, err)
		t.Cleanup(client.Close)
		return api.New(api.Options{Upstreams: client, Hop: hop, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	}
	outer, inner = before(back.URL+"/v1", "hop_front"), before(front.URL+"/v1", "hop_back")
	response := ask(t, "POST", front.URL+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
	require.Equal(t, http.StatusLoopDetected, response.StatusCode)
	require.Equal(t, "false", response.Header.Get("X-Should-Retry"))
	_, _, code := errorOf(t, response)
	require.Equal(t, "loop_detected", code)
}

func TestRelayFallsBack(t *testing.T) {
	status := http.StatusOK
	sick := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	well := newFarSide(t, nil)
	url := relaying(t, chat.Config{
		Upstreams: []chat.Upstream{{Name: "down", BaseURL: "http://127.0.0.1:1"}, {Name: "sick", BaseURL: sick.url}, {Name: "well", BaseURL: well.url}},
		Models:    []chat.Mapping{{Pattern: "m", Target: "down/a | sick/b | well/c"}},
	}, api.Options{})
	for got, falls := range map[int]bool{200: false, 400: false, 413: false, 422: false, 401: true, 404: true, 429: true, 500: true, 503: true} {
		t.Run(fmt.Sprint(got), func(t *testing.T) {
			status = got
			response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{ "model":"m" }`))
			require.Equal(t, `{ "model":"b" }`, (<-sick.calls).body)
			if !falls {
				require.Equal(t, got, response.StatusCode)
				require.Empty(t, well.calls)
				return
			}
			require.Equal(t, "ok", text(t, response))
			require.Equal(t, `{ "model":"c" }`, (<-well.calls).body)
		})
	}
	t.Run("not with what cannot be sent twice", func(t *testing.T) {
		response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{"model":"m","x":"`+strings.Repeat("x", 2<<20)+`"}`))
		require.Equal(t, http.StatusBadGateway, response.StatusCode)
	})
}

func TestTheBuiltInModelIsRelayed(t *testing.T) {
	url := relaying(t, chat.Config{
		Upstreams: []chat.Upstream{{Name: "builtin", BaseURL: "builtin://echo", Auth: chat.AuthNone}},
		Schemes:   map[string]http.RoundTripper{"builtin": chat.HandlerTransport(builtin.New(builtin.Options{}))},
	}, api.Options{})
	for path, c := range map[string]struct{ body, says string }{
		"/v1/chat/completions":                   {`{"model":"gpt-4o","messages":[{"role":"user","content":"good morning"}]}`, "good morning"},
		"/openai/deployments/d/chat/completions": {`{"stream":true,"messages":[{"role":"user","content":"hello"}]}`, "data: [DONE]"},
		"/v1/embeddings":                         {`{"model":"e","input":"good morning"}`, `"embedding"`},
		"/v1/moderations":                        {`{"input":"a"}`, "Unknown request URL"},
	} {
		response := ask(t, "POST", url+path, strings.NewReader(c.body))
		require.Contains(t, text(t, response), c.says)
	}
}

func TestRelayedPathsCanChange(t *testing.T) {
	far := newFarSide(t, nil)
	client, err := chat.New(chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url + "/v1"}}})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	handler := api.New(api.Options{Upstreams: client, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Relay: []string{"/mj"}})
	get := func(path, origin string) int {
		answer := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		handler.ServeHTTP(answer, r)
		return answer.Code
	}
	require.Equal(t, 200, get("/mj/task", ""))
	require.Equal(t, 404, get("/suno/task", ""))
	require.Equal(t, 403, get("/v1/responses", "https://app.example"))
	handler.Change([]string{"https://app.example"}, []string{"/suno"})
	require.Equal(t, 404, get("/mj/task", ""))
	require.Equal(t, 200, get("/suno/task", ""))
	require.Equal(t, 200, get("/v1/responses", "https://app.example"))
}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{
		"": true, "/v1": true, "/openai": true, "/openai/v1": true, "/v1/threads": true, "/v1/threads/t/x": true, "/openai/files": true, "/v1/models": true, "/healthz": true,
		"/mj": false, "/v1/fine_tuning": false, "/v1/threadsx": false, "/v1/batches": false, "/v2": false,
	} {
		require.Equal(t, want, api.Serves(path), path)
	}
}
