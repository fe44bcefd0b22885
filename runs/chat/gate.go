package chat

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// An upstream is sick when its last sickCalls calls all failed, over no less
// than sickTime: many calls that fail at one moment are one mishap, and so are
// all the tries of one call, which may be what is wrong. From then on it is asked once in restTime until it answers.
const (
	sickCalls = 5
	sickTime  = 5 * time.Second
	restTime  = 5 * time.Second
)

// gate is what all calls of one upstream pass: a bound on how many are under
// way, and a circuit breaker. Each upstream has its own, so that a sick one
// takes neither time nor places from the others.
type gate struct {
	upstream *Upstream
	logger   *slog.Logger
	now      func() time.Time
	places   *semaphore.Weighted // first come, first served

	mu      sync.Mutex
	failed  int       // calls in a row
	since   time.Time // of the first of them
	restsTo time.Time // no call is let through before; zero = it is not sick
}

func newGate(u *Upstream, config Config) *gate {
	return &gate{upstream: u, logger: config.Logger, now: config.Now, places: semaphore.NewWeighted(int64(u.MaxConcurrent))}
}

func newGates(config Config) map[string]*gate {
	gates := make(map[string]*gate, len(config.Upstreams))
	for i := range config.Upstreams {
		u := &config.Upstreams[i]
		gates[u.Name] = newGate(u, config)
	}
	return gates
}

// enter waits for a place. It fails when the upstream rests, and when the
// context ends; every success must be followed by leave.
func (g *gate) enter(ctx context.Context) *failure {
	if err := g.places.Acquire(ctx, 1); err != nil {
		return &failure{code: ServerError, message: "The model call was given up while it waited for its turn."}
	}
	if f := g.rest(); f != nil {
		g.places.Release(1)
		return f
	}
	return nil
}

func (g *gate) leave() { g.places.Release(1) }

// rest refuses a call while the upstream rests. When the time is up one call
// finds out how it is, and the others wait for another restTime: a probe that
// takes long, or is cancelled, thus holds up nothing.
func (g *gate) rest() *failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.restsTo.IsZero() {
		return nil
	}
	if now := g.now(); !now.Before(g.restsTo) {
		g.restsTo = now.Add(restTime)
		return nil
	}
	return &failure{code: ServerError, retry: true, resting: true, message: fmt.Sprintf(
		"The upstream %q failed %d times in a row and is given a rest; try again in a few seconds.", g.upstream.Name, g.failed)}
}

// judge learns from the end of an exchange; try counts those of the same call,
// of which only the first can tell against the upstream. A backend that refuses
// a request is well; what a caller broke off tells nothing and must not come
// here.
func (g *gate) judge(ctx context.Context, try int, f *failure) {
	if f != nil && (f.resting || f.sick() && try > 1) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !f.sick() {
		if !g.restsTo.IsZero() {
			g.logger.LogAttrs(ctx, slog.LevelInfo, "upstream answers again", slog.String("upstream", g.upstream.Name))
		}
		g.failed, g.restsTo = 0, time.Time{}
		return
	}
	now := g.now()
	if g.failed++; g.failed == 1 {
		g.since = now
	}
	if g.restsTo.IsZero() && g.failed >= sickCalls && now.Sub(g.since) >= sickTime {
		g.restsTo = now.Add(restTime)
		g.logger.LogAttrs(ctx, slog.LevelWarn, "upstream keeps failing and is asked only now and then until it answers",
			slog.String("upstream", g.upstream.Name), slog.Int("failures", g.failed), slog.Duration("every", restTime),
			slog.String("code", string(f.code)), slog.Int("status", f.status))
	}
}
