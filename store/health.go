package store

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// remindEvery is how often the log repeats what keeps the database from being used.
	remindEvery = time.Minute

	// proofLife is for how long a commit proves that the next one will succeed.
	proofLife = time.Second

	// probe is a write that changes nothing: a number that belongs to the application, and that this one does not use.
	probe = "PRAGMA user_version = 0"
)

// pingPatience is how long Ping waits for a probe where it knows an answer already.
const pingPatience = 100 * time.Millisecond

// health is what the last reads and writes say of the database. It turns their errors into one line of the log that
// says what to do, repeated once a minute, and into the answer of Ping.
type health struct {
	path   string
	logger *slog.Logger
	now    func() time.Time

	mutex     sync.Mutex
	failure   error                // of the last write, nil when it succeeded or there was none
	damage    error                // the first sign of a damaged file; only a restart forgets it
	committed time.Time            // when the last write succeeded
	told      map[string]time.Time // when the log was last told a thing
	probing   *probing             // nil = no probe is under way
}

// probing is a probe under way. Whoever asks meanwhile waits for the same one.
type probing struct {
	done chan struct{} // closed when err is the outcome
	err  error
}

func newHealth(path string, logger *slog.Logger) *health {
	h := &health{path: path, logger: logger, told: map[string]time.Time{}}
	h.now = time.Now
	return h
}

// wrote notes the outcome of a transaction: nil when it was committed.
func (h *health) wrote(err error) {
	if err != nil && !isUnavailable(err) {
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	before := h.failure
	h.failure = err
	if err != nil {
		h.tell(err)
		return
	}
	h.committed = h.now()
	if before != nil && h.due("recovered") {
		h.logger.Info("the database can be written again", "database", h.path)
	}
}

// failed notes an error of a query; what is not the database's own fault is none of its business.
func (h *health) failed(err error) {
	if !isUnavailable(err) {
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.tell(err)
}

// tell writes the line that says what to do. h.mutex is held.
func (h *health) tell(err error) {
	if IsCorrupt(err) && h.damage == nil {
		h.damage = err
	}
	if advice := advise(err); h.due(advice) {
		h.logger.Error("the database cannot be used; requests are answered 503", "database", h.path, "error", err, "advice", advice)
	}
}

// due reports whether the log has not been told a thing within the last minute, and takes it for told. h.mutex is held.
func (h *health) due(thing string) bool {
	now := h.now()
	if last, told := h.told[thing]; told && now.Sub(last) < remindEvery {
		return false
	}
	h.told[thing] = now
	return true
}

// verdict is what is known without another write: whether a commit has just succeeded, how the last one failed, and
// the damage, which lasts.
func (h *health) verdict() (proven bool, failure, damage error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.failure == nil && h.now().Sub(h.committed) < proofLife, h.failure, h.damage
}

// Ping reports whether the database can be read and written. It has a probe written, at most once a second, unless
// others write: a full disk shows at nothing less. While the database is known to fail it does not wait for the probe,
// which may take as long as others hold the database. A file that was seen to be damaged stays so until the next Open.
func (db *DB) Ping(ctx context.Context) error {
	var tables int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	proven, failure, damage := db.writer.health.verdict()
	if damage != nil || proven {
		return damage
	}
	var known <-chan time.Time
	if failure != nil {
		patience := time.NewTimer(pingPatience)
		defer patience.Stop()
		known = patience.C
	}
	p := db.probe()
	select {
	case <-p.done:
		return p.err
	case <-known:
		return failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// probe begins a probe unless one is under way.
func (db *DB) probe() *probing {
	h := db.writer.health
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.probing != nil {
		return h.probing
	}
	p := &probing{done: make(chan struct{})}
	h.probing = p
	go func() {
		defer close(p.done)
		p.err = db.Write(context.Background(), func(_ context.Context, tx *Tx) error {
			_, err := tx.Exec(probe)
			return err
		})
		h.mutex.Lock()
		defer h.mutex.Unlock()
		h.probing = nil
	}()
	return p
}

// awaitProbe returns when no probe is under way.
func (h *health) awaitProbe() {
	h.mutex.Lock()
	p := h.probing
	h.mutex.Unlock()
	if p != nil {
		<-p.done
	}
}
