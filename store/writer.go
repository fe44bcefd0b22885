package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBatch bounds how many operations share a transaction, and so how long the first of them waits for the last.
	maxBatch = 256

	// refillWait bounds how long a transaction waits for the callers that the one before it just answered.
	refillWait = 100 * time.Microsecond

	// refillYields bounds the same wait where the clock stands still, as it does in a testing/synctest bubble.
	refillYields = 1000
)

// errAbandoned answers the operations of a batch whose goroutine ended inside one of them.
var errAbandoned = errors.New("store: the transaction was abandoned: an operation ended its goroutine")

// Stats counts what the writer did since Open.
type Stats struct {
	Commits      int64 // transactions committed
	Operations   int64 // operations in them that took effect
	LargestBatch int64 // most operations ever taken into one transaction
}

// operation is one call of Write, from the queue to its answer.
type operation struct {
	ctx  context.Context
	fn   func(context.Context, *Tx) error
	err  error
	done chan struct{} // closed when err is the answer

	committed []func(*DB) // what fn asked for with onCommit
}

// writer commits operations in groups. There is no writer goroutine: whoever holds the baton takes what is queued, runs
// it as one transaction in its own goroutine, answers everyone and passes the baton on to a caller still waiting.
type writer struct {
	db          *DB
	conn        *connection
	checkpoints *checkpointer
	health      *health
	logger      *slog.Logger
	places      []place
	onCommit    func(took time.Duration, operations int) // nil = nobody is told

	baton chan struct{} // holds one token while someone may use conn
	last  int           // size of the last batch; belongs to the baton

	mutex   sync.Mutex
	queue   []*operation
	closed  bool
	stats   Stats
	waiting atomic.Int64 // len(queue), readable without the mutex
}

// Write runs fn inside a transaction and answers once the transaction is on disk, or with the reason why nothing of it
// is. Concurrent calls share one transaction; they run one after the other, in the order they were queued, and one that
// fails or panics leaves no trace and does not harm the others. Only when the common commit itself fails do they all.
//
// A ctx that ends while the call is queued removes it unrun. Once fn runs it is not interrupted: the context it is given
// carries ctx's values but never ends. fn must be quick and must not call Write; nothing else is written meanwhile.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	w := db.writer
	op := &operation{ctx: context.WithoutCancel(ctx), fn: fn, done: make(chan struct{})}
	if err := w.enqueue(ctx, op); err != nil {
		return err
	}
	for !op.answered() {
		select {
		case <-op.done:
		case w.baton <- struct{}{}:
			w.lead()
		case <-ctx.Done():
			if w.withdraw(op) {
				return ctx.Err()
			}
			<-op.done
		}
	}
	return op.err
}

func (op *operation) answered() bool {
	select {
	case <-op.done:
		return true
	default:
		return false
	}
}

// Stats answers the writer's counters.
func (db *DB) Stats() Stats {
	db.writer.mutex.Lock()
	defer db.writer.mutex.Unlock()
	return db.writer.stats
}

func (w *writer) enqueue(ctx context.Context, op *operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.queue = append(w.queue, op)
	w.waiting.Add(1)
	return nil
}

// withdraw takes op out of the queue; false means that it is running, or has run.
func (w *writer) withdraw(op *operation) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	i := slices.Index(w.queue, op)
	if i < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	w.waiting.Add(-1)
	return true
}

// lead runs one batch and passes the baton on. The caller has put its token into the baton.
func (w *writer) lead() {
	defer func() { <-w.baton }()
	w.refill()
	if batch := w.take(); len(batch) > 0 {
		w.last = len(batch)
		w.run(batch)
	}
}

// refill waits a moment for the callers that were just answered to come back. Without it a steady load of n callers
// settles at two alternating batches of n/2, at twice the commits. It yields instead of sleeping because a timer of
// 100 µs takes a millisecond on an idle machine; a caller on its own never waits.
func (w *writer) refill() {
	expected := int64(w.last)
	if expected <= 1 {
		return
	}
	start := time.Now() //nolint:forbidigo // it bounds yields, not time: where the clock stands still their number does
	for range refillYields {
		if w.waiting.Load() >= expected || time.Since(start) > refillWait { //nolint:forbidigo // as above
			return
		}
		runtime.Gosched()
	}
}

func (w *writer) take() []*operation {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	n := min(len(w.queue), maxBatch)
	batch := slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	w.waiting.Add(int64(-n))
	return batch
}

// run executes the batch and answers every operation in it, whatever happens.
func (w *writer) run(batch []*operation) {
	unanswered := batch
	defer func() {
		if len(unanswered) == 0 {
			return
		}
		w.rollback()
		for _, op := range unanswered {
			op.err = errAbandoned
			close(op.done)
		}
	}()
	begun := time.Now() //nolint:forbidigo // a duration of the machine's, whatever time it is
	err := w.transact(batch)
	w.count(batch, err, time.Since(begun)) //nolint:forbidigo // as above
	if IsBusy(err) {                       // those who came meanwhile have waited, too, and would wait once more each
		for w.waiting.Load() > 0 {
			batch = append(batch, w.take()...)
		}
		unanswered = batch
	}
	w.note(batch, err)
	for len(unanswered) > 0 {
		op := unanswered[0]
		if op.err == nil {
			op.err = err
		}
		unanswered = unanswered[1:]
		close(op.done)
	}
}

