package runs

import (
	"context"
	"sync"
	"time"

	"understudy/api/wire"
)

// live is what this process knows of a run it is driving beside what is
// stored: since when it has been in progress, and how to reach it. It occupies
// one of the engine's places.
type live struct {
	runID   string
	thread  string
	class   class
	log     *Log
	ctx     context.Context
	cancel  context.CancelCauseFunc
	settled chan struct{} // closed when the leg has come to its end

	mu        sync.Mutex
	startedAt int64 // 0 = queued, or already stored
	ended     bool
}

// begin marks the run as in progress, which the store learns with the next commit.
func (l *live) begin(at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.startedAt = at
}

// begun returns since when the run has been in progress without the store
// knowing it.
func (l *live) begun() (at int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.startedAt, l.startedAt != 0
}

// settle marks the leg as stored; from here on the store is right.
func (l *live) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.startedAt = 0
	if !l.ended {
		l.ended = true
		close(l.settled)
	}
}

// admission says what a run may have to wait for.
type admission int

const (
	asNew  admission = iota // a free place, and one in the queue until then
	inTurn                  // a free place
	atOnce                  // nothing: all that is left to do is to end it
)

// retryAfter is when a client may try again whose run was not even let in to
// wait. A run takes some seconds, and any that ends makes room.
const retryAfter = 5 * time.Second

// errQueueFull is the answer to a new run when too many wait already.
var errQueueFull = &wire.Error{
	Kind: wire.RateLimited, Message: "You've exceeded the rate limit, please slow down and try again later.", Code: "rate_limit_exceeded", RetryAfter: retryAfter,
}

// admit takes a place for a run and makes the run known here. That comes before
// the commit which leases the run, so that a cancel right behind the commit
// finds whom to interrupt. opening, nil when nobody streams the leg, begins its
// log. Without a free place admit answers nil, and the run waits, with its log,
// until it is called.
func (e *Engine) admit(r *Record, when admission, opening func(*Log)) (*live, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.classOf(r.Project, r.Upstream, r.Run.Model)
	if !e.stopping && (when == atOnce || e.places.fits(c)) { // who waits does not fit, or was called
		l := e.enter(r)
		if opening != nil {
			opening(l.log)
		}
		return l, nil
	}
	if when == asNew && e.places.full(r.Project) {
		return nil, errQueueFull
	}
	if !e.stopping {
		e.places.wait(&waiter{id: r.Run.ID, class: c, chosen: r.Upstream, model: r.Run.Model})
	}
	if opening != nil {
		log := e.expect(r.Run.ID)
		opening(log)
		if e.stopping {
			log.breakOff()
		}
	}
	return nil, nil
}

func (e *Engine) classOf(project, chosen, model string) class {
	return class{project, e.model.UpstreamOf(chosen, model)}
}

// enter makes a run known here; e.mu is held and the engine is not stopping.
func (e *Engine) enter(r *Record) *live {
	e.places.remove(r.Run.ID)
	log := e.waiting[r.Run.ID] // of those who have waited for the run
	delete(e.waiting, r.Run.ID)
	if log == nil {
		log = newLog()
	}
	if old := e.live[r.Run.ID]; old != nil { // its leg has ended, or its lease ran out
		old.cancel(ErrLost)
	}
	l := &live{runID: r.Run.ID, thread: r.Run.ThreadID, class: e.classOf(r.Project, r.Upstream, r.Run.Model), log: log, settled: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(e.ctx)
	e.live[l.runID] = l
	e.places.take(l.class)
	e.wg.Add(1)
	return l
}

// expect returns the log that a run will have when it is driven; e.mu is held.
// What happens to it when the engine is stopping is the caller's matter.
func (e *Engine) expect(runID string) *Log {
	log := e.waiting[runID]
	if log == nil {
		log = newLog()
	}
	if !e.stopping {
		e.waiting[runID] = log
	}
	return log
}

// watched joins a watch to the log of a run, as it is driven or when it will be.
// An engine that is stopping will drive it no more.
func (e *Engine) watched(runID string, more chan struct{}) *cursor {
	e.mu.Lock()
	defer e.mu.Unlock()
	var log *Log
	if l := e.live[runID]; l != nil && !l.log.hasEnded() {
		log = l.log
	} else if log = e.expect(runID); e.stopping {
		log.breakOff()
	}
	return log.join(more, true)
}

// unwatch takes a watch out of the log of a run. Nobody keeps a log for the sweep
// that nobody reads.
func (e *Engine) unwatch(runID string, c *cursor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if last := c.leave(); last && e.waiting[runID] == c.log {
		delete(e.waiting, runID)
	}
}

// withdraw undoes admit after a commit that failed.
func (e *Engine) withdraw(runID string, l *live) {
	if l != nil {
		e.leave(l)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, runID)
	e.places.remove(runID)
}

// leave gives the place of a run back. A leg that broke off without an end
// tells its streams so.
func (e *Engine) leave(l *live) {
	e.mu.Lock()
	if e.live[l.runID] == l {
		delete(e.live, l.runID)
	}
	e.places.giveBack(l.class)
	e.call()
	e.mu.Unlock()
	l.cancel(nil)
	l.settle()
	l.log.breakOff()
	e.wg.Done()
}

// call takes free places for the runs that wait, and has the sweep claim them;
// e.mu is held. Nobody else can have a place that somebody waits for.
func (e *Engine) call() {
	if e.stopping || !e.started {
		return
	}
	called := e.places.call()
	if len(called) == 0 {
		return
	}
	e.called = append(e.called, called...)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Reroute is to be called when models go to other upstreams than before.
func (e *Engine) Reroute() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.places.reroute(e.model.Places(), func(w *waiter) class { return e.classOf(w.class.project, w.chosen, w.model) })
	e.call()
}

// lease is this process's lease of an admitted run; without a place the run is
// left to whoever claims it.
func (e *Engine) lease(l *live, epoch int64) Lease {
	if l == nil {
		return Lease{Epoch: epoch}
	}
	return Lease{Owner: e.owner, Until: e.now().Add(leaseTime), Epoch: epoch}
}

// find returns the run's live state, nil when this process is not driving it.
func (e *Engine) find(runID string) *live {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live[runID]
}

// idle reports whether nobody drives a stored run. The leg of one without a
// lease has ended, even if it is not yet forgotten here.
func (e *Engine) idle(r *Record) bool {
	return r.Lease.Owner == "" || r.Lease.ended(e.now()) && e.find(r.Run.ID) == nil
}

// interrupt ends the run's model call after its cancel was committed.
func (e *Engine) interrupt(runID string) {
	if l := e.find(runID); l != nil {
		l.cancel(errCancelRequested)
	}
}

// abandon breaks off the runs that are driven here for a thread that is gone.
func (e *Engine) abandon(threadID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.live {
		if l.thread == threadID {
			l.cancel(ErrLost)
		}
	}
}

// await waits until the run is no longer driven here.
func (e *Engine) await(ctx context.Context, runID string) {
	if l := e.find(runID); l != nil {
		select {
		case <-l.settled:
		case <-ctx.Done():
		}
	}
}

// begun returns since when a run has been in progress without the store
// knowing it, 0 when it is not.
func (e *Engine) begun(runID string) int64 {
	if l := e.find(runID); l != nil {
		at, _ := l.begun()
		return at
	}
	return 0
}

// allBegun is begun for every run that is driven here.
func (e *Engine) allBegun() map[string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]int64, len(e.live))
	for id, l := range e.live {
		if at, ok := l.begun(); ok {
			all[id] = at
		}
	}
	return all
}
