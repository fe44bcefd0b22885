package runs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// Model answers model calls; *chat.Client is one.
type Model interface {
	Complete(ctx context.Context, req chat.Request, sink chat.Sink) (chat.Answer, error)
	// ContextWindow is the model's, in tokens of prompt and answer together.
	ContextWindow(model string) int
}

// The rhythm of leases. A run whose process died is taken up within leaseTime
// where several processes share a database, and at the next start otherwise.
const (
	leaseTime  = 30 * time.Second
	renewEvery = 10 * time.Second
	sweepEvery = time.Second
	claimBatch = 64
)

// EngineOptions are the engine's settings and neighbours.
type EngineOptions struct {
	Store  Store
	Model  Model
	Images Images
	Search Searcher
	Logger *slog.Logger
	Now    func() time.Time
	// MaxRuns bounds the runs driven at once; others wait, queued. 0 means 256.
	MaxRuns int
	// Grace is how long Stop lets running model calls go on.
	Grace time.Duration
}

// Engine drives the runs this process has leased. It is started once and
// stopped once.
type Engine struct {
	store    Store
	model    Model
	prompts  prompter
	searcher Searcher
	logger   *slog.Logger
	now      func() time.Time
	owner    string
	maxRuns  int
	grace    time.Duration

	ctx     context.Context // ends when Stop has run out of patience
	kill    context.CancelCauseFunc
	stopped chan struct{} // closed when Stop begins
	stop    sync.Once
	wake    chan struct{} // a run may be waiting for a free place
	wg      sync.WaitGroup

	mu       sync.Mutex
	live     map[string]*live
	waiting  map[string]*Log // streams of runs that wait for a place
	taken    int             // places in use
	started  bool
	stopping bool
}

// NewEngine returns an engine that has not been started.
func NewEngine(o EngineOptions) *Engine {
	if o.MaxRuns == 0 {
		o.MaxRuns = 256
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = cmp.Or(o.Logger, slog.Default())
	ctx, kill := context.WithCancelCause(context.Background())
	return &Engine{
		store: o.Store, model: o.Model, prompts: prompter{history: o.Store, images: o.Images}, searcher: o.Search,
		logger: o.Logger, now: o.Now, owner: wire.NewHexID("proc_"), maxRuns: o.MaxRuns, grace: o.Grace,
		ctx: ctx, kill: kill, stopped: make(chan struct{}), wake: make(chan struct{}, 1), live: map[string]*live{}, waiting: map[string]*Log{},
	}
}

// Start takes up the runs that an earlier process left and begins to sweep.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.store.ReleaseDead(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	e.started = true
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

// sweep claims what nobody drives: runs that waited for a place, runs left by
// a dead process, and runs whose time is up. It also renews leases, and does
// so before it claims: a process that was suspended must not take its own runs
// for another's.
func (e *Engine) sweep() {
	defer e.wg.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for renewed := e.now(); ; {
		if now := e.now(); now.Sub(renewed) >= renewEvery {
			e.renew()
			renewed = now
		}
		e.claim()
		select {
		case <-e.wake:
		case <-tick.C:
		case <-e.stopped:
			return
		}
	}
}

// claim takes up runs as long as there are places for them. Expired runs need none.
func (e *Engine) claim() {
	for claimed := claimBatch; claimed >= claimBatch; {
		now, held := e.now(), e.hold()
		records, err := e.store.Claim(e.ctx, Lease{Owner: e.owner, Until: now.Add(leaseTime)}, now, held, claimBatch)
		if err != nil && e.ctx.Err() == nil && !errors.Is(err, wire.ErrUnavailable) { // the store's own are in its log
			e.logger.Error("claiming runs", "error", err)
		}
		claimed = len(records)
		for i, l := range e.enterClaimed(records, held) {
			e.drive(&driver{engine: e, live: l, rec: records[i], stale: true})
		}
	}
}

// hold takes the places that a claim may fill.
func (e *Engine) hold() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	held := max(0, min(e.maxRuns-e.taken, claimBatch))
	e.taken += held
	return held
}

// enterClaimed makes claimed runs known here, in the places held for them. An
// engine that is stopping leaves them; it frees their leases at its end.
func (e *Engine) enterClaimed(records []*Record, held int) []*live {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taken -= held
	if e.stopping {
		return nil
	}
	entered := make([]*live, len(records))
	for i, rec := range records {
		entered[i] = e.enter(rec.Run.ID)
	}
	return entered
}

func (e *Engine) renew() {
	e.mu.Lock()
	ids := make([]string, 0, len(e.live))
	for id := range e.live {
		ids = append(ids, id)
	}
	e.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	if err := e.store.Extend(e.ctx, e.owner, ids, e.now().Add(leaseTime)); err != nil && e.ctx.Err() == nil {
		e.logger.Error("renewing leases", "error", err)
	}
}

// launch drives a run that was just committed with the lease of l. One that got
// no place is left to the sweep, which may have looked too early.
func (e *Engine) launch(l *live, rec *Record, steps []*StepRecord) {
	if l == nil {
		e.poke()
		return
	}
	e.drive(&driver{engine: e, live: l, rec: rec, steps: steps})
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
