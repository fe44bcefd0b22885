package runs

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// How often a commit is tried again while the store is unavailable, for as long as
// that takes: the model's answer is paid for, and nobody else could go on.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Second
)

// commit writes change together with what update makes of the run as it is
// stored now, which may have new metadata or have been asked to cancel. The
// driver then goes on from what was stored, also when update refused.
func (d *driver) commit(change *Change, update func(*Record) error) error {
	ctx := context.WithoutCancel(d.engine.ctx) // an answer that is paid for is stored, whatever ends the run
	for _, call := range change.Calls {
		d.engine.store.Seal(d.rec.Run.ThreadID, call)
	}
	var next *Record
	change.TakeTurn = func(r *Record) {
		r.takeTurn(d.engine.now().Unix())
		next = r
	}
	advance := func() error {
		return d.engine.store.Advance(ctx, d.live.runID, d.rec.Lease, func(r *Record) (*Change, error) {
			if at, begun := d.live.begun(); begun {
				_ = r.Run.move(start, at) // refused only when the run is being cancelled, which update finds
			}
			d.rec = r
			if err := update(r); err != nil {
				return nil, err
			}
			change.Run, change.Spent, change.Lease = r.Run, r.Spent, r.Lease
			if !r.Run.Status.Runnable() {
				change.Lease = Lease{Epoch: r.Lease.Epoch}
			}
			return change, nil
		})
	}
	err := advance()
	for wait := firstRetry; errors.Is(err, wire.ErrUnavailable) && d.pause(wait); wait = min(2*wait, lastRetry) {
		err = advance()
	}
	if err == nil {
		d.steps = append(d.steps, change.Steps...)
		d.engine.takeTurn(next)
	}
	return err
}

// pause waits and reports whether the engine still runs.
func (d *driver) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.engine.stopped:
		return false
	}
}

// overruled handles a commit that the machine refused because the client's
// cancel came first: the run is concluded as cancelled with what was shown.
func (d *driver) overruled(err error, call *ModelCall) error {
	if _, illegal := errors.AsType[*IllegalTransition](err); illegal && d.rec.Run.Status.cancelling() {
		if d.turn != nil && d.turn.message != nil {
			d.turn.reopen()
		}
		return d.conclude(endCancelled, call)
	}
	return err
}

// done announces the state that was just committed and ends the leg.
func (d *driver) done() {
	d.turn = nil
	d.engine.observer.Rested(d.rec) // quick, and so before anybody can ask what it has counted
	d.live.settle()
	d.live.log.run(d.rec.Run)
	d.live.log.end()
	runtime.Gosched() // those who wait for the run go first: here, while another thread wakes up for the rest
	if d.rec.Run.Status.Terminal() {
		d.engine.logEnd(d.rec)
	}
}

// outcome says what an answer makes of the run and its message.
type outcome struct {
	verb          verb
	runReason     string     // incomplete_details.reason of the run
	messageReason string     // incomplete_details.reason of the message; "" = completed
	waiting       []ToolCall // what the client is asked for
}

// outcomeOf decides by content: calls are calls whatever the finish reason says.
func (r *Record) outcomeOf(answer *chat.Answer, calls []ToolCall) outcome {
	switch {
	case slices.ContainsFunc(calls, func(c ToolCall) bool { return r.ReplayOf != nil || c.Search != nil }):
		return outcome{verb: proceed}
	case len(calls) > 0:
		return outcome{verb: requireAction, waiting: calls}
	case answer.Finish == chat.FinishLength:
		return outcome{verb: cutShort, runReason: maxCompletionTokens, messageReason: "max_tokens"}
	case answer.Finish == chat.FinishContentFilter:
		return outcome{verb: cutShort, runReason: contentFilter, messageReason: contentFilter}
	default:
		return outcome{verb: complete}
	}
}

// settle applies an outcome to the stored run.
func (r *Record) settle(o outcome, at int64) error {
	if err := r.Run.move(o.verb, at); err != nil {
		return err
	}
	if len(o.waiting) > 0 {
		r.Run.RequiredAction = requiredAction(o.waiting)
		r.Spent.Starts = append(r.Spent.Starts, *r.Run.StartedAt)
	}
	if o.runReason != "" {
		r.Run.IncompleteDetails = &IncompleteDetails{o.runReason}
	}
	r.sumUp()
	return nil
}

// conclude applies an ending to the stored run. A run that was asked to cancel
// ends cancelled even if it failed or expired first.
func (r *Record) conclude(e ending, at int64, reason *LastError) error {
	if err := r.Run.move(e.verb, at); err != nil {
		return err
	}
	if e.verb == fail {
		r.Run.LastError = reason
	}
	r.sumUp()
	return nil
}

// sumUp shows the usage of a run that ended; before, it is null.
func (r *Record) sumUp() {
	if r.Run.Status.Terminal() {
		usage := r.Spent.Usage
		r.Run.Usage = &usage
	}
}

// lastError is how the API shows why a model call failed, nil when it did not.
func lastError(err error) *LastError {
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[*chat.Error](err); ok {
		return &LastError{Code: string(failure.Code), Message: failure.Message}
	}
	return somethingWrong
}

// somethingWrong is what the hosted API said of its own faults.
var somethingWrong = &LastError{Code: string(chat.ServerError), Message: "Sorry, something went wrong."}
