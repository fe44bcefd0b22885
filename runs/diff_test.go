package runs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
	"understudy/threads"
)

func (w *world) diff(a, b *runs.Run) *runs.Diff {
	d, err := w.runs.Diff(w.ctx, project, a.ID, b.ID)
	require.NoError(w.t, err)
	return d
}

func TestDiff(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("I add.", "add"), says("The sum is 3."))
	original := w.answered(w.run(w.thread("What is 1+2?")), []string{"3"})
	at := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		turns     []turn
		diverge   *runs.Divergence
		same      bool // the calls
		sameNames bool
	}{
		"the same": {[]turn{saysAndCalls("I add.", "add"), says("The sum is 3.")}, nil, true, true},
		"another answer": {
			[]turn{saysAndCalls("I add.", "add"), says("The sum is three.")},
			&runs.Divergence{Step: at(2), What: "text", A: "The sum is 3.", B: "The sum is three."}, true, true,
		},
		"other arguments": {
			[]turn{func() turn { return asks(`add {"n": 9}`) }(), says("The sum is 3.")},
			&runs.Divergence{Step: at(0), What: "step", A: "message_creation", B: "tool_calls"}, false, true,
		},
		"no call": {
			[]turn{says("I add.")},
			&runs.Divergence{Step: at(1), What: "step", A: "tool_calls", B: ""}, false, false,
		},
		"a call more": {
			[]turn{saysAndCalls("I add.", "add", "sub")},
			&runs.Divergence{Step: at(1), Call: at(1), What: "tool_call", A: "", B: "sub"}, false, false,
		},
		"another end": {
			[]turn{saysAndCalls("I add.", "add"), ends(chat.FinishLength, "The sum is 3.")},
			&runs.Divergence{What: "status", A: "completed", B: "incomplete: max_completion_tokens"}, true, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.model.play(c.turns...)
			d := w.diff(original, w.replayed(original, `"model":"n"`))
			require.Equal(t, c.diverge, d.FirstDivergence)
			require.Equal(t, c.diverge == nil, d.Same)
			require.Equal(t, []bool{c.same, c.sameNames}, []bool{d.ToolCalls.Same, d.ToolCalls.SameNames})
			require.Equal(t, original.ID, *d.B.ReplayOf)
			require.Nil(t, d.A.ReplayOf)
			require.Equal(t, original.ID, d.A.RunID)
			require.Len(t, d.Settings, 1)
			require.JSONEq(t, `"n"`, string(d.Settings["model"].B))
			require.Equal(t, 2*perTurn.PromptTokens, d.A.Usage.PromptTokens)
			require.Equal(t, 2, d.A.Latency.ModelCalls)
			require.Positive(t, float64(d.A.Latency.Seconds))
			require.Equal(t, "The sum is 3.", d.Text.A)
		})
	}
}

func TestDiffShowsWhereTextsPart(t *testing.T) {
	long := "Berlin has been the capital of Germany since 1990, and before that of many other states. "
	w := open(t, worldOptions{}, says(long+long+"It has 3.7 million inhabitants. "+long+long))
	original := w.answered(w.run(w.thread("Hi")))
	w.model.play(says(long + long + "It has 3.8 million inhabitants. " + long + long))
	d := w.diff(original, w.replayed(original))
	require.Equal(t, "… other states. It has 3.7 million", d.FirstDivergence.A[:len("… other states. It has 3.7 million")], "shown from a little before")
	require.Contains(t, d.FirstDivergence.B, "It has 3.8 million")
	require.Contains(t, d.Text.Diff, "It has 3.[-7-]{+8+} million")
	require.Equal(t, 1, d.Text.Removed)
	require.Empty(t, d.Settings)
}

func TestDiffOfJSON(t *testing.T) {
	for name, c := range map[string]struct {
		members string
		a, b    string
		want    runs.DiffJSON
	}{
		"both":                 {"", `{"n":1}`, ` [1]`, runs.DiffJSON{Expected: true, A: true, B: true}},
		"no more":              {"", `{"n":1}`, "```json\n{\"n\":1}\n```", runs.DiffJSON{Expected: true, A: true}},
		"a number is no JSON":  {"", `7`, `seven`, runs.DiffJSON{A: true}},
		"text":                 {"", `one`, `two`, runs.DiffJSON{}},
		"asked for, not given": {`"response_format":{"type":"json_object"}`, `one`, `{}`, runs.DiffJSON{Expected: true, B: true}},
		"a schema":             {`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}`, `{}`, ``, runs.DiffJSON{Expected: true, A: true}},
		"text is asked for":    {`"response_format":{"type":"text"}`, `one`, `two`, runs.DiffJSON{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, worldOptions{}, says(c.a))
			var members []string
			if c.members != "" {
				members = []string{c.members}
			}
			original := w.answered(w.run(w.thread("Answer in JSON."), members...))
			w.model.play(says(c.b))
			require.Equal(t, c.want, w.diff(original, w.replayed(original)).JSON)
		})
	}
}

// TestDiffOfSearches compares what was searched for and found.
func TestDiffOfSearches(t *testing.T) {
	w := searched(t, &shelf{}, seeks("food"), says("Cake."))
	original := w.answered(w.run(w.thread("Hi")))
	w.model.play(seeks("Food and drinks"), says("Cake."))
	d := w.diff(original, w.replayed(original))
	require.Equal(t, "arguments", d.FirstDivergence.What)
	require.Equal(t, "file_search", d.ToolCalls.A[0].Name)
	require.Equal(t, "foods.txt (0.75), drinks.pdf (0.50)", *d.ToolCalls.A[0].Output)
	require.Equal(t, *d.ToolCalls.A[0].Output, *d.ToolCalls.B[0].Output, "as it was recorded")
	require.JSONEq(t, `{"query":"Food and drinks"}`, d.ToolCalls.B[0].Arguments)
}

// TestDiffWithoutAMessage: a message that was deleted is not shown, and a run that
// failed has none.
func TestDiffWithoutAMessage(t *testing.T) {
	w := open(t, worldOptions{}, says("Yes."), fails(chat.RateLimitExceeded, "slow down"))
	thread := w.thread("Hi")
	one := w.answered(w.run(thread))
	two := w.answered(w.run(thread))
	d := w.diff(one, two)
	require.Equal(t, "slow down", d.B.LastError.Message)
	require.Equal(t, &runs.Divergence{Step: new(int), What: "step", A: "message_creation"}, d.FirstDivergence)

	list, err := w.threads.Messages(w.ctx, project, thread, one.ID, everything)
	require.NoError(t, err)
	require.NoError(t, w.threads.DeleteMessage(w.ctx, project, thread, decodeAll[threads.Message](t, list)[0].ID))
	d = w.diff(one, one)
	require.Nil(t, d.Steps[0].A.Text)
	require.True(t, d.Same)
	_, err = w.runs.Diff(w.ctx, project, one.ID, "run_none")
	require.ErrorContains(t, err, "No run found with id 'run_none'")
	_, err = w.runs.Diff(w.ctx, "other", one.ID, one.ID)
	require.ErrorContains(t, err, "No run found")
}
