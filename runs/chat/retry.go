package chat

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Waits between two tries of the same request. What a backend asks for is
// heard up to maxWait.
const (
	firstWait        = 500 * time.Millisecond
	firstLoadingWait = 1500 * time.Millisecond
	maxWait          = time.Minute
)

// retries decides whether and when one request is repeated.
type retries struct {
	max     int
	done    int
	normal  *backoff.ExponentialBackOff
	loading *backoff.ExponentialBackOff
	now     func() time.Time
}

func newRetries(limit int, config Config) *retries {
	normal := backoff.NewExponentialBackOff()
	normal.InitialInterval = firstWait
	normal.Multiplier = 2
	normal.RandomizationFactor = 0.25
	if config.Repeatable {
		normal.RandomizationFactor = 0
	}
	normal.MaxInterval = 30 * time.Second
	// Four tries cover the minute that loading a model takes.
	loading := backoff.NewExponentialBackOff()
	loading.InitialInterval = firstLoadingWait
	loading.Multiplier = 3
	loading.RandomizationFactor = 0
	loading.MaxInterval = maxWait
	return &retries{max: limit, now: config.Now, normal: normal, loading: loading}
}

// next returns how long to wait before the next try; ok is false when there is
// none.
func (r *retries) next(f *failure) (wait time.Duration, ok bool) {
	limit := r.max
	if f.tries > 0 {
		limit = min(limit, f.tries)
	}
	if !f.retry || r.done >= limit {
		return 0, false
	}
	r.done++
	wait = r.normal.NextBackOff()
	if f.loading {
		wait = r.loading.NextBackOff()
	}
	switch {
	case f.after > 0:
		wait = f.after
	case !f.retryAt.IsZero():
		wait = max(0, f.retryAt.Sub(r.now()))
	}
	return min(wait, maxWait), true
}

// retryAfter reads how long the backend asks to wait, from the most exact sign
// to the vaguest; 0 when it does not say.
func retryAfter(header http.Header, body errorBody) time.Duration {
	if ms, err := strconv.ParseFloat(header.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return seconds(ms / 1000)
	}
	if after := header.Get("Retry-After"); after != "" {
		if s, err := strconv.ParseFloat(after, 64); err == nil && s > 0 {
			return seconds(s)
		}
	}
	if d, err := time.ParseDuration(body.retryDelay); err == nil && d > 0 {
		return d
	}
	return spokenDelay(body.message)
}

// retryAt reads a Retry-After that is a date, as a delay when the backend's own
// clock is known and as a date when it is not.
func retryAt(header http.Header) (after time.Duration, at time.Time) {
	at, err := http.ParseTime(header.Get("Retry-After"))
	if err != nil {
		return 0, time.Time{}
	}
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		return max(0, at.Sub(sent)), time.Time{}
	}
	return 0, at
}

// seconds bounds s before it becomes a Duration, which a backend could
// otherwise make overflow.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 24*3600) * float64(time.Second))
}

const amounts = `((?:\d+(?:\.\d+)?\s?(?:ms|milliseconds?|h|hours?|min|minutes?|m|seconds?|secs?|s)\s?)+)`

var (
	spokenWait = regexp.MustCompile(`(?i)(?:try again|retry)[^\d.]{0,30}` + amounts)
	spokenUnit = regexp.MustCompile(`(?i)(\d+(?:\.\d+)?)\s?(ms|milli|h|mi|m|s)`)
)

// spokenDelay reads "Please try again in 1m2.5s." and its relatives.
func spokenDelay(message string) time.Duration {
	found := spokenWait.FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	total := 0.0
	for _, part := range spokenUnit.FindAllStringSubmatch(found[1], -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			continue
		}
		switch strings.ToLower(part[2]) {
		case "ms", "milli":
			n /= 1000
		case "m", "mi":
			n *= 60
		case "h":
			n *= 3600
		}
		total += n
	}
	return seconds(total)
}
