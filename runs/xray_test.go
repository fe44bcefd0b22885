package runs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/files/tokens"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/threads"
)

func (w *world) context(r *runs.Run) *runs.Context {
	shown, err := w.runs.Context(w.ctx, project, r.ThreadID, r.ID)
	require.NoError(w.t, err)
	return shown
}

// dryRun asks for what a run would send; a body with a thread makes a new one.
func (w *world) dryRun(threadID string, members ...string) (*runs.Context, error) {
	return w.dryRunBusy(threadID, threads.Reject, members...)
}

// dryRunBusy is dryRun for a thread that may be busy.
func (w *world) dryRunBusy(threadID string, onBusy threads.OnBusy, members ...string) (*runs.Context, error) {
	body := object(w.t, "{"+strings.Join(append([]string{`"assistant_id":` + quote(w.assistant)}, members...), ",")+"}")
	read := runs.ReadCreate
	if threadID == "" {
		read = runs.ReadCreateWithThread
	}
	create, err := read(body, wire.V2)
	require.NoError(w.t, err)
	create.OnBusy = onBusy
	return w.runs.DryRun(w.ctx, project, threadID, create)
}

// TestOrigins reads from requests as they were sent where their tokens come from.
func TestOrigins(t *testing.T) {
	n := func(texts ...string) (sum int) {
		for _, text := range texts {
			sum += tokens.Count(text)
		}
		return sum
	}
	run := decode[runs.Run](t, json.RawMessage(`{"instructions":"Be brief.","tools":[{"type":"file_search","file_search":{}},{"type":"function","function":{"name":"add"}}]}`))
	const tools = `[{"type":"function","function":{"name":"add"}}]`
	for name, tc := range map[string]struct {
		request string
		want    runs.Origins
	}{
		"nothing":       {``, runs.Origins{}},
		"no request":    {`{"messages":7}`, runs.Origins{}},
		"a question":    {`{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello there"}]}`, runs.Origins{Instructions: 4 + n("Be brief."), History: 4 + n("Hello there")}},
		"with tools":    {`{"messages":[{"role":"developer","content":"x"}],"tools":` + tools + `}`, runs.Origins{Instructions: 4 + n("x"), Tools: n(tools)}},
		"with a format": {`{"messages":[],"response_format":{"type":"json_object"}}`, runs.Origins{Instructions: n(`{"type":"json_object"}`)}},
		"no system role": {
			`{"messages":[{"role":"user","content":"Be brief.\nHello there"}]}`,
			runs.Origins{Instructions: n("Be brief."), History: 4 + n("Be brief.\nHello there") - n("Be brief.")},
		},
		"images": {
			`{"messages":[{"role":"user","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:x","detail":"low"}},{"type":"image_url","image_url":{"url":"https://a/b"}}]}]}`,
			runs.Origins{History: 4 + n("See"), Files: 85 + 765},
		},
		"tools at work": {
			`{"messages":[{"role":"user","content":"Go"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}},
				{"id":"b","type":"function","function":{"name":"file_search","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"forty-two"},{"role":"tool","tool_call_id":"b","content":"a passage of a file"}]}`,
			runs.Origins{History: 8 + n("Go", "add", `{"a":1}`, "file_search", "{}"), ToolOutputs: 4 + n("forty-two"), Retrieval: 4 + n("a passage of a file")},
		},
	} {
		o := tc.want
		o.Total = o.Instructions + o.Tools + o.History + o.Retrieval + o.Files + o.ToolOutputs
		require.Equal(t, o, runs.CountOrigins(run, []byte(tc.request)), name)
	}
	own := decode[runs.Run](t, json.RawMessage(`{"tools":[{"type":"function","function":{"name":"file_search"}}]}`))
	sent := `{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"file_search"}}]},{"role":"tool","tool_call_id":"a","content":"x"}]}`
	require.NotZero(t, runs.CountOrigins(own, []byte(sent)).ToolOutputs, "a client's own function of that name is no retrieval")
}

