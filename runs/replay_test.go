package runs_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
	"understudy/store"
	"understudy/threads"
)

// asks calls functions, each written as name and arguments.
func asks(calls ...string) turn {
	answer := &chat.Answer{Finish: chat.FinishStop, Usage: perTurn}
	for _, call := range calls {
		name, arguments, _ := strings.Cut(call, " ")
		answer.Calls = append(answer.Calls, chat.Call{Name: name, Arguments: arguments})
	}
	return settles(answer)
}

// replay replays a run; members are those of the request's body.
func (w *world) replay(r *runs.Run, members ...string) (*runs.Run, *stream, error) {
	over, err := runs.ReadReplay(object(w.t, "{"+strings.Join(members, ",")+"}"), wire.V2)
	require.NoError(w.t, err)
	raw, watch, err := w.runs.Replay(w.ctx, project, r.ThreadID, r.ID, over)
	if err != nil {
		return nil, nil, err
	}
	return decode[runs.Run](w.t, raw), streamOf(watch), nil
}

// replayed replays a run to its end.
func (w *world) replayed(r *runs.Run, members ...string) *runs.Run {
	replay, _, err := w.replay(r, members...)
	require.NoError(w.t, err)
	return w.settled(replay)
}

// answered brings a run to its end: each time it asks for outputs it gets the next ones.
func (w *world) answered(r *runs.Run, outputs ...[]string) *runs.Run {
	r = w.settled(r)
	for _, leg := range outputs {
		_, _, err := w.submit(r, false, leg...)
		require.NoError(w.t, err)
		r = w.settled(r)
	}
	require.True(w.t, r.Status.Terminal(), r.Status)
	return r
}

// outputs are the outputs of a run's function calls, "-" where there is none.
func (w *world) outputs(r *runs.Run) (outputs []string) {
	for _, s := range w.steps(r) {
		for _, c := range s.Details.ToolCalls {
			output := "-"
			if c.Function.Output != nil {
				output = *c.Function.Output
			}
			outputs = append(outputs, output)
		}
	}
	return outputs
}

func TestReplay(t *testing.T) {
	w := open(t, worldOptions{}, asks(`add {"a":1,"b":2}`), says("Three."), says("Goodbye."))
	thread := w.thread("What is 1+2?")
	original := w.answered(w.run(thread, `"metadata":{"k":"v"}`), []string{"3"})
	_, err := w.say(thread, "Bye")
	require.NoError(t, err)
	w.settled(w.run(thread))
	before, runsBefore := w.texts(thread), w.runIDs(thread)

	w.model.play(asks(`add { "b": 2, "a": 1 }`), says("Drei."))
	replay := w.replayed(original, `"model":"n"`, `"instructions":"Speak German."`, `"temperature":0.5`)
	require.Equal(t, runs.Completed, replay.Status)
	require.Equal(t, "n", replay.Model)
	require.Equal(t, wire.Metadata{"x.replay_of": original.ID}, replay.Metadata)
	require.NotEqual(t, thread, replay.ThreadID)
	require.Equal(t, original.Tools, replay.Tools)
	require.Nil(t, replay.RequiredAction)
	require.Equal(t, []string{"3"}, w.outputs(replay))
	require.Equal(t, []string{"user: What is 1+2?", "assistant: Drei."}, w.texts(replay.ThreadID))

	sent := w.model.sent()
	require.Len(t, sent, 2)
	require.Equal(t, "n", sent[0].Model)
	require.Equal(t, "system: Speak German. / user: What is 1+2?", lines(sent[0]), "the thread as it was: nothing that came later")
	require.Equal(t, "3", sent[1].Messages[len(sent[1].Messages)-1].Content[0].Text, "the recorded output")

	require.Equal(t, before, w.texts(thread))
	require.Equal(t, runsBefore, w.runIDs(thread))
	list, err := w.threads.List(w.ctx, project, threads.Query{Page: everything})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "the fork is hidden")
	past, err := w.runs.Past(w.ctx, project, runs.PastRuns{Limit: 10})
	require.NoError(t, err)
	require.Len(t, past.Items, 2, "replays are no traffic")

	w.model.play(says("Three."))
	short, _, err := w.replay(original, `"metadata":{"x.expires_in":"90s"}`)
	require.NoError(t, err)
	require.Equal(t, short.CreatedAt+90, *short.ExpiresAt)
	w.settled(short)
}

