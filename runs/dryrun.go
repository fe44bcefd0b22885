package runs

import (
	"context"
	"errors"
	"slices"

	"understudy/api/wire"
	"understudy/runs/chat"
	"understudy/threads"
)

// DryRun shows what the first model call of a run would send. It checks what
// Create checks, and stores nothing; no model is asked.
func (s *Service) DryRun(ctx context.Context, project, threadID string, c Create) (*Context, error) {
	a, err := s.assistants.Load(ctx, project, c.AssistantID)
	if err != nil {
		return nil, err
	}
	n, err := s.prepare(ctx, project, threadID, c, a)
	if err != nil {
		return nil, err
	}
	history := &foreseen{}
	var waiting []*threads.Message
	if n.Thread == nil {
		history.stored, history.past = s.store, s.store
		if waiting, err = s.ahead(ctx, project, threadID, c.OnBusy); err != nil {
			return nil, createError(err, threadID)
		}
	}
	history.add(append(waiting, n.Messages...))
	if n.NeedsMessage {
		if err := history.requireUser(ctx, threadID); err != nil {
			return nil, createError(err, threadID)
		}
	}
	call, err := s.foresee(ctx, &Record{Project: project, Run: n.Run, Upstream: n.Upstream, Search: n.Search}, history)
	if err != nil {
		return nil, err
	}
	shown, err := show(ctx, history, n.Run, call)
	shown.DryRun = true
	if n.Thread == nil {
		shown.ThreadID = &threadID
	}
	return shown, err
}

// ahead reads the messages that come into the thread before the run would begin. It
// answers a *threads.BusyError while a run holds the thread, unless the new one
// would wait for it to end.
func (s *Service) ahead(ctx context.Context, project, threadID string, onBusy threads.OnBusy) ([]*threads.Message, error) {
	active, err := s.store.ActiveOn(ctx, project, threadID)
	switch {
	case err != nil || len(active) == 0:
		return nil, err
	case !onBusy.Waits():
		return nil, &threads.BusyError{RunID: active[len(active)-1]} // the others wait for it
	}
	return s.store.Enqueued(ctx, project, threadID, onBusy == threads.Enqueue)
}

// foresee makes the run's first model call, as it would be on the tape had
// nothing come back.
func (s *Service) foresee(ctx context.Context, rec *Record, history History) (*ModelCall, error) {
	budget, hard := rec.promptBudget(s.engine.model.ContextWindow(rec.Run.Model))
	p, err := prompter{history: history, images: s.engine.images}.build(ctx, rec.Project, rec.Run, budget, hard)
	if errors.Is(err, errPromptTooLong) {
		return nil, wire.InvalidValue("max_prompt_tokens", "Invalid 'max_prompt_tokens': not even the newest message fits. The run would ask no model and end as incomplete.")
	}
	if err != nil {
		return nil, err
	}
	x, err := s.engine.model.Render(ctx, rec.request(p.messages, nil))
	if _, refused := errors.AsType[*chat.Error](err); err != nil && !refused {
		return nil, err
	}
	return newModelCall(1, p.truncated, &chat.Answer{Exchange: x}, lastError(err)), nil
}

// foreseen is the history of a thread with messages that are not stored.
type foreseen struct {
	upcoming
	past Past // of what is stored; nil = the thread is not stored either
}

// MessagesBefore implements Past.
func (f *foreseen) MessagesBefore(ctx context.Context, threadID, messageID string) (n int, first, last string, err error) {
	until := slices.IndexFunc(f.messages, func(m *MessageRecord) bool { return m.Message.ID == messageID })
	if until >= 0 {
		messageID = "" // all that is stored is before it
	}
	if f.past != nil {
		n, first, last, err = f.past.MessagesBefore(ctx, threadID, messageID)
	}
	for _, m := range f.messages[:max(0, until)] {
		if n++; first == "" {
			first = m.Message.ID
		}
		last = m.Message.ID
	}
	return n, first, last, err
}

// requireUser answers ErrNoInput unless the thread has a message of the user.
func (f *foreseen) requireUser(ctx context.Context, threadID string) error {
	for before := int64(0); ; {
		page, err := f.RecentMessages(ctx, threadID, before, historyPage)
		if err != nil {
			return err
		}
		for _, m := range page {
			if m.Message.Role == threads.User {
				return nil
			}
			before = m.Seq
		}
		if len(page) < historyPage {
			return ErrNoInput
		}
	}
}
