// Package chattest plays backends for tests, byte for byte: with their framing,
// their mistakes and the way they end. The zoo of backends that it serves is in
// the testdata of package chat.
package chattest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Request is what a backend saw.
type Request struct {
	Header http.Header
	Body   any // the JSON
}

// Server is a backend that answers over raw TCP, so that framing and the end of
// an answer are exactly the fixture's. Out of answers, it repeats the last one.
type Server struct {
	listener net.Listener
	answers  []script
	wg       sync.WaitGroup

	mu       sync.Mutex
	requests []Request
	conns    []net.Conn
	stopped  bool
}

// Serve starts a backend that stops with the test.
func Serve(t testing.TB, answers ...Answer) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Server{listener: listener}
	for _, a := range answers {
		s.answers = append(s.answers, script{a, a.Pieces(t)})
	}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

// script is an answer and the pieces in which it is written.
type script struct {
	Answer
	pieces [][]byte
}

// URL is the base URL of the backend.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/v1" }

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.conns = append(s.conns, conn); s.stopped {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(conn) })
	}
}

func (s *Server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.stopped = true
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Counts returns how many requests came, and over how many connections.
func (s *Server) Counts() (requests, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), len(s.conns)
}

// Seen returns request number i, or nothing when it never came.
func (s *Server) Seen(i int) (Request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.requests) {
		return Request{}, false
	}
	return s.requests[i], true
}

func (s *Server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var body any
		_ = json.Unmarshal(raw, &body)
		s.mu.Lock()
		s.requests = append(s.requests, Request{req.Header, body})
		answer := s.answers[min(len(s.requests), len(s.answers))-1]
		s.mu.Unlock()
		if !s.write(conn, answer) {
			return
		}
	}
}

// write reports whether the connection may be used again.
func (s *Server) write(conn net.Conn, a script) bool {
	total := 0
	for _, p := range a.pieces {
		total += len(p)
	}
	framing := a.Framing
	if framing == "" {
		framing = "chunked"
		if a.Body != nil {
			framing = "length"
		}
	}
	_, _ = io.WriteString(conn, a.head(framing, total))
	for i, p := range a.pieces {
		if a.End == "cut" && framing == "length" && i == len(a.pieces)-1 {
			p = p[:len(p)/2]
		}
		if framing == "chunked" {
			p = []byte(fmt.Sprintf("%x\r\n%s\r\n", len(p), p))
		}
		if _, err := conn.Write(p); err != nil {
			return false
		}
	}
	switch {
	case a.End == "hang":
		_, _ = io.Copy(io.Discard, conn)
		return false
	case a.End == "cut":
		if framing == "chunked" {
			_, _ = io.WriteString(conn, "40\r\n")
		}
		return false
	case framing == "chunked":
		_, _ = io.WriteString(conn, "0\r\n\r\n")
	}
	return framing != "close" && a.Proto != "HTTP/1.0"
}

func (a Answer) head(framing string, total int) string {
	var head strings.Builder
	proto := a.Proto
	if proto == "" {
		proto = "HTTP/1.1"
	}
	fmt.Fprintf(&head, "%s %d %s\r\n", proto, a.Status, http.StatusText(a.Status))
	for name, value := range a.Headers {
		fmt.Fprintf(&head, "%s: %s\r\n", name, value)
	}
	switch framing {
	case "length":
		fmt.Fprintf(&head, "Content-Length: %d\r\n", total)
	case "chunked":
		head.WriteString("Transfer-Encoding: chunked\r\n")
	case "close":
		head.WriteString("Connection: close\r\n")
	}
	head.WriteString("\r\n")
	return head.String()
}
