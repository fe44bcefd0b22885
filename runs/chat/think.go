package chat

import "strings"

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
	blank      = " \t\r\n"
	maxLead    = 256 // bytes of white space that may stand before the block
)

// thinkState is where a text stands with respect to its leading think block.
type thinkState int

const (
	thinkUndecided thinkState = iota // only a beginning of <think> was seen
	thinkInside                      // between the tags
	thinkBehind                      // behind the closing tag, before the first text
	thinkNone                        // everything else is text
)

// thinkFilter takes one leading <think>…</think> block out of a text that
// arrives in pieces, so that stream and plain answers agree on what is text.
type thinkFilter struct {
	off     bool // the block is text like any other
	state   thinkState
	held    string // seen, but neither text nor thought yet
	lead    string // what stood before the thoughts, to undo an unclosed block
	thought strings.Builder
}

// add returns the part of s that is text.
func (t *thinkFilter) add(s string) string {
	if t.off {
		return s
	}
	switch t.state {
	case thinkNone:
		return s
	case thinkBehind:
		s = strings.TrimLeft(s, blank)
		if s != "" {
			t.state = thinkNone
		}
		return s
	case thinkInside:
		return t.inside(s)
	case thinkUndecided:
	}
	t.held += s
	start := strings.TrimLeft(t.held, blank)
	if strings.HasPrefix(start, thinkOpen) {
		t.state = thinkInside
		t.lead = t.held[:len(t.held)-len(start)] + thinkOpen
		t.held = ""
		return t.inside(start[len(thinkOpen):])
	}
	if strings.HasPrefix(thinkOpen, start) && len(t.held) < maxLead {
		return ""
	}
	t.state = thinkNone
	s, t.held = t.held, ""
	return s
}

func (t *thinkFilter) inside(s string) string {
	s = t.held + s
	if i := strings.Index(s, thinkClose); i >= 0 {
		t.thought.WriteString(s[:i])
		t.held = ""
		t.state = thinkBehind
		return t.add(s[i+len(thinkClose):])
	}
	keep := min(len(s), len(thinkClose)-1)
	t.thought.WriteString(s[:len(s)-keep])
	t.held = s[len(s)-keep:]
	return ""
}

// finish ends the text and returns what of it was held back. A block that was
// never closed is thought when the answer broke off inside it, and text when
// the backend says that this was all.
func (t *thinkFilter) finish(brokeOff bool) string {
	held := t.held
	t.held = ""
	switch t.state {
	case thinkUndecided:
		t.state = thinkNone
		return held
	case thinkInside:
		t.thought.WriteString(held)
		t.state = thinkNone
		if !brokeOff {
			text := t.lead + t.thought.String()
			t.thought.Reset()
			return text
		}
	case thinkBehind, thinkNone:
	}
	return ""
}

// thoughts returns the content of the block.
func (t *thinkFilter) thoughts() string { return strings.Trim(t.thought.String(), blank) }
