package runs

import (
	"context"
	"errors"
	"slices"
	"time"

	"understudy/api/wire"
)

// sweep claims what was called to a place and, now and then, looks for what
// nobody drives: runs left by a dead process, and runs whose time is up. It
// also renews leases, and does so before it looks: a process that was suspended
// must not take its own runs for another's.
func (e *Engine) sweep() {
	defer e.wg.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	expired := e.mustLook()
	for renewed := e.now(); ; {
		e.claim(expired)
		expired = nil
		select {
		case <-e.wake:
		case <-tick.C:
			if now := e.now(); now.Sub(renewed) >= renewEvery {
				if !e.renew() {
					continue
				}
				renewed = now
			}
			expired = e.mustLook()
		case <-e.stopped:
			return
		}
	}
}

func (e *Engine) mustLook() (expired []string) {
	expired, err := e.look(e.ctx)
	if err != nil && e.ctx.Err() == nil && !errors.Is(err, wire.ErrUnavailable) { // the store's own are in its log
		e.logger.Error("looking for runs to drive", "error", err)
	}
	return expired
}

// look puts the runs that nobody drives into the queue and lists those whose
// time is up, which need no place.
func (e *Engine) look(ctx context.Context) (expired []string, err error) {
	due, expired, err := e.store.Due(ctx, e.now(), e.queued)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range due {
		e.places.wait(&waiter{id: d.ID, class: e.classOf(d.Project, d.Upstream, d.Model), chosen: d.Upstream, model: d.Model, stored: true})
	}
	e.call()
	return expired, nil
}

// queued reports whether a run waits for a place here.
func (e *Engine) queued(runID string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.places.waiters[runID]
	return w != nil && w.stored
}

// claim leases the runs that were called, and expired ones.
func (e *Engine) claim(expired []string) {
	for {
		ids := slices.Concat(expired, e.takeCalled())
		if len(ids) == 0 {
			return
		}
		expired = nil
		for batch := range slices.Chunk(ids, claimBatch) {
			e.claimBatch(batch)
		}
	}
}

// claimBatch leases some runs and drives them. A run that is gone leaves the
// queue; when the store is away all wait on, until the next look.
func (e *Engine) claimBatch(ids []string) {
	now := e.now()
	records, err := e.store.Claim(e.ctx, Lease{Owner: e.owner, Until: now.Add(leaseTime)}, now, ids)
	if err != nil && e.ctx.Err() == nil && !errors.Is(err, wire.ErrUnavailable) {
		e.logger.Error("claiming runs", "error", err)
	}
	for i, l := range e.enterClaimed(records) {
		e.drive(&driver{engine: e, live: l, rec: records[i], stale: true})
	}
	e.dismiss(ids, err)
}

func (e *Engine) takeCalled() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	called := e.called
	e.called = nil
	return called
}

// dismiss deals with runs that were called and not claimed.
func (e *Engine) dismiss(ids []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		switch w := e.places.waiters[id]; {
		case w == nil || !w.called: // it was entered
		case err != nil || e.stopping:
			e.places.putBack(id)
		default:
			e.places.remove(id)
		}
	}
	if err == nil {
		e.call()
	}
}

// enterClaimed makes claimed runs known here, in the places they were called
// to. An engine that is stopping leaves them; it frees their leases at its end.
func (e *Engine) enterClaimed(records []*Record) []*live {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return nil
	}
	entered := make([]*live, len(records))
	for i, rec := range records {
		entered[i] = e.enter(rec)
	}
	return entered
}

// renew reports whether the leases of the live runs were extended. While the store
// is away it is to be tried on: a run whose lease has ended would be taken for
// one that nobody drives as soon as the store is back.
func (e *Engine) renew() bool {
	e.mu.Lock()
	ids := make([]string, 0, len(e.live))
	for id := range e.live {
		ids = append(ids, id)
	}
	e.mu.Unlock()
	if len(ids) == 0 {
		return true
	}
	err := e.store.Extend(e.ctx, e.owner, ids, e.now().Add(leaseTime))
	if err != nil && e.ctx.Err() == nil && !errors.Is(err, wire.ErrUnavailable) {
		e.logger.Error("renewing leases", "error", err)
	}
	return err == nil
}
