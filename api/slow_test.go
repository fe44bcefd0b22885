package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowServer is a server in virtual time whose clients write bytes.
func slowServer(t *testing.T, o settings) (*testServer, *pipeListener) {
	s, listener := assemble(t, o), newPipeListener()
	servePipe(t, listener, s.handler)
	return s, listener
}

// dial opens a connection that ends with the test.
func (l *pipeListener) open(t *testing.T) net.Conn {
	conn, err := l.dial(t.Context(), "", "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// drip writes text piece by piece, with a pause behind each, until it is all
// written or the other side has hung up.
func drip(conn io.Writer, text string, piece int, pause time.Duration) {
	for len(text) > 0 {
		n := min(piece, len(text))
		if _, err := io.WriteString(conn, text[:n]); err != nil {
			return
		}
		text = text[n:]
		time.Sleep(pause)
	}
}

// head is the beginning of a request; headers end in \r\n.
func head(method, path, headers string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n"
}

func length(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }

// uploadForm is the beginning of an upload whose content follows.
const uploadForm = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n" +
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\r\n"

// TestSlowAndGreedyClients: nobody holds a connection by sending slowly, and
// who is merely slow is served.
func TestSlowAndGreedyClients(t *testing.T) {
	const body = `{"metadata":{"a":"b"}}`
	upload := "Content-Type: multipart/form-data; boundary=b\r\n"
	long := func(n int) string { return strings.Repeat(" ", n-len(body)) + body }
	for name, tc := range map[string]struct {
		begin  string        // written at once
		rest   string        // written slowly
		piece  int           // bytes of the rest at a time
		pause  time.Duration // behind each piece
		status int           // 0 = hung up on without an answer
		code   string
		within time.Duration // when it is over at the latest
		least  time.Duration // and at the earliest
	}{
		"nothing":                   {within: 10 * time.Second, least: 10 * time.Second},
		"half a header":             {begin: "GET /v1/assistants HTTP/1.1\r\nHost: loc", within: 10 * time.Second, least: 10 * time.Second},
		"headers byte by byte":      {rest: head("GET", "/v1/assistants", "X: "+strings.Repeat("y", 99)+"\r\n"), piece: 1, pause: time.Second, status: 400, within: 11 * time.Second, least: 10 * time.Second},
		"a header without an end":   {begin: "GET /v1/assistants HTTP/1.1\r\n", rest: "X: " + strings.Repeat("y", 1<<20), piece: 4 << 10, status: 431, within: time.Second},
		"more headers than allowed": {begin: "GET /v1/assistants HTTP/1.1\r\n", rest: strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 1<<15), piece: 4 << 10, status: 431, within: time.Second},
		"a body that never comes":   {begin: head("POST", "/v1/threads", length(9)), status: 408, within: 30 * time.Second, least: 30 * time.Second},
		"half a body":               {begin: head("POST", "/v1/threads", length(99)) + "{", status: 408, within: 30 * time.Second, least: 30 * time.Second},
		"a body byte by byte":       {begin: head("POST", "/v1/threads", length(9000)), rest: long(9000), piece: 1, pause: time.Second, status: 408, within: 31 * time.Second, least: 30 * time.Second},
		"chunks byte by byte":       {begin: head("POST", "/v1/threads", "Transfer-Encoding: chunked\r\n"), rest: strings.Repeat("1\r\n \r\n", 9000), piece: 6, pause: time.Second, status: 408, within: 31 * time.Second, least: 30 * time.Second},
		"a relayed body that stops": {begin: head("POST", "/v1/chat/completions", length(99)) + `{"model":"`, status: 408, within: 30 * time.Second, least: 30 * time.Second},
		"an upload that stops":      {begin: head("POST", "/v1/files", upload+length(9000)) + uploadForm, status: 408, within: 30 * time.Second, least: 30 * time.Second},
		"an upload byte by byte":    {begin: head("POST", "/v1/files", upload+length(9000)) + uploadForm, rest: strings.Repeat("x", 9000), piece: 1, pause: time.Second, status: 408, within: 31 * time.Second, least: 30 * time.Second},
		"a body on a bad line":      {begin: head("POST", "/v1/threads", length(200_000)), rest: long(200_000), piece: 1500, pause: time.Second, status: 200, within: 3 * time.Minute, least: 2 * time.Minute},
		"an upload on a bad line": {
			begin: head("POST", "/v1/files", upload+length(len(uploadForm)+200_000+len("\r\n--b--\r\n"))) + uploadForm,
			rest:  strings.Repeat("x", 200_000) + "\r\n--b--\r\n", piece: 1500, pause: time.Second, status: 200, within: 3 * time.Minute, least: 2 * time.Minute,
		},
		"a refused body that stops":        {begin: head("POST", "/v1/threadz", length(9)), status: 404, within: 2 * time.Second, least: 2 * time.Second},
		"a body with a wrong verb":         {begin: head("PUT", "/v1/threads", length(9)), status: 405, within: 2 * time.Second, least: 2 * time.Second},
		"a body that nobody wants":         {begin: head("GET", "/v1/threads", length(9)), status: 200, within: 2 * time.Second, least: 2 * time.Second},
		"a refused body byte by byte":      {begin: head("POST", "/v1/threadz", length(9000)), rest: long(9000), piece: 1, pause: time.Second, status: 404, within: 2 * time.Second, least: 2 * time.Second},
		"a refused body on a slow line":    {begin: head("POST", "/v1/threadz", length(4<<20)), rest: long(4 << 20), piece: 64 << 10, pause: time.Second, status: 404, within: 10 * time.Second, least: 10 * time.Second},
		"a refused body on a fast line":    {begin: head("POST", "/v1/threadz", length(4<<20)), rest: long(4 << 20), piece: 1 << 20, pause: time.Second, status: 404, within: 3 * time.Second, least: 3 * time.Second},
		"a refused body that is huge":      {begin: head("POST", "/v1/threadz", length(1<<30)), status: 404},
		"a refused body that was not sent": {begin: head("POST", "/v1/threadz", length(9)+"Expect: 100-continue\r\n"), status: 404},
		"a body with a long gap":           {begin: head("POST", "/v1/threads", length(len(body))) + body[:5], rest: body[5:], piece: 1, pause: time.Second, status: 200, within: 29 * time.Second, least: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, listener := slowServer(t, settings{})
				conn := listener.open(t)
				started := time.Now()
				written := make(chan struct{})
				go func() {
					defer close(written)
					drip(conn, tc.begin, 4<<10, 0)
					drip(conn, tc.rest, max(1, tc.piece), tc.pause)
				}()
				defer func() {
					_ = conn.Close()
					<-written
					time.Sleep(time.Second) // net/http takes half of it to hang up on a body
				}()
				require.NoError(t, conn.SetReadDeadline(started.Add(10*time.Minute))) // or a test that fails would have no end
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				took := time.Since(started)
				require.LessOrEqual(t, took, tc.within)
				require.GreaterOrEqual(t, took, tc.least)
				if tc.status == 0 {
					require.Error(t, err, "%v", answer)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tc.status, answer.StatusCode)
				said, _ := io.ReadAll(answer.Body) // a server that refuses a body hangs up
				_ = answer.Body.Close()
				if tc.status == http.StatusRequestTimeout {
					require.Contains(t, string(said), "came too slowly")
				}
			})
		})
	}
}

