package chat

import (
	"encoding/json"
	"strings"
	"time"
)

// fold gathers one answer from its frames, whether they are the chunks of a
// stream or one whole document.
type fold struct {
	sink Sink
	now  func() time.Time

	visible   strings.Builder // text that was handed to the sink
	text      joiner
	think     thinkFilter
	refused   strings.Builder
	refusal   joiner
	reasoning reasoning
	calls     assembler
	extra     json.RawMessage // extra_content of the message itself
	unread    int             // bytes of a whole document that is about to be taken in

	refrain refrain
	said    []byte // the text of the last choice, when it held nothing else
	heard   int    // choices and counts of tokens in the current line

	streamed   bool // it comes in pieces
	choices    bool // a choice was seen
	index      int  // of the choice that is kept
	latched    bool
	finish     finishKind
	unfinished bool // content came after the last finish_reason
	closing    bool // the last chunk held nothing but usage, as the closing one does
	done       bool // [DONE], or a whole document
	usage      Usage
	failure    *failure
	firstSeen  time.Time
	served, id string // the answer's model and id
}

// kept is how many bytes of the answer were kept, or will be at most of a
// document.
func (f *fold) kept() int {
	return f.unread + f.visible.Len() + f.think.thought.Len() + f.refused.Len() + f.reasoning.size() + f.calls.size()
}

// chunk is a frame taken apart.
type chunk struct {
	choices, usage, groq, err, baseResp []byte
	object, kind                        []byte
	code, message                       []byte
	model, id                           []byte
}

func readChunk(raw []byte) (c chunk) {
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "choices":
			c.choices = value
		case "usage":
			c.usage = value
		case "x_groq":
			c.groq = value
		case "error":
			c.err = value
		case "base_resp":
			c.baseResp = value
		case "object":
			c.object = value
		case "type":
			c.kind = value
		case "model":
			c.model = value
		case "id":
			c.id = value
		case "code":
			c.code = value
		case "message", "msg":
			c.message = value
		}
	})
	return c
}

// failed tells whether the frame reports an error.
func (c chunk) failed() bool {
	switch {
	case isObject(c.err) && isEmpty(c.err):
		return isEmpty(c.choices)
	case isObject(c.err):
		return readError(c.err).says()
	case !isEmpty(c.err):
		return true
	case string(c.object) == `"error"`, string(c.kind) == `"error"`:
		return true
	}
	if isEmpty(c.choices) && isString(c.message) {
		if code, ok := intOf(c.code); ok && code >= 400 && code < 600 {
			return true
		}
	}
	failed := false
	members(c.baseResp, func(key, value []byte) {
		if string(key) == "status_code" {
			failed = !isEmpty(value)
		}
	})
	return failed
}

// frame takes in one chunk of a stream, or an array of them.
func (f *fold) frame(raw []byte) { elements(raw, f.takeChunk) }

// takeChunk takes in one chunk. An error ends the reading, but what came with it
// counts.
func (f *fold) takeChunk(raw []byte) {
	c := readChunk(raw)
	f.named(c)
	counted := f.countAll(c)
	if !isEmpty(c.choices) {
		f.closing = false
	} else if counted {
		f.closing = true
	}
	elements(c.choices, f.choice)
	if f.failure == nil && c.failed() {
		f.failure = classify(0, nil, raw)
	}
	if counted {
		f.heard++
	}
}

// maxName bounds what an answer may call itself, in bytes.
const maxName = 256

// named keeps what the answer calls itself and its model: the first it says.
func (f *fold) named(c chunk) {
	if f.served == "" && len(c.model) <= maxName {
		f.served = stringOf(c.model)
	}
	if f.id == "" && len(c.id) <= maxName {
		f.id = stringOf(c.id)
	}
}

func (f *fold) countAll(c chunk) bool {
	counted := f.count(c.usage)
	if !counted {
		members(c.groq, func(key, value []byte) {
			if string(key) == "usage" {
				counted = f.count(value)
			}
		})
	}
	return counted
}

// count takes usage in: the last one that counts anything. Within one answer
// counts are running totals and never added.
func (f *fold) count(raw []byte) bool {
	u, ok := readUsage(raw)
	if ok {
		f.usage = u
	}
	return ok
}

// choiceParts is a choice taken apart.
type choiceParts struct {
	index, delta, message, finish, usage, err []byte
}

func readChoice(raw []byte) (p choiceParts) {
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "index":
			p.index = value
		case "delta":
			p.delta = value
		case "message":
			p.message = value
		case "finish_reason":
			p.finish = value
		case "finishReason":
			if isEmpty(p.finish) {
				p.finish = value
			}
		case "usage":
			p.usage = value
		case "error":
			p.err = value
		}
	})
	return p
}

// choice takes in a choice of a stream chunk. Only the choice that came first
// is kept: the others are alternatives.
func (f *fold) choice(raw []byte) {
	f.streamed = true
	f.heard++
	p := readChoice(raw)
	if index, ok := intOf(p.index); ok {
		if f.latched && index != f.index {
			return
		}
		f.index, f.latched = index, true
	}
	b := readBody(p.delta)
	if isEmpty(p.delta) {
		b = readBody(p.message)
		f.onlyMissing(&b)
	}
	f.take(b, f.calls.delta)
	f.end(p)
	if b.isText() && !isEmpty(p.delta) && readFinish(stringOf(p.finish)) == finishNone && isEmpty(p.usage) {
		f.said = b.content
	}
}

// onlyMissing keeps of a message inside a stream what the deltas before it did
// not bring: it repeats them.
func (f *fold) onlyMissing(b *body) {
	if f.visible.Len() > 0 || f.think.state != thinkUndecided || f.think.held != "" {
		b.content = nil
	}
	if f.refused.Len() > 0 {
		b.refusal = nil
	}
	if len(f.calls.calls) > 0 || f.calls.legacy != nil {
		b.calls, b.function = nil, nil
	}
	if f.reasoning.name != "" {
		b.thoughts = thoughts{}
	}
}

// end takes in what a choice says about its end.
func (f *fold) end(p choiceParts) {
	f.choices = true
	f.count(p.usage)
	if kind := readFinish(stringOf(p.finish)); kind != finishNone {
		f.finish = kind
		f.unfinished = false
	}
	if f.failure == nil && !isEmpty(p.err) {
		f.failure = classify(0, nil, p.err)
	}
}