func (w *world) runIDs(thread string) (ids []string) {
	list, err := w.runs.List(w.ctx, project, thread, everything)
	require.NoError(w.t, err)
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

// lines are the messages of a request.
func lines(r chat.Request) string {
	var all []string
	for _, m := range r.Messages {
		text := ""
		for _, part := range m.Content {
			text += part.Text
		}
		all = append(all, string(m.Role)+": "+text)
	}
	return strings.Join(all, " / ")
}

// TestReplayMatchesCalls: recorded are two turns of calls; what a replay is
// answered depends on its arguments first, then on the order.
func TestReplayMatchesCalls(t *testing.T) {
	w := open(t, worldOptions{}, asks(`add {"n":1}`, `sub {"n":2}`), asks(`add {"n":3}`), says("Done."))
	original := w.answered(w.run(w.thread("Hi")), []string{"one", "two"}, []string{"three"})
	for name, c := range map[string]struct {
		turns   []turn
		outputs []string
		status  runs.Status
	}{
		"the same calls":                  {[]turn{asks(`add {"n":1}`, `sub {"n":2}`), asks(`add {"n":3}`)}, []string{"one", "two", "three"}, runs.Completed},
		"in another order":                {[]turn{asks(`add {"n":3}`), asks(`sub {"n":2}`, `add {"n":1}`)}, []string{"three", "two", "one"}, runs.Completed},
		"other arguments, in order":       {[]turn{asks(`add {"x":1}`, `add {"x":2}`)}, []string{"one", "three"}, runs.Completed},
		"the same arguments come first":   {[]turn{asks(`add {"x":1}`, `add {"n":1}`)}, []string{"three", "one"}, runs.Completed},
		"the same question twice":         {[]turn{asks(`sub {"n":2}`), asks(`sub {"n": 2}`)}, []string{"two", "two"}, runs.Completed},
		"numbers are not rounded":         {[]turn{asks(`add {"n":3.0}`, `add {"n":3}`)}, []string{"one", "three"}, runs.Completed},
		"no JSON":                         {[]turn{asks(`add n=1`)}, []string{"one"}, runs.Completed},
		"one call too many":               {[]turn{asks(`sub {"n":2}`), asks(`sub {"n":9}`)}, []string{"two", "-"}, runs.Failed},
		"one of two is unrecorded":        {[]turn{asks(`sub {"n":2}`, `mul {"n":2}`)}, []string{"two", "-"}, runs.Failed},
		"a tool that was never asked for": {[]turn{asks(`mul {"n":1}`)}, []string{"-"}, runs.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.model.play(append(c.turns, says("Done."))...)
			replay := w.replayed(original)
			require.Equal(t, c.status, replay.Status)
			require.Equal(t, c.outputs, w.outputs(replay))
			if c.status == runs.Failed {
				require.Contains(t, replay.LastError.Message, "The replay stops at an unrecorded tool call: "+original.ID+" has no output left for ")
				steps := w.steps(replay)
				last := steps[len(steps)-1]
				require.Equal(t, runs.StepFailed, last.Status)
				require.Equal(t, replay.LastError, last.LastError)
				calls := last.Details.ToolCalls
				require.Equal(t, calls[len(calls)-1].Function.Name, w.diff(original, replay).B.UnrecordedCall.Name)
			}
		})
	}
}

