package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// maxAnswer bounds the bytes of one answer. Lines have no limit of their own:
// 300 kB of arguments in one line are real.
const maxAnswer = 32 << 20

var errAnswerTooLong = errors.New("the answer is longer than 32 MiB")

// tape reads a body once, keeps all of it for the record and hands it out
// line by line.
type tape struct {
	r      io.Reader
	buf    []byte
	pos    int   // start of the next line
	scan   int   // the line holds no end before this offset
	skipLF bool  // the last line ended in CR, so a LF here belongs to it
	err    error // why reading ended; io.EOF is the good reason
}

// fill reads more. It reports false when there is nothing more to come.
func (t *tape) fill() bool {
	if len(t.buf) >= maxAnswer && t.err == nil {
		t.err = errAnswerTooLong
	}
	for range 100 {
		if t.err != nil {
			return false
		}
		if cap(t.buf)-len(t.buf) < 512 && cap(t.buf) < maxAnswer {
			if t.err = t.grow(); t.err != nil {
				return false
			}
		}
		n, err := t.r.Read(t.buf[len(t.buf):min(cap(t.buf), maxAnswer)])
		t.buf = t.buf[:len(t.buf)+n]
		t.err = err
		if n > 0 {
			return true
		}
	}
	if t.err == nil {
		t.err = io.ErrNoProgress
	}
	return false
}

// doubling is up to where the buffer doubles, in bytes; it grows by half then.
const doubling = 1 << 20

// grow makes room, when the body says that there is some.
func (t *tape) grow() error {
	size := 2 * cap(t.buf)
	if cap(t.buf) >= doubling {
		size = cap(t.buf) / 2 * 3
	}
	size = min(max(2048, size), maxAnswer)
	if err := t.hold(size); err != nil {
		return err
	}
	grown := make([]byte, len(t.buf), size)
	copy(grown, t.buf)
	t.buf = grown
	return nil
}

// hold waits until there is room for so many bytes and what becomes of them, if
// the body minds.
func (t *tape) hold(size int) error {
	if bounded, ok := t.r.(interface{ hold(size int) error }); ok {
		return bounded.hold(size)
	}
	return nil
}

// peek returns the first byte that is neither blank nor part of a byte order
// mark, and moves there; ok is false when there is none.
func (t *tape) peek() (first byte, ok bool) {
	for len(t.buf) < 3 && t.fill() {
	}
	t.pos = len(t.buf) - len(bytes.TrimPrefix(t.buf, []byte("\xEF\xBB\xBF")))
	for {
		t.pos = skipSpace(t.buf, t.pos)
		t.scan = t.pos
		if t.pos < len(t.buf) {
			return t.buf[t.pos], true
		}
		if !t.fill() {
			return 0, false
		}
	}
}

// line returns the next line without its end, which is LF, CR or CRLF. The
// last line counts also when the body ends without a line end.
func (t *tape) line() ([]byte, bool) {
	for {
		if t.skipLF && t.pos < len(t.buf) {
			if t.buf[t.pos] == '\n' {
				t.pos++
				t.scan = max(t.scan, t.pos)
			}
			t.skipLF = false
		}
		if i := lineEnd(t.buf[t.scan:]); i >= 0 {
			end := t.scan + i
			line := t.buf[t.pos:end]
			t.skipLF = t.buf[end] == '\r'
			t.pos, t.scan = end+1, end+1
			return line, true
		}
		t.scan = len(t.buf)
		if !t.fill() {
			line := t.buf[t.pos:]
			t.pos = len(t.buf)
			return line, len(line) > 0
		}
	}
}

// lineWindow bounds how far one search looks past the other line end.
const lineWindow = 512

func lineEnd(b []byte) int {
	for off := 0; off < len(b); off += lineWindow {
		window := b[off:min(off+lineWindow, len(b))]
		lf := bytes.IndexByte(window, '\n')
		if lf >= 0 {
			window = window[:lf]
		}
		if cr := bytes.IndexByte(window, '\r'); cr >= 0 {
			return off + cr
		}
		if lf >= 0 {
			return off + lf
		}
	}
	return -1
}

// rest reads everything that is left.
func (t *tape) rest() []byte {
	for t.fill() {
	}
	return t.buf[t.pos:]
}

// frameKind says what a server-sent event means to the reader.
type frameKind int

const (
	frameJSON  frameKind = iota // data is valid JSON
	frameError                  // the event or field is called error; data is JSON or plain text
	frameDone                   // [DONE]
)

// events turns lines into frames by the rules of the HTML standard, bent where
// backends bend them: a line that is a whole JSON value is a frame at once,
// and lines that only make sense alone are read alone.
type events struct {
	on      func(kind frameKind, data []byte)
	name    string
	pending [][]byte
}

func (e *events) line(line []byte) {
	if len(line) == 0 {
		e.dispatch()
		return
	}
	line = bytes.TrimLeft(line, " \t")
	if len(line) > 0 && line[0] == '{' && json.Valid(line) || string(line) == "[DONE]" {
		e.data(line)
		return
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "data":
		e.data(value)
	case "event":
		e.name = string(value)
	case "error":
		e.on(frameError, bytes.TrimSpace(value))
	}
}

// reads tells whether a line of data would be read by itself, as a chunk.
func (e *events) reads() bool { return len(e.pending) == 0 && e.name != "error" }

func (e *events) data(value []byte) {
	if len(e.pending) > 0 || !e.frame(value) {
		if len(bytes.TrimSpace(value)) > 0 {
			e.pending = append(e.pending, value)
		}
	}
}

// dispatch ends an event. It is also called at the end of the body, where the
// last event often lacks its blank line.
func (e *events) dispatch() {
	pending := e.pending
	e.pending = nil
	if len(pending) > 1 && e.frame(bytes.Join(pending, []byte("\n"))) {
		pending = nil
	}
	for _, value := range pending {
		if !e.frame(value) && e.name == "error" {
			e.on(frameError, bytes.TrimSpace(value))
		}
	}
	e.name = ""
}

// frame hands on a value that makes sense by itself.
func (e *events) frame(value []byte) bool {
	value = bytes.TrimSpace(value)
	switch {
	case string(value) == "[DONE]":
		e.on(frameDone, nil)
	case e.name == "error" && json.Valid(value):
		e.on(frameError, value)
	default:
		value, ok := mended(value)
		if ok {
			e.on(frameJSON, value)
		}
		return ok
	}
	return true
}
