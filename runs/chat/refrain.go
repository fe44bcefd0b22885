package chat

import "bytes"

// refrain is what the lines of a stream have in common: most chunks are the one
// before but for their text, and need not be taken apart to be read.
type refrain struct {
	before, after []byte // what stands around the text; before is empty until there is one
}

// maxRefrain bounds the lines that are remembered, in bytes.
const maxRefrain = 4 << 10

// learn remembers a line by the text in it, which is part of it, when the line
// says nothing else.
func (r *refrain) learn(line, text []byte) {
	at := bytes.Index(line, text)
	if len(line) > maxRefrain || at < 0 || &line[at] != &text[0] { // the same words elsewhere, or mended ones
		return
	}
	r.before = append(r.before[:0], line[:at]...)
	r.after = append(r.after[:0], line[at+len(text):]...)
}

// text returns the text of a line, a JSON string, when it is the only thing in
// which the line differs from the one that was learnt.
func (r *refrain) text(line []byte) ([]byte, bool) {
	if len(r.before) == 0 || !bytes.HasPrefix(line, r.before) {
		return nil, false
	}
	text, ok := bytes.CutSuffix(line[len(r.before):], r.after)
	if !ok || len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return nil, false
	}
	for _, c := range text[1 : len(text)-1] {
		if c < ' ' || c == '"' || c == '\\' {
			return nil, false
		}
	}
	return text, true
}
