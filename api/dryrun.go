package api

import (
	"net/http"

	"understudy/api/wire"
)

// dryRunHeader asks for what a run would send instead of the run.
const dryRunHeader = "Understudy-Dry-Run"

// dryRoutes are those that can be asked for a dry run.
var dryRoutes = []string{"/threads/{thread_id}/runs", "/threads/runs"}

func (c *call) isDryRun() (bool, error) {
	switch value := c.r.Header.Get(dryRunHeader); value {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, wire.InvalidValue(dryRunHeader, "Invalid '%s': '%s'. Expected 'true' or 'false'.", dryRunHeader, value)
	}
}

// carriesOut is around what has no dry run: whoever asks for one is not to have
// something changed, or be charged for a model call.
func carriesOut(h handler) handler {
	return func(c *call) error {
		if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
			return h(c)
		}
		switch dry, err := c.isDryRun(); {
		case err != nil:
			return err
		case dry:
			return wire.InvalidValue(dryRunHeader, "Invalid '%s': 'true'. Only the creation of a run has a dry run; nothing was done.", dryRunHeader)
		}
		return h(c)
	}
}
