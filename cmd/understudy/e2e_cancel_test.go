package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// cancelTime is how long a cancel may take to show.
const cancelTime = time.Second

// testCancel cancels runs whose backend never answers, or only begins to, and
// one that waits for outputs.
func testCancel(t *testing.T, p program) {
	b := startBackend(t)
	s := p.serve(t, t.TempDir(), nil, "--upstream-url="+b.url)
	assistant := s.assistant(t, function("look", "what"))
	for words, c := range map[string]struct {
		before func(t *testing.T, call *modelCall)
		said   []string // by the assistant, and kept
	}{
		"Never answered.": {func(*testing.T, *modelCall) {}, nil},
		"Half answered.":  {func(t *testing.T, call *modelCall) { t.Helper(); call.say(t, "On the one ") }, []string{"assistant: On the one "}},
	} {
		t.Run(words, func(t *testing.T) {
			thread := s.thread(t, words)
			streaming := s.stream(t, "/threads/"+thread+"/runs", map[string]any{"assistant_id": assistant})
			run := runOf(t, streaming.next(t))
			streaming.until(t, "thread.run.in_progress")
			call := b.next(t, words)
			c.before(t, call)
			if c.said != nil {
				streaming.until(t, "thread.message.delta")
			}

			began := time.Now()
			asked, err := s.client.CancelRun(t.Context(), thread, run.ID)
			require.NoError(t, err)
			require.Equal(t, openai.RunStatusCancelling, asked.Status)
			cancelled := s.ends(t, run, openai.RunStatusCancelled)
			require.Less(t, time.Since(began), cancelTime)
			require.NotNil(t, cancelled.CancelledAt)
			await(t, call.ended, "the end of the model call")
			rest := names(streaming.rest(t))
			require.Equal(t, []string{"run.cancelling"}, rest[:1])
			require.Equal(t, []string{"run.cancelled", "done"}, rest[len(rest)-2:])
			require.Equal(t, append([]string{"user: " + words}, c.said...), s.conversation(t, thread))
			s.goesOn(t, b, run, s.conversation(t, thread))

			_, err = s.client.CancelRun(t.Context(), thread, run.ID)
			require.Equal(t, http.StatusBadRequest, apiError(t, err).HTTPStatusCode)
			require.Equal(t, "Cannot cancel run with status 'cancelled'.", apiError(t, err).Message)
		})
	}
	t.Run("waiting for outputs", func(t *testing.T) {
		const words = "Never looked."
		thread := s.thread(t, words)
		run := s.begin(t, thread, assistant)
		b.next(t, words).call(t, `look({"what":"a"})`)
		run = s.settle(t, thread, run.ID)
		asked := calls(t, run)
		began := time.Now()
		_, err := s.client.CancelRun(t.Context(), thread, run.ID)
		require.NoError(t, err)
		s.ends(t, run, openai.RunStatusCancelled)
		require.Less(t, time.Since(began), cancelTime)
		_, err = s.client.SubmitToolOutputs(t.Context(), thread, run.ID, outputs(asked, "late"))
		require.Equal(t, `Runs in status "cancelled" do not accept tool outputs.`, apiError(t, err).Message)
		s.goesOn(t, b, run, []string{"user: " + words})
	})
}

// testLeavingClient leaves a stream in the middle: the run goes on without it.
func testLeavingClient(t *testing.T, p program) {
	b := startBackend(t)
	s := p.serve(t, t.TempDir(), nil, "--upstream-url="+b.url)
	const words = "Do not wait up."
	thread := s.thread(t, words)
	streaming := s.stream(t, "/threads/"+thread+"/runs", map[string]any{"assistant_id": s.assistant(t)})
	run := runOf(t, streaming.next(t))
	call := b.next(t, words)
	call.say(t, "I am ")
	streaming.until(t, "thread.message.delta")
	streaming.leave()
	s.find(t, `msg=request .*path=/v1/threads/`+thread+`/runs status=200`) // the server has noticed
	call.say(t, "still here.")
	call.finish(t, openai.FinishReasonStop)
	s.ends(t, run, openai.RunStatusCompleted)
	require.Equal(t, []string{"user: " + words, "assistant: I am still here."}, s.conversation(t, thread))
}
