package chat

import (
	"context"
	"net/http"
	"regexp"
	"strings"
)

// Trace is a W3C trace context as it travels in headers; the zero Trace is none.
type Trace struct {
	Parent string `json:"traceparent,omitempty"`
	State  string `json:"tracestate,omitempty"`
}

const (
	traceParent = "Traceparent"
	traceState  = "Tracestate"
)

// parentSyntax is a traceparent of this or a later version.
var parentSyntax = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?$`)

// What is taken of a trace context, in bytes: the recommendation asks for 512 of
// tracestate.
const (
	maxParent = 256
	maxState  = 2048
)

// ReadTrace takes the trace context out of a request's headers. One that cannot
// be right is none, as the recommendation has it.
func ReadTrace(h http.Header) Trace {
	values := h[traceParent]
	if len(values) != 1 || len(values[0]) > maxParent {
		return Trace{}
	}
	t := Trace{Parent: values[0]}
	parts := parentSyntax.FindStringSubmatch(t.Parent)
	plain := strings.HasPrefix(t.Parent, "00-")
	if parts == nil || strings.HasPrefix(t.Parent, "ff-") || plain && parts[3] != "" || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return Trace{}
	}
	if t.State = strings.Join(h[traceState], ","); len(t.State) > maxState {
		t.State = ""
	}
	return t
}

// write sets the headers of a request.
func (t Trace) write(h http.Header) {
	if t.Parent == "" {
		return
	}
	h.Set(traceParent, t.Parent)
	if t.State != "" {
		h.Set(traceState, t.State)
	}
}

type traceKey struct{}

// WithTrace returns a context whose calls tell the upstreams that they belong to
// the trace. The zero Trace changes nothing.
func WithTrace(ctx context.Context, t Trace) context.Context {
	if t.Parent == "" {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns what WithTrace gave the context.
func TraceOf(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}
