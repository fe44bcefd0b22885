package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// Upstreams are the backends that calls of other APIs are handed on to;
// *chat.Client is one. See chat.Client.Outgoing.
type Upstreams interface {
	Outgoing(model, upstream string) (ways []chat.Outgoing, done func(), err error)
	// Strict reports whether a model must be one that the configuration names.
	Strict() bool
}

// upstreamHeader names the upstream that one call goes to, whatever its model.
const upstreamHeader = "Understudy-Upstream"

// Serves reports whether paths below path are the API's own, so that they
// cannot be handed on.
func Serves(path string) bool {
	if path == "" || path == "/healthz" || path == "/readyz" || path == metricsPath {
		return true
	}
	for _, base := range bases {
		rest, ok := strings.CutPrefix(path, base)
		if !ok {
			continue
		}
		if rest == "" {
			return true
		}
		for _, r := range (&server{}).api() {
			if resource, _, _ := strings.Cut(r.path[1:], "/"); below(rest, "/"+resource) {
				return true
			}
		}
	}
	return false
}

// below reports whether path is prefix, or lies below it.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// destination is where a call goes at its upstream.
type destination struct {
	path       string // escaped
	beside     bool   // it does not lie below the upstream's base URL; see chat.Outgoing.Send
	query      string
	deployment string // the model, when an Azure path names it
}

// destination tells where a call goes that is none of the API's own; ok is
// false when it goes nowhere. A path that climbs could leave what was allowed.
func (s *server) destination(r *http.Request) (d destination, ok bool) {
	path, extra := r.URL.EscapedPath(), s.changing.Load().relay
	if s.Upstreams == nil || r.Method == http.MethodTrace || r.Method == http.MethodConnect || climbs(r.URL.Path) {
		return d, false
	}
	configured := slices.ContainsFunc(extra, func(prefix string) bool { return below(path, prefix) })
	for _, base := range bases {
		rest, under := strings.CutPrefix(path, base)
		if !under || rest == "" || rest[0] != '/' {
			continue
		}
		d = destination{path: rest, query: r.URL.RawQuery}
		if base != "/v1" {
			d.query = withoutVersion(d.query)
		}
		if named, found := strings.CutPrefix(rest, "/deployments/"); found && base == "/openai" {
			model, endpoint, _ := strings.Cut(named, "/")
			d.deployment, _ = url.PathUnescape(model) // net/http has parsed it
			d.path = "/" + endpoint
		}
		if configured || slices.ContainsFunc(relayed, func(endpoint string) bool { return below(d.path, endpoint) }) {
			return d, true
		}
	}
	return destination{path: path, beside: true, query: r.URL.RawQuery}, configured
}

func climbs(path string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(path, func(c rune) bool { return c == '/' || c == '\\' }),
		func(segment string) bool { return segment == "." || segment == ".." })
}

// withoutVersion drops Azure's api-version, which is about this server: the
// upstream's own stands in its base URL.
func withoutVersion(query string) string {
	parts := slices.DeleteFunc(strings.Split(query, "&"), func(part string) bool { return strings.HasPrefix(part, "api-version=") })
	return strings.Join(parts, "&")
}

// elsewhere answers what is none of the API's own routes: it is handed on, or
// otherwise is for h.
func (s *server) elsewhere(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	relay, other := named("relay", s.authenticated(carriesOut(s.relay))), s.plain(h)
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.destination(r); ok {
			relay(w, r)
			return
		}
		other(w, r)
	}
}

// relay hands a call on and its answer back, both byte for byte but for keys
// and for the name of the model, when the models: map has another.
func (s *server) relay(c *call) error {
	to, ok := s.destination(c.r)
	if !ok { // the paths have just been changed
		return badURL(c.w, c.r)
	}
	upstream, err := s.override(c.r)
	if err != nil {
		return err
	}
	body := wholeOf(c.r)
	if upstream == "" || to.deployment != "" {
		if body, err = openBody(c); err != nil {
			return err
		}
	}
	model := to.deployment
	if model == "" {
		model = body.model()
	}
	if model == "" && upstream == "" && c.r.Method == http.MethodPost && s.Upstreams.Strict() {
		return wire.MissingParam("model")
	}
	ways, done, err := s.Upstreams.Outgoing(model, upstream)
	if err != nil {
		return unroutable(err, model)
	}
	defer done()
	response, way, err := s.send(c, ways, body, to)
	if err != nil {
		return s.unsent(c, err)
	}
	defer response.Body.Close()
	c.release()
	return s.handBack(c, response, way)
}

// override is the upstream that a call names itself. Where everybody is let in
// from everywhere, nobody is known well enough to choose.
func (s *server) override(r *http.Request) (string, error) {
	name := r.Header.Get(upstreamHeader)
	if name != "" && s.Keys == nil && s.AnyHost {
		return "", &wire.Error{Kind: wire.Forbidden, Message: "This server answers everybody without API keys, so the header " + upstreamHeader +
			" is not heeded. Leave it out, or turn on keys with --auth keys."}
	}
	return name, nil
}

// chosenUpstream is override for a run: the upstream must be there.
func (s *server) chosenUpstream(r *http.Request) (string, error) {
	name, err := s.override(r)
	if err != nil || name == "" || s.Upstreams == nil {
		return "", err
	}
	_, done, err := s.Upstreams.Outgoing("", name)
	if err != nil {
		return "", unroutable(err, "")
	}
	done()
	return name, nil
}

