package runs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/threads"
)

// Assistants loads the assistant a run is made from; *assistants.Service is one.
type Assistants interface {
	Load(ctx context.Context, project, id string) (*assistants.Assistant, error)
}

// Threads are the threads that runs belong to; the store has them.
type Threads interface {
	Thread(ctx context.Context, project, id string) (json.RawMessage, error)
	DeleteThread(ctx context.Context, project, id string) error
	ForkThread(ctx context.Context, project string, f threads.Fork) (json.RawMessage, error)
}

// Service carries out the run and step routes.
type Service struct {
	store      Store
	engine     *Engine
	assistants Assistants
	threads    Threads
	files      assistants.Files
	models     assistants.Models
	now        func() time.Time
}

// ServiceOptions are the service's neighbours.
type ServiceOptions struct {
	Store      Store
	Engine     *Engine
	Assistants Assistants
	Threads    Threads
	Files      assistants.Files
	Models     assistants.Models
	Now        func() time.Time
}

// NewService returns a Service.
func NewService(o ServiceOptions) *Service {
	return &Service{
		store: o.Store, engine: o.Engine, assistants: o.Assistants, threads: o.Threads,
		files: o.Files, models: o.Models, now: o.Now,
	}
}

const (
	noun       = "run"
	stepNoun   = "run step"
	threadNoun = "thread"
)

// Create adds a run to a thread, or to a new one when c.Thread is set, and lets
// the engine drive it. The watch is nil unless c.Stream is set.
func (s *Service) Create(ctx context.Context, project, threadID string, c Create) (json.RawMessage, *Watch, error) {
	a, err := s.assistants.Load(ctx, project, c.AssistantID)
	if err != nil {
		return nil, nil, err
	}
	n, err := s.prepare(ctx, project, threadID, c, a)
	if err != nil {
		return nil, nil, err
	}
	return s.begin(ctx, project, n, c)
}

// begin stores a run and has the engine drive it.
func (s *Service) begin(ctx context.Context, project string, n NewRun, c Create) (json.RawMessage, *Watch, error) {
	var w *Watch
	var opening func(*Log)
	if c.Stream {
		w = s.engine.newWatch(Start{ThreadID: n.Run.ThreadID, RunID: n.Run.ID, Texts: c.Texts, WithThread: n.Thread != nil})
		if n.Thread != nil {
			w.preface = preface(encode(n.Thread))
		}
		opening = func(log *Log) {
			w.follow(log)
			log.created(n.Run)
		}
	}
	enqueued := false
	var ahead []string
	rec := &Record{Project: project, Run: n.Run, Upstream: n.Upstream, Search: n.Search, Trace: n.Trace, ReplayOf: n.ReplayOf, Spent: n.Spent}
	l, err := s.engine.admit(rec, asNew, opening)
	if err != nil {
		return nil, nil, err
	}
	n.Lease = s.engine.lease(l, 1)
	rec.Lease = n.Lease
	if c.OnBusy.Waits() {
		n.Enqueue = func(runs []string) {
			s.engine.enqueue(n.Run.ID, l, c.Stream)
			enqueued, ahead, l = true, runs, nil
		}
	}
	body, begun, err := s.insert(ctx, rec, n, l)
	if n.VectorStore != nil || threads.Attach(n.Messages) {
		s.files.Wake()
	}
	if err != nil {
		s.engine.withdraw(n.Run.ID, l)
		return nil, nil, createError(err, n.Run.ThreadID)
	}
	s.engine.observer.Asked(ctx, rec, nil)
	if !enqueued {
		s.engine.launch(l, rec, nil, begun)
	}
	if c.OnBusy == threads.Interrupt {
		s.CancelAll(ctx, project, n.Run.ThreadID, ahead)
	}
	return body, w, nil
}