// TestIdleConnectionsEnd: a connection that was used may wait for its next
// request for two minutes.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := slowServer(t, settings{})
		conn := listener.open(t)
		_, err := io.WriteString(conn, head("GET", "/healthz", ""))
		require.NoError(t, err)
		lines := bufio.NewReader(conn)
		answer, err := http.ReadResponse(lines, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		started := time.Now()
		_, err = lines.ReadByte()
		require.Error(t, err)
		require.Equal(t, 2*time.Minute, time.Since(started))
	})
}

// TestSlowReaders: an answer that nobody takes is dropped after a minute,
// whatever it is; one that is taken bit by bit is delivered.
func TestSlowReaders(t *testing.T) {
	for name, path := range map[string]string{
		"a long list": "/v1/threads/%s/messages", "a file": "/v1/files/%s/content", "a relayed answer": "/v1/images/%s",
	} {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, read %t", name, reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					long := strings.Repeat("x", 250_000)
					s, listener := slowServer(t, settings{model: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) }})
					s.client = overPipe(t, s)
					object := s.post("/v1/threads", `{"messages":[{"role":"user","content":"`+long+`"}]}`).text("id")
					if name == "a file" {
						object = s.upload("assistants", "f.txt", long).ok().text("id")
					}
					conn := listener.open(t)
					_, err := io.WriteString(conn, head("GET", fmt.Sprintf(path, object), ""))
					require.NoError(t, err)
					piece := make([]byte, 4<<10)
					for total := 0; reads; time.Sleep(2 * time.Second) {
						n, err := conn.Read(piece)
						if total += n; total > len(long) {
							return
						}
						require.NoError(t, err, "after %d bytes", total)
					}
					time.Sleep(61 * time.Second)
					rest, _ := io.ReadAll(conn)
					require.Less(t, len(rest), len(long), "it was given up")
				})
			})
		}
	}
}

