package chat

import (
	"encoding/json"
	"strings"
)

// body is a delta or a message taken apart.
type body struct {
	content, refusal, calls, function, extra []byte
	thoughts                                 thoughts
}

func readBody(raw []byte) (b body) {
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "content":
			b.content = value
		case "refusal":
			b.refusal = value
		case "tool_calls":
			b.calls = value
		case "function_call":
			b.function = value
		case "extra_content":
			b.extra = value
		case "reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "thinking_blocks":
			b.thoughts.set(string(key), value)
		}
	})
	return b
}

// isText tells whether b holds one string of text and nothing else. An empty
// object among the calls is a call that begins.
func (b body) isText() bool {
	return isString(b.content) && isEmpty(b.refusal) && isEmpty(b.calls) && !isObject(b.calls) && isEmpty(b.function) &&
		isEmpty(b.extra) && b.thoughts.isEmpty()
}

// take adds what b holds to the answer.
func (f *fold) take(b body, addCall func(callDelta)) {
	if isString(b.refusal) {
		f.showRefusal(f.refusal.add(b.refusal))
	}
	if f.reasoning.take(b.thoughts) {
		f.touch()
	}
	f.content(b.content)
	if !isEmpty(b.extra) {
		f.extra = append(json.RawMessage(nil), b.extra...)
	}
	elements(b.calls, func(value []byte) {
		f.touch()
		addCall(readCallDelta(value))
	})
	if isObject(b.function) {
		f.calls.function(b.function)
	}
}

// touch notes that content came: for the time of the first token, and because
// content behind a finish_reason makes that reason no end.
func (f *fold) touch() {
	if f.firstSeen.IsZero() {
		f.firstSeen = f.now()
	}
	f.unfinished = true
}

// content takes in a string, or parts of several types.
func (f *fold) content(raw []byte) {
	switch {
	case isNothing(raw):
	case isString(raw):
		f.show(f.think.add(f.text.add(raw)))
	case isArray(raw), isObject(raw):
		elements(raw, f.part)
	default:
		f.show(f.think.add(stringOf(raw)))
	}
}

func (f *fold) part(raw []byte) {
	if isString(raw) {
		f.content(raw)
		return
	}
	var kind string
	var text, refusal []byte
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "type":
			kind = stringOf(value)
		case "text":
			text = value
		case "refusal":
			refusal = value
		}
	})
	switch kind {
	case "", "text", "output_text":
		if isString(text) {
			f.content(text)
		}
	case "thinking", "reasoning", "redacted_thinking":
		f.touch()
		f.reasoning.collect(raw)
		f.reasoning.parts = append(f.reasoning.parts, append(json.RawMessage(nil), raw...))
	case "refusal":
		if isString(refusal) {
			f.showRefusal(f.refusal.add(refusal))
		}
	}
}

func (f *fold) show(text string) {
	if text == "" {
		return
	}
	f.touch()
	f.visible.WriteString(text)
	if f.sink != nil {
		f.sink.Text(text)
	}
}

func (f *fold) showRefusal(text string) {
	if text == "" {
		return
	}
	f.touch()
	f.refused.WriteString(text)
	if f.sink != nil {
		f.sink.Refusal(text)
	}
}

// thoughts holds the members under which backends put reasoning.
type thoughts struct {
	name    string // of the plain one, when there is a plain one
	plain   []byte
	details []byte // reasoning_details: structured, wanted back as it came
	blocks  []byte // thinking_blocks: the same, as LiteLLM names it
}

// plainReasoning are the names of plain reasoning, the most usual first; a
// delta that carries several repeats itself.
var plainReasoning = []string{"reasoning_content", "reasoning", "reasoning_text"}

func (t *thoughts) isEmpty() bool { return t.name == "" && t.details == nil && t.blocks == nil }

func (t *thoughts) set(name string, value []byte) {
	if isEmpty(value) {
		return
	}
	switch name {
	case "reasoning_details":
		t.details = value
		return
	case "thinking_blocks":
		t.blocks = value
		return
	}
	for _, known := range plainReasoning {
		if known == t.name {
			return
		}
		if known == name {
			t.name, t.plain = name, value
			return
		}
	}
}

// reasoning gathers the model's thoughts and the form in which the backend
// wants them back.
type reasoning struct {
	name    string
	text    strings.Builder
	join    joiner
	details []json.RawMessage
	parts   []json.RawMessage // of the content
	blocks  []json.RawMessage
}

// size is how many bytes were gathered.
func (r *reasoning) size() int {
	n := r.text.Len()
	for _, raws := range [][]json.RawMessage{r.details, r.parts, r.blocks} {
		for _, raw := range raws {
			n += len(raw)
		}
	}
	return n
}

// take reports whether there was anything to take.
func (r *reasoning) take(t thoughts) bool {
	elements(t.details, func(value []byte) {
		r.details = append(r.details, append(json.RawMessage(nil), value...))
	})
	elements(t.blocks, func(value []byte) {
		r.blocks = append(r.blocks, append(json.RawMessage(nil), value...))
	})
	switch {
	case t.name != "":
		if r.name == "" {
			r.name = t.name
		}
		r.collect(t.plain)
	case len(t.details) > 0:
		r.collect(t.details)
	default:
		r.collect(t.blocks)
	}
	return t.name != "" || len(t.details) > 0 || len(t.blocks) > 0
}

// maxThoughtDepth bounds the nesting of thoughts; known formats need three.
const maxThoughtDepth = 8

// collect adds the text in raw, wherever in it it lies.
func (r *reasoning) collect(raw []byte) { r.collectAt(raw, 0) }

func (r *reasoning) collectAt(raw []byte, depth int) {
	switch {
	case depth > maxThoughtDepth:
	case isString(raw):
		r.text.WriteString(r.join.add(raw))
	case isArray(raw):
		elements(raw, func(value []byte) { r.collectAt(value, depth+1) })
	case isObject(raw):
		members(raw, func(key, value []byte) {
			switch string(key) {
			case "text", "thinking", "reasoning", "summary", "content":
				r.collectAt(value, depth+1)
			}
		})
	}
}