// prepare makes what CreateRun inserts.
func (s *Service) prepare(ctx context.Context, project, threadID string, c Create, a *assistants.Assistant) (NewRun, error) {
	if err := c.check(ctx, project, s.files); err != nil {
		return NewRun{}, err
	}
	now, ids := s.now(), wire.MinterOf(ctx)
	var n NewRun
	if c.Thread != nil {
		threadID = ids.ID(threads.IDPrefix, now)
		n.Thread, n.Messages, n.VectorStore = c.Thread.Build(threadID, now, ids)
	}
	for _, m := range c.AdditionalMessages {
		n.Messages = append(n.Messages, m.Build(ids.ID(threads.MessagePrefix, now), threadID, now.Unix()))
	}
	run, err := c.build(a, ids.ID(IDPrefix, now), threadID, now.Unix())
	if err != nil {
		return NewRun{}, err
	}
	n.Run = run
	if c.ExpiresIn != 0 {
		n.Spent.ExpiresAt = *run.ExpiresAt
	}
	fromUser := func(m *threads.Message) bool { return m.Role == threads.User }
	n.NeedsMessage = !c.Version1 && (run.Instructions == nil || *run.Instructions == "") && !slices.ContainsFunc(n.Messages, fromUser)
	n.Search, n.Trace, n.Webhook = c.searchSetup(a), s.engine.observer.Traced(ctx, run, a), c.Webhook
	if n.Upstream = c.Upstream; n.Upstream != "" { // it takes the model as it is
		return n, nil
	}
	return n, s.models.CheckModel(run.Model)
}

func createError(err error, threadID string) error {
	if busy, ok := errors.AsType[*threads.BusyError](err); ok {
		return wire.Invalidf("Thread %s already has an active run %s.", threadID, busy.RunID)
	}
	if errors.Is(err, threads.ErrQueueFull) {
		return threads.QueueFull(threadID)
	}
	if errors.Is(err, ErrNoInput) {
		return &wire.Error{Message: "Run creation requires a Thread with a user message or an assistant with instructions.", Code: "invalid_thread"}
	}
	return wire.OrNoSuch(err, threadNoun, threadID)
}

// Get returns the run as it is shown.
func (s *Service) Get(ctx context.Context, project, threadID, id string) (json.RawMessage, error) {
	since := s.engine.begun(id) // asked before the store, so that a run never seems to go back
	body, err := s.store.Run(ctx, project, threadID, id)
	if err != nil {
		return nil, wire.OrNoSuch(err, noun, id)
	}
	return asBegun(body, since)
}

// List returns one page of a thread's runs.
func (s *Service) List(ctx context.Context, project, threadID string, page wire.Page) (wire.List, error) {
	begun := s.engine.allBegun()
	list, err := s.store.Runs(ctx, project, threadID, page)
	if err != nil {
		return list, wire.OrNoSuch(err, threadNoun, threadID)
	}
	for i, item := range list.Items {
		if list.Items[i].JSON, err = asBegun(item.JSON, begun[item.ID]); err != nil {
			return list, err
		}
	}
	return list, nil
}

// Modify replaces the metadata of a run; nil changes nothing.
func (s *Service) Modify(ctx context.Context, project, threadID, id string, metadata wire.Metadata, dialect wire.Dialect) (json.RawMessage, error) {
	since := s.engine.begun(id)
	body, err := s.store.ChangeRun(ctx, project, threadID, id, func(r *Record) (*Change, error) {
		if status := r.Run.showBegun(since).Status; !status.updatable(dialect == wire.V1) {
			return nil, wire.Invalidf("Cannot update run with status '%s'.", status)
		}
		if metadata != nil {
			r.Run.Metadata = metadata
		}
		return r.change(), nil
	})
	if err != nil {
		return nil, wire.OrNoSuch(err, noun, id)
	}
	return asBegun(body, since)
}

// Cancel asks a run to end. The answer says cancelling; the engine, this
// process's or the one that has the lease, ends the run within a second.
func (s *Service) Cancel(ctx context.Context, project, threadID, id string) (json.RawMessage, error) {
	since := s.engine.begun(id)
	var l *live
	var idle, enqueued *Record
	var asked *Run
	var steps []*StepRecord
	body, err := s.store.ChangeRun(ctx, project, threadID, id, func(r *Record) (_ *Change, err error) {
		r.Run = r.Run.showBegun(since)
		status := r.Run.Status
		if err := r.Run.move(requestCancel, s.now().Unix()); err != nil {
			return nil, wire.Invalidf("Cannot cancel run with status '%s'.", status)
		}
		if r.Enqueued { // nobody drives it, and it holds nothing: there is nothing to wait for
			asked, enqueued = shallow(r.Run), r
			if err := r.conclude(endCancelled, s.now().Unix(), nil); err != nil {
				return nil, err
			}
			return r.change(), nil
		}
		if !s.engine.idle(r) {
			return r.change(), nil
		}
		if steps, err = r.Steps(); err != nil {
			return nil, err
		}
		if l, err = s.engine.admit(r, atOnce, nil); err != nil {
			return nil, err
		}
		r.Lease = s.engine.lease(l, r.Lease.Epoch+1)
		idle = r
		return r.change(), nil
	})
	if err != nil {
		if l != nil {
			s.engine.withdraw(id, l)
		}
		return nil, wire.OrNoSuch(err, noun, id)
	}
	if enqueued != nil {
		s.engine.dequeue(asked, enqueued)
		return body, nil
	}
	if idle != nil {
		s.engine.launch(l, idle, steps, nil)
	}
	s.engine.interrupt(id)
	return body, nil
}

