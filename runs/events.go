package runs

import (
	"encoding/json"
	"unicode/utf8"

	"understudy/api/wire"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// Event is one server-sent event: its name and its JSON.
type Event struct {
	Name string
	Data []byte
	// Number is where the event stands among the stored ones of its run, counted
	// from 1; the thread that came with the run is 0. What a commit has not made
	// durable when it is told is Unnumbered, and told again to whoever joins.
	Number int
}

// Unnumbered is the number of an event that has none.
const Unnumbered = -1

// began shows the run in progress, a state that becomes durable with the next commit.
func (l *Log) began(r *Run) { l.show("thread.run."+string(r.Status), shallow(r)) }

// run tells the state of a run that was committed.
func (l *Log) run(r *Run) { l.record("thread.run."+string(r.Status), shallow(r)) }

// created tells of a new run; both events carry the same object.
func (l *Log) created(r *Run) {
	shown := shallow(r)
	l.record("thread.run.created", shown)
	l.record("thread.run."+string(r.Status), shown)
}

// openStep announces a step.
func (l *Log) openStep(s *Step) {
	shown := shallow(s)
	l.show("thread.run.step.created", shown)
	l.show("thread.run.step.in_progress", shown)
}

// closeStep shows a step in its state. In a stream it names when its run
// expires even after it has been closed, as hosted did.
func (l *Log) closeStep(r *StepRecord, runExpires *int64) {
	shown := shallow(r.Step)
	shown.ExpiresAt = runExpires
	l.record("thread.run.step."+string(shown.Status), &closedStep{shown, r.Searches})
}

// closedStep is a step with what its searches found, whose texts only those
// readers are told who asked for them.
type closedStep struct {
	*Step
	searches []*filesearch.Search
}

// openMessage announces a message.
func (l *Log) openMessage(m *threads.Message) {
	shown := shallow(m)
	l.show("thread.message.created", shown)
	l.show("thread.message.in_progress", shown)
}

// closeMessage shows a message in its state.
func (l *Log) closeMessage(m *threads.Message) {
	l.record("thread.message."+m.Status, shallow(m))
}

// calls announces a tool_calls step: empty first, then call by call, without
// what came of them.
func (l *Log) calls(s *Step) {
	empty := shallow(s)
	empty.Details.ToolCalls = nil
	l.openStep(empty)
	for i, call := range s.Details.ToolCalls {
		l.callDeltas(s.ID, i, call)
	}
}

// shallow copies what an event shows: its owner goes on to change it, but never
// what its members point to.
func shallow[T any](v *T) *T {
	shown := *v
	return &shown
}

// citation appends a marker of a passage, which is one delta.
func (l *Log) citation(messageID, marker string, c citation) {
	type text struct {
		Value       string     `json:"value"`
		Annotations []citation `json:"annotations"`
	}
	d := messageDelta{ID: messageID, Object: "thread.message.delta"}
	d.Delta.Content = []any{struct {
		Index int    `json:"index"`
		Type  string `json:"type"`
		Text  text   `json:"text"`
	}{0, "text", text{marker, []citation{c}}}}
	l.show(messageDeltaEvent, d)
}

type messageDelta struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Delta  struct {
		Content []any `json:"content"`
	} `json:"delta"`
}

type refusalPart struct {
	Index   int    `json:"index"`
	Type    string `json:"type"`
	Refusal string `json:"refusal"`
}

func refusalDelta(messageID string, index int, text string) []byte {
	d := messageDelta{ID: messageID, Object: "thread.message.delta"}
	d.Delta.Content = []any{refusalPart{index, "refusal", text}}
	return encode(d)
}

// appendTextDelta is written by hand: it is sent for every token.
func appendTextDelta(b []byte, messageID, text string, first bool) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, messageID...)
	b = append(b, `","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":`...)
	b = appendQuoted(b, text)
	if first {
		b = append(b, `,"annotations":[]`...)
	}
	return append(b, `}}]}}`...)
}

// appendQuoted appends text as encode writes it. Most tokens are text that
// stands in quotes as it is.
func appendQuoted(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c == lineSeparator {
			return append(b, encode(text)...)
		}
	}
	if !utf8.ValidString(text) {
		return append(b, encode(text)...)
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// lineSeparator is the first byte of U+2028 and U+2029, which are escaped, and of
// much that is not.
const lineSeparator = 0xE2

type stepDelta struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Delta  struct {
		Details struct {
			Type  string `json:"type"`
			Calls []any  `json:"tool_calls"`
		} `json:"step_details"`
	} `json:"delta"`
}

// callDeltas shows a settled call: its id and name once, then its arguments.
func (l *Log) callDeltas(stepID string, index int, call ToolCall) {
	type opened struct {
		Index    int        `json:"index"`
		ID       string     `json:"id"`
		Type     string     `json:"type"`
		Function CalledTool `json:"function"`
	}
	type search struct {
		Index  int         `json:"index"`
		ID     string      `json:"id"`
		Type   string      `json:"type"`
		Search *SearchCall `json:"file_search"`
	}
	type arguments struct {
		Index    int    `json:"index"`
		Type     string `json:"type"`
		Function struct {
			Arguments string `json:"arguments"`
		} `json:"function"`
	}
	if call.Search != nil {
		call.Search = &SearchCall{RankingOptions: call.Search.RankingOptions, Results: []SearchResult{}}
	}
	parts := []any{search{index, call.ID, call.Type, call.Search}}
	if f := call.Function; f != nil {
		rest := arguments{Index: index, Type: call.Type}
		rest.Function.Arguments = f.Arguments
		parts = []any{opened{index, call.ID, call.Type, CalledTool{Name: f.Name}}, rest}
	}
	for _, part := range parts {
		d := stepDelta{ID: stepID, Object: "thread.run.step.delta"}
		d.Delta.Details.Type = ToolCalls
		d.Delta.Details.Calls = []any{part}
		l.show("thread.run.step.delta", d)
	}
}

// errorEvent is the superset of what the SDKs look for (spec section 9).
func errorEvent(message string) json.RawMessage {
	type body struct {
		Code    string  `json:"code"`
		Message string  `json:"message"`
		Param   *string `json:"param"`
		Type    string  `json:"type"`
	}
	b := body{Code: "server_error", Message: message, Type: "server_error"}
	return encode(struct {
		Error body `json:"error"`
		body
	}{b, b})
}

// interrupted is what a stream is told that ends before its run.
var interrupted = errorEvent("The stream was interrupted; retrieve the run to see how it went on.")

// Interrupted is the event that ends a stream before its run has ended.
func Interrupted() Event { return Event{Name: "error", Data: interrupted, Number: Unnumbered} }

// encode is the JSON of an event: only types of this package and the threads'
// come here, and they all encode.
func encode(v any) []byte {
	data, err := wire.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
