package runs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"understudy/runs/chat"
)

// Why the context of a driven run ends before its time.
var (
	errCancelRequested = errors.New("the run was asked to cancel")
	errDraining        = errors.New("the server is shutting down")
	errRunExpired      = errors.New("the run has expired")
)

// driver drives one run that this process has leased. Its fields are what the
// loop knows of the run between two commits.
type driver struct {
	engine *Engine
	live   *live
	rec    *Record
	steps  []*StepRecord
	turn   *turn  // the model call in flight, nil between calls
	ahead  *ahead // the first model call when it began before the commit, nil when it did not or was joined
	stale  bool   // rec was read before the run was known here, and has no steps
}

// action is the one next thing for a run.
type action int

const (
	askModel action = iota
	runTools
	awaitOutputs
	recallOutputs
	concludeCancelled
	concludeExpired
	nothing
)

// next decides what to do from what is stored, and from nothing else.
func next(rec *Record, steps []*StepRecord, now time.Time) action {
	run := rec.Run
	switch {
	case run.Status.Terminal():
		return nothing
	case run.Status.cancelling():
		return concludeCancelled
	case run.ExpiresAt != nil && now.Unix() >= *run.ExpiresAt:
		return concludeExpired
	case rec.ReplayOf != nil && len(steps) > 0 && steps[len(steps)-1].unanswered():
		return recallOutputs
	case len(steps) > 0 && steps[len(steps)-1].searching():
		return runTools
	case len(steps) > 0 && len(steps[len(steps)-1].Step.unanswered()) > 0:
		return awaitOutputs
	default: // nothing was asked yet, or all that was called is answered
		return askModel
	}
}

// run enters the loop.
func (d *driver) run() error {
	if d.stale {
		if err := d.reload(); err != nil {
			return err
		}
		d.live.log.begin(numbered(d.steps, d.rec.ReplayOf != nil))
	}
	d.engine.observer.Driven(d.rec)
	return d.drive(d.engine.under(d.live.ctx, d.rec))
}

// reload reads the run as it is stored now: it may have been asked to cancel
// after it was claimed, before anybody here could be told.
func (d *driver) reload() error {
	ctx := context.WithoutCancel(d.live.ctx) // a cancel is to be found, not to keep from finding it
	return d.engine.store.Advance(ctx, d.live.runID, d.rec.Lease, func(r *Record) (_ *Change, err error) {
		d.rec = r
		d.steps, err = r.Steps()
		return nil, err
	})
}

// drive is the loop every run goes through, however it got here.
func (d *driver) drive(ctx context.Context) error {
	for {
		switch next(d.rec, d.steps, d.engine.now()) {
		case askModel:
			if err := d.ask(ctx); err != nil {
				return err
			}
		case runTools:
			if err := d.search(ctx); err != nil {
				return err
			}
		case concludeCancelled:
			return d.conclude(endCancelled, nil)
		case concludeExpired:
			return d.conclude(endExpired, nil)
		case awaitOutputs, nothing:
			return nil
		case recallOutputs:
			if err := d.recall(ctx); err != nil {
				return err
			}
		}
	}
}

// ask makes one model call and stores what came of it.
func (d *driver) ask(ctx context.Context) error {
	if err := d.start(); err != nil {
		return err
	}
	if reason := d.rec.capReached(); reason != "" {
		return d.finish(cutShort, reason)
	}
	d.turn = d.newTurn()
	memory := d.engine.memory.Share()
	if d.ahead != nil {
		memory = d.ahead.memory
	}
	defer memory.Release() // when the answer is stored
	answer, truncated, err := d.complete(ctx, memory)
	call := newModelCall(d.turn.number, truncated, answer, lastError(err))
	switch _, modelFailed := errors.AsType[*chat.Error](err); {
	case err == nil:
		return d.settle(answer, call)
	case errors.Is(err, errPromptTooLong):
		return d.finish(cutShort, maxPromptTokens)
	case ctx.Err() != nil:
		return d.interrupted(context.Cause(ctx), call)
	case modelFailed:
		d.turn.catchUp(answer)
		return d.conclude(endFailed, call)
	default: // no prompt could be made; nothing was asked
		return err
	}
}

