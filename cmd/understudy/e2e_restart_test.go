package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// stage is how far a run has come when the server stops.
type stage struct {
	words string // the user's, which tell the runs apart at the backend
	// reach brings a run there and returns the model call that is open then.
	reach func(t *testing.T, s *server, b *backend, run openai.Run) *modelCall
	half  string // what that call has said
}

// finalWords are what the run says in the end.
const finalWords = "Here it is."

var stages = []stage{
	{"Before any answer.", func(t *testing.T, _ *server, b *backend, _ openai.Run) *modelCall {
		t.Helper()
		return b.next(t, "Before any answer.")
	}, ""},
	{streamedWords, func(t *testing.T, _ *server, b *backend, _ openai.Run) *modelCall {
		t.Helper()
		call := b.next(t, streamedWords)
		call.say(t, "Look: ")
		return call
	}, "Look: "},
	{"Waiting for outputs.", func(t *testing.T, s *server, b *backend, run openai.Run) *modelCall {
		t.Helper()
		b.next(t, "Waiting for outputs.").call(t, `look({"what":"a"})`)
		calls(t, s.settle(t, run.ThreadID, run.ID))
		return nil
	}, ""},
	{"After the outputs.", func(t *testing.T, s *server, b *backend, run openai.Run) *modelCall {
		t.Helper()
		b.next(t, "After the outputs.").call(t, `look({"what":"b"})`)
		s.submit(t, s.settle(t, run.ThreadID, run.ID), "seen")
		return b.next(t, "After the outputs.")
	}, ""},
}

// streamedWords begin the run that a client follows by streaming.
const streamedWords = "In the middle of an answer."

// interrupted is what is open when a server stops.
type interrupted struct {
	calls  map[string]*modelCall // by the user's words
	stream *eventStream          // of the run that is in the middle of an answer
	held   <-chan openai.Run     // the answer to a poll of that run that is held
}

// testRestarts stops a server that has a run at each stage, in each way a
// server stops, and starts it again.
func testRestarts(t *testing.T, p program) {
	for name, stop := range map[string]func(*testing.T, *server, interrupted){
		"killed": func(t *testing.T, s *server, _ interrupted) {
			t.Helper()
			s.signal(t, syscall.SIGKILL)
			require.Equal(t, -1, s.exit(t))
		},
		"told to stop, then told again": func(t *testing.T, s *server, _ interrupted) {
			t.Helper()
			s.signal(t, syscall.SIGTERM)
			s.find(t, "stopping: ")
			began := time.Now()
			s.insist(t, syscall.SIGTERM)
			require.Equal(t, -1, s.exit(t))
			require.Less(t, time.Since(began), grace/2)
		},
		"told to stop, with answers that come in time": func(t *testing.T, s *server, i interrupted) {
			t.Helper()
			s.signal(t, syscall.SIGTERM)
			require.Equal(t, openai.RunStatusInProgress, await(t, i.held, "the answer to a held poll").Status)
			for _, call := range i.calls {
				call.reply(t, finalWords)
			}
			require.Equal(t, 0, s.exit(t))
			events := i.stream.rest(t)
			require.Equal(t, finalWords, spoken(t, events))
			require.Equal(t, "thread.run.completed", events[len(events)-2].name)
		},
		"told to stop, with answers that do not come": func(t *testing.T, s *server, i interrupted) {
			t.Helper()
			s.signal(t, syscall.SIGTERM)
			require.Equal(t, openai.RunStatusInProgress, await(t, i.held, "the answer to a held poll").Status)
			require.Equal(t, 0, s.exit(t))
			require.Equal(t, []string{"error", "done"}, names(i.stream.rest(t)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restart(t, p, stop)
		})
	}
}

func restart(t *testing.T, p program, stop func(*testing.T, *server, interrupted)) {
	t.Helper()
	b, data := startBackend(t), t.TempDir()
	s := p.serve(t, data, nil, "--upstream-url="+b.url)
	assistant := s.assistant(t, function("look", "what"))
	content := bytes.Repeat([]byte("\x00\xffbytes\r\n"), 100_000)
	file, err := s.client.CreateFileBytes(t.Context(), openai.FileBytesRequest{Name: "b.bin", Bytes: content, Purpose: openai.PurposeAssistants})
	require.NoError(t, err)
	open, runs := interrupted{calls: map[string]*modelCall{}}, map[string]openai.Run{}
	for _, st := range stages {
		thread := s.thread(t, st.words)
		if st.words == streamedWords {
			open.stream = s.stream(t, "/threads/"+thread+"/runs", map[string]any{"assistant_id": assistant})
			runs[st.words] = runOf(t, open.stream.next(t))
		} else {
			runs[st.words] = s.begin(t, thread, assistant)
		}
		if call := st.reach(t, s, b, runs[st.words]); call != nil {
			open.calls[st.words] = call
		}
	}
	open.stream.until(t, "thread.message.delta")
	open.held = s.hold(t, runs[streamedWords])
	stop(t, s, open)
	for _, call := range open.calls {
		await(t, call.ended, "the end of the stopped server's model call")
	}

	s = p.serve(t, data, nil, "--upstream-url="+b.url)
	for _, st := range stages {
		t.Run(st.words, func(t *testing.T) { s.comesToItsEnd(t, b, st, runs[st.words], open.calls[st.words]) })
	}
	stored, err := s.client.GetFileContent(t.Context(), file.ID)
	require.NoError(t, err)
	defer stored.Close()
	downloaded, err := io.ReadAll(stored)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, downloaded), "the file has changed")
}

