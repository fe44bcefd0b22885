package chat

import (
	"bufio"
	"encoding/base64"
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

// zooAnswer is an answer of a fixture, byte for byte.
type zooAnswer struct {
	Status  int
	Headers map[string]string
	Proto   string
	Body    *string
	Chunks  []json.RawMessage
	Framing string
	End     string
}

// pieces returns what is written and flushed on its own.
func (a zooAnswer) pieces(t testing.TB) [][]byte {
	if a.Body != nil {
		return [][]byte{[]byte(*a.Body)}
	}
	var out [][]byte
	for _, raw := range a.Chunks {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			out = append(out, []byte(text))
			continue
		}
		var encoded struct{ B64 string }
		require.NoError(t, json.Unmarshal(raw, &encoded))
		data, err := base64.StdEncoding.DecodeString(encoded.B64)
		require.NoError(t, err)
		out = append(out, data)
	}
	return out
}

// zooRequest is what the server saw.
type zooRequest struct {
	header http.Header
	body   any
}

// zooServer answers over raw TCP, so that framing and the end of an answer are
// exactly the fixture's.
type zooServer struct {
	t        testing.TB
	listener net.Listener
	answers  []zooAnswer
	wg       sync.WaitGroup

	mu       sync.Mutex
	requests []zooRequest
	conns    []net.Conn
}

func startZooServer(t testing.TB, answers ...zooAnswer) *zooServer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &zooServer{t: t, listener: listener, answers: answers}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *zooServer) url() string { return "http://" + s.listener.Addr().String() + "/v1" }

func (s *zooServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(conn) })
	}
}

func (s *zooServer) stop() {
	s.listener.Close()
	s.mu.Lock()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// seen returns request number i, or nothing when it never came.
func (s *zooServer) seen(i int) (zooRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.requests) {
		return zooRequest{}, false
	}
	return s.requests[i], true
}

func (s *zooServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *zooServer) serve(conn net.Conn) {
	defer conn.Close()
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
		s.requests = append(s.requests, zooRequest{req.Header, body})
		answer := s.answers[min(len(s.requests), len(s.answers))-1]
		s.mu.Unlock()
		if !s.write(conn, answer) {
			return
		}
	}
}

// write reports whether the connection may be used again.
func (s *zooServer) write(conn net.Conn, a zooAnswer) bool {
	pieces := a.pieces(s.t)
	total := 0
	for _, p := range pieces {
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
	for i, p := range pieces {
		if a.End == "cut" && framing == "length" && i == len(pieces)-1 {
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

func (a zooAnswer) head(framing string, total int) string {
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