// start shows the run in progress, once in a leg. The state becomes durable with the next
// commit: until then a crash leaves the run queued, to be taken up again.
func (d *driver) start() error {
	if _, begun := d.live.begun(); begun {
		return nil
	}
	if err := d.rec.Run.move(start, d.engine.now().Unix()); err != nil {
		return err
	}
	d.live.begin(*d.rec.Run.StartedAt)
	d.live.log.began(d.rec.Run)
	return nil
}

// interrupted ends a model call whose context ended. A draining server leaves
// the run as it is stored: the next start takes it up.
func (d *driver) interrupted(cause error, call *ModelCall) error {
	switch {
	case errors.Is(cause, errCancelRequested):
		return d.conclude(endCancelled, call)
	case errors.Is(cause, errRunExpired):
		return d.conclude(endExpired, call)
	default:
		return cause
	}
}

// complete calls the model. A prompt that overflows the model's window is
// shortened and sent again as long as truncation may still drop something.
func (d *driver) complete(ctx context.Context, memory *chat.Share) (*chat.Answer, Truncated, error) {
	run := d.rec.Run
	budget, hard := d.rec.promptBudget(d.engine.model.ContextWindow(run.Model))
	for {
		p, answer, err := d.call(ctx, budget, hard, memory)
		if len(d.turn.overflowed) > 0 {
			p.truncated = p.truncated.shrunk()
		}
		failure, failed := errors.AsType[*chat.Error](err)
		if !failed || !failure.Overflow || run.Truncation.Type != truncateAuto || !p.shrinkable {
			return answer, p.truncated, err
		}
		d.turn.overflowed = append(d.turn.overflowed, newModelCall(d.turn.number, p.truncated, answer, lastError(err)))
		budget = p.tokens * 2 / 3
	}
}

// call makes one model call, or joins the one that was begun ahead.
func (d *driver) call(ctx context.Context, budget int, hard bool, memory *chat.Share) (prompt, *chat.Answer, error) {
	if begun := d.ahead; begun != nil {
		d.ahead = nil
		return begun.join(d.turn)
	}
	return d.engine.send(ctx, callOf{rec: d.rec, steps: d.steps, history: d.engine.store, budget: budget, hard: hard, memory: memory}, d.turn)
}

// callOf is what a model call is made of.
type callOf struct {
	rec     *Record
	steps   []*StepRecord
	history History
	budget  int // as in prompter.build
	hard    bool
	memory  *chat.Share // of the answer
}

// send makes a prompt of a run's history and sends it to the model.
func (e *Engine) send(ctx context.Context, c callOf, l listener) (prompt, *chat.Answer, error) {
	p, err := prompter{history: c.history, images: e.images}.build(ctx, c.rec.Project, c.rec.Run, c.budget, c.hard)
	if err != nil {
		return prompt{}, &chat.Answer{}, err
	}
	l.prompted(p)
	request := c.rec.request(p.messages, c.steps)
	request.Memory = c.memory
	answer, err := e.model.Complete(ctx, request, l)
	return p, answer, err
}

// recorded lists the calls a commit puts on the tape: those that overflowed the
// model's window and the one that ended the turn, nil when there was none.
func (d *driver) recorded(call *ModelCall) []*ModelCall {
	if d.engine.untaped(d.rec.Project) {
		return nil
	}
	var calls []*ModelCall
	if d.turn != nil {
		calls = slices.Clone(d.turn.overflowed)
	}
	if call != nil {
		calls = append(calls, call)
	}
	return calls
}