// Submit takes the outputs of the calls a run waits for and lets it go on. The
// watch is nil unless out.Stream is set.
func (s *Service) Submit(ctx context.Context, project, threadID, id string, out Outputs) (json.RawMessage, *Watch, error) {
	leg := submission{tokens: out.tokens()}
	since := s.engine.begun(id)
	body, err := s.store.ChangeRun(ctx, project, threadID, id, func(r *Record) (*Change, error) {
		change, err := leg.answer(r, out, s.now().Unix(), since)
		if err != nil {
			return nil, err
		}
		if leg.live, err = s.engine.admit(r, inTurn, leg.opening(s.engine, out.Stream)); err != nil {
			return nil, err
		}
		r.Lease = s.engine.lease(leg.live, r.Lease.Epoch+1)
		change.Lease = r.Lease
		return change, nil
	})
	if err != nil {
		if leg.rec != nil {
			s.engine.withdraw(id, leg.live)
		}
		return nil, nil, wire.OrNoSuch(err, noun, id)
	}
	s.engine.observer.Asked(ctx, leg.rec, leg.steps[len(leg.steps)-1].Step)
	s.engine.launch(leg.live, leg.rec, leg.steps, nil)
	return body, leg.watch, nil
}

// DeleteThread removes a thread; runs that are active on it are cancelled first.
func (s *Service) DeleteThread(ctx context.Context, project, id string) error {
	active, err := s.store.ActiveOn(ctx, project, id)
	if err != nil {
		return wire.OrNoSuch(err, threadNoun, id)
	}
	s.CancelAll(ctx, project, id, active)
	err = s.threads.DeleteThread(ctx, project, id)
	if err == nil { // also of a run that was made in between
		s.engine.abandon(id)
	}
	return wire.OrNoSuch(err, threadNoun, id)
}

// Step returns one step as it is shown, with the texts that file_search found if
// they are asked for.
func (s *Service) Step(ctx context.Context, project, threadID, runID, id string, texts bool) (json.RawMessage, error) {
	body, err := s.store.Step(ctx, project, threadID, runID, id)
	if err != nil {
		return nil, wire.OrNoSuch(err, stepNoun, id)
	}
	items := []wire.Item{{ID: id, JSON: body}}
	if texts {
		err = s.addTexts(ctx, items)
	}
	return items[0].JSON, err
}

// Steps returns one page of a run's steps; texts is as in Step.
func (s *Service) Steps(ctx context.Context, project, threadID, runID string, page wire.Page, texts bool) (wire.List, error) {
	list, err := s.store.Steps(ctx, project, threadID, runID, page)
	if err != nil {
		return list, wire.OrNoSuch(err, noun, runID)
	}
	if texts {
		err = s.addTexts(ctx, list.Items)
	}
	return list, err
}

// addTexts puts the texts of search results into steps.
func (s *Service) addTexts(ctx context.Context, steps []wire.Item) error {
	ids := make([]string, len(steps))
	for i, item := range steps {
		ids[i] = item.ID
	}
	found, err := s.store.Searches(ctx, ids)
	if err != nil {
		return err
	}
	for i, item := range steps {
		searches := found[item.ID]
		if searches == nil {
			continue
		}
		var step Step
		if err := wire.Decode(item.JSON, &step); err != nil {
			return err
		}
		if steps[i].JSON, err = wire.Marshal(step.withResults(searches, true)); err != nil {
			return err
		}
	}
	return nil
}

// ModelCalls returns the run's tape.
func (s *Service) ModelCalls(ctx context.Context, project, threadID, runID string) ([]*ModelCall, error) {
	calls, err := s.store.ModelCalls(ctx, project, threadID, runID)
	return calls, wire.OrNoSuch(err, noun, runID)
}
