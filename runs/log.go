package runs

import (
	"math"
	"slices"
	"sync"
	"unicode/utf8"
)

// Log carries the events of one leg of a run, from its creation or the
// submission of outputs to its end or the next wait for the client, in the
// exact order of spec section 9.
//
// Writers append and never wait; each reader goes at its own pace. The log
// keeps what some reader has yet to read, and whatever is not stored: that is
// all which those who join later cannot read from the store. It holds values
// and text, and readers encode them, so that an idle stream costs little and
// text costs its characters, however many deltas it came in.
type Log struct {
	mu      sync.Mutex
	lines   []*line
	first   int // how many lines were dropped before these
	behind  int // the index of the first line behind the last stored one, counted like first
	last    int // number of the last stored event
	ended   bool
	cursors []*cursor
}

// line is an event, or a passage of a message's text.
type line struct {
	name   string
	value  any
	text   *passage // instead of name and value
	after  int      // number of the last stored event before it
	stored bool

	encoding sync.Mutex
	encoded  []byte // of the value, when it is long
}

// longEvent is from where the encoding of an event is shared by its readers, in
// bytes.
const longEvent = 64 << 10

// data encodes the value.
func (e *line) data() []byte {
	e.encoding.Lock()
	defer e.encoding.Unlock()
	if e.encoded != nil {
		return e.encoded
	}
	data := encode(e.value)
	if len(data) >= longEvent {
		e.encoded = data
	}
	return data
}

// number is the event's number.
func (e *line) number() int {
	if e.stored {
		return e.after + 1
	}
	return Unnumbered
}

// passage is text of one part of a message that grew delta by delta. It shares
// its memory with whoever makes the text.
type passage struct {
	messageID string
	index     int // of the part
	refusal   bool
	from      int // where in the part it begins
	text      string
	deltas    int   // how many it came in
	ends      []int // where the last of them end in text
}

// joinBehind is how many deltas must be unread before they are joined: a reader
// who keeps up sees each as the model made it.
const joinBehind = 64

// newLog returns a log of a run without stored events.
func newLog() *Log { return &Log{} }

// begin sets the number of the run's last stored event, before the first one
// that is told here.
func (l *Log) begin(last int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = last
}

// show tells an event that is not stored yet. What v points to stays as it is.
func (l *Log) show(name string, v any) { l.add(&line{name: name, value: v}) }

// record tells an event that was committed.
func (l *Log) record(name string, v any) { l.add(&line{name: name, value: v, stored: true}) }

// skip counts a stored event that cannot be told any more.
func (l *Log) skip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
}

func (l *Log) add(e *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.after = l.last
	l.append(e)
	if e.stored {
		l.last++
		l.behind = l.first + len(l.lines)
		l.trim()
	}
}

// append puts a line at the end; l.mu is held.
func (l *Log) append(e *line) {
	l.lines = append(l.lines, e)
	l.wake()
}

// text tells that the text, or the refusal, of a message has grown: it is whole
// now, and new from an offset on.
func (l *Log) text(messageID string, index int, refusal bool, whole string, from int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var p *passage
	if len(l.lines) > 0 {
		p = l.lines[len(l.lines)-1].text
	}
	if p == nil || p.messageID != messageID || p.refusal != refusal {
		p = &passage{messageID: messageID, index: index, refusal: refusal, from: from}
		l.append(&line{text: p, after: l.last})
	}
	p.grow(whole)
	l.wake()
}

// grow takes in a delta. A reader who is further behind than joinBehind is given
// all there is, so nobody asks where older ones end.
func (p *passage) grow(whole string) {
	p.text = whole[p.from:]
	p.deltas++
	p.ends = append(p.ends, len(p.text))
	if len(p.ends) == 2*joinBehind {
		p.ends = append(p.ends[:0], p.ends[joinBehind:]...)
	}
}

// end lets readers finish after the last event.
func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

// breakOff ends a log that has no end yet with an error event, so that its
// readers know that the run goes on without them.
func (l *Log) breakOff() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	l.append(&line{name: "error", value: interrupted, after: math.MaxInt})
}