// settle stores a settled answer.
func (d *driver) settle(answer *chat.Answer, call *ModelCall) error {
	t, at := d.turn, d.engine.now()
	calls, searches := d.rec.Run.toolCalls(answer, searchTurns(d.steps), t.ids, at)
	t.catchUp(answer)
	if len(calls) == 0 && answer.Finish == chat.FinishStop { // be it empty: clients read the newest message as the reply
		t.open()
	}
	o, usage := d.rec.outcomeOf(answer, calls), usageOf(answer.Usage)

	change := &Change{Calls: d.recorded(call)}
	if t.message != nil {
		t.closeMessage(at.Unix(), o.messageReason)
		messageUsage := usage
		if len(calls) > 0 { // the turn's tokens are shown once, on the step of its calls
			messageUsage = Usage{}
		}
		t.step.complete(at.Unix(), messageUsage)
		change.Messages = []*MessageRecord{t.messageRecord(answer)}
		change.Steps = []*StepRecord{{Step: t.step, Turn: t.number}}
	}
	if len(calls) > 0 {
		step := t.newStep(StepDetails{Type: ToolCalls, ToolCalls: calls}, at)
		change.Steps = append(change.Steps, &StepRecord{
			Step: step, Turn: t.number, Tokens: callTokens(calls), Used: usage, State: answer.State, Searches: searches,
		})
	}
	err := d.commit(change, func(r *Record) error {
		r.Spent.Turns, r.Spent.Usage = t.number, r.Spent.Usage.plus(usage)
		return r.settle(o, at.Unix())
	})
	if err != nil {
		return d.overruled(err, call)
	}
	if t.message != nil {
		t.publishMessage()
	}
	if len(calls) > 0 {
		d.live.log.calls(change.Steps[len(change.Steps)-1].Step)
	}
	if d.turn = nil; o.verb != proceed {
		d.done()
	}
	return nil
}

// conclude ends the run before its answer is settled. What was shown of a
// message stays, incomplete; an open step is closed with the run.
func (d *driver) conclude(e ending, call *ModelCall) error {
	at := d.engine.now().Unix()
	reason := cmp.Or(e.lastError, somethingWrong)
	if call != nil && call.Error != nil {
		reason = call.Error
	}
	change := &Change{Calls: d.recorded(call)}
	switch t := d.turn; {
	case t != nil && t.message != nil:
		t.closeMessage(at, e.messageReason)
		t.step.end(e, at, reason)
		change.Messages = []*MessageRecord{t.messageRecord(&chat.Answer{})}
		change.Steps = []*StepRecord{{Step: t.step, Turn: t.number}}
	case len(d.steps) > 0 && d.steps[len(d.steps)-1].Step.Open():
		step := *d.steps[len(d.steps)-1]
		ended := *step.Step
		step.Step = &ended
		ended.end(e, at, reason)
		change.Steps = []*StepRecord{&step}
	}
	var before Run
	err := d.commit(change, func(r *Record) error {
		if call != nil {
			r.Spent.Turns++
			r.Spent.Usage = r.Spent.Usage.plus(call.Usage)
		}
		before = *r.Run
		return r.conclude(e, at, reason)
	})
	if err != nil {
		return d.overruled(err, call)
	}
	if before.Status.cancelling() {
		d.live.log.run(&before)
	}
	if d.turn != nil && d.turn.message != nil {
		d.turn.publishMessage()
	} else if len(change.Steps) > 0 {
		d.live.log.closeStep(change.Steps[0], before.ExpiresAt)
	}
	d.done()
	return nil
}

// finish ends the run without another model call.
func (d *driver) finish(v verb, reason string) error {
	err := d.commit(&Change{Calls: d.recorded(nil)}, func(r *Record) error {
		return r.settle(outcome{verb: v, runReason: reason}, d.engine.now().Unix())
	})
	if err != nil {
		return d.overruled(err, nil)
	}
	d.done()
	return nil
}
