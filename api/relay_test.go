package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
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
)

// farCall is a call as an upstream gets it.
type farCall struct {
	method, uri, host, body string
	header                  http.Header
	length                  int64
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
		f.calls <- farCall{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.ContentLength}
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

// digest stands for a text in comparisons, whose difference would be too long.
func digest(text string) string {
	if len(text) < 1000 {
		return text
	}
	return fmt.Sprintf("%d bytes, %x", len(text), sha256.Sum256([]byte(text)))
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
			require.Equal(t, strings.HasPrefix(want, "\x1f"), got.header.Get("Content-Encoding") == "gzip")
			require.Equal(t, strings.TrimPrefix(c.to.url, "http://"), got.host)
		})
	}
}

func TestLargeRequestsAreStreamed(t *testing.T) {
	far := newFarSide(t, nil)
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
	for name, c := range map[string]struct{ body, got string }{
		"no JSON":     {"not json " + strings.Repeat("x", 3<<20), ""},
		"model first": {`{"model":"u/a","x":"` + strings.Repeat(`\"`, 1<<20) + `"}`, `{"model":"a","x":"` + strings.Repeat(`\"`, 1<<20) + `"}`},
		"model last":  {`{"x":"` + strings.Repeat("x", 3<<20) + `","model":"u/a"}`, `{"x":"` + strings.Repeat("x", 3<<20) + `","model":"a"}`},
	} {
		if c.got == "" {
			c.got = c.body
		}
		t.Run(name+" in chunks", func(t *testing.T) {
			response := ask(t, "POST", url+"/v1/responses", struct{ io.Reader }{strings.NewReader(c.body)})
			require.Equal(t, "ok", text(t, response))
			require.Equal(t, digest(c.got), digest((<-far.calls).body))
		})
		t.Run(name+" with a length", func(t *testing.T) {
			response := ask(t, "POST", url+"/v1/responses", strings.NewReader(c.body))
			require.Equal(t, "ok", text(t, response))
			got := <-far.calls
			require.Equal(t, digest(c.got), digest(got.body))
			require.Equal(t, int64(len(c.got)), got.length)
		})
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
		"plain":                           {200, "Content-Type: application/json", "{ \"a\" : 1 }\n\n", ""},
		"untyped":                         {200, "Content-Type:", "<html>", ""},
		"zipped":                          {200, "Content-Encoding: gzip", gzipped("hello"), ""},
		"nothing":                         {204, "X-A: b", "", ""},
		"a redirect":                      {302, "Location: https://cdn.example/a.png", "", ""},
		"a refusal":                       {400, "Content-Type: application/json", `{"error":{"message":"no"}}`, ""},
		"too many":                        {429, "Retry-After: 7", `{}`, ""},
		"no such thing":                   {404, "X-A: b", ``, ""},
		"down":                            {503, "Content-Type: text/html", `<html>down</html>`, ""},
		"the key itself":                  {401, "Content-Type: text/plain", "invalid: " + key + "!", "invalid: [key]!"},
		"the key, zipped":                 {403, "Content-Encoding: gzip", gzipped("invalid: " + key + "!"), "invalid: [key]!"},
		"an error, zipped":                {403, "Content-Encoding: gzip", gzipped("no!"), ""},
		"an error that says it is zipped": {500, "Content-Encoding: gzip", "no!", ""},
		"a long error":                    {500, "Content-Type: text/plain", strings.Repeat("x", 200<<10), ""},
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
			require.Equal(t, digest(c.got), digest(text(t, response)))
			require.Equal(t, c.status, response.StatusCode)
			if c.got == c.body {
				require.Equal(t, value, response.Header.Get(name))
			}
		})
	}
	t.Run("the length of a HEAD", func(t *testing.T) {
		answer = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1234") }
		response := ask(t, "HEAD", url+"/v1/responses/r", nil)
		require.Equal(t, int64(1234), response.ContentLength)
	})
}