// TestContext shows a run of two calls: what was left out, by whom, and times.
func TestContext(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("I add.", "add"), says("three"))
	thread := w.numbered(9)
	messages := w.messages(thread)
	_, _, err := w.submit(w.settled(w.run(thread, `"max_prompt_tokens":1000`, `"truncation_strategy":{"type":"last_messages","last_messages":2}`)), false, "3")
	require.NoError(t, err)
	r := w.runOf(thread)
	w.settled(r)
	shown := w.context(r)
	require.Equal(t, []any{"thread.run.context", thread, r.ID, false}, []any{shown.Object, *shown.ThreadID, *shown.RunID, shown.DryRun})
	require.Len(t, shown.Calls, 2)
	for i, call := range shown.Calls {
		require.Equal(t, i+1, call.Turn)
		cut := call.Truncation
		require.Equal(t, []any{7, "last_messages", messages[0].ID, messages[6].ID}, []any{cut.Messages, *cut.Reason, *cut.FirstID, *cut.LastID}, "call %d", i)
		require.Equal(t, messages[7].ID, *cut.Since)
		require.Positive(t, cut.Budget)
		require.Positive(t, cut.Estimated)
		require.GreaterOrEqual(t, float64(call.Duration), 0.0)
		require.Nil(t, call.TimeToFirstToken)
		require.NotNil(t, call.Retries, "there is a list, be it empty")
	}

	// Messages that are deleted since are not named, but they were left out.
	err = w.threads.DeleteMessage(w.ctx, project, thread, messages[0].ID)
	require.NoError(t, err)
	cut := w.context(r).Calls[0].Truncation
	require.Equal(t, []any{7, messages[1].ID}, []any{cut.Messages, *cut.FirstID})
	_, err = w.runs.Context(w.ctx, project, thread, "run_x")
	require.ErrorContains(t, err, "found with id")
}

// TestDryRunSendsWhatTheRunWould compares a dry run with the run, over threads
// and additional messages around the size of one read of history.
func TestDryRunSendsWhatTheRunWould(t *testing.T) {
	w := open(t, worldOptions{})
	w.model.choose = func(chat.Request) turn { return says("ok") }
	additional := func(n int) string {
		messages := make([]string, n)
		for i := range messages {
			messages[i] = fmt.Sprintf(`{"role":"user","content":"additional %d"}`, i)
		}
		return `"additional_messages":[` + strings.Join(messages, ",") + `]`
	}
	for _, length := range []int{1, 63, 64, 65, 129} {
		for _, more := range []int{0, 1, 63, 64, 65, 130} {
			for _, members := range [][]string{nil, {`"truncation_strategy":{"type":"last_messages","last_messages":70}`}, {`"max_prompt_tokens":300`}} {
				name := fmt.Sprint(length, more, members)
				thread := w.numbered(length)
				members := append([]string{additional(more)}, members...)
				foreseen, err := w.dryRun(thread, members...)
				require.NoError(t, err, name)
				require.Len(t, w.messages(thread), length, name)
				require.Len(t, foreseen.Calls, 1)
				done := w.context(w.settled(w.run(thread, members...)))
				was, is := foreseen.Calls[0], done.Calls[0]
				require.JSONEq(t, string(is.Request), string(was.Request), name)
				require.Equal(t, is.Tokens, was.Tokens, name)
				require.Equal(t, is.Truncation.Messages, was.Truncation.Messages, name)
				require.Equal(t, is.Truncation.Reason, was.Truncation.Reason, name)
				require.Equal(t, is.Truncation.Estimated, was.Truncation.Estimated, name)
			}
		}
	}
}

