package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"understudy/api/wire"
)

// statuses is the total switch from an error's kind to its status code.
var statuses = map[wire.Kind]int{
	wire.Invalid:      http.StatusBadRequest,
	wire.Unauthorized: http.StatusUnauthorized,
	wire.Forbidden:    http.StatusForbidden,
	wire.NotFound:     http.StatusNotFound,
	wire.TooLarge:     http.StatusRequestEntityTooLarge,
	wire.Unavailable:  http.StatusServiceUnavailable,
	wire.RateLimited:  http.StatusTooManyRequests,
	wire.TooSlow:      http.StatusRequestTimeout,

	wire.HeadersTooLarge: http.StatusRequestHeaderFieldsTooLarge,
}

// envelope is the body of every error; all four keys are always there.
type envelope struct {
	Error  envelopeError `json:"error"`
	Detail *detail       `json:"detail,omitempty"`
}

// detail is what the files routes add (spec section 2).
type detail struct {
	Message string  `json:"message"`
	Code    *string `json:"code"`
}

type envelopeError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// fail answers an error. What is not the API's own is a 500, or a 503 when it
// is the disk's, without detail; the log has it under the request's id.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errClientGone) || errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	status, kind, public := http.StatusInternalServerError, "server_error", serverError(w.Header().Get(requestIDHeader))
	if apiErr, ok := errors.AsType[*wire.Error](err); ok {
		status, kind, public = statuses[apiErr.Kind], "invalid_request_error", apiErr
		setRetryAfter(w.Header(), apiErr.RetryAfter)
	} else if errors.Is(err, wire.ErrUnavailable) {
		status, public = http.StatusServiceUnavailable, unavailable(w.Header().Get(requestIDHeader))
	}
	if errors.Is(err, wire.ErrDamaged) {
		s.Damaged(err)
	}
	if status >= http.StatusInternalServerError {
		kind = "server_error"
		note(r.Context()).err = err
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("X-Should-Retry", "true")
		w.Header().Set("Retry-After", retryAfter)
	}
	body := envelope{Error: envelopeError{
		Message: public.Message, Type: kind, Param: optional(public.Param), Code: optional(public.Code),
	}}
	if onFiles(r.URL.Path) {
		body.Detail = &detail{Message: public.Message, Code: optional(public.Code)}
	}
	_ = writeJSON(w, status, body)
}

// setRetryAfter tells clients when to try again: in whole seconds, rounded up,
// and in milliseconds, which SDKs prefer.
func setRetryAfter(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(max(1, d.Milliseconds()), 10))
	}
}

// onFiles reports whether a path is one of the files routes.
func onFiles(path string) bool {
	for _, base := range bases {
		rest, ok := strings.CutPrefix(path, base+"/files")
		if ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// retryAfter is how many seconds a client shall wait after a 503. SDKs try twice
// more, so this is how long an outage they do not notice may last.
const retryAfter = "2"

// unavailable is the 503 for a database or disk that cannot be used. Why is the
// operator's business, and in the log.
func unavailable(requestID string) *wire.Error {
	return &wire.Error{Message: "The server cannot use its database or disk at the moment. Please retry your request; if you keep seeing this error, tell the operator of the server, whose log says what to do. (Please include the request ID " + requestID + ".)"}
}

func serverError(requestID string) *wire.Error {
	return &wire.Error{Message: "The server had an error processing your request. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if you keep seeing this error. (Please include the request ID " + requestID + " in your email.)"}
}

func badURL(_ http.ResponseWriter, r *http.Request) error {
	return &wire.Error{Kind: wire.NotFound, Message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)}
}

// badMethod has a status of its own, 405, which no other error has. OPTIONS
// asks what is allowed, so it is told.
func badMethod(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", "GET, HEAD, POST, DELETE, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return writeJSON(w, http.StatusMethodNotAllowed, envelope{Error: envelopeError{
		Message: fmt.Sprintf("Not allowed to %s on %s. (HINT: Perhaps you meant to use a different HTTP method?)", r.Method, r.URL.Path),
		Type:    "invalid_request_error",
	}})
}
