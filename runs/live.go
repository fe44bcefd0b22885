package runs

import (
	"context"
	"sync"
)

// live is what this process knows of a run it is driving beside what is
// stored: since when it has been in progress, and how to reach it.
type live struct {
	log     *Log // nil when nobody streams the leg
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

// forget drops a run that is no longer driven. A leg that broke off without an
// end tells its streams so.
func (e *Engine) forget(runID string, l *live) {
	e.mu.Lock()
	if e.live[runID] == l {
		delete(e.live, runID)
	}
	e.mu.Unlock()
	l.settle()
	l.log.breakOff()
}

// find returns the run's live state, nil when this process is not driving it.
func (e *Engine) find(runID string) *live {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live[runID]
}

// interrupt ends the run's model call after its cancel was committed.
func (e *Engine) interrupt(runID string) {
	if l := e.find(runID); l != nil {
		l.cancel(errCancelRequested)
	}
}

// accept drives a run that was inserted or resumed with a lease of this
// process, and leaves one without a lease to the sweep. A stream of a waiting
// run is kept for when its turn comes.
func (e *Engine) accept(rec *Record, log *Log, reserved bool) {
	if reserved {
		e.launch(rec, log)
		return
	}
	if log == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting[rec.Run.ID] = log
}

// lease is a lease of this process from now.
func (e *Engine) lease(epoch int64) Lease {
	return Lease{Owner: e.owner, Until: e.now().Add(leaseTime), Epoch: epoch}
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
