// Package webhooks tells endpoints outside what becomes of runs.
//
// An event is stored in the transaction that brings the state it tells of
// (Runs), in a table that is the queue: after the commit it is sent, signed as
// Standard Webhooks says, until its endpoint takes it or has failed too often
// (Start, Stop). So every event is delivered at least once, whatever happens to
// the process, and the events of one run reach an endpoint in their order.
//
// Endpoints of the configuration are trusted. A run may name one more
// (CheckURL), whose host the operator must have allowed.
package webhooks

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"understudy/runs"
)

// Config says who is told of what. Its zero value tells nobody.
type Config struct {
	Endpoints []Endpoint
	Runs      PerRun
}

// Endpoint is told of the runs of a project, or of all.
type Endpoint struct {
	URL      string
	Secret   string        // whsec_ and base64
	Events   []runs.Status // empty = those in which a poller may stop
	Project  string        // empty = all
	Attempts int           // 0 = as many as the schedule has
}

// PerRun is about endpoints that runs name. Without a secret they may not.
type PerRun struct {
	Secret   string
	Hosts    []string // see CheckHosts
	Events   []runs.Status
	Attempts int
}

// Store is the queue. A delivery that was given up stays in it for a while.
type Store interface {
	// WebhookLanes lists the lanes in which something is to be sent, now or later.
	WebhookLanes(ctx context.Context) ([]string, error)
	// NextDeliveries reads what is to be sent next in a lane, the earliest first.
	NextDeliveries(ctx context.Context, lane string, limit int) ([]*Delivery, error)
	// SettleDelivery writes how an attempt ended. When the endpoint will hear of
	// this event no more, the next one of its run may go.
	SettleDelivery(ctx context.Context, d *Delivery, o Outcome) error
	// Deliveries reads a page of a project's, by the order of their ids, and whether
	// there are more. A cursor need not be there any more.
	Deliveries(ctx context.Context, project string, q Query) (list []*Delivery, more bool, err error)
	ForgetDeadDeliveries(ctx context.Context, before time.Time) error
}

// Delivery is a stored notice.
type Delivery struct {
	runs.Notice
	Seq      int64
	Project  string
	ThreadID string
	RunID    string
	Attempts int       // that ended
	Error    string    // of the last one; "" = none yet
	Next     time.Time // zero = it waits behind another of its run, or is dead
	Dead     time.Time // zero = it may still be delivered
}

// configured reports whether the endpoint is one of the configuration, and not
// one that a run names.
func (d *Delivery) configured() bool { return strings.HasPrefix(d.Endpoint, configured) }

// Outcome is how an attempt ended: with Next it is tried again, with Dead it is
// given up, and otherwise it was delivered.
type Outcome struct {
	At       time.Time
	Attempts int // with this one
	Error    string
	Next     time.Time
	Dead     bool
}

// Observer is told how attempts end: "delivered", "failed" (it is tried again)
// or "dead".
type Observer interface{ Attempted(outcome string) }

type unobserved struct{}

func (unobserved) Attempted(string) {}

// Options are the service's neighbours. Store is required.
type Options struct {
	Store    Store
	Observer Observer
	Logger   *slog.Logger
	Now      func() time.Time
	// Agent names this program to endpoints.
	Agent string
	// Transport reaches configured endpoints; nil = over the network.
	Transport http.RoundTripper
	// Grace is how long Stop lets what is under way, and what could go at once,
	// be delivered.
	Grace time.Duration
}

// Service delivers webhooks.
type Service struct {
	Options
	settings atomic.Pointer[settings]
	client   *http.Client // of configured endpoints
	queue    *queue
}

// New returns a service that tells whom the configuration names.
func New(o Options, c Config) (*Service, error) {
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.Observer = cmp.Or[Observer](o.Observer, unobserved{})
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	s := &Service{Options: o, client: newClient(o.Transport)}
	s.queue = newQueue(s)
	return s, s.Configure(c)
}

// Configure replaces the configuration. What is stored goes to the endpoints as
// they are configured when it is sent.
func (s *Service) Configure(c Config) error {
	compiled, err := compile(c)
	if err != nil {
		return err
	}
	s.settings.Store(compiled)
	return nil
}

// deadLife is how long what was given up can be looked at.
const deadLife = 30 * 24 * time.Hour

// Expire removes what was given up long ago.
func (s *Service) Expire(ctx context.Context) error {
	return s.Store.ForgetDeadDeliveries(ctx, s.Now().Add(-deadLife))
}
