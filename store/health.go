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

// verdict is what is known without another write: the failure that lasts, and whether a commit has just succeeded.
func (h *health) verdict() (proven bool, err error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.failure == nil && h.now().Sub(h.committed) < proofLife, h.damage
}

// Ping reports whether the database can be read and written. It writes, at most once a second, unless others do: a full
// disk shows at nothing less. A file that was seen to be damaged stays so until the next Open.
func (db *DB) Ping(ctx context.Context) error {
	var tables int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	proven, err := db.writer.health.verdict()
	if err != nil || proven {
		return err
	}
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec(probe)
		return err
	})
}
