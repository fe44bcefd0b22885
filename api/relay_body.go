package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"understudy/api/wire"
)

const (
	// replayable is up to where a body is read before it is sent on, in bytes,
	// so that another upstream can be asked when the first does not answer.
	replayable = 1 << 20
	// readAtOnce is how much of a body is read at a time, in bytes.
	readAtOnce = 32 << 10
)

// relayBody is the body of a relayed call, read as far as it takes to know the
// model it names.
type relayBody struct {
	read   []byte    // so far; unzipped, if it came zipped
	zipped []byte    // what came, if it came zipped
	rest   io.Reader // behind what was read
	whole  bool      // nothing is behind it
	length int64     // of what the client sends, in bytes; -1 = it does not say
	search modelSearch
	hold   func(bytes int) error // takes memory for what is read
}

// wholeOf is the body of a call whose model does not matter.
func wholeOf(r *http.Request) *relayBody {
	b := &relayBody{rest: clientBody{r.Body}, length: r.ContentLength, search: noModel{}}
	b.whole = r.Body == nil || r.Body == http.NoBody
	return b
}

// openBody reads a body up to its model.
func openBody(c *call) (*relayBody, error) {
	r := c.r
	b := wholeOf(r)
	b.hold = c.hold
	if b.whole {
		return b, nil
	}
	b.search = &jsonModel{}
	if boundary, err := formBoundary(r.Header.Get("Content-Type")); err == nil {
		b.search = &formModel{delimiter: []byte("--" + boundary)}
	}
	switch encoding := r.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
		return b, b.readOn(false)
	case "gzip":
		return b, b.unzip()
	default:
		return nil, wire.Invalidf("Content-Encoding '%s' is not supported. Send the body as it is, or with gzip.", encoding)
	}
}

// unzip reads all of a zipped body: what comes behind its model could not be
// sent on in the same way as a model that was renamed.
func (b *relayBody) unzip() error {
	raw := &bytes.Buffer{}
	unzipped, err := gzip.NewReader(io.TeeReader(b.rest, raw))
	if err != nil {
		return wire.Invalidf("The request body is not gzip, which its Content-Encoding header says it is.")
	}
	b.rest = unzipped
	err = b.readOn(true)
	b.zipped = raw.Bytes()
	return err
}

// readOn reads until the model is known and as much was read as can be sent
// twice; with all set, to the end.
func (b *relayBody) readOn(all bool) error {
	for {
		b.read = append(b.read, make([]byte, readAtOnce)...)
		n, err := b.rest.Read(b.read[len(b.read)-readAtOnce:])
		b.read = b.read[:len(b.read)-readAtOnce+n]
		if refusal := b.hold(n); refusal != nil {
			return refusal
		}
		more := b.search.look(b.read)
		switch {
		case errors.Is(err, io.EOF):
			b.whole = true
			return nil
		case err != nil:
			if broken, ok := errors.AsType[*bodyError](err); ok {
				return broken.public
			}
			return errBrokenBody
		case all && len(b.read) > maxBody || more && len(b.read) > maxBody && !b.search.optional():
			return &wire.Error{Kind: wire.TooLarge, Message: "The request body names no model in its first 32 MiB, or is larger than that and compressed. Put 'model' first."}
		case all:
		case len(b.read) > maxBody, !more && len(b.read) >= b.search.least():
			b.rest = b.search.watch(b.rest)
			return nil
		}
	}
}

func (b *relayBody) model() string { return b.search.model() }

// relayContent is a body to be sent.
type relayContent struct {
	reader   io.Reader // nil = none
	length   int64     // in bytes; -1 = unknown
	unzipped bool      // it came zipped and goes out plain
}

// as is the body for an upstream that knows the model by this name; "" leaves
// it as it is.
func (b *relayBody) as(model string) relayContent {
	var edits []edit
	if model != "" && model != b.search.model() {
		edits = b.search.rename(b.read, model)
	}
	read, length := b.read, b.length
	if len(edits) == 0 && b.zipped != nil {
		read = b.zipped
	}
	if len(edits) > 0 {
		read = apply(b.read, edits)
		if length >= 0 {
			length += int64(len(read) - len(b.read))
		}
	}
	content := relayContent{length: length, unzipped: len(edits) > 0 && b.zipped != nil}
	switch {
	case b.whole && len(read) > 0:
		content.reader = bytes.NewReader(read) // net/http can send it again on another connection
	case !b.whole:
		content.reader = io.MultiReader(bytes.NewReader(read), b.rest)
	}
	return content
}

// edit replaces a part of a text.
type edit struct {
	from, to int
	by       string
}

// apply makes edits, which are in order.
func apply(text []byte, edits []edit) []byte {
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(append(out, text[at:e.from]...), e.by...)
		at = e.to
	}
	return append(out, text[at:]...)
}

// errBrokenBody is the answer to a body that ends before its end.
var errBrokenBody = wire.Invalidf("The request body could not be read to its end.")

// bodyError ends a body that is being sent on: it is the client's fault, not
// the upstream's.
type bodyError struct{ public *wire.Error }

func (e *bodyError) Error() string { return e.public.Message }

// clientBody tells errors of the client's body from errors of the upstream.
type clientBody struct{ io.Reader }

func (b clientBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	switch {
	case errors.Is(err, errSlowBody):
		err = &bodyError{errSlowBody}
	case err != nil && !errors.Is(err, io.EOF):
		err = &bodyError{errBrokenBody}
	}
	return n, err
}
