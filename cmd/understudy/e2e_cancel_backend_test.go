package main

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// badBackends are backends that give no answer, each in its own way, until the
// connection is closed. They play after the request was read.
var badBackends = map[string]func(net.Conn){
	"says nothing": func(net.Conn) {},
	"trickles its headers": func(c net.Conn) {
		write(c, "HTTP/1.1 200 OK\r\n")
		for write(c, "X-More: yes\r\n") {
			rest()
		}
	},
	"sends comments only": func(c net.Conn) {
		write(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for write(c, ": wait\n\n") {
			rest()
		}
	},
	"never stops talking": func(c net.Conn) {
		write(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for write(c, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"and "}}]}`+"\n\n") {
			rest()
		}
	},
	"asks for patience": func(c net.Conn) {
		write(c, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n")
	},
}

func write(c net.Conn, text string) bool {
	_, err := c.Write([]byte(text))
	return err == nil
}

// rest keeps a backend that never stops from taking the whole machine.
func rest() { <-time.After(5 * time.Millisecond) }

// startBadBackend returns its base URL, and a channel that has a value for each
// request that it began to play with.
func startBadBackend(t *testing.T, play func(net.Conn)) (url string, begun <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	playing := make(chan struct{}, 100)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				playing <- struct{}{}
				play(c)
				_, _ = c.Read(make([]byte, 1<<20)) // the rest of the request, or the end
				_, _ = c.Read(make([]byte, 1))
			}()
		}
	}()
	return "http://" + listener.Addr().String() + "/v1", playing
}

// testCancelBadBackends cancels runs whose backend gives no answer.
func testCancelBadBackends(t *testing.T, p program) {
	for name, play := range badBackends {
		t.Run(name, func(t *testing.T) {
			url, begun := startBadBackend(t, play)
			s := p.serve(t, t.TempDir(), nil, "--upstream-url="+url)
			thread := s.thread(t, "Are you there?")
			run := s.begin(t, thread, s.assistant(t))
			await(t, begun, "the model call")
			began := time.Now()
			_, err := s.client.CancelRun(t.Context(), thread, run.ID)
			require.NoError(t, err)
			s.ends(t, run, openai.RunStatusCancelled)
			require.Less(t, time.Since(began), cancelTime)
			_, err = s.client.CreateMessage(t.Context(), thread, openai.MessageRequest{Role: "user", Content: "Never mind."})
			require.NoError(t, err, "the thread is free")
		})
	}
}
