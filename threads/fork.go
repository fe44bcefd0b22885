package threads

import (
	"context"
	"encoding/json"
	"time"

	"understudy/api/wire"
)

// Fork says which copy of a thread is to be made: its metadata, its tool
// resources, and its messages and calls of tools up to a point. A copied message
// keeps the ids of the run and the assistant that made it, though the run stays
// where it is.
type Fork struct {
	Of string // the thread
	ID string // of the new one
	At time.Time

	// After is the last message to be copied, BeforeRun the first run whose part is
	// not; without either everything is copied.
	After     string
	BeforeRun string

	// Hidden keeps the copy out of lists and searches. It is deleted with the thread
	// it was made of.
	Hidden bool
}

// Fork copies a thread up to a message, or wholly when after is "", and answers
// the new thread.
func (s *Service) Fork(ctx context.Context, project, id, after string) (json.RawMessage, error) {
	now := s.now()
	body, err := s.store.ForkThread(ctx, project, Fork{Of: id, ID: wire.MinterOf(ctx).ID(IDPrefix, now), At: now, After: after})
	return body, wire.OrNoSuch(err, messageNoun, after)
}

// ReadFork reads the body of POST /threads/{id}/fork: the last message to be
// copied, "" for all.
func ReadFork(o *wire.Object, _ wire.Dialect) (after string, err error) {
	if o.Raw("after") != nil {
		after = o.RequiredString("after", 0)
		o.Fail(wire.CheckID("after", after, "msg"))
	}
	return after, o.Err()
}
