package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat"
)

func writeFile(t *testing.T, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile("c.yaml", []byte(content), 0o600))
}

// named is an upstream that answers with its name.
func named(t *testing.T, name string) string {
	t.Helper()
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(listening.Close)
	return listening.URL
}

// hangUp sends this process SIGHUP and waits for what the server says to it.
func hangUp(t *testing.T, log *transcript, after string) string {
	t.Helper()
	before := len(log.String())
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	for {
		text, more := log.read()
		if _, said, found := strings.Cut(text[before:], after); found && strings.HasSuffix(said, "\n") {
			return text[before:]
		}
		await(t, more, after)
	}
}

func TestReloadOnHangup(t *testing.T) {
	first, second := named(t, "first"), named(t, "second")
	t.Chdir(t.TempDir())
	writeFile(t, fmt.Sprintf("upstreams: [{name: a, base_url: %q}]\nmodels: {m: a/x}\nmodels_strict: true\nrelay: [/mj]\n", first))
	ctx, stop := context.WithCancel(t.Context())
	log, code := newTranscript(), make(chan int, 1)
	go func() {
		code <- Run(ctx, []string{"serve", "--config=c.yaml", "--listen=127.0.0.1:0", "--data=data"}, System{Stdout: io.Discard, Stderr: log, Getenv: environment{}.get})
	}()
	defer func() {
		stop()
		require.Equal(t, 0, await(t, code, "the end"))
	}()
	ready := &process{stderr: log, ended: make(chan struct{})}
	url := strings.TrimSuffix(ready.find(t, `base_url=(http://[^ \n]+)`), "/v1")
	ask := func(path, model, origin string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(`{"model":"`+model+`"}`))
		require.NoError(t, err)
		r.Header.Set("Origin", origin)
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return fmt.Sprint(response.StatusCode, " ", string(body))
	}
	const web = "https://app.example"
	require.Equal(t, "200 first", ask("/v1/responses", "m", ""))
	require.Equal(t, "200 first", ask("/mj/x", "m", ""))
	require.Contains(t, ask("/v1/responses", "n", ""), "404 ")
	require.Contains(t, ask("/v1/responses", "m", web), "403 ")

	writeFile(t, "upstreams:\n- {name: a, base_url: ftp://a}\nmodels: []\n")
	said := hangUp(t, log, "c.yaml:3: models")
	require.Contains(t, said, "c.yaml:2: base_url: a base URL begins with http:// or https://")
	require.Equal(t, 2, strings.Count(said, "not taken over; the old one stays"))
	require.Equal(t, "200 first", ask("/v1/responses", "m", ""))

	writeFile(t, fmt.Sprintf("listen: 127.0.0.1:1\nupstreams: [{name: a, base_url: %q}]\n", url))
	require.Contains(t, hangUp(t, log, "not taken over"), "is this server itself")
	require.Equal(t, "200 first", ask("/v1/responses", "m", ""))

	writeFile(t, "") // as an editor leaves it for a moment
	require.Contains(t, hangUp(t, log, "not taken over"), "it names no upstream")
	require.Equal(t, "200 first", ask("/v1/responses", "m", ""))

	writeFile(t, fmt.Sprintf("upstreams: [{name: b, base_url: %q, api_key: sk-hidden-1}]\nmodels: {n: b/x}\nmodels_strict: true\nrelay: [/suno]\ncors_origins: [%s]\nauth: keys\nlog_format: json\n", second, web))
	said = hangUp(t, log, "is taken over")
	require.Contains(t, said, "setting=auth now=none then=keys")
	require.Contains(t, said, "setting=log_format now=text then=json")
	require.Equal(t, 2, strings.Count(said, "from the next start on"))
	require.NotContains(t, said, "sk-hidden")
	require.Equal(t, "200 second", ask("/v1/responses", "n", ""))
	require.Equal(t, "200 second", ask("/v1/responses", "n", web))
	require.Equal(t, "200 second", ask("/suno/x", "n", ""))
	require.Contains(t, ask("/mj/x", "n", ""), "404 ")
	require.Contains(t, ask("/v1/responses", "m", ""), "404 ")
	require.Contains(t, ask("/v1/assistants", "m", ""), "400 ")
	require.Contains(t, ask("/v1/assistants", "n", ""), `200 {"id":"asst_`)
}

// TestCallsEndWhereTheyBegan replaces the client under a model call and under
// a relayed call: both come to their end, and then the old connections close.
func TestCallsEndWhereTheyBegan(t *testing.T) {
	begun, goOn := make(chan string), make(chan struct{})
	closed := make(chan struct{}, 9)
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- r.Header.Get(chat.HopHeader)
		<-goOn
		_, _ = io.WriteString(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"old"},"finish_reason":"stop"}]}`)
	}))
	old.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	old.Start()
	t.Cleanup(old.Close)
	client := func(url string) *chat.Client {
		c, err := newChat(Config{Upstreams: []Upstream{{Name: "u", BaseURL: url}}}, &repetition{}, "hop_x", slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		return c
	}
	b := newBackends(client(old.URL))
	answers := make(chan string, 2)
	go func() {
		answer, err := b.Complete(t.Context(), chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Content: []chat.Part{{Text: "hi"}}}}}, nil)
		answers <- fmt.Sprint(answer.Text, err)
	}()
	require.Equal(t, "hop_x", await(t, begun, "the model call"))
	ways, done, err := b.Outgoing("m", "")
	require.NoError(t, err)
	go func() {
		defer done()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
		if err != nil {
			answers <- err.Error()
			return
		}
		response, err := ways[0].Send(r, false)
		if err != nil {
			answers <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answers <- fmt.Sprint(len(body) > 50, err)
	}()
	require.Equal(t, "hop_x", await(t, begun, "the relayed call"))

	b.replace(client(named(t, "new")))
	t.Cleanup(b.Close)
	ways, fresh, err := b.Outgoing("m", "")
	require.NoError(t, err)
	defer fresh()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
	require.NoError(t, err)
	response, err := ways[0].Send(r, false)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "new", string(body))
	require.Empty(t, closed)

	close(goOn)
	require.ElementsMatch(t, []string{"old<nil>", "true <nil>"}, []string{await(t, answers, "an answer"), await(t, answers, "an answer")})
	await(t, closed, "the end of a connection")
	await(t, closed, "the end of the other")
}

func TestReplacingAnIdleClientClosesIt(t *testing.T) {
	closed := make(chan struct{}, 9)
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	old.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	old.Start()
	t.Cleanup(old.Close)
	c, err := newChat(Config{Upstreams: []Upstream{{Name: "u", BaseURL: old.URL}}}, &repetition{}, "hop_x", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	b := newBackends(c)
	require.Empty(t, c.ListModels(t.Context()))
	b.replace(c)
	await(t, closed, "the end of the connection")
	_, _, err = b.Outgoing("", "unknown")
	require.Error(t, err)
	require.Zero(t, b.current.calls)
}
