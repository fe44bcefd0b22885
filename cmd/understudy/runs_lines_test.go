package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

// TestProgressLines are read by people: a day where it begins, one line for each
// change, and nothing in it that steers the terminal.
func TestProgressLines(t *testing.T) {
	at := func(day, hour int) float64 {
		return float64(time.Date(2026, 11, day, hour, 4, 5, 250e6, time.Local).UnixMilli()) / 1000
	}
	reason := "max_completion_tokens"
	changes := []runs.Progress{
		{At: at(21, 23), ID: "run_1", ThreadID: "thread_1", Status: runs.Queued, Model: "gpt-4o"},
		{At: at(22, 0), ID: "run_1", ThreadID: "thread_1", Status: runs.RequiresAction, Model: "gpt-4o", ModelCalls: 1, Usage: runs.Usage{PromptTokens: 120, CompletionTokens: 14}, Seconds: 1.5, WaitsFor: []string{"add", "sub"}},
		{At: at(22, 1), ID: "run_1", ThreadID: "thread_1", Status: runs.Failed, Model: "g\x1b[2Jpt\n4", ModelCalls: 2, Seconds: 61.25, LastError: &runs.LastError{Code: "server_error", Message: "The upstream\nbroke."}},
		{At: at(22, 1), ID: "run_2", ThreadID: "thread_2", Status: runs.Incomplete, Model: "gpt-4o", ModelCalls: 1, Incomplete: &reason},
	}
	var plain bytes.Buffer
	lines := newProgressLines(System{Stdout: &plain, Getenv: environment{}.get})
	for _, p := range changes {
		require.NoError(t, lines.show(p, nil))
	}
	require.Equal(t, strings.TrimPrefix(`
-- 2026-11-21
23:04:05.250  thread_1  run_1  queued           gpt-4o                                0.000s
-- 2026-11-22
00:04:05.250  thread_1  run_1  requires_action  gpt-4o                     120+14     1.500s  waits for add, sub
01:04:05.250  thread_1  run_1  failed           g [2Jpt 4                     0+0    61.250s  server_error: The upstream broke.
01:04:05.250  thread_2  run_2  incomplete       gpt-4o                        0+0     0.000s  max_completion_tokens
`, "\n"), plain.String())

	var painted bytes.Buffer
	lines = &progressLines{out: &painted, colour: true}
	require.NoError(t, lines.show(changes[2], nil))
	require.Contains(t, painted.String(), "\x1b[31mfailed         \x1b[0m")
	require.Contains(t, painted.String(), "\x1b[31mserver_error: The upstream broke.\x1b[0m\n")
	require.NotContains(t, painted.String(), "[2Jpt\n")

	reader, writer := io.Pipe()
	require.NoError(t, reader.Close())
	require.Error(t, newProgressLines(System{Stdout: writer, Getenv: environment{}.get}).show(changes[0], nil), "nobody reads them any more")
}

// TestReachable is how a server is called from its own machine.
func TestReachable(t *testing.T) {
	for listening, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "0.0.0.0:8080": "127.0.0.1:8080", "[::]:8080": "127.0.0.1:8080", "[::1]:8080": "[::1]:8080", "192.0.2.1:80": "192.0.2.1:80",
	} {
		require.Equal(t, want, reachable(listening))
	}
}

// TestServerURL takes what people have at hand: the base URL of their clients, too.
func TestServerURL(t *testing.T) {
	for given, want := range map[string]string{
		"http://127.0.0.1:8080": "http://127.0.0.1:8080", "http://127.0.0.1:8080/v1": "http://127.0.0.1:8080", "https://h/u/v1/": "https://h/u",
	} {
		got, err := serverURL(setting{given, "--url"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := serverURL(setting{"127.0.0.1:8080", "UNDERSTUDY_URL"})
	require.EqualError(t, err, "UNDERSTUDY_URL: this is not the URL of a server; write something like http://127.0.0.1:8080 instead")
}

// TestRefusedTail says what the server says, without what steers a terminal.
func TestRefusedTail(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
		final  bool
	}{
		{401, `{"error":{"message":"No \u001b[2Jkey."}}`, "the server answered 401 Unauthorized: No  [2Jkey. Write the key with --key or UNDERSTUDY_KEY.", true},
		{404, `<html>`, "the server answered 404 Not Found. It may be an older Understudy, or none.", true},
		{503, ``, "the server answered 503 Service Unavailable.", false},
	} {
		err := answered(&http.Response{StatusCode: c.status, Status: fmt.Sprint(c.status, " ", http.StatusText(c.status)), Body: io.NopCloser(strings.NewReader(c.body))})
		require.EqualError(t, err, c.want)
		_, final := errors.AsType[*refusedError](err)
		require.Equal(t, c.final, final)
	}
}
