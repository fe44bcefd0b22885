package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"understudy/api/wire"
	"understudy/files"
	"understudy/files/uploads"
)

// Bounds of a multipart form, all in bytes but maxParts. They keep what a
// request can hold in memory small, whatever it sends.
const (
	maxParts   = 16
	maxField   = 1 << 10  // the value of a field that is no file
	maxHeaders = 16 << 10 // what comes before the content of a part
	maxFrame   = 64 << 10 // all of an upload but its content
)

// receiveFunc streams content to the disk; (*files.Service).Receive is one. It
// answers an error of content unchanged.
type receiveFunc func(content io.Reader) (*files.Draft, error)

// readUpload reads the form of POST /files. The caller must Abort the draft.
// After an error nothing of the upload is left on the disk.
func readUpload(r *http.Request, receive receiveFunc) (files.Upload, *files.Draft, error) {
	var u files.Upload
	if r.ContentLength > files.MaxBytes+maxFrame {
		return u, nil, files.ErrTooLarge // before the client has sent it all
	}
	f := form{file: "file", set: u.Set, receive: receive}
	err := f.read(r)
	if err == nil {
		err = u.Finish()
	}
	if err != nil {
		f.abort()
		return u, nil, err
	}
	u.Filename = f.filename
	return u, f.draft, nil
}

// readUploadPart reads the form of POST /uploads/{id}/parts. The caller must
// Abort the draft. After an error nothing of the part is left on the disk.
func readUploadPart(r *http.Request, receive receiveFunc) (*files.Draft, error) {
	if r.ContentLength > uploads.MaxPartBytes+maxFrame {
		return nil, uploads.ErrPartTooLarge // before the client has sent it all
	}
	f := form{file: "data", set: func(name, _ string) error { return wire.UnknownParam(name) }, receive: receive}
	err := f.read(r)
	return f.draft, err
}

// form reads a multipart/form-data body part by part, in the order they come.
// The content may come before the fields that say what it is: it is on the
// disk by then, and dropped if a field turns out to be wrong.
type form struct {
	file    string                         // the part that carries the content
	set     func(name, value string) error // takes every other part
	receive receiveFunc

	draft    *files.Draft // nil until the content was received
	filename string       // as the client sent it
}

func (f *form) read(r *http.Request) error {
	boundary, err := formBoundary(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	body := &meteredBody{r: io.MultiReader(r.Body, strings.NewReader("\r\n"), cutOff{})}
	err = f.readParts(body, multipart.NewReader(body, boundary))
	if err == nil && f.draft == nil {
		err = wire.MissingParam(f.file)
	}
	if err != nil {
		f.abort()
	}
	return err
}

func (f *form) readParts(body *meteredBody, reader *multipart.Reader) error {
	seen := map[string]bool{}
	for {
		body.startHeaders()
		part, err := reader.NextRawPart() // raw: the content is stored as it was sent
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return malformed(err)
		}
		body.endHeaders()
		_, params := headerParams(part.Header.Get("Content-Disposition"))
		name := params["name"]
		switch {
		case name == "":
			return wire.Invalidf("A part of the multipart form has no name in its Content-Disposition header.")
		case seen[name]:
			return wire.InvalidValue(name, "Invalid '%s': it was sent more than once.", name)
		case len(seen) == maxParts:
			return wire.Invalidf("The multipart form has more than %d parts.", maxParts)
		}
		seen[name] = true
		if err := f.readPart(part, name, params); err != nil {
			return err
		}
	}
}

func (f *form) readPart(part io.Reader, name string, params map[string]string) error {
	if name != f.file {
		return f.readField(part, name)
	}
	filename, ok := params["filename"]
	if !ok { // curl's -F file=x.txt, which lacks the @, sends the name as text
		return wire.WrongType(name, "a file", "a string")
	}
	f.filename = filename
	content := &watchedReader{r: part}
	draft, err := f.receive(content)
	if content.err != nil {
		return malformed(content.err)
	}
	f.draft = draft
	return err
}

// readField hands on a value that is too long as well: that the field is
// unknown is the better answer.
func (f *form) readField(part io.Reader, name string) error {
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return malformed(err)
	}
	if err := f.set(name, string(value[:min(len(value), maxField)])); err != nil {
		return err
	}
	if len(value) > maxField {
		return wire.InvalidValue(name, "Invalid '%s': a form field may be at most %d bytes long.", name, maxField)
	}
	return nil
}

func (f *form) abort() {
	if f.draft != nil {
		f.draft.Abort()
		f.draft = nil
	}
}