// TestMemoryOfAnswers refuses a long answer for the moment while readers that take
// nothing of theirs fill what all may occupy, and short ones never.
func TestMemoryOfAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, listener := slowServer(t, settings{bodies: 4 << 20})
		s.client = overPipe(t, s)
		thread := s.post("/v1/threads", "{}").text("id")
		for range 4 {
			s.post("/v1/threads/"+thread+"/messages", `{"role":"user","content":"`+strings.Repeat("x", 250_000)+`"}`)
		}
		list := "/v1/threads/" + thread + "/messages"
		var slow []net.Conn
		for range 2 {
			conn := listener.open(t)
			_, err := io.WriteString(conn, head("GET", list, ""))
			require.NoError(t, err)
			synctest.Wait()
			slow = append(slow, conn)
		}
		refused := s.call("GET", list, "")
		require.Contains(t, refused.refused(http.StatusServiceUnavailable, "", ""), "busy with other large requests")
		require.Equal(t, "true", refused.header.Get("X-Should-Retry"))
		s.call("GET", list+"?limit=1", "").ok()
		require.NoError(t, slow[0].Close())
		synctest.Wait()
		s.call("GET", list, "").ok()
		require.NoError(t, slow[1].Close())
	})
}

// TestMemoryOfStreams ends a stream, while others fill what all may occupy, whose
// message is longer than what is left, and does not begin one that would tell it
// again.
func TestMemoryOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("x", 1<<20)
		s, listener := slowServer(t, settings{bodies: 1 << 20, model: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"`+long+`"},"finish_reason":"stop"}]}`)
		}})
		s.client = overPipe(t, s)
		thread := s.post("/v1/threads", "{}").text("id")
		for range 2 {
			s.post("/v1/threads/"+thread+"/messages", `{"role":"user","content":"`+strings.Repeat("x", 250_000)+`"}`)
		}
		slow := listener.open(t)
		_, err := io.WriteString(slow, head("GET", "/v1/threads/"+thread+"/messages", "")) // more than all, and alone
		require.NoError(t, err)
		synctest.Wait()

		a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
		events := readEvents(t, s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","stream":true,"thread":{"messages":[{"role":"user","content":"hi"}]}}`).body)
		seen := names(events)
		require.Equal(t, []string{"thread.message.delta", "error", "done"}, seen[len(seen)-3:])
		require.Contains(t, string(events[len(events)-2].data), "retrieve the run")
		run := reply{t: t, body: events[1].data}
		path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
		require.Equal(t, "completed", s.call("GET", path, "", "Prefer", "wait=25").text("status"))
		s.call("GET", path+"?stream=true", "").refused(http.StatusServiceUnavailable, "", "")
		require.NoError(t, slow.Close())
		synctest.Wait()
		events = readEvents(t, s.get(path+"?stream=true").body)
		require.Equal(t, "done", events[len(events)-1].name)
	})
}

// TestDeadStreamReader: a reader that takes nothing of its stream is let go,
// and the run goes on.
func TestDeadStreamReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newHeldModel(t)
		s, listener := slowServer(t, settings{model: model.ServeHTTP})
		s.client = overPipe(t, s)
		a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
		th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
		conn := listener.open(t)
		_, err := io.WriteString(conn, head("POST", "/v1/threads/"+th+"/runs", length(len(a)+34))+`{"stream":true,"assistant_id":"`+a+`"}  `)
		require.NoError(t, err)
		time.Sleep(80 * time.Second)
		_, err = io.ReadAll(conn)
		require.NoError(t, err, "the server has hung up")
		runs := s.get("/v1/threads/" + th + "/runs")
		require.Equal(t, "in_progress", runs.text("data.0.status"))
		model.release()
		synctest.Wait()
		require.Equal(t, "completed", s.get("/v1/threads/"+th+"/runs").text("data.0.status"))
	})
}

// TestOldDeadlinesDoNotLinger: what held for one request does not hold for the
// next on its connection.
func TestOldDeadlinesDoNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, listener := slowServer(t, settings{})
		conn := listener.open(t)
		lines := bufio.NewReader(conn)
		for range 3 {
			const body = `{"metadata":{}}`
			_, err := io.WriteString(conn, head("POST", "/v1/threads", "Content-Length: "+strconv.Itoa(len(body))+"\r\n")+body)
			require.NoError(t, err)
			answer, err := http.ReadResponse(lines, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.StatusCode)
			time.Sleep(100 * time.Second) // longer than any of them
		}
	})
}