// TestDryRunOfAThreadWithCalls has outputs of an earlier run in its prompt.
func TestDryRunOfAThreadWithCalls(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("I add.", "add"), says("three"), says("five"))
	thread := w.thread("Hi")
	waiting := w.settled(w.run(thread))
	_, err := w.dryRun(thread)
	require.ErrorContains(t, err, "already has an active run "+waiting.ID, "a run would be refused")
	_, _, err = w.submit(waiting, false, "3")
	require.NoError(t, err)
	w.settled(waiting)
	_, err = w.say(thread, "and two more")
	require.NoError(t, err)
	foreseen, err := w.dryRun(thread)
	require.NoError(t, err)
	require.Equal(t, []any{true, thread, (*string)(nil)}, []any{foreseen.DryRun, *foreseen.ThreadID, foreseen.RunID})
	done := w.context(w.settled(w.run(thread)))
	require.JSONEq(t, string(done.Calls[0].Request), string(foreseen.Calls[0].Request))
	require.Positive(t, foreseen.Calls[0].Tokens.History)
}

// TestDryRunOfABusyThread has what would be in the thread when the run's turn came.
func TestDryRunOfABusyThread(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("one")), says("two"), says("three"))
	defer close(gate)
	thread := w.thread("1")
	w.run(thread)
	<-w.model.called
	w.mustSay(thread, threads.Enqueue, "2")
	w.enqueued(thread, `"additional_messages":[{"role":"user","content":"3"}]`)
	w.mustSay(thread, threads.Enqueue, "4")
	for onBusy, want := range map[threads.OnBusy]string{threads.Enqueue: "1 / user: 2 / user: 3 / user: 4 / user: 5", threads.Interrupt: "1 / user: 2 / user: 4 / user: 5"} {
		foreseen, err := w.dryRunBusy(thread, onBusy, `"additional_messages":[{"role":"user","content":"5"}]`)
		require.NoError(t, err)
		var request chat.Request
		require.NoError(t, json.Unmarshal(foreseen.Calls[0].Request, &request))
		require.Equal(t, "system: Be brief. / user: "+want, lines(request), onBusy)
	}
}

func TestDryRunOfANewThread(t *testing.T) {
	w := open(t, worldOptions{})
	foreseen, err := w.dryRun("", `"thread":{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}`,
		`"truncation_strategy":{"type":"last_messages","last_messages":1}`)
	require.NoError(t, err)
	require.Nil(t, foreseen.ThreadID)
	require.Contains(t, string(foreseen.Calls[0].Request), "three")
	require.NotContains(t, string(foreseen.Calls[0].Request), "two")
	require.Equal(t, 2, foreseen.Calls[0].Truncation.Messages)
	require.Empty(t, w.model.sent())

	silent := w.newAssistant(`{"model":"m"}`)
	w.assistant = silent
	_, err = w.dryRun("")
	require.ErrorContains(t, err, "Run creation requires a Thread with a user message")
	_, err = w.dryRun("thread_unknown")
	require.ErrorContains(t, err, "found with id")
	_, err = w.dryRun(w.thread("Hi"), `"max_prompt_tokens":1`)
	require.ErrorContains(t, err, "not even the newest message fits")
	quiet := w.threadOf(`{"messages":[{"role":"assistant","content":"a"}]}`)
	_, err = w.dryRun(quiet)
	require.ErrorContains(t, err, "Run creation requires a Thread with a user message")
	_, err = w.dryRun(quiet, `"additional_messages":[{"role":"user","content":"b"}]`)
	require.NoError(t, err)
	_, err = w.runs.DryRun(context.WithoutCancel(w.ctx), project, "", runs.Create{AssistantID: "asst_x"})
	require.ErrorContains(t, err, "found with id")
}

// runOf is the only run of a thread.
func (w *world) runOf(threadID string) *runs.Run {
	list, err := w.runs.List(w.ctx, project, threadID, everything)
	require.NoError(w.t, err)
	require.Len(w.t, list.Items, 1)
	return decodeAll[runs.Run](w.t, list)[0]
}
