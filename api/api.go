// Package api speaks HTTP: the routes, the error envelope, authentication,
// server-sent events. A handler decodes, makes one call of a service and
// renders; whatever the API means lives in the domain packages.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"understudy/api/keys"
	"understudy/assistants"
	"understudy/files"
	"understudy/runs"
	"understudy/threads"
)

// Options are the services behind the API and its settings.
type Options struct {
	Assistants *assistants.Service
	Threads    *threads.Service
	Runs       *runs.Service
	Files      *files.Service
	Models     Models
	Answers    Answers

	// Keys verifies API keys; nil lets everybody in who calls from a loopback
	// name, unless AnyHost is set.
	Keys keys.Store
	// AnyHost answers every Host and Origin without keys: the operator wrote out
	// that the server is open.
	AnyHost bool
	// CORSOrigins are the web origins a browser may call from beside loopback
	// ones; with keys every origin may.
	CORSOrigins []string

	Ready   func(context.Context) error
	Version string
	Logger  *slog.Logger
	Now     func() time.Time
}

// server is what handlers share.
type server struct {
	Options
	attempts attempts
}

// New returns the handler of the whole API.
func New(o Options) http.Handler {
	s := &server{Options: o, attempts: attempts{byScope: map[string]*attempt{}}}
	return s.observe(s.guard(s.routes()))
}