func (l *Log) hasEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// wake tells the readers that there is more; l.mu is held.
func (l *Log) wake() {
	for _, c := range l.cursors {
		nudge(c.more)
	}
}

// nudge gives a channel of one place a value, if it has none.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// trim drops what is stored and was read by all; l.mu is held.
func (l *Log) trim() {
	keep := l.behind
	for _, c := range l.cursors {
		keep = min(keep, c.next)
	}
	n := keep - l.first
	clear(l.lines[:n])
	l.lines, l.first = l.lines[n:], keep
}

// cursor is a reader's place in a log.
type cursor struct {
	log    *Log
	more   chan struct{} // has a value when there may be more
	next   int           // the line to be read, counted like Log.first
	deltas int           // of its text that were read
	bytes  int           // of its text that were read
	joins  bool          // it has never been at the end, and is given text in one piece
}

// join adds a reader to the log. One who joins is given what is not stored.
func (l *Log) join(more chan struct{}, joins bool) *cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &cursor{log: l, more: more, next: l.behind, joins: joins}
	l.cursors = append(l.cursors, c)
	return c
}

// leave gives the reader up and reports whether it was the last.
func (c *cursor) leave() bool {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursors = slices.DeleteFunc(l.cursors, func(other *cursor) bool { return other == c })
	l.trim()
	return len(l.cursors) == 0
}

// reading is an event about to be encoded: a line, and the stretch of its
// text when it has one.
type reading struct {
	*line
	text   string
	begins bool // its part
}

// read returns the next event behind the stored one of number told; without one
// there is no line, and ended says whether one may still come.
func (c *cursor) read(told int) (r reading, ended bool) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for c.next < l.first+len(l.lines) {
		e := l.lines[c.next-l.first]
		switch {
		case e.after < told:
			c.pass()
		case e.text == nil:
			c.pass()
			return reading{line: e}, false
		case c.deltas < e.text.deltas:
			return c.readText(e), false
		case c.next+1 < l.first+len(l.lines):
			c.pass()
		default: // the text may go on
			c.joins = false
			return reading{}, l.ended
		}
	}
	c.joins = false
	l.trim()
	return reading{}, l.ended
}

func (c *cursor) pass() {
	c.next++
	c.deltas, c.bytes = 0, 0
}

// maxDelta bounds the text of one event, in bytes.
const maxDelta = 64 << 10

// readText reads one delta, or all of them for a reader who is behind, but no
// more at once than maxDelta.
func (c *cursor) readText(e *line) reading {
	p, from := e.text, c.bytes
	unread := p.deltas - c.deltas
	deltas, end := p.deltas, len(p.text)
	if !c.joins && unread <= joinBehind {
		deltas, end = c.deltas+1, p.ends[len(p.ends)-unread]
	}
	if end > from+maxDelta {
		deltas = c.deltas
		end = from + maxDelta
		for !utf8.RuneStart(p.text[end]) {
			end--
		}
	}
	c.deltas, c.bytes = deltas, end
	return reading{line: e, text: p.text[from:c.bytes], begins: p.from == 0 && from == 0}
}

// event encodes what was read, with the texts of search results if they are
// wanted. Text is encoded behind what is in buf.
func (r reading) event(texts bool, buf []byte) (Event, []byte) {
	switch p := r.line.text; {
	case p == nil:
		if s, closed := r.value.(*closedStep); closed {
			return Event{Name: r.name, Data: encode(s.withResults(s.searches, texts)), Number: r.number()}, buf
		}
		return Event{Name: r.name, Data: r.data(), Number: r.number()}, buf
	case p.refusal:
		return Event{Name: messageDeltaEvent, Data: refusalDelta(p.messageID, p.index, r.text), Number: Unnumbered}, buf
	default:
		from := len(buf)
		buf = appendTextDelta(buf, p.messageID, r.text, r.begins)
		return Event{Name: messageDeltaEvent, Data: buf[from:], Number: Unnumbered}, buf
	}
}

const messageDeltaEvent = "thread.message.delta"