// unroutable is the answer to a call that no upstream takes.
func unroutable(err error, model string) error {
	if unknown, ok := errors.AsType[*chat.UnknownUpstreamError](err); ok {
		return wire.InvalidValue(upstreamHeader, "Invalid '%s': %s.", upstreamHeader, unknown)
	}
	if unknown, ok := errors.AsType[*chat.Error](err); ok {
		return &wire.Error{Kind: wire.NotFound, Message: unknown.Message, Param: "model", Code: "model_not_found"}
	}
	return modelNotFound(model)
}

// send asks the ways in turn, as long as one does not answer or declines and
// the body can be sent again.
func (s *server) send(c *call, ways []chat.Outgoing, body *relayBody, to destination) (*http.Response, chat.Outgoing, error) {
	for i, way := range ways {
		request, err := s.outgoing(c, body, way.Model, to)
		if err != nil {
			return nil, way, err
		}
		response, err := way.Send(request, to.beside)
		if i == len(ways)-1 || !body.whole || c.r.Context().Err() != nil || err == nil && !declined(response.StatusCode) {
			return response, way, err
		}
		reason := slog.Any("error", err)
		if err == nil {
			reason = slog.Int("status", response.StatusCode)
			_ = response.Body.Close() // nobody reads it
		}
		s.Logger.LogAttrs(c.r.Context(), slog.LevelWarn, "relayed call goes to the next upstream",
			slog.String("from", way.String()), slog.String("to", ways[i+1].String()), reason)
	}
	return nil, chat.Outgoing{}, errNoWay
}

var errNoWay = errors.New("a model without an upstream")

// declined are the statuses of upstreams that are down, or do not have the
// model: another may answer. Whatever is wrong with the request itself is
// wrong everywhere.
func declined(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// outgoing is the call as an upstream gets it, without its address and key.
func (s *server) outgoing(c *call, body *relayBody, model string, to destination) (*http.Request, error) {
	content := body.as(model)
	if !body.whole {
		note(c.r.Context()).body = nil // it may be read even when the call has failed
	}
	request, err := http.NewRequestWithContext(c.r.Context(), c.r.Method, "/", content.reader)
	if err != nil {
		return nil, err
	}
	if request.ContentLength == 0 && content.reader != nil {
		request.ContentLength = content.length
	}
	path, err := url.PathUnescape(to.path)
	if err != nil {
		return nil, err
	}
	request.URL = &url.URL{Path: path, RawPath: to.path, RawQuery: to.query}
	request.Header = forwarded(c.r.Header)
	if content.unzipped {
		request.Header.Del("Content-Encoding")
	}
	return request, nil
}

// unsent is the answer to a call whose upstream did not answer.
func (s *server) unsent(c *call, err error) error {
	if broken, ok := errors.AsType[*bodyError](err); ok {
		return broken.public
	}
	failed, ok := errors.AsType[*chat.SendError](err)
	switch {
	case c.r.Context().Err() != nil || errors.Is(err, context.Canceled):
		return errClientGone
	case !ok:
		return err
	}
	note(c.r.Context()).err = failed.Err
	if _, unsent := errors.AsType[*chat.UnsentError](failed.Err); unsent {
		c.w.Header().Set("X-Should-Retry", "false")
	}
	return ownFailure(c.w, http.StatusBadGateway, failed.Message, "upstream_unreachable")
}

// ownFailure answers with a status that only a server between two others has.
func ownFailure(w http.ResponseWriter, status int, message, code string) error {
	return writeJSON(w, status, envelope{Error: envelopeError{Message: message, Type: "server_error", Code: optional(code)}})
}

// refuseLoops ends a call that this process sent out itself.
func (s *server) refuseLoops(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, hops := range r.Header.Values(chat.HopHeader) {
			for hop := range strings.SplitSeq(hops, ",") {
				if s.Hop != "" && strings.TrimSpace(hop) == s.Hop {
					w.Header().Set("X-Should-Retry", "false")
					_ = ownFailure(w, http.StatusLoopDetected, "This call was sent out by this server and has come back to it: "+
						"the base_url of an upstream leads here, perhaps by way of other servers. It must lead to a Chat Completions backend.", "loop_detected")
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// handBack passes the answer on as it comes. An answer that breaks off is
// broken off here, too, lest it pass for a whole one.
func (s *server) handBack(c *call, from *http.Response, way chat.Outgoing) error {
	if from.StatusCode < http.StatusOK {
		return ownFailure(c.w, http.StatusBadGateway, "The upstream \""+way.Upstream+"\" answered with something that is not HTTP.", "upstream_unreachable")
	}
	content, changed := withoutKey(from, way)
	header := c.w.Header()
	returned(header, from.Header)
	if changed {
		header.Del("Content-Length")
	}
	c.w.WriteHeader(from.StatusCode)
	err := s.pass(c, content)
	if err == nil {
		return nil
	}
	if c.r.Context().Err() == nil && !errors.Is(err, errClientGone) {
		note(c.r.Context()).err = err
		if connection, _, err := http.NewResponseController(c.w).Hijack(); err == nil {
			_ = connection.Close() // it is to break
		}
	}
	return errClientGone
}

// pass copies content to the client and holds nothing back.
func (s *server) pass(c *call, content io.Reader) error {
	control := http.NewResponseController(c.w)
	deliver := func(p []byte) error {
		if _, err := c.w.Write(p); err != nil {
			return errClientGone
		}
		return clientGone(control.Flush())
	}
	// The header goes out at once: a stream's first event may be long in coming.
	// Without content to look at, net/http guesses no Content-Type either.
	if err := clientGone(control.Flush()); err != nil {
		return err
	}
	for buf := make([]byte, 32<<10); ; {
		n, err := content.Read(buf)
		if n > 0 {
			if err := deliver(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
