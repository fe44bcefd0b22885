package runs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// Model answers model calls; *chat.Client is one.
type Model interface {
	// Complete's answer is never nil, and the caller's own; with an error it is what there was.
	Complete(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error)
	// Render makes the request that Complete would send, and asks nobody.
	Render(ctx context.Context, req chat.Request) (chat.Exchange, error)
	// ContextWindow is the model's, in tokens of prompt and answer together.
	ContextWindow(model string) int
	// UpstreamOf names the upstream that is asked first for model, which is
	// chosen unless that is empty; "" = there is none.
	UpstreamOf(chosen, model string) string
	// Places says how many runs each upstream takes at once.
	Places() map[string]int
}

// The rhythm of leases. A run whose process died is taken up within leaseTime
// where several processes share a database, and at the next start otherwise.
const (
	leaseTime  = 30 * time.Second
	renewEvery = 10 * time.Second
	sweepEvery = time.Second
	claimBatch = 64 // in one transaction
)

// EngineOptions are the engine's settings and neighbours.
type EngineOptions struct {
	Store  Store
	Model  Model
	Images Images
	Search Searcher
	// Observer is told what becomes of runs; nil = nobody is.
	Observer Observer
	Logger   *slog.Logger
	Now      func() time.Time
	// Seeds makes the ids of steps, messages and calls repeatable; nil = they are random.
	Seeds  *wire.Seeds
	Limits Limits
	// Grace is how long Stop lets running model calls go on.
	Grace time.Duration
	// Untaped names the projects whose model calls are not put on the tape; nil =
	// none. A run goes on from its steps and messages, and needs no tape for it.
	Untaped func(project string) bool
}

// Engine drives the runs this process has leased. It is started once and
// stopped once.
type Engine struct {
	store    Store
	model    Model
	images   Images
	searcher Searcher
	memory   *chat.Memory // of long answers
	observer Observer
	feed     *feed // the observer too
	logger   *slog.Logger
	now      func() time.Time
	seeds    *wire.Seeds
	owner    string
	grace    time.Duration
	untaped  func(project string) bool

	ctx     context.Context // ends when Stop has run out of patience
	kill    context.CancelCauseFunc
	stopped chan struct{} // closed when Stop begins
	stop    sync.Once
	wake    chan struct{} // a run was called
	wg      sync.WaitGroup

	mu       sync.Mutex
	live     map[string]*live
	places   *places
	waiting  map[string]*Log // streams of runs that wait for a place
	called   []string        // runs whose place is taken and whose rows are to be leased
	started  bool
	stopping bool
}

// NewEngine returns an engine that has not been started.
func NewEngine(o EngineOptions) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Untaped == nil {
		o.Untaped = func(string) bool { return false }
	}
	feed := newFeed(cmp.Or[Observer](o.Observer, unobserved{}), o.Now)
	ctx, kill := context.WithCancelCause(context.Background())
	return &Engine{
		store: o.Store, model: o.Model, images: o.Images, searcher: o.Search, observer: feed, feed: feed,
		memory: chat.NewMemory(int64(cmp.Or(o.Limits.Answers, DefaultAnswers))), logger: o.Logger, now: o.Now, seeds: o.Seeds, owner: wire.NewHexID("proc_"), grace: o.Grace, untaped: o.Untaped,
		ctx: ctx, kill: kill, stopped: make(chan struct{}), wake: make(chan struct{}, 1),
		live: map[string]*live{}, waiting: map[string]*Log{}, places: newPlaces(o.Limits, o.Model.Places()),
	}
}

// Start takes up the runs that an earlier process left and begins to sweep.
// They are in the queue before any new run can be.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.store.ReleaseDead(ctx); err != nil {
		return err
	}
	if _, err := e.look(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	e.started = true
	e.call()
	e.mu.Unlock()
	e.wg.Add(1)
	go e.sweep()
	return nil
}

// Stop takes no more runs, gives those at work the grace time, then breaks off
// their model calls and frees their leases: the next start takes them up. A
// second call waits for the first.
func (e *Engine) Stop() { e.stop.Do(e.drain) }