var errHeaders = fmt.Errorf("the headers of a part are larger than %d bytes", maxHeaders)

// malformed is the answer to a body that could not be read or understood.
func malformed(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errSlowBody):
		return errSlowBody
	case errors.As(err, &tooLarge):
		return files.ErrTooLarge
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Invalidf("The multipart form ends before its closing boundary: the request was cut off or its boundary is not the one its Content-Type header names.")
	default:
		return wire.Invalidf("We could not parse the multipart form of your request: %v.", err)
	}
}

// meteredBody bounds what is read outside of the content of parts, which the
// multipart reader would otherwise gather in memory by the megabyte.
type meteredBody struct {
	r       io.Reader
	headers bool
	left    int // bytes, while in headers
}

func (b *meteredBody) startHeaders() { b.headers, b.left = true, maxHeaders }
func (b *meteredBody) endHeaders()   { b.headers = false }

func (b *meteredBody) Read(p []byte) (int, error) {
	if !b.headers {
		return b.r.Read(p)
	}
	if b.left == 0 {
		return 0, errHeaders
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// cutOff follows the body. The multipart reader tells a body that ends inside
// the headers of a part from a complete one only if such an end is no io.EOF;
// the newline before it completes a closing boundary that came without one.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// watchedReader remembers its error, to tell a body that failed from a disk
// that did.
type watchedReader struct {
	r   io.Reader
	err error // never io.EOF
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// formBoundary takes the boundary out of a Content-Type header.
func formBoundary(contentType string) (string, error) {
	kind, params := headerParams(contentType)
	if kind != "multipart/form-data" {
		return "", wire.Invalidf("Invalid Content-Type header (%s), expected multipart/form-data. "+
			"(HINT: If you're using curl, you can pass -H 'Content-Type: multipart/form-data')", contentType)
	}
	if params["boundary"] == "" {
		return "", wire.Invalidf("Invalid Content-Type header (%s): multipart/form-data needs a boundary. "+
			"(HINT: do not set this header yourself; your HTTP library adds it together with the boundary)", contentType)
	}
	return params["boundary"], nil
}

// headerParams reads a Content-Type or Content-Disposition header the way
// clients write it (.NET leaves names unquoted and adds filename*). kind is
// lower case, and so are the names of params.
func headerParams(header string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(header)
	if err != nil {
		kind, params = looseParams(header)
	}
	// .NET spells a name beyond ASCII as mail headers do.
	if name := params["filename"]; strings.HasPrefix(name, "=?") {
		if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
			params["filename"] = decoded
		}
	}
	return kind, params
}

// looseParams reads headers that break the grammar but not the sense:
// unquoted values with spaces, "=" or letters beyond ASCII in them.
func looseParams(header string) (kind string, params map[string]string) {
	params = map[string]string{}
	for i, piece := range splitOutsideQuotes(header) {
		piece = strings.TrimSpace(piece)
		if i == 0 {
			kind = strings.ToLower(piece)
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		params[strings.ToLower(strings.TrimSpace(name))] = unquoteParam(strings.TrimSpace(value))
	}
	const utf8Prefix = "utf-8''"
	if star := params["filename*"]; len(star) > len(utf8Prefix) && strings.EqualFold(star[:len(utf8Prefix)], utf8Prefix) {
		if decoded, err := url.PathUnescape(star[len(utf8Prefix):]); err == nil {
			params["filename"] = decoded
		}
	}
	return kind, params
}

// splitOutsideQuotes splits at the semicolons that are not inside quotes.
func splitOutsideQuotes(header string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(header, func(r rune) bool {
		split := r == ';' && !quoted
		if r == '"' && !escaped {
			quoted = !quoted
		}
		escaped = r == '\\' && quoted && !escaped
		return split
	})
}

// unquoteParam takes the quotes off; a backslash stays unless it escapes a quote
// or another backslash, as browsers send whole Windows paths.
func unquoteParam(value string) string {
	inner, ok := strings.CutPrefix(value, `"`)
	if !ok {
		return value
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.TrimSuffix(inner, `"`))
}

// setDownload sets the headers of a file's content, which are the hosted
// API's and a word to browsers not to guess a type and run it.
func setDownload(h http.Header, filename string) {
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", attachment(filename))
	h.Set("X-Content-Type-Options", "nosniff")
}

// attachment is a Content-Disposition with the name twice where it needs to
// be: in ASCII that every client reads alike, and in UTF-8 (RFC 6266).
func attachment(filename string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, filename)
	header := `attachment; filename="` + ascii + `"`
	if ascii != filename {
		header += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(filename), "+", "%20")
	}
	return header
}
