// Package archive takes everything out of a database and puts it into another:
// as a stream of lines, one JSON object each (NDJSON), with the API's objects as
// they are shown, their order, and the bytes of files; and it reads what was
// taken out of the hosted API by others.
//
// Every line carries a sum over itself and all lines before it, and the last one
// says that it is the last: an archive that was cut or changed names the line
// where it stops being what was written. Keys are never part of an archive.
package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"understudy/api/wire"
	"understudy/store"
)

// Format names what this package writes; the first line of an archive has it.
const Format = "understudy-archive/v1"

// The kinds of lines that are not entries of the store.
const (
	headKind    = "archive"
	contentKind = "file.content"
	endKind     = "end"
)

// line is one line of an archive, but for its sum.
type line struct {
	store.Entry
	Format    string `json:"format,omitempty"`     // of the first line
	Version   string `json:"version,omitempty"`    // of the understudy that wrote it; first line
	CreatedAt int64  `json:"created_at,omitempty"` // unix seconds; first line
	Data      []byte `json:"data,omitempty"`       // of a file, up to contentBytes; in base64
	Last      bool   `json:"last,omitempty"`       // no more data follows for the file
	Lines     int    `json:"lines,omitempty"`      // of the last line: how many there are before it
}

const (
	// contentBytes is how much of a file one line has.
	contentBytes = 384 << 10

	// maxLine bounds a line, in bytes: the longest are requests on the tape.
	maxLine = 256 << 20

	sumBytes = 8
	sumOpen  = `{"sum":"`
	sumClose = `",`
	sumChars = len(sumOpen) + 2*sumBytes + len(sumClose)
)

// chain is the sum over all lines so far.
type chain [sha256.Size]byte

// next goes on to the line whose text behind its sum is rest, and returns its sum.
func (c *chain) next(rest []byte) string {
	h := sha256.New()
	h.Write(c[:])
	h.Write(rest)
	h.Sum(c[:0])
	return hex.EncodeToString(c[:sumBytes])
}

// writer writes lines.
type writer struct {
	out   *bufio.Writer
	chain chain
	lines int
}

func newWriter(out io.Writer) *writer { return &writer{out: bufio.NewWriterSize(out, 1<<20)} }

func (w *writer) write(l line) error {
	text, err := wire.Marshal(l)
	if err != nil {
		return err
	}
	rest := text[1:]
	w.lines++
	for _, part := range [][]byte{[]byte(sumOpen), []byte(w.chain.next(rest)), []byte(sumClose), rest, {'\n'}} {
		if _, err := w.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// end writes the last line.
func (w *writer) end() error {
	if err := w.write(line{Entry: store.Entry{Kind: endKind}, Lines: w.lines}); err != nil {
		return err
	}
	return w.out.Flush()
}

// DamageError says where an archive is not what was written.
type DamageError struct {
	Line   int // from 1
	Reason string
}

func (e *DamageError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// reader reads lines and checks them.
type reader struct {
	in    *bufio.Reader
	chain chain
	line  int // the number of the newest line
}

func newReader(in io.Reader) *reader { return &reader{in: bufio.NewReaderSize(in, 1<<20)} }

// damage is about the newest line.
func (r *reader) damage(format string, args ...any) error {
	return &DamageError{Line: r.line, Reason: fmt.Sprintf(format, args...)}
}

// read returns the next line.
func (r *reader) read() (line, error) {
	text, err := r.text()
	if err != nil {
		return line{}, err
	}
	if len(text) < sumChars || !bytes.HasPrefix(text, []byte(sumOpen)) || !bytes.HasSuffix(text[:sumChars], []byte(sumClose)) {
		return line{}, r.damage("it does not begin with its sum; is this an archive that 'understudy export' wrote?")
	}
	sum, rest := string(text[len(sumOpen):len(sumOpen)+2*sumBytes]), text[sumChars:]
	if r.chain.next(rest) != sum {
		return line{}, r.damage("its sum is wrong: this line was changed, or one before it is missing")
	}
	var l line
	if err := json.Unmarshal(append([]byte{'{'}, rest...), &l); err != nil {
		return line{}, r.damage("it cannot be read: %v", err)
	}
	return l, nil
}

// text reads a whole line, however long.
func (r *reader) text() ([]byte, error) {
	r.line++
	var text []byte
	for {
		part, err := r.in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case err == nil:
			return text[:len(text)-1], nil
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil, r.damage("the archive ends before its last line: it was cut")
		case errors.Is(err, io.EOF):
			return nil, r.damage("it ends in the middle: the archive was cut")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, r.damage("reading failed: %v", err)
		case len(text) > maxLine:
			return nil, r.damage("it is longer than %d MB", maxLine>>20)
		}
	}
}

// head reads the first line.
func (r *reader) head() error {
	if mark, _ := r.in.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = r.in.Discard(len(mark)) // it was read
	}
	l, err := r.read()
	if err == nil && (l.Kind != headKind || l.Format != Format) {
		err = r.damage("it is of the format %q; this understudy reads %q", l.Format, Format)
	}
	return err
}

// checkEnd makes sure that the last line is right and nothing follows it.
func (r *reader) checkEnd(l line) error {
	if l.Lines != r.line-1 {
		return r.damage("it says that %d lines came before it", l.Lines)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		r.line++
		return r.damage("something follows the end of the archive")
	}
	return nil
}