func (e *Engine) drain() {
	e.mu.Lock()
	e.stopping = true
	e.mu.Unlock()
	close(e.stopped)
	patience := time.AfterFunc(e.grace, func() { e.kill(errDraining) })
	e.wg.Wait()
	patience.Stop()
	e.kill(errDraining)
	e.mu.Lock()
	for id, log := range e.waiting {
		log.breakOff()
		delete(e.waiting, id)
	}
	e.mu.Unlock()
	if err := e.store.Release(context.Background(), e.owner); err != nil {
		e.logger.Error("releasing runs", "error", err)
	}
	e.feed.close()
}

// Ready says why runs are not being driven, nil when they are.
func (e *Engine) Ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.started:
		return errors.New("the engine has not started")
	case e.stopping:
		return errDraining
	}
	return nil
}

// launch drives a run that was just committed with the lease of l, begun when
// its first model call is under way already. One that got no place can be called
// from now on.
func (e *Engine) launch(l *live, rec *Record, steps []*StepRecord, begun *ahead) {
	if l == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if w := e.places.waiters[rec.Run.ID]; w != nil {
			w.stored = true
			e.call()
		}
		return
	}
	d := &driver{engine: e, live: l, rec: rec, steps: steps, ahead: begun}
	d.live.log.begin(numbered(steps, rec.ReplayOf != nil))
	if begun != nil { // the model is at work, and whoever asks now is told so
		_ = d.start() // refused, it is refused to the loop again
	}
	e.drive(d)
	runtime.Gosched() // the run goes first: here, while another thread wakes up for the answer to its creation
}

// drive runs the loop of an admitted run in a goroutine of its own. A fault in
// one run ends that run and no other.
func (e *Engine) drive(d *driver) {
	expires := d.rec.Run.ExpiresAt
	go func() {
		defer e.leave(d.live)
		if expires != nil {
			expiry := time.AfterFunc(time.Unix(*expires, 0).Sub(e.now()), func() { d.live.cancel(errRunExpired) })
			defer expiry.Stop()
		}
		err := e.guard(d.live.runID, d.run)
		if !resumable(err) { // trying again would pay for the same answer until the run expires
			e.logger.Error("a run cannot go on", "run", d.live.runID, "error", err)
			err = e.guard(d.live.runID, func() error { return d.conclude(endFailed, nil) })
		}
		e.drop(d.ahead)
		e.report(d.rec, err)
	}()
}

// resumable reports whether a run that was not driven to a rest is left as it is
// stored, for whoever has it now or takes it up next.
func resumable(err error) bool {
	for _, reason := range []error{ErrLost, wire.ErrNotFound, wire.ErrUnavailable, errDraining} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return err == nil
}

// errFault says that a panic was caught, and logged.
var errFault = errors.New("a fault while driving the run")

func (e *Engine) guard(runID string, f func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			e.logger.Error("a fault while driving a run", "run", runID, "fault", fault, "stack", string(debug.Stack()))
			err = errFault
		}
	}()
	return f()
}

// report tells what kept a run from being driven to a rest. The run stays as
// it is stored and is claimed again when its lease has ended.
func (e *Engine) report(rec *Record, err error) {
	switch {
	case err == nil, errors.Is(err, ErrLost), errors.Is(err, wire.ErrNotFound), errors.Is(err, errDraining):
	default:
		e.logger.Error("driving a run; it will be taken up again", "run", rec.Run.ID, "thread", rec.Run.ThreadID, "error", err)
	}
}

// logEnd writes the one line a run gets: no content, no keys.
func (e *Engine) logEnd(rec *Record) {
	r := rec.Run
	attrs := []any{
		"run", r.ID, "thread", r.ThreadID, "assistant", r.AssistantID, "project", rec.Project, "status", r.Status, "model", r.Model,
		"turns", rec.Spent.Turns, "prompt_tokens", rec.Spent.Usage.PromptTokens, "completion_tokens", rec.Spent.Usage.CompletionTokens,
		"seconds", e.now().Unix() - r.CreatedAt,
	}
	if r.LastError != nil {
		attrs = append(attrs, "code", r.LastError.Code) // the message may quote the user
	}
	e.logger.Info("run ended", attrs...)
}
