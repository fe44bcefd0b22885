package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// HopHeader names, separated by commas, the processes a request has come
// through. A process that finds its own name in it is asking itself.
const HopHeader = "Understudy-Hop"

// Outgoing is a request that is handed on as it is to where it was routed. The
// upstream's retries, fall-backs and patience are for model calls: what goes
// out here is sent once, and its sender decides how long to wait. It takes its
// turn among the upstream's calls.
type Outgoing struct {
	Target   // Model is empty when the request names none
	client   *Client
	upstream *Upstream
}

// UnknownUpstreamError is a request for an upstream that is not configured.
type UnknownUpstreamError struct {
	Name  string
	Known []string
}

func (e *UnknownUpstreamError) Error() string {
	return fmt.Sprintf("no upstream is called %q; there is %s", e.Name, strings.Join(e.Known, ", "))
}

// Outgoing routes a request for model, which is empty when it names none, to
// the upstreams that are asked in turn. A request that names an upstream goes
// there, with its model as it is. done is to be called when the last of them
// has ended. The error is an *UnknownUpstreamError, or the *Error of Route.
func (c *Client) Outgoing(model, upstream string) (ways []Outgoing, done func(), err error) {
	targets := []Target{{Upstream: c.config.Upstreams[0].Name, Model: model}}
	if upstream != "" || model != "" {
		if targets, err = c.RouteTo(upstream, model); err != nil {
			return nil, nil, err
		}
	}
	for _, t := range targets {
		ways = append(ways, Outgoing{Target: t, client: c, upstream: c.upstream(t.Upstream)})
	}
	return ways, func() {}, nil
}

func (c *Client) names() []string {
	names := make([]string, len(c.config.Upstreams))
	for i, u := range c.config.Upstreams {
		names[i] = u.Name
	}
	return names
}

// SendError is a request that got no answer. Message is fit for an API client;
// Err is what happened.
type SendError struct {
	Message string
	Err     error
}

func (e *SendError) Error() string { return e.Message }

func (e *SendError) Unwrap() error { return e.Err }

// Send sends req, whose URL is a path and a query, with the upstream's key.
// The path lies below the upstream's base URL, or, when beside is true, below
// what is left of that without its version (/v1). The answer comes undecoded.
// The error is a *SendError, or the cause of the context's end.
func (o Outgoing) Send(req *http.Request, beside bool) (*http.Response, error) {
	address, err := o.address(req.URL, beside)
	if err != nil {
		return nil, &SendError{Message: "The request could not be made; the upstream's base_url is wrong.", Err: err}
	}
	req = req.WithContext(o.upstream.to(req.Context(), own(req.URL)))
	req.URL, req.Host = address, ""
	came := req.Header.Values(HopHeader)
	o.upstream.setHeaders(req.Header)
	if own := req.Header.Values(HopHeader); len(came) > 0 && !slices.Equal(came, own) {
		req.Header.Set(HopHeader, strings.Join(slices.Concat(came, own), ", "))
	}
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity") // or net/http asks for gzip, and undoes it
	}
	return o.passGate(req)
}

// passGate sends a request in its turn among all calls of the upstream, and lets
// the upstream's breaker know how it went. The place is free again when the
// answer's body is closed.
func (o Outgoing) passGate(req *http.Request) (*http.Response, error) {
	ctx, x := req.Context(), o.client.exchange(o.upstream)
	if f := x.gate.enter(ctx); f != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &SendError{Message: f.message, Err: errors.New(f.message)}
	}
	body := &sentBody{ReadCloser: req.Body}
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = body
	}
	res, err := o.client.http.Do(req) //nolint:gosec // the address is the operator's
	if err == nil {
		var f *failure
		if res.StatusCode >= http.StatusBadRequest {
			f = classify(res.StatusCode, res.Header, nil)
		}
		x.gate.judge(ctx, 1, f)
		res.Body = &placedBody{ReadCloser: res.Body, leave: sync.OnceFunc(x.gate.leave)}
		return res, nil
	}
	x.gate.leave()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	f := x.unreachable(err)
	if !body.broken.Load() {
		x.gate.judge(ctx, 1, f)
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // without the URL, which may hold a key
	}
	return nil, &SendError{Message: f.message, Err: err}
}

// sentBody tells a body that its sender broke off from an upstream that did.
type sentBody struct {
	io.ReadCloser
	broken atomic.Bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken.Store(true)
	}
	return n, err
}

// placedBody gives the place of its exchange back.
type placedBody struct {
	io.ReadCloser
	leave func()
}

func (b *placedBody) Close() error {
	defer b.leave()
	return b.ReadCloser.Close()
}

// lastVersion is the segment of a base URL that names the API's version.
var lastVersion = regexp.MustCompile(`/v\d+[a-z0-9]*$`)

// address puts a path and a query behind the base URL. Of a parameter that
// stands in both queries the base URL's counts: it is how Azure is told its
// version.
func (o Outgoing) address(to *url.URL, beside bool) (*url.URL, error) {
	raw, err := o.upstream.endpoint("")
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	root, escaped := base.Path, base.EscapedPath()
	if beside {
		root, escaped = lastVersion.ReplaceAllString(root, ""), lastVersion.ReplaceAllString(escaped, "")
	}
	base.Path, base.RawPath = root+to.Path, escaped+to.EscapedPath()
	fixed := base.Query()
	parts := strings.Split(base.RawQuery, "&")
	for part := range strings.SplitSeq(to.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); err != nil || !fixed.Has(name) {
			parts = append(parts, part)
		}
	}
	base.RawQuery = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "&")
	return base, nil
}

// Redact takes the upstream's key out of an answer.
func (o Outgoing) Redact(answer []byte) []byte { return o.upstream.withoutSecrets(answer) }
