package chat

import (
	"context"
	"net/url"
)

// Destination is where a request to an upstream goes, in words that are the same
// on every machine, as its URL may not be. Transports find it in the request's
// context.
type Destination struct {
	Path     string // below the base URL, with the request's own query
	upstream *Upstream
}

type destinationKey struct{}

// DestinationOf returns the destination of a request; ok is false for one that
// goes to no upstream, but fetches an image.
func DestinationOf(ctx context.Context) (d Destination, ok bool) {
	d, ok = ctx.Value(destinationKey{}).(Destination)
	return d, ok
}

// Upstream is the name of the upstream.
func (d Destination) Upstream() string { return d.upstream.Name }

// Redact takes the upstream's keys out of what is to be written down.
func (d Destination) Redact(text []byte) []byte { return d.upstream.withoutSecrets(text) }

// to returns the context of a request for what lies at a path below the base URL.
func (u *Upstream) to(ctx context.Context, path string) context.Context {
	return context.WithValue(ctx, destinationKey{}, Destination{path, u})
}

// own is a path with its query.
func own(to *url.URL) string {
	if to.RawQuery == "" {
		return to.EscapedPath()
	}
	return to.EscapedPath() + "?" + to.RawQuery
}

// UnsentError is the answer of a transport to a request that it does not send.
// Message is a sentence for the API client. Such a request is not repeated.
type UnsentError struct{ Message string }

func (e *UnsentError) Error() string { return e.Message }
