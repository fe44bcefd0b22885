// Package api speaks HTTP: the routes, the error envelope, authentication,
// server-sent events. A handler decodes, makes one call of a service and
// renders; whatever the API means lives in the domain packages.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"understudy/api/keys"
	"understudy/api/telemetry"
	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/uploads"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/threads"
)

// Options are the services behind the API and its settings.
type Options struct {
	Assistants   *assistants.Service
	Threads      *threads.Service
	Runs         *runs.Service
	Files        *files.Service
	Uploads      *uploads.Service
	VectorStores *vectorstores.Service
	Models       Models
	Answers      Answers
	Upstreams    Upstreams // nil = nothing is handed on
	Webhooks     Webhooks  // nil = nobody is told of runs

	// Adopt has unknown thread ids of a path come to life as empty threads.
	Adopt bool
	// Quotes has citations carry the passages they cite, whether or not a client
	// asks for them.
	Quotes bool
	// Keys verifies API keys; nil lets everybody in who calls from a loopback
	// name, unless AnyHost is set.
	Keys keys.Store
	// AnyHost answers every Host and Origin without keys: the operator wrote out
	// that the server is open.
	AnyHost bool
	// CORSOrigins are the web origins a browser may call from beside loopback
	// ones; with keys every origin may.
	CORSOrigins []string
	// Relay are prefixes of paths that are handed on to the upstreams beside
	// those that always are.
	Relay []string
	// RequestsPerMinute is what each key may ask, and everybody together where
	// there are no keys; 0 = no bound.
	RequestsPerMinute int
	// BodyMemory is what large bodies, and answers on their way, may occupy together, in bytes; 0 means 256 MiB.
	BodyMemory int
	// Hop names this process in what it sends to upstreams.
	Hop string

	// Telemetry observes the server and is shown at /metrics; nil = one of its own.
	Telemetry *telemetry.Telemetry
	// MetricsToken opens /metrics; without one everybody may read it where there
	// are no keys, and nobody where there are.
	MetricsToken string

	// Seeds makes the ids of what is created repeatable; nil = they are random.
	Seeds *wire.Seeds

	// Damaged is told of what the store gave and could not be shown, which the
	// store need not have noticed; nil = nobody is told.
	Damaged func(error)

	Ready   func(context.Context) error
	Version string
	Logger  *slog.Logger
	Now     func() time.Time
}

// server is what handlers share.
type server struct {
	Options
	attempts attempts
	rates    rates
	memory   memory
	changing atomic.Pointer[changing]
}

// changing are the settings that may change while the server runs.
type changing struct {
	corsOrigins, relay []string
	requestsPerMinute  int
}

// Handler is the whole API.
type Handler struct {
	http.Handler
	server *server
}

// New returns the handler of the whole API.
func New(o Options) *Handler {
	if o.Telemetry == nil {
		o.Telemetry = telemetry.New(telemetry.Options{Version: o.Version, Now: o.Now})
	}
	if o.Damaged == nil {
		o.Damaged = func(error) {}
	}
	s := &server{
		Options: o, attempts: attempts{byScope: map[string]*attempt{}}, rates: rates{byKey: map[string]*rate.Limiter{}},
		memory: memory{size: int64(cmp.Or(o.BodyMemory, defaultBodies))},
	}
	h := &Handler{Handler: s.observe(s.boundHeaders(s.guard(s.refuseLoops(s.routes())))), server: s}
	h.Change(o.CORSOrigins, o.Relay, o.RequestsPerMinute)
	return h
}

// Change replaces the options CORSOrigins, Relay and RequestsPerMinute. Calls
// under way go on under the old ones.
func (h *Handler) Change(corsOrigins, relay []string, requestsPerMinute int) {
	h.server.changing.Store(&changing{corsOrigins, relay, requestsPerMinute})
}
