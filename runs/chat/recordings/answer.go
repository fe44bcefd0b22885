package recordings

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"unicode/utf8"

	"understudy/runs/chat"
)

// answer is what came back, as its file shows it. One of the forms of its body
// is there, unless that is empty.
type answer struct {
	// Failed says why nothing came back; see failures.
	Failed  string            `json:"failed,omitempty"`
	Status  int               `json:"status,omitempty"` // 0 = nothing came back
	Headers map[string]string `json:"headers,omitempty"`

	Events []json.RawMessage `json:"events,omitempty"` // of a stream; "[DONE]" is its end mark
	JSON   json.RawMessage   `json:"json,omitempty"`   // without its white space
	Lines  []string          `json:"lines,omitempty"`  // of any other text
	Base64 string            `json:"base64,omitempty"`

	// End says how an answer ended that was not whole; see the ends.
	End string `json:"end,omitempty"`
}

// The ends of answers that are not whole.
const (
	gaveUp  = "gave up"  // nothing more had come when the request was given up: its run was cancelled, perhaps
	broke   = "broke"    // the connection did
	tooSlow = "too slow" // nothing more came for the idle_timeout
)

// ends are all ends of answers; "" is that of a whole one.
var ends = []string{"", gaveUp, broke, tooSlow}

// failure is a way not to be answered: how it is recognised, and the error that
// plays it back.
type failure struct {
	name string
	is   func(error) bool
	err  error
}

// failures are the ways not to be answered that runs tell apart, by their names
// in files.
var failures = []failure{
	{tooSlow, is(chat.ErrIdle), chat.ErrIdle},
	{"connection refused", is(syscall.ECONNREFUSED), syscall.ECONNREFUSED},
	{"unknown host", as[*net.DNSError], &net.DNSError{Err: "no such host", Name: "recorded", IsNotFound: true}},
	{"untrusted certificate", as[*tls.CertificateVerificationError], &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}},
	{"not https", as[tls.RecordHeaderError], http.ErrSchemeMismatch},
	{"connecting took too long", func(err error) bool {
		timeout, ok := errors.AsType[net.Error](err)
		return ok && timeout.Timeout()
	}, &net.DNSError{Err: "timeout", IsTimeout: true}},
	{"connection broke", func(error) bool { return true }, io.ErrUnexpectedEOF},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// failed is the record of a request that was not answered.
func failed(ctx context.Context, err error) *answer {
	if cause := context.Cause(ctx); cause != nil {
		if !errors.Is(cause, chat.ErrIdle) {
			return &answer{End: gaveUp}
		}
		err = cause
	}
	for _, f := range failures {
		if f.is(err) {
			return &answer{Failed: f.name}
		}
	}
	return nil // the last one takes every error
}

// headersOfInterest are the headers that say how an answer is to be read, and
// what to do about it. Others never reach a client, of a recording or live.
var headersOfInterest = []string{
	"Content-Type", "Content-Encoding", "Content-Disposition", "Location", "Retry-After", "Retry-After-Ms", "X-Should-Retry",
}

