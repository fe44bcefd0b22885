package runs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
)

// TestWrongOutputs submits what does not cover exactly the pending calls; the
// run goes on waiting as if nothing had been sent.
func TestWrongOutputs(t *testing.T) {
	w := open(t, worldOptions{}, calls("add", "sub"), says("Done."))
	r := w.settled(w.run(w.thread("Hi")))
	a, b := pending(r)[0], pending(r)[1]
	before := w.get(r)
	for name, ids := range map[string][]string{
		"none": {}, "one missing": {a}, "one twice": {a, a}, "both and one twice": {a, b, b}, "unknown": {a, "call_x"}, "one too many": {a, b, "call_x"},
	} {
		var out runs.Outputs
		for _, id := range ids {
			out.Outputs = append(out.Outputs, runs.Output{CallID: id, Output: "x"})
		}
		got := "[]"
		if len(ids) > 0 {
			got = "['" + strings.Join(ids, "', '") + "']"
		}
		_, log, err := w.runs.Submit(w.ctx, project, r.ThreadID, r.ID, out)
		require.EqualError(t, err, "Expected tool outputs for call_ids ['"+a+"', '"+b+"'], got "+got, name)
		require.Nil(t, log)
		require.Equal(t, before, w.get(r), name)
	}
	require.Equal(t, []string{"tool_calls[add=null sub=null] in_progress"}, tellSteps(w.steps(r)))

	// The order does not matter.
	_, _, err := w.runs.Submit(w.ctx, project, r.ThreadID, r.ID, runs.Outputs{Outputs: []runs.Output{{CallID: b, Output: "2"}, {CallID: a, Output: "1"}}})
	require.NoError(t, err)
	require.Equal(t, runs.Completed, w.settled(r).Status)
	require.Equal(t, "tool_calls[add=1 sub=2] completed usage=15", tellSteps(w.steps(r))[0])
	_, _, err = w.runs.Submit(w.ctx, project, r.ThreadID, r.ID, runs.Outputs{Outputs: []runs.Output{{CallID: a}}})
	require.EqualError(t, err, `Runs in status "completed" do not accept tool outputs.`)
}

// TestSubmitWhileDriven must leave the leg that is at work alone.
func TestSubmitWhileDriven(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("Done.")))
	r, log := w.stream(w.thread("Hi"))
	<-w.model.called
	_, _, err := w.submit(r, true)
	require.ErrorContains(t, err, "do not accept tool outputs")
	require.Equal(t, runs.InProgress, w.get(r).Status)
	close(gate)
	require.Equal(t, "thread.run.completed", read(log)[10].Name)
}

// TestRefusals are the verbs a run refuses in a state.
func TestRefusals(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("Done.")))
	thread := w.thread("Hi")
	r := w.run(thread)
	_, _, err := w.create(thread)
	require.EqualError(t, err, "Thread "+thread+" already has an active run "+r.ID+".")
	_, err = w.say(thread, "more")
	require.EqualError(t, err, "Can't add messages to "+thread+" while a run "+r.ID+" is active.")
	<-w.model.called
	_, err = w.runs.Modify(w.ctx, project, thread, r.ID, wire.Metadata{"a": "b"}, wire.V1)
	require.EqualError(t, err, "Cannot update run with status 'in_progress'.")
	close(gate)
	w.settled(r)
	_, err = w.cancel(r)
	require.EqualError(t, err, "Cannot cancel run with status 'completed'.")
	for name, call := range map[string]func() error{
		"get":    func() error { _, err := w.runs.Get(w.ctx, project, thread, "run_x"); return err },
		"cancel": func() error { _, err := w.runs.Cancel(w.ctx, project, thread, "run_x"); return err },
		"modify": func() error { _, err := w.runs.Modify(w.ctx, project, thread, "run_x", nil, wire.V2); return err },
		"submit": func() error {
			_, _, err := w.runs.Submit(w.ctx, project, thread, "run_x", runs.Outputs{})
			return err
		},
		"steps":   func() error { _, err := w.runs.Steps(w.ctx, project, thread, "run_x", everything, false); return err },
		"context": func() error { _, err := w.runs.ModelCalls(w.ctx, project, thread, "run_x"); return err },
	} {
		require.EqualError(t, call(), "No run found with id 'run_x'.", name)
	}
	_, err = w.runs.Get(w.ctx, project, "thread_x", r.ID)
	require.EqualError(t, err, "No thread found with id 'thread_x'.")
}

// TestMetadataDuringRun changes metadata while the model works; the driver's
// next commit must keep it, and nothing must seem to go back.
func TestMetadataDuringRun(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("Done.")))
	r := w.run(w.thread("Hi"))
	<-w.model.called
	raw, err := w.runs.Modify(w.ctx, project, r.ThreadID, r.ID, wire.Metadata{"mine": "yes"}, wire.V2)
	require.NoError(t, err)
	require.Equal(t, runs.InProgress, decode[runs.Run](t, raw).Status)
	list, err := w.runs.List(w.ctx, project, r.ThreadID, everything)
	require.NoError(t, err)
	shown := decodeAll[runs.Run](t, list)[0]
	require.Equal(t, runs.InProgress, shown.Status)
	require.NotNil(t, shown.StartedAt)
	close(gate)
	r = w.settled(r)
	require.Equal(t, runs.Completed, r.Status)
	require.Equal(t, wire.Metadata{"mine": "yes"}, r.Metadata)
	require.Equal(t, shown.StartedAt, r.StartedAt)
}