// transact runs the batch as one transaction. Its error concerns the whole batch, of which nothing was kept; the error
// of a single operation is left in the operation.
func (w *writer) transact(batch []*operation) error {
	if err := w.inPlace(); err != nil {
		return err
	}
	if err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		w.rollback() // Should one before it have been left open, this one failed but the next can begin.
		return fmt.Errorf("begin: %w", withHolder(w.health.path, err))
	}
	if len(batch) == 1 {
		w.apply(batch[0])
		if batch[0].err != nil {
			w.rollback()
			return nil
		}
	} else {
		for _, op := range batch {
			if err := w.applyNested(op); err != nil {
				w.rollback()
				return err
			}
		}
	}
	if err := w.conn.exec("COMMIT"); err != nil {
		w.rollback()
		w.disown()
		w.db.tails.clear()                   // whatever the disk has of it, memory shall not say otherwise
		if !errors.Is(err, ErrUnavailable) { // a deferred constraint: nobody knows whose
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return fmt.Errorf("commit: %w", err)
	}
	w.committed(batch)
	w.checkpoints.wrote(w.conn.pagesWritten())
	return nil
}

// committed does what the operations asked for with onCommit.
func (w *writer) committed(batch []*operation) {
	for _, op := range batch {
		if op.err == nil {
			for _, f := range op.committed {
				f(w.db)
			}
		}
	}
}

// rollback ends the transaction. SQLite has ended it already after some errors (disk full, I/O), which makes this fail,
// and is as good.
func (w *writer) rollback() {
	_ = w.conn.exec("ROLLBACK")
}

// disown makes sure that a transaction whose commit failed stays undone. What it wrote to the log may be whole, with
// only the word of the disk missing: a process killed now would find it there at its next start and take it for
// committed, after its callers were told otherwise. Another transaction is written over it, whether or not the disk
// keeps that one; the sums over the log then end before the rest of the failed one.
func (w *writer) disown() {
	for _, statement := range []string{"BEGIN IMMEDIATE", probe, "COMMIT"} {
		if err := w.conn.exec(statement); err != nil {
			w.rollback()
			return
		}
	}
}

// applyNested runs op behind a savepoint. Its error means that the whole transaction is gone: SQLite gives up all of it
// when, for instance, the disk is full, and a savepoint outside a transaction would commit on its own.
func (w *writer) applyNested(op *operation) error {
	if err := w.conn.exec("SAVEPOINT operation"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	w.apply(op)
	if op.err != nil {
		if err := w.conn.exec("ROLLBACK TO operation"); err != nil {
			return fmt.Errorf("%w: another write in the transaction failed: %w", ErrUnavailable, op.err)
		}
	}
	if err := w.conn.exec("RELEASE operation"); err != nil {
		return fmt.Errorf("release savepoint: %w", err)
	}
	return nil
}

// apply calls the operation's function and leaves its outcome in the operation.
func (w *writer) apply(op *operation) {
	tx := &Tx{session: session{ctx: op.ctx, conn: w.conn}, db: w.db}
	defer tx.end()
	defer func() {
		if cause := recover(); cause != nil {
			op.err = fmt.Errorf("store: the operation panicked: %v", cause)
			w.logger.Error("a write panicked and was rolled back", "panic", cause, "stack", string(debug.Stack()))
		}
	}()
	op.err = op.fn(op.ctx, tx)
	if op.err == nil {
		op.err = tx.failed
	}
	op.committed = tx.committed
}

// note tells health how a batch ended. One of which nothing was to be kept says nothing of the disk, unless the disk
// was why.
func (w *writer) note(batch []*operation, failure error) {
	kept := false
	for _, op := range batch {
		if failure == nil && isUnavailable(op.err) {
			failure = op.err
		}
		kept = kept || op.err == nil
	}
	if failure != nil || kept {
		w.health.wrote(failure)
	}
}

func (w *writer) count(batch []*operation, failure error, took time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stats.LargestBatch = max(w.stats.LargestBatch, int64(len(batch)))
	applied := 0
	for _, op := range batch {
		if failure == nil && op.err == nil {
			applied++
		}
	}
	if applied > 0 {
		w.stats.Commits++
		w.stats.Operations += int64(applied)
		if w.onCommit != nil {
			w.onCommit(took, applied)
		}
	}
}

// close refuses new operations and returns when those already queued are answered.
func (w *writer) close() {
	w.mutex.Lock()
	w.closed = true
	w.mutex.Unlock()
	for {
		w.baton <- struct{}{}
		if w.waiting.Load() == 0 {
			<-w.baton
			return
		}
		w.lead()
	}
}
