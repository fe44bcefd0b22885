package webhooks

import (
	"context"
	"net/url"
	"strings"
	"time"

	"understudy/api/wire"
)

// State is what a delivery that is kept can be; one that was delivered is not.
type State string

// The states.
const (
	Pending State = "pending" // it is tried, or waits behind another of its run
	Dead    State = "dead"    // it was given up
)

// Query selects deliveries.
type Query struct {
	wire.Page
	Status State // "" = all
}

// ReadQuery reads the parameters of the list. The id of an event that was
// delivered is still a place in it, so that nobody who reads page after page is
// interrupted by that; what was never one is refused.
func ReadQuery(q url.Values) (Query, error) {
	page, err := wire.ParsePage(q, wire.ListLimits)
	if err != nil {
		return Query{}, err
	}
	for _, cursor := range []struct{ param, id string }{{"after", page.After}, {"before", page.Before}} {
		if cursor.id != "" && (!strings.HasPrefix(cursor.id, eventPrefix) || !wire.Minted(cursor.id)) {
			return Query{}, wire.UnknownCursor(cursor.param, cursor.id)
		}
	}
	query := Query{Page: page}
	for _, value := range q["status"] {
		switch state := State(value); {
		case state != Pending && state != Dead:
			return Query{}, wire.NotInEnum("status", value, []string{string(Pending), string(Dead)})
		case query.Status != "" && query.Status != state:
			return Query{}, wire.InvalidValue("status", "Invalid 'status': write it once, or not at all for all states.")
		default:
			query.Status = state
		}
	}
	return query, nil
}

// shown is a delivery as the API shows it. Times are unix seconds.
type shown struct {
	ID            string  `json:"id"` // of the event
	Object        string  `json:"object"`
	CreatedAt     int64   `json:"created_at"`
	Type          string  `json:"type"`
	ThreadID      string  `json:"thread_id"`
	RunID         string  `json:"run_id"`
	Endpoint      string  `json:"endpoint"` // without its path, which may be a secret
	Status        State   `json:"status"`
	Attempts      int     `json:"attempts"`
	NextAttemptAt *int64  `json:"next_attempt_at"` // null = it waits behind an earlier event of its run, or is dead
	DeadAt        *int64  `json:"dead_at"`
	LastError     *string `json:"last_error"`
}

// Waiting lists the events that a project's endpoints have not taken: those that
// are pending, and those that were given up.
func (s *Service) Waiting(ctx context.Context, project string, q Query) (wire.List, error) {
	stored, more, err := s.Store.Deliveries(ctx, project, q)
	if err != nil {
		return wire.List{}, err
	}
	list := wire.List{HasMore: more}
	for _, d := range stored {
		body, err := wire.Marshal(d.show())
		if err != nil {
			return list, err
		}
		list.Items = append(list.Items, wire.Item{ID: d.ID, JSON: body})
	}
	return list, nil
}

func (d *Delivery) show() shown {
	view := shown{
		ID: d.ID, Object: "webhook.delivery", CreatedAt: d.At.Unix(), Type: d.Type, ThreadID: d.ThreadID, RunID: d.RunID,
		Endpoint: d.Origin, Status: Pending, Attempts: d.Attempts, NextAttemptAt: unix(d.Next), DeadAt: unix(d.Dead),
	}
	if !d.Dead.IsZero() {
		view.Status = Dead
	}
	if d.Error != "" {
		view.LastError = &d.Error
	}
	return view
}

// unix is a time as the API shows it, nil for none.
func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return wire.Ptr(t.Unix())
}