// TestReplayedSearch: what was found is found again, and nothing is searched.
func TestReplayedSearch(t *testing.T) {
	s := &shelf{}
	w := searched(t, s, seeks("Filip's favorite food"), says("Cake【4:0†foods.txt】."))
	original := w.answered(w.run(w.thread("What does Filip like?")))
	s.found = nil

	w.model.play(seeks("what Filip likes to eat"), says("He likes cake【4:0†foods.txt】."))
	replay := w.replayed(original, `"model":"n"`)
	require.Equal(t, runs.Completed, replay.Status)
	require.Len(t, s.finds, 1, "only the original searched")
	message := w.messages(replay.ThreadID)[1]
	require.Equal(t, "He likes cake【4:0†foods.txt】.", message.Text())
	require.Len(t, message.Content[0].Text.Annotations, 1)
	told := w.model.sent()[1].Messages
	require.Contains(t, told[len(told)-1].Content[0].Text, "Filip likes cake.")
	require.Len(t, w.steps(replay)[0].Details.ToolCalls[0].Search.Results, 2)

	w.model.play(seeks("food"), seeks("drinks"), says("unreached"))
	replay = w.replayed(original)
	require.Contains(t, replay.LastError.Message, "a search of files")
	require.Equal(t, "file_search", w.diff(original, replay).B.UnrecordedCall.Name)
	require.Len(t, s.finds, 1)

	w.model.play(settles(&chat.Answer{Finish: chat.FinishStop, Usage: perTurn, Calls: []chat.Call{
		{Name: filesearch.Name, Arguments: `{"query":"food"}`}, {Name: "add", Arguments: "{}"},
	}}))
	replay = w.replayed(original)
	require.Equal(t, runs.Failed, replay.Status)
	require.Len(t, w.steps(replay)[0].Details.ToolCalls[0].Search.Results, 2, "what is recorded is there, also beside what is not")
}

// TestReplayOfTheThreadAsItWas: whatever came of a run, its replay sees what was
// there before it and nothing that came behind.
func TestReplayOfTheThreadAsItWas(t *testing.T) {
	for name, c := range map[string]struct {
		turn   turn
		status runs.Status
	}{
		"answered": {says("Yes."), runs.Completed},
		"failed":   {fails(chat.ServerError, "no"), runs.Failed},
		"cut off":  {fails(chat.ServerError, "no", "Ye"), runs.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, worldOptions{}, asks(`add {}`), says("First."), c.turn, says("Third."))
			thread := w.thread("One")
			w.answered(w.run(thread), []string{"1"})
			before, err := w.say(thread, "Deleted before")
			require.NoError(t, err)
			require.NoError(t, w.threads.DeleteMessage(w.ctx, project, thread, before))
			gone, err := w.say(thread, "Deleted later")
			require.NoError(t, err)
			second := w.answered(w.run(thread, `"additional_messages":[{"role":"user","content":"Two"}]`))
			require.Equal(t, c.status, second.Status)
			_, err = w.say(thread, "Three")
			require.NoError(t, err)
			w.answered(w.run(thread))
			require.NoError(t, w.threads.DeleteMessage(w.ctx, project, thread, gone))

			w.model.play(says("Replayed."))
			replay := w.replayed(second)
			require.Equal(t, runs.Completed, replay.Status)
			require.Equal(t, "1", replay.Metadata["x.deleted_messages"])
			require.Equal(t, "system: Be brief. / user: One / assistant:  / tool: 1 / assistant: First. / user: Two", lines(w.model.sent()[0]))
		})
	}
}

// TestReplayTellsWhatIsMissing: a replay counts what its run saw and it does not,
// and not what the thread had lost before.
func TestReplayTellsWhatIsMissing(t *testing.T) {
	w := open(t, worldOptions{}, says("Yes."), says("Again."), says("And again."))
	thread := w.thread("One", "Two", "Three", "Four")
	rewind := func(to *threads.Message) {
		_, err := w.threads.Rewind(w.ctx, project, thread, to.ID)
		require.NoError(t, err)
	}
	messages := w.messages(thread)
	rewind(messages[2])
	r := w.settled(w.run(thread))
	require.NotContains(t, w.replayed(r).Metadata, "x.deleted_messages")

	rewind(messages[1])
	require.NoError(t, w.threads.DeleteMessage(w.ctx, project, thread, messages[1].ID))
	require.Equal(t, "2", w.replayed(r).Metadata["x.deleted_messages"])
}

