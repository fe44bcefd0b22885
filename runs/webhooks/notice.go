package webhooks

import (
	"context"
	"encoding/json"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// eventPrefix begins the ids of events.
const eventPrefix = "evt_"

// Event is what an endpoint receives: OpenAI's envelope with the run, as the API
// shows it, inside.
type Event struct {
	ID        string          `json:"id"`
	Object    string          `json:"object"` // event
	CreatedAt int64           `json:"created_at"`
	Type      string          `json:"type"` // thread.run. and the status
	Data      json.RawMessage `json:"data"`
}

// Runs returns the store with the events written along with what they tell of.
func (s *Service) Runs(of runs.Store) runs.Store { return &watchedRuns{of, s} }

type watchedRuns struct {
	runs.Store
	webhooks *Service
}

// CreateRun implements runs.Store.
func (w *watchedRuns) CreateRun(ctx context.Context, project string, n runs.NewRun) (json.RawMessage, error) {
	var err error
	if n.Notices, err = w.webhooks.notices(project, n.Webhook, nil, n.Run); err != nil {
		return nil, err
	}
	body, err := w.Store.CreateRun(ctx, project, n)
	w.webhooks.stored(n.Notices, err)
	return body, err
}

// ChangeRun implements runs.Store.
func (w *watchedRuns) ChangeRun(ctx context.Context, project, threadID, id string, decide func(*runs.Record) (*runs.Change, error)) (json.RawMessage, error) {
	var written []*runs.Notice
	body, err := w.Store.ChangeRun(ctx, project, threadID, id, w.webhooks.noticing(decide, &written))
	w.webhooks.stored(written, err)
	return body, err
}

// Advance implements runs.EngineStore.
func (w *watchedRuns) Advance(ctx context.Context, runID string, lease runs.Lease, decide func(*runs.Record) (*runs.Change, error)) error {
	var written []*runs.Notice
	err := w.Store.Advance(ctx, runID, lease, w.webhooks.noticing(decide, &written))
	w.webhooks.stored(written, err)
	return err
}

// noticing is decide with the notices of the change it makes.
func (s *Service) noticing(decide func(*runs.Record) (*runs.Change, error), written *[]*runs.Notice) func(*runs.Record) (*runs.Change, error) {
	return func(r *runs.Record) (*runs.Change, error) {
		if !s.settings.Load().concerned(r.Project, r.Webhook) {
			return decide(r)
		}
		before := *r.Run // decide may change it
		change, err := decide(r)
		if err != nil || change == nil {
			return change, err
		}
		change.Notices, err = s.notices(r.Project, r.Webhook, &before, change.Run)
		*written = change.Notices
		return change, err
	}
}

// stored has sent what was just committed.
func (s *Service) stored(notices []*runs.Notice, err error) {
	if err != nil || len(notices) == 0 {
		return
	}
	lanes := make([]string, len(notices))
	for i, n := range notices {
		lanes[i] = n.Lane
	}
	s.queue.look(lanes...)
}

// concerned reports whether anybody is told of a run.
func (s *settings) concerned(project, own string) bool {
	if own != "" && s.run != nil {
		return true
	}
	for _, e := range s.endpoints {
		if e.of(project) {
			return true
		}
	}
	return false
}

// notices are what is told of a run that went from one stored state to another;
// own is the URL that it names.
func (s *Service) notices(project, own string, before, after *runs.Run) ([]*runs.Notice, error) {
	now := s.settings.Load()
	if !now.concerned(project, own) {
		return nil, nil
	}
	var list []*runs.Notice
	at := s.Now()
	for i, r := range runs.Passed(before, after) {
		for _, e := range now.told(project, own, r.Status) {
			n, err := s.notice(e, r, at.Add(time.Duration(i)*apart))
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
	}
	return list, nil
}

// told lists who is told that a run has come to a state.
func (s *settings) told(project, own string, status runs.Status) []*endpoint {
	var list []*endpoint
	for _, e := range s.endpoints {
		if e.of(project) && e.events[status] {
			list = append(list, e)
		}
	}
	if own == "" || s.run == nil || !s.run.events[status] {
		return list
	}
	u, err := parseEndpoint(own)
	if err != nil { // it was checked when the run was made
		return list
	}
	e := *s.run
	e.key, e.url, e.origin = own, own, originOf(u)
	return append(list, &e)
}

// apart is how far times must lie from each other for ids that sort in their order.
const apart = 16 * time.Microsecond

func (s *Service) notice(e *endpoint, r *runs.Run, at time.Time) (*runs.Notice, error) {
	body, err := wire.Marshal(r)
	if err != nil {
		return nil, err
	}
	event := Event{ID: wire.NewID(eventPrefix, at), Object: "event", CreatedAt: at.Unix(), Type: "thread.run." + string(r.Status), Data: body}
	payload, err := wire.Marshal(event)
	if err != nil {
		return nil, err
	}
	n := &runs.Notice{ID: event.ID, Type: event.Type, Endpoint: e.key, Lane: e.key, Origin: e.origin, Payload: payload, At: at}
	if e.key == e.url { // named by the run: all of a host's share a lane, or each path would have its own
		n.Lane = e.origin
	}
	return n, nil
}

// CheckURL refuses a URL that a run must not name.
func (s *Service) CheckURL(address string) error {
	now := s.settings.Load()
	if now.run == nil {
		return wire.InvalidValue(Header, "Invalid '%s': this server has no secret to sign webhooks with that runs ask for. Write run_webhooks: into its configuration.", Header)
	}
	return now.checkURL(address)
}

// Header is what a run names its endpoint with.
const Header = "Understudy-Webhook"

func (s *settings) checkURL(address string) error {
	u, err := parseEndpoint(address)
	if err != nil {
		return wire.InvalidValue(Header, "Invalid '%s': %s.", Header, err)
	}
	if !s.hosts.allow(u.Hostname()) {
		return wire.InvalidValue(Header, "Invalid '%s': the host '%s' is not among those that the server's configuration allows, in hosts of run_webhooks:.", Header, wire.Shown(u.Hostname()))
	}
	return nil
}
