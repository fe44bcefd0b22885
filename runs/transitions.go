package runs

import (
	"fmt"
	"slices"
)

// Status is the state of a run (spec section 7). Only this file compares
// statuses; everything else asks its predicates.
type Status string

// The nine states of a run.
const (
	Queued         Status = "queued"
	InProgress     Status = "in_progress"
	RequiresAction Status = "requires_action"
	Cancelling     Status = "cancelling"
	Cancelled      Status = "cancelled"
	Failed         Status = "failed"
	Completed      Status = "completed"
	Incomplete     Status = "incomplete"
	Expired        Status = "expired"
)

var allStatuses = []Status{Queued, InProgress, RequiresAction, Cancelling, Cancelled, Failed, Completed, Incomplete, Expired}

// verb is something that happens to a run.
type verb string

const (
	start         verb = "start"
	requireAction verb = "require action"
	submit        verb = "submit"
	requestCancel verb = "request cancel"
	cancel        verb = "cancel"
	fail          verb = "fail"
	proceed       verb = "proceed"
	complete      verb = "complete"
	cutShort      verb = "cut short"
	expire        verb = "expire"
)

// transition is one row of the machine: from which states, to which, and which
// members change with it at a given unix time.
type transition struct {
	from []Status
	to   Status
	set  func(r *Run, at *int64)
}

// transitions is the whole machine. Terminal states are those nothing leads
// out of; they clear what only a live run has.
var transitions = map[verb]transition{
	start:         {[]Status{Queued, InProgress}, InProgress, func(r *Run, at *int64) { r.StartedAt = at }},
	requireAction: {[]Status{InProgress}, RequiresAction, nil},
	submit:        {[]Status{RequiresAction}, Queued, func(r *Run, _ *int64) { r.RequiredAction = nil }},
	requestCancel: {[]Status{Queued, InProgress, RequiresAction}, Cancelling, func(r *Run, _ *int64) { r.RequiredAction = nil }},
	cancel:        {[]Status{Cancelling}, Cancelled, func(r *Run, at *int64) { r.CancelledAt = at }},
	fail:          {[]Status{Queued, InProgress}, Failed, func(r *Run, at *int64) { r.FailedAt = at }},
	proceed:       {[]Status{InProgress}, InProgress, nil}, // a tool of the server is next, or the model again
	complete:      {[]Status{InProgress}, Completed, func(r *Run, at *int64) { r.CompletedAt = at }},
	cutShort:      {[]Status{InProgress}, Incomplete, func(r *Run, at *int64) { r.CompletedAt = at }},
	expire:        {[]Status{Queued, InProgress, RequiresAction}, Expired, nil},
}

// IllegalTransition is a verb that the machine does not allow in a state.
type IllegalTransition struct {
	Verb string
	From Status
}

func (e *IllegalTransition) Error() string {
	return fmt.Sprintf("a run in status %q cannot %s", e.From, e.Verb)
}

// move applies a verb at a unix time; the run is unchanged on error.
func (r *Run) move(v verb, at int64) error {
	t := transitions[v]
	if !slices.Contains(t.from, r.Status) {
		return &IllegalTransition{Verb: string(v), From: r.Status}
	}
	r.Status = t.to
	if t.set != nil {
		t.set(r, &at)
	}
	if t.to.Terminal() {
		r.ExpiresAt, r.RequiredAction = nil, nil
	}
	return nil
}

// Passed lists the states that a run was in from one stored state to another,
// oldest first, the other included; before is nil for a new run. That a run
// began is stored only with what came next.
func Passed(before, after *Run) []*Run {
	switch {
	case before == nil:
		return []*Run{after}
	case before.Status == after.Status:
		return nil
	case after.Status == InProgress || after.StartedAt == nil || leads(before.Status, after.Status) && before.startedAt(*after.StartedAt):
		return []*Run{after}
	}
	began := *before
	if began.move(start, *after.StartedAt) != nil {
		return []*Run{after}
	}
	return []*Run{&began, after}
}

// leads reports whether a verb leads from one state to the other.
func leads(from, to Status) bool {
	for _, t := range transitions {
		if t.to == to && slices.Contains(t.from, from) {
			return true
		}
	}
	return false
}

// startedAt reports whether the run was started last at a unix time.
func (r *Run) startedAt(at int64) bool { return r.StartedAt != nil && *r.StartedAt == at }

// Terminal reports whether nothing leads out of the state.
func (s Status) Terminal() bool {
	for _, t := range transitions {
		if slices.Contains(t.from, s) {
			return false
		}
	}
	return true
}

// Active reports whether a run in this state holds the lock of its thread.
func (s Status) Active() bool { return !s.Terminal() }

// Runnable reports whether the engine has something to do for a run in this
// state: it neither ended nor waits for the client.
func (s Status) Runnable() bool { return s.Active() && s != RequiresAction }

// Settled reports whether a poller may stop: the run ended or waits for the client.
func (s Status) Settled() bool { return !s.Runnable() }

func (s Status) cancelling() bool { return s == Cancelling }

// updatable reports whether a client may change the run's metadata; version 1
// refused it while the model was at work.
func (s Status) updatable(v1 bool) bool { return !v1 || s != InProgress }

// Version1 is the status as version 1 of the API showed it: a run that was cut
// short was completed, with incomplete_details, and its poll helpers know no
// other end.
func (s Status) Version1() Status {
	if s == Incomplete {
		return Completed
	}
	return s
}

// StepStatus is the state of a run step.
type StepStatus string

// The states of a step. A function-call step stays in progress while its
// outputs are awaited.
const (
	StepInProgress StepStatus = "in_progress"
	StepCancelled  StepStatus = "cancelled"
	StepFailed     StepStatus = "failed"
	StepCompleted  StepStatus = "completed"
	StepExpired    StepStatus = "expired"
)

// ending describes how an unfinished run is brought to an end: the verb, what
// becomes of an open step, and the reason an open message is given.
type ending struct {
	verb          verb
	step          StepStatus
	messageReason string
	lastError     *LastError // nil = that of the model call
}

var (
	endCancelled = ending{verb: cancel, step: StepCancelled, messageReason: "run_cancelled"}
	endExpired   = ending{verb: expire, step: StepExpired, messageReason: "run_expired"}
	endFailed    = ending{verb: fail, step: StepFailed, messageReason: "run_failed"}
)

// end closes an open step the way the ending says.
func (s *Step) end(e ending, at int64, reason *LastError) {
	s.Status = e.step
	s.ExpiresAt = nil
	switch e.step {
	case StepCancelled:
		s.CancelledAt = &at
	case StepExpired:
		s.ExpiredAt = &at
	case StepInProgress, StepCompleted: // no ending leaves a step in these
	case StepFailed:
		s.FailedAt, s.LastError = &at, reason.ofStep()
	}
}

// complete closes an open step with what its part of the model call used.
func (s *Step) complete(at int64, usage Usage) {
	s.Status = StepCompleted
	s.CompletedAt, s.ExpiresAt, s.Usage = &at, nil, &usage
}

// Open reports whether the step has not come to its end.
func (s *Step) Open() bool { return s.Status == StepInProgress }
