package runs

import (
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
	store   Store
	model   Model
	prompts prompter
	logger  *slog.Logger
	now     func() time.Time
	owner   string
	maxRuns int
	grace   time.Duration

	ctx     context.Context // ends when Stop has run out of patience
	kill    context.CancelCauseFunc
	stopped chan struct{} // closed when Stop begins
	wake    chan struct{} // a run may be waiting for a free place
	wg      sync.WaitGroup

	mu       sync.Mutex
	live     map[string]*live
	waiting  map[string]*Log // streams of runs that wait for a place
	taken    int             // places in use
	stopping bool
}

// NewEngine returns an engine that has not been started.
func NewEngine(o EngineOptions) *Engine {
	if o.MaxRuns == 0 {
		o.MaxRuns = 256
	}
	ctx, kill := context.WithCancelCause(context.Background())
	return &Engine{
		store: o.Store, model: o.Model, prompts: prompter{history: o.Store, images: o.Images},
		logger: o.Logger, now: o.Now, owner: wire.NewHexID("proc_"), maxRuns: o.MaxRuns, grace: o.Grace,
		ctx: ctx, kill: kill, stopped: make(chan struct{}), wake: make(chan struct{}, 1), live: map[string]*live{}, waiting: map[string]*Log{},
	}
}

// Start takes up the runs that an earlier process left and begins to sweep.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.store.ReleaseDead(ctx); err != nil {
		return err
	}
	e.wg.Add(1)
	go e.sweep()
	return nil
}

// Stop takes no more runs, gives those at work the grace time, then breaks off
// their model calls and frees their leases: the next start takes them up.
func (e *Engine) Stop() {
	e.mu.Lock()
	already := e.stopping
	e.stopping = true
	e.mu.Unlock()
	if already {
		<-e.ctx.Done()
		e.wg.Wait()
		return
	}
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

// sweep claims what nobody drives: runs that waited for a place, runs left by
// a dead process, and runs whose time is up. It also renews leases.
func (e *Engine) sweep() {
	defer e.wg.Done()
	claim, renew := time.NewTicker(sweepEvery), time.NewTicker(renewEvery)
	defer claim.Stop()
	defer renew.Stop()
	for {
		e.claim()
		select {
		case <-e.wake:
		case <-claim.C:
		case <-renew.C:
			e.renew()
		case <-e.stopped:
			return
		}
	}
}

func (e *Engine) claim() {
	for {
		places := e.places()
		if places == 0 {
			return
		}
		now := e.now()
		records, err := e.store.Claim(e.ctx, Lease{Owner: e.owner, Until: now.Add(leaseTime)}, now, min(places, claimBatch))
		if err != nil {
			e.logger.Error("claiming runs", "error", err)
			return
		}
		for _, rec := range records {
			e.take(1)
			e.launch(rec, e.stream(rec.Run.ID))
		}
		if len(records) == 0 {
			return
		}
	}
}

// stream returns the log of a run that waited, nil when nobody streams it.
func (e *Engine) stream(runID string) *Log {
	e.mu.Lock()
	defer e.mu.Unlock()
	log := e.waiting[runID]
	delete(e.waiting, runID)
	return log
}

// places returns how many more runs may be driven.
func (e *Engine) places() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return max(0, e.maxRuns-e.taken)
}

func (e *Engine) take(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taken += n
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
	if err := e.store.Extend(e.ctx, e.owner, ids, e.now().Add(leaseTime)); err != nil {
		e.logger.Error("renewing leases", "error", err)
	}
}

// reserve takes a place and returns the lease to insert a run with. Without a
// free place the lease is empty: the run waits, queued, and is claimed later.
func (e *Engine) reserve() (lease Lease, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping || e.taken >= e.maxRuns {
		return Lease{}, false
	}
	e.taken++
	return Lease{Owner: e.owner, Until: e.now().Add(leaseTime), Epoch: 1}, true
}

// cede gives a place back.
func (e *Engine) cede() {
	e.take(-1)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// launch drives a run in a goroutine of its own; the place was taken before.
func (e *Engine) launch(rec *Record, log *Log) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	l := &live{log: log, cancel: cancel, settled: make(chan struct{})}
	e.mu.Lock()
	e.live[rec.Run.ID] = l
	e.mu.Unlock()
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		defer e.cede()
		defer e.forget(rec.Run.ID, l)
		defer cancel(nil)
		defer e.recovered(rec)
		if rec.Run.ExpiresAt != nil {
			expiry := time.AfterFunc(time.Unix(*rec.Run.ExpiresAt, 0).Sub(e.now()), func() { cancel(errRunExpired) })
			defer expiry.Stop()
		}
		e.report(rec, (&driver{engine: e, live: l, rec: rec}).load(ctx))
	}()
}

// load reads the steps of a run that has some and enters the loop.
func (d *driver) load(ctx context.Context) (err error) {
	if d.steps, err = d.rec.Steps(); err != nil {
		return err
	}
	return d.drive(ctx)
}

// recovered keeps a fault in one run from ending the others.
func (e *Engine) recovered(rec *Record) {
	if fault := recover(); fault != nil {
		e.logger.Error("a fault while driving a run", "run", rec.Run.ID, "fault", fault, "stack", string(debug.Stack()))
	}
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
		attrs = append(attrs, "code", r.LastError.Code, "error", r.LastError.Message)
	}
	e.logger.Info("run ended", attrs...)
}