func TestReplayIsRefused(t *testing.T) {
	w := open(t, worldOptions{}, asks(`add {}`), says("Done."))
	thread := w.thread("Hi")
	r := w.settled(w.run(thread))
	_, _, err := w.replay(r)
	require.ErrorContains(t, err, "is still active (status 'requires_action'). Replay it when it has ended.")
	r = w.answered(r, []string{"1"})

	_, _, err = w.replay(r, `"tool_choice":{"type":"function","function":{"name":"other"}}`)
	require.ErrorContains(t, err, "is not among the run's tools")
	_, err = runs.ReadReplay(object(t, `{"assistant_id":"asst_1"}`), wire.V2)
	require.ErrorContains(t, err, "Unknown parameter: 'assistant_id'")
	_, _, err = w.replay(&runs.Run{ID: "run_none", ThreadID: thread})
	require.ErrorContains(t, err, "No run found with id 'run_none'")

	w.model.play(says("Again."))
	replay := w.replayed(r)
	require.NoError(t, w.runs.DeleteThread(w.ctx, project, thread))
	_, _, err = w.replay(r)
	require.ErrorContains(t, err, "No thread found")
	_, err = w.runs.Get(w.ctx, project, replay.ThreadID, replay.ID)
	require.ErrorContains(t, err, "No thread found", "replays go with the thread")
}

// brokenRecording lets nobody read a recording until it is mended.
type brokenRecording struct {
	runs.Store
	broken *atomic.Bool
	asked  chan struct{}
}

func (b brokenRecording) Recording(ctx context.Context, project, threadID, id string) (*runs.Recording, error) {
	if b.broken.Load() {
		b.asked <- struct{}{}
		<-ctx.Done()
		return nil, errors.Join(ctx.Err(), wire.ErrUnavailable)
	}
	return b.Store.Recording(ctx, project, threadID, id)
}

// TestReplayAfterCrash: a replay that was interrupted goes on where it was, and
// does not hand out an output twice.
func TestReplayAfterCrash(t *testing.T) {
	var broken atomic.Bool
	asked := make(chan struct{}, 1)
	w := open(t, worldOptions{stored: func(db *store.DB) runs.Store { return brokenRecording{db, &broken, asked} }},
		asks(`add {"n":1}`), asks(`add {"n":2}`), says("Done."))
	original := w.answered(w.run(w.thread("Hi")), []string{"one"}, []string{"two"})

	for name, c := range map[string]struct {
		before []turn // played until the crash
		broken bool   // the recording cannot be read until then
		calls  int    // model calls until then
		after  []turn
	}{
		"before it was asked at all": {[]turn{hangs()}, false, 1, []turn{asks(`add {"x":1}`), asks(`add {"x":2}`), says("Done.")}},
		"before the first output":    {[]turn{asks(`add {"x":1}`)}, true, 1, []turn{asks(`add {"x":2}`), says("Done.")}},
		"in the call behind it":      {[]turn{asks(`add {"x":1}`), hangs("Do")}, false, 2, []turn{asks(`add {"x":2}`), says("Done.")}},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			for len(w.model.called) > 0 {
				<-w.model.called
			}
			broken.Store(c.broken)
			w.model.play(c.before...)
			replay, _, err := w.replay(original)
			require.NoError(t, err)
			for range c.calls {
				<-w.model.called
			}
			if c.broken {
				<-asked
			}
			w.model.play(c.after...)
			broken.Store(false)
			w.crash()
			replay = w.settled(replay)
			require.Equal(t, runs.Completed, replay.Status)
			require.Equal(t, []string{"one", "two"}, w.outputs(replay))
		})
	}
}

// TestReplayIsStreamed: a stream from the start and one that joins at the end tell
// the same, and nobody is asked to act.
func TestReplayIsStreamed(t *testing.T) {
	w := open(t, worldOptions{}, asks(`add {"n":1}`), says("Done."))
	original := w.answered(w.run(w.thread("Hi")), []string{"one"})
	for name, turns := range map[string][]turn{
		"to its end":            {saysAndCalls("I add.", "add"), says("Done", ".")},
		"to an unrecorded call": {asks(`add {}`), asks(`sub {}`)},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.model.play(turns...)
			replay, live, err := w.replay(original, `"stream":true`)
			require.NoError(t, err)
			events := read(live)
			requireSound(t, events)
			require.NotContains(t, text(events), "requires_action")
			require.Equal(t, text(events), text(read(w.watch(replay, -1))))
		})
	}
}
