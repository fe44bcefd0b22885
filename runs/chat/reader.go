package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// reading is an answer that was read to its end.
type reading struct {
	fold  *fold
	ended error // why reading stopped; io.EOF is the good reason
	raw   []byte

	streamed bool // it came in pieces, not as one document
}

var (
	errWebPage       = errors.New("a web page instead of an answer")
	errTruncatedJSON = errors.New("the answer is not valid JSON")
)

// read reads an answer from body. Its first byte decides what it is: neither
// the request nor the Content-Type is to be trusted. Text goes to f's sink as it
// comes; of a plain document nothing is shown before it was judged.
func read(body io.Reader, f *fold) reading {
	t := &tape{r: body}
	first, ok := t.peek()
	var ended error
	streamed := false
	switch {
	case !ok:
		ended = t.err
	case first == '<':
		t.rest()
		ended = errWebPage
	case first == '{', first == '[' && !doneFirst(t):
		f.sink = nil
		ended = f.documents(t)
	default:
		streamed = true
		ended = f.stream(t)
	}
	return reading{fold: f, ended: ended, raw: t.buf, streamed: streamed}
}

// doneFirst tells a bare [DONE] from a JSON array.
func doneFirst(t *tape) bool {
	for len(t.buf)-t.pos < len("[DONE]") && t.fill() {
	}
	return bytes.HasPrefix(t.buf[t.pos:], []byte("[DONE]"))
}

// documents reads a body of JSON: one whole answer, or chunks one after the
// other without event framing.
func (f *fold) documents(t *tape) error {
	all := bytes.TrimSpace(t.rest())
	whole, ok := mended(all)
	if !ok && !errors.Is(t.err, io.EOF) {
		return t.err
	}
	f.unread = len(all)
	if err := t.hold(len(t.buf)); err != nil {
		return err
	}
	f.unread = 0
	docs := [][]byte{whole}
	if !ok {
		docs = split(all)
	}
	switch len(docs) {
	case 0:
		return errTruncatedJSON
	case 1:
		f.document(docs[0])
	default:
		for _, doc := range docs {
			if f.failure == nil {
				f.frame(doc)
			}
		}
	}
	return io.EOF
}

// split returns the JSON values that stand one after the other in b, up to the
// first that is broken.
func split(b []byte) [][]byte {
	var docs [][]byte
	for dec := json.NewDecoder(bytes.NewReader(b)); ; {
		var doc json.RawMessage
		if dec.Decode(&doc) != nil {
			return docs
		}
		docs = append(docs, doc)
	}
}

// stream reads server-sent events until [DONE], an error or the end. A line that
// differs from one before by its text alone is known and not taken apart.
func (f *fold) stream(t *tape) error {
	e := &events{on: f.event}
	for !f.done && f.failure == nil {
		line, ok := t.line()
		if !ok {
			e.dispatch()
			return t.err
		}
		if text, ok := f.refrain.text(line); ok && e.reads() {
			f.closing = false
			f.content(text)
			continue
		}
		f.heard = 0
		if e.line(line); f.said != nil && f.heard == 1 {
			f.refrain.learn(line, f.said)
		}
		f.said = nil // it would keep what the tape has outgrown
	}
	return io.EOF
}

func (f *fold) event(kind frameKind, data []byte) {
	if f.done || f.failure != nil {
		return
	}
	switch kind {
	case frameDone:
		f.done = true
	case frameError:
		f.failure = classify(0, nil, data)
	case frameJSON:
		f.frame(data)
	}
}
