package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

func TestLimits(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "limits: {runs: 8, runs_per_project: 4, queue: 20, requests_per_minute: 600, connections: 50, bodies: 64MiB, answers: 1GiB}\n")
	path := "c.yaml"
	c, err := loadConfig(ServeFlags{StoreFlags: StoreFlags{Config: &path}}, environment{}.get)
	require.NoError(t, err)
	require.Equal(t, Limits{Runs: 8, RunsPerProject: 4, Queue: 20, RequestsPerMinute: 600, Connections: 50, Bodies: 64 << 20, Answers: 1 << 30}, c.Limits)
	require.Equal(t, runs.Limits{Runs: 8, PerProject: 4, Queue: 20, Answers: 1 << 30}, c.Limits.ofRuns())
	require.Contains(t, c.String(), "requests_per_minute: 600")
}

// TestConnectionsAreBounded: one connection too many is served when another ends.
func TestConnectionsAreBounded(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("c.yaml", []byte("limits: {connections: 2}\n"), 0o600))
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
	address := strings.TrimSuffix(ready.find(t, `base_url=http://([^ \n]+)`), "/v1")
	ask := func() net.Conn {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		return conn
	}
	answered := func(conn net.Conn, within time.Duration) error {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(within)))
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			require.Equal(t, http.StatusOK, answer.StatusCode)
			_ = answer.Body.Close()
		}
		return err
	}
	first, second := ask(), ask()
	require.NoError(t, answered(first, patience))
	require.NoError(t, answered(second, patience))
	third := ask()
	require.ErrorIs(t, answered(third, 100*time.Millisecond), os.ErrDeadlineExceeded)
	require.NoError(t, first.Close())
	require.NoError(t, answered(third, patience))
}
