package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
)

const (
	runStart    = "thread.run.created thread.run.queued thread.run.in_progress "
	messageStep = "thread.run.step.created thread.run.step.in_progress thread.message.created thread.message.in_progress thread.message.delta thread.message.completed thread.run.step.completed "
	callStep    = "thread.run.step.created thread.run.step.in_progress thread.run.step.delta "
	failedEnd   = "thread.run.failed done"
)

// TestStreamOrder: every stream has exactly these events, in this order.
func TestStreamOrder(t *testing.T) {
	s := newServer(t, settings{})
	a := s.post("/v1/assistants", `{"model":"m","tools":[`+weather+`]}`).text("id")
	hi := `"thread":{"messages":[{"role":"user","content":"weather in Paris"}]}`
	stream := func(path, body string) []sentEvent {
		t.Helper()
		got := s.post(path, body)
		require.Equal(t, "text/event-stream; charset=utf-8", got.header.Get("Content-Type"))
		return readEvents(t, got.body)
	}
	ordered := func(events []sentEvent) string { return strings.Join(names(events), " ") }

	plain := stream("/v1/threads/runs", `{"assistant_id":"`+a+`","stream":true,"tools":[],`+hi+`}`)
	require.Equal(t, "thread.created "+runStart+messageStep+"thread.run.completed done", ordered(plain))
	requireShape(t, plain[0].data, threadKeys, nil)
	requireShape(t, plain[1].data, runKeys, map[string]string{"status": `"queued"`})
	require.Equal(t, string(plain[1].data), string(plain[2].data), "created and queued carry the same run")
	requireDeltas(t, plain)

	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"weather in Paris"}]}`).text("id")
	calling := stream("/v1/threads/"+th+"/runs", `{"assistant_id":"`+a+`","stream":true}`)
	require.Equal(t, runStart+callStep+"thread.run.requires_action done", ordered(calling))
	waiting := reply{t: t, body: calling[len(calling)-2].data}
	call := waiting.text("required_action.submit_tool_outputs.tool_calls.0.id")
	require.NotEmpty(t, call)
	submit := stream("/v1/threads/"+th+"/runs/"+waiting.text("id")+"/submit_tool_outputs", `{"stream":true,"tool_outputs":[{"tool_call_id":"`+call+`","output":"22"}]}`)
	require.Equal(t, "thread.run.step.completed thread.run.queued thread.run.in_progress "+messageStep+"thread.run.completed done", ordered(submit))
	requireShape(t, submit[0].data, stepKeys, map[string]string{"status": `"completed"`})

	failing := newServer(t, settings{model: refusingModel})
	a = failing.post("/v1/assistants", `{"model":"m"}`).text("id")
	got := failing.post("/v1/threads/runs", `{"assistant_id":"`+a+`","stream":true,`+hi+`}`)
	require.Equal(t, "thread.created "+runStart+failedEnd, ordered(readEvents(t, got.body)))
}

// requireDeltas asserts that the deltas of the one message add up to it.
func requireDeltas(t *testing.T, events []sentEvent) {
	t.Helper()
	var text, whole string
	deltas := 0
	for _, e := range events {
		data := reply{t: t, body: e.data}
		switch e.name {
		case "thread.message.delta":
			text += data.text("delta.content.0.text.value")
			require.Equal(t, deltas == 0, data.at("delta.content.0.text.annotations") != nil, "annotations come with the first delta")
			require.InDelta(t, 0, data.at("delta.content.0.index"), 0)
			deltas++
		case "thread.message.completed":
			whole = data.text("content.0.text.value")
		}
	}
	require.Greater(t, deltas, 1)
	require.Equal(t, whole, text)
}

// storedRun waits until the thread's run is stored, which may be after its model
// was asked, and returns its id.
func (s *testServer) storedRun(thread string) (id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		ids := s.get("/v1/threads/" + thread + "/runs").ids()
		if len(ids) > 0 {
			id = ids[0]
		}
		return len(ids) > 0
	}, 10*time.Second, time.Millisecond)
	return id
}

// TestStreamOfACancelledRun cancels while the model is at work.
func TestStreamOfACancelledRun(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
	ended := s.start(s.request("POST", "/v1/threads/"+th+"/runs", strings.NewReader(`{"assistant_id":"`+a+`","stream":true}`)))
	<-model.asked
	run := s.storedRun(th)
	s.post("/v1/threads/"+th+"/runs/"+run+"/cancel", "")
	got := names(readEvents(t, ended().body))
	require.Equal(t, runStart+"thread.run.cancelling thread.run.cancelled done", strings.Join(got, " "))
}

// TestAClientThatLeavesDoesNotStopTheRun closes the connection of a stream
// after its first event.
func TestAClientThatLeavesDoesNotStopTheRun(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
	ctx, leave := context.WithCancel(t.Context())
	r := s.request("POST", "/v1/threads/"+th+"/runs", strings.NewReader(`{"assistant_id":"`+a+`","stream":true}`)).WithContext(ctx)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "id: 1\n", line)
	<-model.asked
	leave()
	_, err = io.Copy(io.Discard, response.Body)
	require.ErrorIs(t, err, context.Canceled)
	response.Body.Close()
	model.release()
	runs := s.get("/v1/threads/" + th + "/runs")
	run := s.settle(reply{t: t, body: fmt.Appendf(nil, `{"id":%q,"thread_id":%q}`, runs.ids()[0], th)})
	require.Equal(t, "completed", run.text("status"))
	require.Len(t, s.get("/v1/threads/"+th+"/messages").ids(), 2)
}

// TestAReaderThatNeverReadsBlocksNobody opens a stream over a connection that
// buffers nothing and takes none of it: the run ends all the same, and so does
// another.
func TestAReaderThatNeverReadsBlocksNobody(t *testing.T) {
	const pieces = 100
	s := newServer(t, settings{model: talkative(pieces)})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
	conn := listenOnPipe(t, s.handler)
	body := `{"assistant_id":"` + a + `","stream":true}`
	_, err := fmt.Fprintf(conn, "POST /v1/threads/%s/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", th, len(body), body)
	require.NoError(t, err)
	first := make([]byte, 12)
	_, err = io.ReadFull(conn, first) // the run exists; nothing more is read
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200", string(first))
	id := s.get("/v1/threads/" + th + "/runs").ids()[0]
	run := s.settle(reply{t: t, body: fmt.Appendf(nil, `{"id":%q,"thread_id":%q}`, id, th)})
	require.Equal(t, "completed", run.text("status"))
	require.Equal(t, strings.Repeat("word ", pieces), s.get("/v1/threads/"+th+"/messages").text("data.0.content.0.text.value"))
	other := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	require.Equal(t, "completed", other.text("status"))
}

// listenOnPipe serves a handler in memory and returns one connection to it.
func listenOnPipe(t *testing.T, h *api.Handler) net.Conn {
	t.Helper()
	listener := newPipeListener()
	servePipe(t, listener, h)
	conn, err := listener.dial(t.Context(), "", "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// pipeListener listens in memory: inside a synctest bubble a goroutine that
// waits for a pipe counts as idle, one that waits for a socket does not.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// servePipe serves a handler until the test ends.
func servePipe(t *testing.T, listener *pipeListener, h *api.Handler) {
	t.Helper()
	server := h.Server(slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}

// overPipe makes a server reachable in memory by the client that is returned.
func overPipe(t *testing.T, s *testServer) *http.Client {
	t.Helper()
	listener := newPipeListener()
	servePipe(t, listener, s.handler)
	transport := &http.Transport{DialContext: listener.dial}
	t.Cleanup(transport.CloseIdleConnections)
	s.url = "http://127.0.0.1"
	return &http.Client{Transport: transport}
}

// TestKeepAliveComments lets a stream be silent for a minute of virtual time.
func TestKeepAliveComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newHeldModel(t)
		s := assemble(t, settings{model: model.ServeHTTP})
		client := overPipe(t, s)
		create := func(path, body string) reply {
			response, err := client.Do(s.request("POST", path, strings.NewReader(body)))
			require.NoError(t, err)
			defer response.Body.Close()
			data, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return reply{t: t, status: response.StatusCode, body: data}.ok()
		}
		a := create("/v1/assistants", `{"model":"m"}`).text("id")
		started := time.Now()
		response, err := client.Do(s.request("POST", "/v1/threads/runs", strings.NewReader(`{"assistant_id":"`+a+`","stream":true,"thread":{"messages":[{"role":"user","content":"hi"}]}}`)))
		require.NoError(t, err)
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		comments := 0
		for comments < 4 && lines.Scan() {
			if strings.HasPrefix(lines.Text(), ":") {
				comments++
				require.Equal(t, ": keep-alive", lines.Text())
				require.Equal(t, time.Duration(comments)*api.KeepAlive, time.Since(started))
			}
		}
		require.Equal(t, 4, comments)
		model.release()
		var last string
		for lines.Scan() {
			require.NotContains(t, lines.Text(), "keep-alive")
			if lines.Text() != "" {
				last = lines.Text()
			}
		}
		require.NoError(t, lines.Err())
		require.Equal(t, "data: [DONE]", last)
		require.Equal(t, 4*api.KeepAlive, time.Since(started))
	})
}

// TestExpiry: a run that waits for outputs expires after
// ten minutes, to the second.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := assemble(t, settings{})
		client := overPipe(t, s)
		call := func(method, path, body string) reply {
			response, err := client.Do(s.request(method, path, strings.NewReader(body)))
			require.NoError(t, err)
			defer response.Body.Close()
			data, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return reply{t: t, status: response.StatusCode, body: data}
		}
		a := call("POST", "/v1/assistants", `{"model":"m","tools":[`+weather+`]}`).ok().text("id")
		run := call("POST", "/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`).ok()
		path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
		time.Sleep(598 * time.Second)
		require.Equal(t, "requires_action", call("GET", path, "").text("status"))
		time.Sleep(4 * time.Second)
		expired := call("GET", path, "")
		requireShape(t, expired.body, runKeys, map[string]string{"status": `"expired"`, "expires_at": "null", "required_action": "null", "completed_at": "null"})
		require.Equal(t, "expired", call("GET", path+"/steps", "").text("data.0.status"))
		call("POST", path+"/submit_tool_outputs", `{"tool_outputs":[]}`).refused(400, "", "")
		call("POST", "/v1/threads/"+run.text("thread_id")+"/messages", `{"role":"user","content":"free again"}`).ok()
	})
}

// TestStreamOfADeletedThread: deleting the thread cancels its run, and the
// stream comes to its end.
func TestStreamOfADeletedThread(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	th := s.post("/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`).text("id")
	ended := s.start(s.request("POST", "/v1/threads/"+th+"/runs", strings.NewReader(`{"assistant_id":"`+a+`","stream":true}`)))
	<-model.asked
	s.storedRun(th)
	s.delete("/v1/threads/" + th)
	require.Equal(t, runStart+"thread.run.cancelling thread.run.cancelled done", strings.Join(names(readEvents(t, ended().body)), " "))
}
