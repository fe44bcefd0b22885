package chat

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxErrorPage bounds what is read of an error answer, in bytes.
const maxErrorPage = 1 << 20

// exchange is one request and its answer.
type exchange struct {
	client   *http.Client
	upstream *Upstream
	gate     *gate
	now      func() time.Time
	record   Exchange

	memory    *Share
	keepThink bool          // a leading <think> block is text
	firstByte time.Duration // how long the first byte may take
}

func (c *Client) exchange(u *Upstream) *exchange {
	return &exchange{client: c.http, upstream: u, gate: c.gates[u.Name], now: c.config.Now, firstByte: headerPatience * u.IdleTimeout}
}

// complete sends a chat completion request and reads the answer. Its fold is
// empty when the failure came before an answer.
func (x *exchange) complete(ctx context.Context, body []byte, stream bool, sink Sink) (reading, *failure) {
	r := reading{fold: &fold{sink: sink, now: x.now, think: thinkFilter{off: x.keepThink}}}
	f := x.post(ctx, "/chat/completions", body, stream, func(answer *watchedBody) {
		answer.kept = r.fold.kept
		r = read(answer, r.fold)
		if err := answer.hold(len(r.raw)); err != nil {
			r.ended = err
		}
		x.record.Response = r.raw
		x.record.Served, x.record.ID = r.fold.served, r.fold.id
		if r.streamed {
			x.record.FirstToken = r.fold.firstSeen
		}
		if r.fold.done {
			answer.drain()
		}
	})
	return r, f
}

// post sends the body to a path below the base URL, and hands a good answer to
// consume.
func (x *exchange) post(ctx context.Context, path string, body []byte, stream bool, consume func(*watchedBody)) *failure {
	x.record.Request = body
	x.record.Started = x.now()
	defer func() {
		x.record.Ended = x.now()
		// The record is kept and shown; a backend may have quoted its key.
		x.record.Response = x.upstream.withoutSecrets(x.record.Response)
	}()
	if f := x.gate.enter(ctx); f != nil {
		return f
	}
	defer x.gate.leave()
	x.record.Started = x.now() // waiting for a place is no part of the exchange
	ctx, dog := newWatchdog(ctx, x.firstByte)
	defer dog.stop()
	req, err := x.request(ctx, path, body, stream)
	if err != nil {
		return &failure{code: ServerError, message: "The request could not be made; the upstream's base_url or headers are wrong."}
	}
	res, err := x.client.Do(req)
	if err != nil {
		if errors.Is(context.Cause(ctx), ErrIdle) {
			err = ErrIdle
		}
		return x.unreachable(err)
	}
	defer res.Body.Close()
	x.record.Status = res.StatusCode
	answer := &watchedBody{Reader: res.Body, ctx: ctx, dog: dog, idle: x.upstream.IdleTimeout, memory: x.memory}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return x.refused(res, answer)
	}
	if f := strangeEncoding(res.Header.Get("Content-Encoding")); f != nil {
		return f
	}
	consume(answer)
	return nil
}

// strangeEncoding refuses an answer in an encoding that was not asked for;
// net/http has undone the one that was.
func strangeEncoding(encoding string) *failure {
	if encoding == "" || strings.EqualFold(encoding, "identity") {
		return nil
	}
	return &failure{code: ServerError, message: fmt.Sprintf(
		"The backend's answer has the Content-Encoding %q, which was not asked for; only gzip is.", encoding)}
}

func (x *exchange) request(ctx context.Context, path string, body []byte, stream bool) (*http.Request, error) {
	address, err := x.upstream.endpoint(path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(x.upstream.to(ctx, path), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "understudy")
	req.Header.Set("Accept", "application/json")
	if stream {
		req.Header.Set("Accept", "text/event-stream")
	}
	TraceOf(ctx).write(req.Header)
	x.upstream.setHeaders(req.Header)
	x.record.Host = hostOf(req.URL)
	return req, nil
}

// hostOf is the host of an address with its port.
func hostOf(address *url.URL) string {
	switch {
	case address.Port() != "":
		return address.Host
	case address.Scheme == "https":
		return address.Host + ":443"
	case address.Scheme == "http":
		return address.Host + ":80"
	}
	return address.Host
}

// refused judges an answer with an error status.
func (x *exchange) refused(res *http.Response, body io.Reader) *failure {
	page, _ := io.ReadAll(io.LimitReader(body, maxErrorPage))
	x.record.Response = page
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return &failure{code: ServerError, status: res.StatusCode, message: fmt.Sprintf(
			"The upstream %q answered with a redirect (HTTP status %d) instead of an answer: its base_url is wrong.",
			x.upstream.Name, res.StatusCode)}
	}
	f := classify(res.StatusCode, res.Header, page)
	if f.status == http.StatusNotFound && !f.unknown {
		f.message = strings.TrimRight(f.message, ". ") + fmt.Sprintf(
			". (The base_url of the upstream %q may be wrong: it usually ends in /v1.)", x.upstream.Name)
	}
	return f
}

// unreachable judges an exchange that got no answer. Addresses stay in the
// log: the API client is told what kind of trouble it is.
func (x *exchange) unreachable(err error) *failure {
	if unsent, ok := errors.AsType[*UnsentError](err); ok {
		return &failure{code: ServerError, message: unsent.Message}
	}
	f := &failure{code: ServerError, retry: true}
	reason := "the connection broke"
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrIdle):
		reason = "it did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "connection refused"
	case errors.As(err, &dns):
		reason = "its host name is not known"
	case errors.As(err, &certificate):
		reason = "its certificate is not trusted"
		f.retry = false
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		reason = "it speaks http, not https"
		f.retry = false
	case errors.As(err, &timeout) && timeout.Timeout():
		reason = "connecting took too long"
	}
	f.message = fmt.Sprintf("The upstream %q could not be reached: %s.", x.upstream.Name, reason)
	return f
}
