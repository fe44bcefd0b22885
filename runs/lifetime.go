package runs

import (
	"strconv"
	"time"

	"understudy/api/wire"
)

// lifetime is how long a run may take, in seconds from its creation, or from when
// its turn came if it was enqueued; waiting for tool outputs counts (spec section
// 7). A run can be given another one.
const lifetime = 600

// maxLifetime bounds what a run can be given, in seconds: 30 days. Whoever is
// asked for a tool's output may be a person.
const maxLifetime = 30 * 24 * 3600

// ExpiresInKey is the metadata of a run that gives it another lifetime.
const ExpiresInKey = "x.expires_in"

// ReadLifetime reads a lifetime, in whole seconds or as a duration; param is where
// it stands. Errors name it.
func ReadLifetime(param, text string) (seconds int64, err error) {
	if seconds, err = strconv.ParseInt(text, 10, 64); err != nil {
		var d time.Duration
		d, err = wire.ParseDuration(text)
		seconds = int64(d / time.Second)
	}
	if err != nil || seconds < 1 || seconds > maxLifetime {
		return 0, wire.InvalidValue(param, "Invalid '%s': '%s'. Expected seconds, or a duration like '90s', '45m', '72h' or '7d', from 1 second to 30 days.", param, wire.Shown(text))
	}
	return seconds, nil
}

// readExpiresIn reads the lifetime in the metadata of a run, 0 when there is none.
func readExpiresIn(o *wire.Object, metadata wire.Metadata) int64 {
	text, given := metadata[ExpiresInKey]
	if !given {
		return 0
	}
	seconds, err := ReadLifetime(o.Path("metadata")+"."+ExpiresInKey, text)
	if err != nil {
		o.Fail(err)
	}
	return seconds
}

// lifetime is what the run was given.
func (r *Run) lifetime() int64 {
	if r.ExpiresAt == nil {
		return lifetime
	}
	return *r.ExpiresAt - r.CreatedAt
}

// takeTurn begins the time of a run that was enqueued.
func (r *Record) takeTurn(at int64) {
	r.Spent.ExpiresAt = at + r.Run.lifetime()
	r.Run.ExpiresAt = wire.Ptr(r.Spent.ExpiresAt)
}

// expiresAt is when the run expires, or would have.
func (r *Recording) expiresAt() int64 {
	if at := r.Spent.ExpiresAt; at != 0 {
		return at
	}
	return r.Run.CreatedAt + lifetime
}
