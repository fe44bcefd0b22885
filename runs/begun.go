package runs

import (
	"encoding/json"

	"understudy/api/wire"
)

// showBegun returns the run as it is to be shown: one that the store has as
// queued but that has been in progress since a unix time (0 = it has not)
// says so, since that state becomes durable only with the next commit.
func (r *Run) showBegun(since int64) *Run {
	if since == 0 {
		return r
	}
	shown := *r
	if shown.move(start, since) != nil { // it went on meanwhile
		return r
	}
	return &shown
}

// asBegun is showBegun for stored JSON.
func asBegun(body json.RawMessage, since int64) (json.RawMessage, error) {
	if since == 0 {
		return body, nil
	}
	var r Run
	if err := wire.Decode(body, &r); err != nil {
		return nil, err
	}
	return wire.Marshal(r.showBegun(since))
}