func interesting(all http.Header) http.Header {
	header := http.Header{}
	for _, name := range headersOfInterest {
		if value := all.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	return header
}

// read makes the record of an answer that came.
func read(res *http.Response, body []byte) *answer {
	a := &answer{Status: res.StatusCode, Headers: map[string]string{}}
	for name, values := range interesting(res.Header) {
		a.Headers[name] = values[0]
	}
	switch {
	case len(body) == 0:
	case !utf8.Valid(body):
		a.Base64 = base64.StdEncoding.EncodeToString(body)
	case json.Valid(body):
		a.JSON = compact(body)
	default:
		if a.Events = events(body); a.Events == nil {
			a.Lines = strings.Split(string(body), "\n")
		}
	}
	return a
}

func compact(text []byte) json.RawMessage {
	var buf bytes.Buffer
	if json.Compact(&buf, text) != nil {
		return nil
	}
	return buf.Bytes()
}

const endMark = "[DONE]"

// events are those of a stream that has nothing but data: of JSON; nil for
// another one, which is kept line by line.
func events(body []byte) []json.RawMessage {
	var list []json.RawMessage
	for len(body) > 0 {
		event, rest, whole := bytes.Cut(body, []byte("\n\n"))
		data, ok := bytes.CutPrefix(event, []byte("data: "))
		switch {
		case !whole || !ok || bytes.ContainsAny(data, "\r\n"):
			return nil
		case string(data) == endMark:
			list = append(list, marshal(endMark))
		case json.Valid(data) && data[0] == '{':
			list = append(list, compact(data))
		default:
			return nil
		}
		body = rest
	}
	return list
}

// body is what is played back.
func (a *answer) body() ([]byte, error) {
	var buf bytes.Buffer
	for _, event := range a.Events {
		if string(event) == `"`+endMark+`"` {
			event = json.RawMessage(endMark)
		}
		fmt.Fprintf(&buf, "data: %s\n\n", event)
	}
	switch {
	case a.Events != nil:
		return buf.Bytes(), nil
	case a.JSON != nil:
		return a.JSON, nil
	case a.Lines != nil:
		return []byte(strings.Join(a.Lines, "\n")), nil
	}
	return base64.StdEncoding.DecodeString(a.Base64)
}

// response plays the answer back.
func (a *answer) response(req *http.Request) (*http.Response, error) {
	if a.Status == 0 && a.End == gaveUp {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	for _, f := range failures {
		if f.name == a.Failed {
			return nil, f.err
		}
	}
	body, err := a.body()
	if err != nil {
		return nil, err
	}
	res := &http.Response{
		Status: http.StatusText(a.Status), StatusCode: a.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, ContentLength: -1, Request: req,
	}
	for name, value := range a.Headers {
		res.Header.Set(name, value)
	}
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), ending{a.End, req.Context()}))
	return res, nil
}

// ending is what lies behind the last byte of a body.
type ending struct {
	how string
	ctx context.Context
}

func (e ending) Read([]byte) (int, error) {
	switch e.how {
	case gaveUp:
		<-e.ctx.Done()
		return 0, context.Cause(e.ctx)
	case broke:
		return 0, io.ErrUnexpectedEOF
	case tooSlow:
		return 0, chat.ErrIdle
	}
	return 0, io.EOF
}

// maxBody bounds an answer that is recorded, in bytes.
const maxBody = 64 << 20

// tape returns the answer, which is recorded while it is read.
func (t transport) tape(req *http.Request, q *request, res *http.Response) *http.Response {
	ctx, recorded := req.Context(), *res
	recorded.Header = interesting(res.Header)
	recorded.Body = &taped{ReadCloser: res.Body, ctx: ctx, done: func(body []byte, end string) {
		if len(body) > maxBody {
			t.Logger.WarnContext(ctx, "an answer was not recorded because it is larger than 64 MiB", "request", q.String())
			return
		}
		if d, ok := chat.DestinationOf(ctx); ok {
			body = d.Redact(body)
		}
		a := read(res, body)
		a.End = end
		t.keep(ctx, q, a)
	}}
	return &recorded
}

// taped is a body that is recorded at its end, or where its reader has had
// enough.
type taped struct {
	io.ReadCloser
	ctx  context.Context
	read bytes.Buffer
	done func(body []byte, end string) // nil = it was told
}

func (b *taped) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.read.Len() <= maxBody {
		b.read.Write(p[:n]) // never fails (bytes.Buffer)
	}
	if err != nil {
		b.end(err)
	}
	return n, err
}

// Close records what was read, unless all was.
func (b *taped) Close() error {
	b.end(cmp.Or(context.Cause(b.ctx), io.EOF))
	return b.ReadCloser.Close()
}

// end records what was read until err. Behind the end mark of a stream nothing
// is missing.
func (b *taped) end(err error) {
	if b.done == nil {
		return
	}
	end := broke
	switch cause := context.Cause(b.ctx); {
	case errors.Is(err, io.EOF), bytes.HasSuffix(bytes.TrimSpace(b.read.Bytes()), []byte("data: "+endMark)):
		end = ""
	case errors.Is(cause, chat.ErrIdle):
		end = tooSlow
	case cause != nil:
		end = gaveUp
	}
	b.done(b.read.Bytes(), end)
	b.done = nil
}
