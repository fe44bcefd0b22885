package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recordedEvents reads a recorded stream. Some recorders doubled the line ends:
// an event is its two lines, whatever is between them.
func recordedEvents(t testing.TB, stream string) []sentEvent {
	t.Helper()
	var all []sentEvent
	name := ""
	for line := range strings.SplitSeq(stream, "\n") {
		if text, ok := strings.CutPrefix(line, "event: "); ok {
			require.Empty(t, name, "an event without data")
			name = text
		} else if text, ok := strings.CutPrefix(line, "data: "); ok {
			require.NotEmpty(t, name, "data without an event")
			all = append(all, sentEvent{name: name, data: []byte(text)})
			name = ""
		} else {
			require.Empty(t, line, "a line that is neither event nor data")
		}
	}
	require.Empty(t, name, "an event without data")
	return all
}

// script derives, from what a recording shows, what the model must have
// answered. Every creation of a run and every submission of tool outputs begins
// one turn of the model.
func (r *recording) script(t testing.TB) map[*exchange]*modelTurn {
	t.Helper()
	turns := map[*exchange]*modelTurn{}
	begun := map[string]int{} // turns by recorded run
	for _, x := range r.all() {
		if x.Status != 200 || !beginsTurn(x) {
			continue
		}
		turn := newTurn()
		turns[x] = turn
		if x.streamed() {
			turn.fromStream(t, recordedEvents(t, x.answer()))
			continue
		}
		turn.runID = x.objects(t)[0].ID
		if outcomes := r.outcomes(t, turn.runID); begun[turn.runID] < len(outcomes) {
			turn.fromOutcome(t, r, outcomes[begun[turn.runID]])
		}
		begun[turn.runID]++
	}
	return turns
}

func beginsTurn(x *exchange) bool {
	switch x.route() {
	case "POST /threads/*/runs", "POST /threads/runs", "POST /threads/*/runs/*/submit_tool_outputs":
		return true
	}
	return false
}

func newTurn() *modelTurn {
	return &modelTurn{finish: "stop", usage: json.RawMessage("null"), asked: make(chan struct{}), released: make(chan struct{})}
}

// searched makes a turn of m that calls file_search, and returns the turn behind
// it.
func (m *modelTurn) searched(usage json.RawMessage) *modelTurn {
	call := recordedCall{ID: "call_1"}
	call.Function.Name, call.Function.Arguments = "file_search", `{"query":"favorite food"}`
	m.calls, m.usage, m.then = []recordedCall{call}, usage, newTurn()
	return m.then
}

// fromStream takes the turn out of the stream that showed it, piece for piece.
func (m *modelTurn) fromStream(t testing.TB, events []sentEvent) {
	t.Helper()
	defer close(m.released)
	ended := false // the turn's step says what it used; the run, what all used
	for i, e := range events {
		var step object
		if e.name == "thread.run.step.completed" {
			require.NoError(t, json.Unmarshal(e.data, &step))
		}
		switch {
		case step.Type == "tool_calls" && strings.Contains(string(e.data), `"file_search"`):
			m.searched(step.Usage).fromStream(t, events[i+1:])
			return
		case step.Type == "message_creation":
			m.usage, ended = step.Usage, true
		case e.name == "thread.message.delta":
			var delta struct {
				Delta object `json:"delta"`
			}
			require.NoError(t, json.Unmarshal(e.data, &delta))
			m.pieces = append(m.pieces, delta.Delta.Content[0].Text.Value)
		case e.name == "thread.message.incomplete":
			m.finish = "length"
		case strings.HasPrefix(e.name, "thread.run.step."):
		case strings.HasPrefix(e.name, "thread.run."):
			var run object
			require.NoError(t, json.Unmarshal(e.data, &run))
			if !ended {
				m.usage = run.Usage
			}
		}
	}
}

// outcome is what one turn of the model came to, and where it is first shown.
type outcome struct {
	in    *exchange
	shown object // the run, the message or the step
}

// outcomes lists what the turns of a run came to, as far as the recording
// looked.
func (r *recording) outcomes(t testing.TB, runID string) []outcome {
	t.Helper()
	var all []outcome
	answered := false
	calls := ""
	for _, x := range r.exchanges {
		for _, o := range x.objects(t) {
			switch {
			case o.Object == "thread.run" && o.ID == runID && o.RequiredAction != nil:
				if id := o.RequiredAction.Submit.ToolCalls[0].ID; id != calls {
					calls = id
					all = append(all, outcome{x, o})
				}
			case answered:
			case o.Object == "thread.run" && o.ID == runID && o.Status == "completed",
				o.Object == "thread.message" && o.RunID == runID,
				o.Object == "thread.run.step" && o.RunID == runID:
				answered = true
				all = append(all, outcome{x, o})
			}
		}
	}
	return all
}

// fromOutcome makes the turn whose outcome o is. Its text and its usage may be
// shown elsewhere in the recording; the run's usage is its last turn's.
func (m *modelTurn) fromOutcome(t testing.TB, r *recording, o outcome) {
	t.Helper()
	m.shownIn = o.in
	if o.shown.RequiredAction != nil {
		m.calls = o.shown.RequiredAction.Submit.ToolCalls
		m.usage = json.RawMessage(`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`)
		return
	}
	m.pieces = []string{"The recording does not show this text."}
	for _, x := range r.exchanges {
		for _, shown := range x.objects(t) {
			if shown.Object == "thread.message" && shown.RunID == m.runID {
				m.pieces = []string{shown.Content[0].Text.Value}
			}
			if shown.Object == "thread.run" && shown.ID == m.runID && shown.Usage != nil {
				m.usage = shown.Usage
			}
		}
	}
}
