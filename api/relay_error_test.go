package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
	"understudy/api/keys"
	"understudy/runs/chat"
	"understudy/runs/chat/builtin"
)

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
	const nobody = "http://127.0.0.1:1" // a port that was free a moment ago may be another test's by now
	far := newFarSide(t, nil)
	key, secret := keys.Mint("default", "test", time.Now())
	config := chat.Config{
		Upstreams: []chat.Upstream{{Name: "down", BaseURL: nobody}, {Name: "far", BaseURL: far.url}},
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
		"strict, no model": {loopback, "POST", "/v1/responses", `{"input":"x"}`, nil, 400, "invalid_request_error", "missing_required_parameter", "Missing required parameter: 'model'."},
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
		response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{"model":"m","x":"`+strings.Repeat("x", 1<<20+128<<10)+`"}`)) // with little left behind, or the connection may be reset
		require.Equal(t, http.StatusBadGateway, response.StatusCode)
		message, _, _ := errorOf(t, response)
		require.Equal(t, `The upstream "down" could not be reached: connection refused.`, message)
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
	handler.Change([]string{"https://app.example"}, []string{"/suno"}, 0)
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
