package chat

import (
	"encoding/json"
	"strings"
)

// partialCall is a function call while its pieces arrive.
type partialCall struct {
	id        string
	name      string
	fragments []string
	balance   balance
	extra     map[string]json.RawMessage // members this package does not know
}

// complete tells whether the arguments so far are a whole JSON value.
func (c *partialCall) complete() bool { return c.balance.closed }

// empty tells whether no argument has come yet.
func (c *partialCall) empty() bool { return len(c.fragments) == 0 }

// balance follows JSON text piece by piece and knows when its first object,
// array or string is closed with nothing behind it.
type balance struct {
	depth    int
	inString bool
	escaped  bool
	closed   bool
	broken   bool // something stands behind the value, or it is no container
}

func (b *balance) add(s string) {
	for i := 0; i < len(s) && !b.broken; i++ {
		b.step(s[i])
	}
}

func (b *balance) step(c byte) {
	switch {
	case b.escaped:
		b.escaped = false
	case b.inString:
		b.escaped = c == '\\'
		b.inString = c != '"'
		b.closed = !b.inString && b.depth == 0
	case c == ' ' || c == '\n' || c == '\r' || c == '\t':
	case b.closed:
		b.closed, b.broken = false, true
	case c == '"':
		b.inString = true
	case c == '{' || c == '[':
		b.depth++
	case c == '}' || c == ']':
		b.depth--
		b.closed = b.depth == 0
	case b.depth == 0:
		b.broken = true
	}
}

// callDelta is one element of a tool_calls array.
type callDelta struct {
	index     int // -1 when there is none
	id        string
	name      string
	arguments string // WTF-8, as a surrogate pair may be split over fragments
	extra     map[string]json.RawMessage
}

func readCallDelta(raw []byte) callDelta {
	d := callDelta{index: -1}
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "index":
			if n, ok := intOf(value); ok && n >= 0 {
				d.index = n
			}
		case "id":
			d.id = stringOf(value)
		case "type":
		case "function":
			members(value, d.function)
		case "name", "arguments":
			d.function(key, value)
		default:
			if !isNothing(value) {
				if d.extra == nil {
					d.extra = map[string]json.RawMessage{}
				}
				d.extra[string(key)] = append(json.RawMessage(nil), value...)
			}
		}
	})
	return d
}

func (d *callDelta) function(key, value []byte) {
	switch string(key) {
	case "name":
		d.name = strings.TrimSpace(stringOf(value))
	case "arguments":
		d.arguments = argumentText(value)
	}
}

// argumentText reads arguments, which should be a string of JSON and may be
// the JSON itself.
func argumentText(value []byte) string {
	switch {
	case isNothing(value):
		return ""
	case isString(value):
		return string(appendText(nil, value))
	}
	return string(compact(value))
}

// assembler puts streamed calls together. Index, id, name and order are each
// unreliable alone.
type assembler struct {
	calls   []*partialCall
	byIndex map[int]*partialCall
	byID    map[string]*partialCall // the last call under each id
	open    *partialCall
	legacy  *partialCall
}

// whole adds a call of a plain answer: every element is a call of its own,
// even when ids are equal.
func (a *assembler) whole(d callDelta) {
	a.append(a.start(), d)
}

// delta adds one element of a streamed tool_calls array.
func (a *assembler) delta(d callDelta) {
	c := a.target(d)
	if c == nil {
		c = a.start()
	}
	if d.index >= 0 {
		if a.byIndex == nil {
			a.byIndex = map[int]*partialCall{}
		}
		a.byIndex[d.index] = c
	}
	a.append(c, d)
}

// function adds a piece of the legacy function_call; all pieces are one call.
func (a *assembler) function(raw []byte) {
	d := callDelta{}
	members(raw, d.function)
	if a.legacy == nil {
		if d.name == "" && strings.TrimSpace(d.arguments) == "" {
			return
		}
		a.legacy = &partialCall{}
	}
	c, open := a.legacy, a.open
	a.append(c, d)
	a.open = open
}

func (a *assembler) start() *partialCall {
	c := &partialCall{}
	a.calls = append(a.calls, c)
	return c
}

func (a *assembler) append(c *partialCall, d callDelta) {
	a.open = c
	if c.id == "" && d.id != "" {
		c.id = d.id
		if a.byID == nil {
			a.byID = map[string]*partialCall{}
		}
		a.byID[d.id] = c
	}
	if c.name == "" {
		c.name = d.name
	}
	if d.arguments != "" {
		c.fragments = append(c.fragments, d.arguments)
		c.balance.add(d.arguments)
	}
	if c.extra == nil {
		c.extra = d.extra
		return
	}
	for name, value := range d.extra {
		c.extra[name] = value
	}
}

// target finds the call that d continues; nil when it opens a new one.
func (a *assembler) target(d callDelta) *partialCall {
	if d.index < 0 {
		return a.targetWithoutIndex(d)
	}
	c := a.byIndex[d.index]
	switch {
	case c != nil && opensAnother(c, d):
		return nil
	case c != nil:
		return c
	case d.name == "" && d.id == "":
		return a.open
	}
	if c = a.byID[d.id]; c != nil && (d.name == "" || d.name == c.name && !c.complete()) {
		return c
	}
	return nil
}

func (a *assembler) targetWithoutIndex(d callDelta) *partialCall {
	if c := a.byID[d.id]; c != nil {
		if d.name != "" && c.name != "" && d.name != c.name && (c.complete() || c.empty()) {
			return nil
		}
		return c
	}
	if d.id == "" && a.open != nil {
		// A name that is only repeated goes on with arguments that are only begun.
		repeated := d.name == a.open.name && !a.open.empty() && !a.open.complete()
		if d.name == "" || repeated {
			return a.open
		}
	}
	return nil
}

// opensAnother tells whether d, under the index of c, begins another call. An
// id change alone never does: there are backends with a new id per fragment.
func opensAnother(c *partialCall, d callDelta) bool {
	if d.name == "" || c.name == "" {
		return false
	}
	other := d.name != c.name
	if d.id != "" && c.id != "" {
		return d.id != c.id && (other || c.complete())
	}
	complete := c.complete()
	return complete && d.arguments != "" || other && (complete || c.empty())
}

// size is how many bytes of arguments were gathered.
func (a *assembler) size() int {
	n := 0
	for _, c := range append(a.calls[:len(a.calls):len(a.calls)], a.legacy) {
		if c == nil {
			continue
		}
		for _, fragment := range c.fragments {
			n += len(fragment)
		}
	}
	return n
}

// settled returns the calls of the finished answer. Calls without a name are
// no calls.
func (a *assembler) settled() []*partialCall {
	calls := a.calls
	if len(calls) == 0 && a.legacy != nil {
		calls = []*partialCall{a.legacy}
	}
	var named []*partialCall
	for _, c := range calls {
		if c.name != "" {
			named = append(named, c)
		}
	}
	return named
}

// halfway tells whether a call is still missing a part of its arguments.
func (a *assembler) halfway() bool {
	for _, c := range a.settled() {
		if !c.empty() && !json.Valid([]byte(settleArguments(c.fragments))) {
			return true
		}
	}
	return false
}
