package runs

import (
	"context"
	"encoding/json"
	"time"

	"understudy/api/wire"
)

// waitingPoll is how often a run is looked at that this process is not driving:
// one that waits for a place, or that another process has.
const waitingPoll = 100 * time.Millisecond

// Wait returns the run as soon as it has ended or waits for the client, and as
// it is when the hold is over or the server stops.
func (s *Service) Wait(ctx context.Context, project, threadID, id string, hold time.Duration) (json.RawMessage, error) {
	over := time.NewTimer(hold)
	defer over.Stop()
	for {
		settled, retry := s.engine.watch(id) // asked before the store, so that no end is missed
		since := s.engine.begun(id)
		body, err := s.store.Run(ctx, project, threadID, id)
		if err != nil {
			return nil, wire.OrNoSuch(err, noun, id)
		}
		if since == 0 { // else it is at work, and no status needs to be read
			var run struct {
				Status Status `json:"status"`
			}
			if err := wire.Decode(body, &run); err != nil || run.Status.Settled() {
				return body, err
			}
		}
		select {
		case <-settled:
		case <-retry:
		case <-over.C: // it may have begun meanwhile
			return s.Get(ctx, project, threadID, id)
		case <-s.engine.stopped:
			return s.Get(ctx, project, threadID, id)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// watch returns what tells that it is time to look at a run again: the end of
// its leg when this process drives it, else a short while.
func (e *Engine) watch(runID string) (settled <-chan struct{}, retry <-chan time.Time) {
	if l := e.find(runID); l != nil && !l.isSettled() {
		return l.settled, nil
	}
	return nil, time.After(waitingPoll)
}

func (l *live) isSettled() bool {
	select {
	case <-l.settled:
		return true
	default:
		return false
	}
}
