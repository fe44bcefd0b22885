package runs

import (
	"slices"

	"understudy/threads"
)

// Recording is what is stored of a run: enough to tell its events again.
type Recording struct {
	Run   *Run
	Spent Spent
	Steps []*StepRecord // oldest first
	// ReplayOf is as in Record: a replay is told without requires_action.
	ReplayOf *ReplayOf
	// Messages are those the run made, by their id; deleted ones are not there.
	Messages map[string]*threads.Message
}

// replay tells the events of the recording again: each stored one as it was told
// when it was made, with its number, and what leads up to it in one piece. The
// order is that of spec section 9. What the client may change (metadata, a
// deleted message) is told as it is now. last is the number of the last of them.
func (r *Recording) replay() (c *cursor, last int) {
	t := &replay{Recording: r, log: newLog()}
	c = t.log.join(nil, true)
	t.log.created(t.queued())
	for _, s := range r.Steps {
		t.begin()
		if s.Step.Type == MessageCreation {
			t.message(s)
		} else {
			t.calls(s)
		}
	}
	if t.hasBegun() {
		t.begin()
	}
	if r.Run.Status.cancelling() || r.Run.CancelledAt != nil {
		t.cancelling()
	}
	if r.Run.Status.Terminal() {
		t.log.run(r.Run)
	}
	t.log.end()
	return c, t.log.last
}

// bytes is how much text the recording has.
func (r *Recording) bytes() int {
	n := 0
	for _, m := range r.Messages {
		n += len(m.Text())
	}
	for _, s := range r.Steps {
		for _, c := range s.Step.Details.ToolCalls {
			if c.Function == nil {
				continue
			}
			if n += len(c.Function.Arguments); c.Function.Output != nil {
				n += len(*c.Function.Output)
			}
		}
	}
	return n
}

// numbered is how many stored events a run has that is about to be driven.
func numbered(steps []*StepRecord, replayed bool) int {
	n := 2 // created, queued
	for _, s := range steps {
		switch {
		case s.Step.Type == MessageCreation:
			n += 2 // the message, the step
		case s.searching(), replayed && s.unanswered(): // nothing yet
		case replayed, !s.Step.callsClient():
			n++ // the step
		case len(s.Step.unanswered()) > 0:
			n++ // requires_action
		default:
			n += 3 // requires_action, the step, queued
		}
	}
	return n
}

// replay is a recording while it is told.
type replay struct {
	*Recording
	log       *Log
	leg       int  // counted from 0; a submission begins the next
	begun     bool // the leg was shown in progress
	cancelled bool // cancelling was told
}

// live is the run as it was before its end.
func (t *replay) live() *Run {
	run := shallow(t.Run)
	run.Status, run.StartedAt, run.ExpiresAt = Queued, t.startOf(t.leg), t.expires()
	run.CancelledAt, run.FailedAt, run.CompletedAt = nil, nil, nil
	run.RequiredAction, run.LastError, run.IncompleteDetails, run.Usage = nil, nil, nil, nil
	return run
}

func (t *replay) expires() *int64 { return new(t.expiresAt()) }

// startOf returns when a leg began: the run names only the last one's.
func (t *replay) startOf(leg int) *int64 {
	if leg < len(t.Spent.Starts) {
		return &t.Spent.Starts[leg]
	}
	return t.Run.StartedAt
}

// queued is the run at the beginning of a leg, when it names the start of the
// one before.
func (t *replay) queued() *Run {
	run := t.live()
	run.StartedAt = nil
	if t.leg > 0 {
		run.StartedAt = t.startOf(t.leg - 1)
	}
	return run
}

// hasBegun reports whether the last leg got to be in progress. One that was
// cancelled or expired without a step, in the second the leg before it began,
// counts as one that did not.
func (t *replay) hasBegun() bool {
	if t.Run.StartedAt == nil || t.leg < len(t.Spent.Starts) {
		return false
	}
	return t.leg == 0 || t.Run.CompletedAt != nil || t.Run.FailedAt != nil || *t.Run.StartedAt != *t.startOf(t.leg - 1)
}

func (t *replay) begin() {
	if t.begun {
		return
	}
	t.begun = true
	run := t.live()
	run.Status = InProgress
	t.log.began(run)
}

func (t *replay) cancelling() {
	if t.cancelled {
		return
	}
	t.cancelled = true
	run := t.live()
	run.Status, run.StartedAt = Cancelling, t.Run.StartedAt
	t.log.run(run)
}

// opened is a step as it was before it was closed.
func (t *replay) opened(s *Step) *Step {
	step := shallow(s)
	step.Status, step.ExpiresAt = StepInProgress, t.expires()
	step.CancelledAt, step.CompletedAt, step.ExpiredAt, step.FailedAt = nil, nil, nil, nil
	step.LastError, step.Usage = nil, nil
	return step
}

// message tells a step and its message. A cancel that cut it short is told before
// it, so that whoever goes on behind the cancel is told of a message as a whole.
func (t *replay) message(r *StepRecord) {
	s := r.Step
	if s.CancelledAt != nil {
		t.cancelling()
	}
	t.log.openStep(t.opened(s))
	if m := t.Messages[s.Details.MessageCreation.MessageID]; m != nil {
		opened := shallow(m)
		opened.Status, opened.Content = threads.InProgress, []threads.Part{}
		opened.CompletedAt, opened.IncompleteAt, opened.IncompleteDetails = nil, nil, nil
		t.log.openMessage(opened)
		for i, part := range m.Content {
			switch {
			case part.Refusal != nil:
				t.log.text(m.ID, i, true, *part.Refusal, 0)
			case part.Text != nil && part.Text.Value != "":
				t.log.annotated(m.ID, i, part.Text)
			}
		}
		t.log.closeMessage(m)
	} else {
		t.log.skip()
	}
	t.log.closeStep(r, t.expires())
}

// calls tells a step of tool calls: those the server carries out first, then
// those the client had to answer, and how the leg and the step came to their
// ends.
func (t *replay) calls(r *StepRecord) {
	s := r.Step
	t.log.calls(t.opened(s))
	if r.searching() || !s.callsClient() || t.ReplayOf != nil {
		t.closed(r)
		return
	}
	waiting := t.live()
	waiting.Status = RequiresAction
	waiting.RequiredAction = requiredAction(slices.DeleteFunc(slices.Clone(s.Details.ToolCalls), func(c ToolCall) bool { return c.Function == nil }))
	t.log.run(waiting)
	switch {
	case len(s.unanswered()) == 0:
		t.log.closeStep(r, t.expires())
		t.leg, t.begun = t.leg+1, false
		t.log.run(t.queued())
	default:
		t.closed(r)
	}
}

// closed tells how a step came to its end, if it did.
func (t *replay) closed(r *StepRecord) {
	if r.Step.Open() {
		return
	}
	if r.Step.CancelledAt != nil {
		t.cancelling()
	}
	t.log.closeStep(r, t.expires())
}
