package api

import (
	"context"
	"net/http"

	"understudy/api/wire"
	"understudy/runs/webhooks"
)

// Webhooks tell endpoints outside of runs; *webhooks.Service does.
type Webhooks interface {
	// CheckURL refuses a URL that a run must not name.
	CheckURL(address string) error
	// Waiting lists what a project's endpoints have not taken.
	Waiting(ctx context.Context, project string, q webhooks.Query) (wire.List, error)
}

// ownWebhook is the URL that a new run's events go to, "" when its client names
// none.
func (s *server) ownWebhook(r *http.Request) (string, error) {
	address := r.Header.Get(webhooks.Header)
	switch {
	case address == "":
		return "", nil
	case s.Webhooks == nil:
		return "", wire.InvalidValue(webhooks.Header, "Invalid '%s': this server sends no webhooks.", webhooks.Header)
	}
	return address, s.Webhooks.CheckURL(address)
}

// listDeliveries shows the events that endpoints have not taken: those that are
// tried again, and for a while those that were given up. The hosted API had no
// such route.
func (s *server) listDeliveries(c *call) error {
	sent, err := c.query()
	if err != nil {
		return err
	}
	wanted, err := webhooks.ReadQuery(sent)
	if err != nil {
		return err
	}
	if s.Webhooks == nil {
		return c.json(wire.List{}, nil)
	}
	return c.json(s.Webhooks.Waiting(c.r.Context(), c.project, wanted))
}
