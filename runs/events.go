package runs

import (
	"encoding/json"
	"sync"

	"understudy/api/wire"
)

// Event is one server-sent event: its name and its JSON.
type Event struct {
	Name string
	Data []byte
}

// Log carries the events of one leg of a run, from its creation or the
// submission of outputs to its end or the next wait for the client, in the
// exact order of spec section 9. Writers append and never wait; each reader
// goes at its own pace. Text that nobody has read yet grows by its characters,
// not by its deltas, once readers are far behind.
type Log struct {
	mu     sync.Mutex
	events []Event
	read   int           // events that a reader has been given
	tail   textTail      // comes after events
	ended  bool          // nothing comes any more
	more   chan struct{} // closed and replaced when something was appended
}

// joinBehind is how many events must be unread before deltas are joined: a
// reader who keeps up sees each as the model made it.
const joinBehind = 64

// textTail is text of one message part that is not an event yet.
type textTail struct {
	messageID string // "" = there is none
	first     bool
	text      []byte
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{more: make(chan struct{})} }

// publish appends an event about v. A nil log, that of a leg nobody streams,
// takes nothing.
func (l *Log) publish(name string, v any) {
	if l == nil {
		return
	}
	data, err := wire.Marshal(v)
	if err != nil { // only types of this package come here, and they all encode
		panic(err)
	}
	l.append(Event{Name: name, Data: data})
}

func (l *Log) append(e Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.events = append(l.events, e)
	l.wake()
}

// flush makes an event of the tail; l.mu is held.
func (l *Log) flush() {
	if l.tail.messageID == "" {
		return
	}
	l.events = append(l.events, Event{"thread.message.delta", textDelta(l.tail.messageID, string(l.tail.text), l.tail.first)})
	l.tail = textTail{}
}

// end lets readers finish after the last event.
func (l *Log) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

// breakOff ends a log that has no end yet with an error event, so that its
// readers know that the run goes on without them.
func (l *Log) breakOff() {
	if l == nil {
		return
	}
	l.mu.Lock()
	ended := l.ended
	l.mu.Unlock()
	if !ended {
		l.append(Event{Name: "error", Data: errorEvent("The stream was interrupted; retrieve the run to see how it went on.")})
		l.end()
	}
}

func (l *Log) wake() {
	close(l.more)
	l.more = make(chan struct{})
}

// Since returns the events behind the first n, whether the log has ended with
// them, and a channel that is closed when there is more.
func (l *Log) Since(n int) (events []Event, ended bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.read = len(l.events)
	return l.events[n:], l.ended, l.more
}

// step shows a step in its state. In a stream it names when its run expires
// even after it has been closed, as hosted did.
func (l *Log) step(s *Step, runExpires *int64) {
	shown := *s
	shown.ExpiresAt = runExpires
	l.publish("thread.run.step."+string(s.Status), &shown)
}

func (l *Log) run(r *Run) { l.publish("thread.run."+string(r.Status), r) }

// textDelta appends a piece of a message's text, which is its first part.
func (l *Log) textDelta(messageID, text string, first bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail.messageID != messageID {
		l.flush()
		l.tail = textTail{messageID: messageID, first: first}
	}
	l.tail.text = append(l.tail.text, text...)
	if len(l.events)-l.read < joinBehind {
		l.flush()
	}
	l.wake()
}

// textDelta is written by hand: it is sent for every token.
func textDelta(messageID, text string, first bool) []byte {
	quoted, err := wire.Marshal(text)
	if err != nil { // a string encodes
		panic(err)
	}
	b := make([]byte, 0, 160+len(quoted))
	b = append(b, `{"id":"`...)
	b = append(b, messageID...)
	b = append(b, `","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":`...)
	b = append(b, quoted...)
	if first {
		b = append(b, `,"annotations":[]`...)
	}
	return append(b, `}}]}}`...)
}

type messageDelta struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Delta  struct {
		Content []any `json:"content"`
	} `json:"delta"`
}

type refusalDelta struct {
	Index   int    `json:"index"`
	Type    string `json:"type"`
	Refusal string `json:"refusal"`
}

func (l *Log) refusalDelta(messageID string, index int, text string) {
	d := messageDelta{ID: messageID, Object: "thread.message.delta"}
	d.Delta.Content = []any{refusalDelta{index, "refusal", text}}
	l.publish("thread.message.delta", d)
}

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
	type arguments struct {
		Index    int    `json:"index"`
		Type     string `json:"type"`
		Function struct {
			Arguments string `json:"arguments"`
		} `json:"function"`
	}
	rest := arguments{Index: index, Type: call.Type}
	rest.Function.Arguments = call.Function.Arguments
	for _, part := range []any{opened{index, call.ID, call.Type, CalledTool{Name: call.Function.Name}}, rest} {
		d := stepDelta{ID: stepID, Object: "thread.run.step.delta"}
		d.Delta.Details.Type = ToolCalls
		d.Delta.Details.Calls = []any{part}
		l.publish("thread.run.step.delta", d)
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
	data, err := wire.Marshal(struct {
		Error body `json:"error"`
		body
	}{b, b})
	if err != nil {
		panic(err)
	}
	return data
}
