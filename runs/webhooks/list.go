package webhooks

import (
	"context"
	"time"

	"understudy/api/wire"
)

// shown is a delivery as the API shows it. Times are unix seconds.
type shown struct {
	ID            string  `json:"id"` // of the event
	Object        string  `json:"object"`
	CreatedAt     int64   `json:"created_at"`
	Type          string  `json:"type"`
	ThreadID      string  `json:"thread_id"`
	RunID         string  `json:"run_id"`
	Endpoint      string  `json:"endpoint"` // without its path, which may be a secret
	Status        string  `json:"status"`   // pending or dead
	Attempts      int     `json:"attempts"`
	NextAttemptAt *int64  `json:"next_attempt_at"` // null = it waits behind an earlier event of its run, or is dead
	DeadAt        *int64  `json:"dead_at"`
	LastError     *string `json:"last_error"`
}

// Waiting lists the events that a project's endpoints have not taken, newest
// first: those that are pending, and those that were given up.
func (s *Service) Waiting(ctx context.Context, project string, limit int) (wire.List, error) {
	stored, err := s.Store.Deliveries(ctx, project, limit+1)
	if err != nil {
		return wire.List{}, err
	}
	var list wire.List
	for _, d := range stored[:min(len(stored), limit)] {
		body, err := wire.Marshal(d.show())
		if err != nil {
			return list, err
		}
		list.Items = append(list.Items, wire.Item{ID: d.ID, JSON: body})
	}
	list.HasMore = len(stored) > limit
	return list, nil
}

func (d *Delivery) show() shown {
	view := shown{
		ID: d.ID, Object: "webhook.delivery", CreatedAt: d.At.Unix(), Type: d.Type, ThreadID: d.ThreadID, RunID: d.RunID,
		Endpoint: d.Origin, Status: "pending", Attempts: d.Attempts, NextAttemptAt: unix(d.Next), DeadAt: unix(d.Dead),
	}
	if !d.Dead.IsZero() {
		view.Status = "dead"
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
