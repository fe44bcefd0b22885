package runs

import "context"

// A run that is enqueued holds neither its thread nor a place of the engine. It is
// queued as others are, but for that nobody looks for it: the commit that ends the
// run ahead of it gives it the thread, and from then on it is a run that waits for
// a place.

// CancelAll cancels runs of a thread, newest first, and waits for those that are
// driven here to end. One that is being cancelled, or has ended, refuses it, which
// is as well.
func (s *Service) CancelAll(ctx context.Context, project, threadID string, ids []string) {
	for _, id := range ids {
		_, _ = s.Cancel(context.WithoutCancel(ctx), project, threadID, id)
	}
	for _, id := range ids {
		s.engine.await(ctx, id)
	}
}

// enqueue takes back what admit did for a run that has to wait for its thread. Its
// log stays for those who stream it.
func (e *Engine) enqueue(runID string, l *live, streamed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l == nil {
		e.places.remove(runID)
		return
	}
	delete(e.live, runID)
	e.places.giveBack(l.class)
	if streamed && e.stopping {
		l.log.breakOff()
	} else if streamed {
		e.waiting[runID] = l.log
	}
	e.call()
	l.cancel(nil)
	l.settle()
	e.wg.Done()
}

// dequeue tells of the end of a run that was cancelled while it was enqueued; asked
// is the run as it was in between.
func (e *Engine) dequeue(asked *Run, rec *Record) {
	e.mu.Lock()
	log := e.waiting[rec.Run.ID]
	delete(e.waiting, rec.Run.ID)
	e.mu.Unlock()
	if log != nil {
		log.begin(numbered(nil, false))
		log.run(asked)
		log.run(rec.Run)
		log.end()
	}
	e.observer.Rested(rec)
	e.logEnd(rec)
}

// takeTurn lets a run wait for a place whose turn came with a commit; nil = none's.
// An engine that is stopping leaves it to the next start.
func (e *Engine) takeTurn(rec *Record) {
	if rec == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return
	}
	e.places.wait(&waiter{id: rec.Run.ID, class: e.classOf(rec.Project, rec.Upstream, rec.Run.Model), chosen: rec.Upstream, model: rec.Run.Model, stored: true})
	e.call()
}