// hold polls a run until it is in progress no longer or the server stops.
func (s *server) hold(t *testing.T, run openai.Run) <-chan openai.Run {
	t.Helper()
	request := s.request(t.Context(), t, http.MethodGet, "/threads/"+run.ThreadID+"/runs/"+run.ID, nil, "Prefer: wait=25")
	sent, found := make(chan struct{}), make(chan openai.Run, 1)
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
	go func() {
		var shown openai.Run
		defer func() { found <- shown }()
		response, err := s.http.Do(request.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		if err != nil {
			return // the server was killed
		}
		defer response.Body.Close()
		_ = json.NewDecoder(response.Body).Decode(&shown) // shown has no status then
	}()
	await(t, sent, "a poll to be sent")
	s.probe(t, "/healthz") // connections are taken in turn, so the server has that of the poll
	return found
}

// comesToItsEnd checks that a run which the earlier server left at a stage,
// with the model call it had open there, ends as it should.
func (s *server) comesToItsEnd(t *testing.T, b *backend, st stage, run openai.Run, open *modelCall) {
	t.Helper()
	said := []string{"user: " + st.words, "assistant: " + finalWords}
	switch {
	case open == nil:
		s.submit(t, s.settle(t, run.ThreadID, run.ID), "seen")
		b.next(t, st.words).reply(t, finalWords)
	case open.finished:
		said[1] = "assistant: " + st.half + finalWords
	default: // what was half said is said anew
		b.next(t, st.words).reply(t, finalWords)
	}
	s.ends(t, run, openai.RunStatusCompleted)
	b.idle(t, st.words)
	require.Equal(t, said, s.conversation(t, run.ThreadID))
	for _, step := range s.steps(t, run) {
		require.Contains(t, step, " completed")
	}
	s.goesOn(t, b, run, said)
}

// goesOn checks that the thread of an ended run is free, and that the next run
// knows what was said.
func (s *server) goesOn(t *testing.T, b *backend, ended openai.Run, said []string) {
	t.Helper()
	more := "More of: " + said[0]
	_, err := s.client.CreateMessage(t.Context(), ended.ThreadID, openai.MessageRequest{Role: "user", Content: more})
	require.NoError(t, err)
	run := s.begin(t, ended.ThreadID, ended.AssistantID)
	call := b.next(t, more)
	for _, line := range said {
		_, text, _ := strings.Cut(line, ": ")
		require.Contains(t, call.body, text)
	}
	call.reply(t, "No more.")
	s.ends(t, run, openai.RunStatusCompleted)
	require.Equal(t, append(said, "user: "+more, "assistant: No more."), s.conversation(t, ended.ThreadID))
}

// testFullHouse kills a server that has more runs than it drives at once: those
// that still wait in the queue are taken up as well.
func testFullHouse(t *testing.T, p program) {
	const atOnce, all = 256, 260
	b, data := startBackend(t), t.TempDir()
	arguments := []string{"--upstream-url=" + b.url, "--durability=normal"}
	s := p.serve(t, data, nil, arguments...)
	assistant := s.assistant(t)
	runs := make([]openai.Run, all)
	for i := range runs {
		runs[i] = s.begin(t, s.thread(t, fmt.Sprint("Guest ", i)), assistant)
		if i < atOnce {
			b.next(t, fmt.Sprint("Guest ", i))
		}
	}
	for _, waiting := range runs[atOnce:] {
		seen, err := s.client.RetrieveRun(t.Context(), waiting.ThreadID, waiting.ID)
		require.NoError(t, err)
		require.Equal(t, openai.RunStatusQueued, seen.Status)
	}
	s.signal(t, syscall.SIGKILL)
	s.exit(t)

	s = p.serve(t, data, nil, arguments...)
	for i, run := range runs {
		b.next(t, fmt.Sprint("Guest ", i)).reply(t, "Welcome.")
		s.ends(t, run, openai.RunStatusCompleted)
		require.Len(t, s.conversation(t, run.ThreadID), 2)
	}
}
