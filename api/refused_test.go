package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sendAll writes a whole request before it reads the answer, as most clients do.
func (s *testServer) sendAll(path, headers, body string) reply {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(s.t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, head("POST", path, headers+length(len(body)))+body)
	require.NoError(s.t, err, "the server has hung up on the request")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return reply{t: s.t, status: answer.StatusCode, header: answer.Header, body: said}
}

// TestRefusedRequestsReadTheirAnswer: who is refused before all was sent gets to
// know why.
func TestRefusedRequestsReadTheirAnswer(t *testing.T) {
	s := newServer(t, settings{keys: true})
	key := "Authorization: " + s.newKey("default").headers[1] + "\r\n"
	upload := key + "Content-Type: multipart/form-data; boundary=b\r\n"
	large := strings.Repeat("x", 9<<20)
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "files", "drafts")))
	for name, tc := range map[string]struct {
		path, headers, body string
		status              int
		says                string
	}{
		"no key":            {"/v1/threads", "", large, 401, "You didn't provide an API key"},
		"no such path":      {"/v1/threadz", key, large, 404, "Invalid URL"},
		"too large":         {"/v1/threads", key, strings.Repeat(" ", 33<<20), 413, "larger than 32 MiB"},
		"a wrong field":     {"/v1/files", upload, strings.Replace(uploadForm, "assistants", "x", 1) + large, 400, "'x' is not one of"},
		"a part of nothing": {"/v1/uploads/upload_x/parts", upload, uploadForm + large, 404, "upload_x"},
		"a disk that fails": {"/v1/files", upload, uploadForm + large + "\r\n--b--\r\n", 503, "cannot use its database or disk"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := s.as(t).sendAll(tc.path, tc.headers, tc.body)
			require.Equal(t, tc.status, answer.status, "%s", answer.body)
			require.Contains(t, answer.text("error.message"), tc.says)
			require.Empty(t, answer.header.Get("Connection"), "the connection can be used again")
		})
	}
}

// TestLargeHeaders: headers beyond 64 KiB are refused in the API's own words.
func TestLargeHeaders(t *testing.T) {
	s, listener := slowServer(t, settings{})
	s.client = overPipe(t, s)
	for name, tc := range map[string]struct{ path, headers string }{
		"a long header": {"/v1/threads", "X: " + strings.Repeat("y", 70<<10) + "\r\n"},
		"many headers":  {"/v1/threads", many(7000)},
		"a long URL":    {"/v1/threads?x=" + strings.Repeat("y", 70<<10), ""},
	} {
		conn := listener.open(t)
		go func() { _, _ = io.WriteString(conn, head("GET", tc.path, tc.headers)) }()
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, name)
		said, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		_ = answer.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode, name)
		require.JSONEq(t, `{"error":{"message":"The URL and headers of the request are larger than 64 KiB.","type":"invalid_request_error","param":null,"code":null}}`, string(said), name)
	}
	s.call("GET", "/v1/threads", "", "X", strings.Repeat("y", 60<<10)).ok()
}

func many(n int) string {
	var headers strings.Builder
	for i := range n {
		fmt.Fprintf(&headers, "X%d: a\r\n", i)
	}
	return headers.String()
}
