package store

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// TapeLimits say how much of the tape is kept. What a run that is not over has on the tape is kept whatever they say.
type TapeLimits struct {
	Keep time.Duration // of a call from its end on; 0 = for good
	Size int64         // of the tape, in bytes, about; beyond it the oldest calls go; 0 = whatever it takes
	Off  []string      // projects of which nothing is kept
}

// tape is what this process knows of the tape's growth.
type tape struct {
	mutex     sync.Mutex
	counted   bool   // size was counted once
	size      int64  // when it was last counted, and what was written since
	forgotten bool   // all that projects without a tape had was marked
	watched   string // thread whose parts are being collected
	touched   bool   // it has another call since
}

// wrote is called with every call that was stored.
func (t *tape) wrote(threadID string, size int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.size += int64(size)
	t.touched = t.touched || t.watched == threadID
}

// touch is called with every call that is about to be stored: what removes parts may come next in its transaction.
func (t *tape) touch(threadID string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.touched = t.touched || t.watched == threadID
}

func (t *tape) watch(threadID string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.watched, t.touched = threadID, false
}

func (t *tape) isTouched() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.touched
}

// below reports whether the tape cannot be larger than limit.
func (t *tape) below(limit int64) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.counted && t.size <= limit
}

func (t *tape) count(size int64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.counted, t.size = true, size
}

const (
	// sweptCalls is how many calls are removed at a time, and sweptParts how many parts in one transaction.
	sweptCalls = 64
	sweptParts = 200

	// forgottenRows is how many rows are looked at in one transaction for those of projects without a tape.
	forgottenRows = 1000

	// collections is how often a thread is looked through again that has a new call meanwhile.
	collections = 3
)

// errTouched says that a thread at work cannot be swept now.
var errTouched = errors.New("store: the thread has a new model call")

// SweepTape removes what the limits no longer keep, oldest first, in transactions so small that nobody waits long for
// one. It returns how many calls it removed. One sweep runs at a time; no other process may write to the tape.
func (db *DB) SweepTape(ctx context.Context, now time.Time, limits TapeLimits) (removed int, err error) {
	if err := db.forgetProjects(ctx, limits.Off); err != nil {
		return 0, err
	}
	due := int64(1) // what is being removed
	if limits.Keep > 0 {
		due = now.Add(-limits.Keep).Unix()
	}
	for n := sweptCalls; n == sweptCalls; {
		if n, _, err = db.removeCalls(ctx, due); err != nil {
			return removed, unlessTouched(err)
		}
		removed += n
	}
	if limits.Size == 0 || db.tape.below(limits.Size) {
		return removed, nil
	}
	size, err := db.TapeSize(ctx)
	if err != nil {
		return removed, err
	}
	for n := 1; size > limits.Size && n > 0; {
		var freed int64
		if n, freed, err = db.removeCalls(ctx, math.MaxInt64); err != nil {
			return removed, unlessTouched(err)
		}
		removed += n
		size -= freed
	}
	db.tape.count(size)
	return removed, nil
}

// unlessTouched makes nothing of errTouched: the next sweep goes on.
func unlessTouched(err error) error {
	if errors.Is(err, errTouched) {
		return nil
	}
	return err
}

// TapeSize is what the tape occupies, in bytes, about.
func (db *DB) TapeSize(ctx context.Context) (size int64, err error) {
	err = db.QueryRow(ctx, "SELECT COALESCE(SUM(size), 0) FROM model_calls").Scan(&size)
	return size, err
}

// isOver is the condition that a call's run needs it no more.
const isOver = "NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = c.run_id AND r.active = 1)"

// forgetProjects marks all calls of projects that have no tape. There are no new ones, so once is enough in the life of a
// process, unless a run that is not over keeps some.
func (db *DB) forgetProjects(ctx context.Context, projects []string) error {
	if len(projects) == 0 || db.tape.forgotten {
		return nil
	}
	var last int64
	if err := db.QueryRow(ctx, "SELECT COALESCE(MAX(rowid), 0) FROM model_calls").Scan(&last); err != nil {
		return err
	}
	some := false
	for _, project := range projects { // asked beforehand: a run may end meanwhile
		var kept bool
		err := db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM runs r WHERE r.active = 1 AND r.project_id = $1
			AND EXISTS (SELECT 1 FROM model_calls c WHERE c.run_id = r.id))`, project).Scan(&kept)
		if err != nil {
			return err
		}
		some = some || kept
	}
	for from := int64(0); from < last; from += forgottenRows {
		err := db.Write(ctx, func(_ context.Context, tx *Tx) error {
			for _, project := range projects {
				if _, err := tx.Exec("UPDATE model_calls AS c SET ended_at = 0 WHERE c.rowid > $1 AND c.rowid <= $2 AND c.project_id = $3 AND c.ended_at > 0 AND "+isOver,
					from, from+forgottenRows, project); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	db.tape.forgotten = !some
	return nil
}

// doomedCall is a row that is about to be removed.
type doomedCall struct {
	rowid, size int64
	own         int64 // what the row itself occupies
}

// removeCalls removes some of the calls that ended before due, and what only they named. It returns how many, and how
// much that was in bytes.
func (db *DB) removeCalls(ctx context.Context, due int64) (n int, freed int64, err error) {
	doomed := map[string][]doomedCall{}
	err = db.View(ctx, func(r Reader) error {
		rows, err := r.Query(`SELECT c.thread_id, c.rowid, c.size, length(c.meta) + length(c.messages) + length(c.request) + length(c.response)
			FROM model_calls c WHERE c.ended_at < $1 AND `+isOver+" ORDER BY c.ended_at LIMIT $2", due, sweptCalls)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var threadID string
			var d doomedCall
			if err := rows.Scan(&threadID, &d.rowid, &d.size, &d.own); err != nil {
				return err
			}
			d.own += callCost
			doomed[threadID] = append(doomed[threadID], d)
			n++
		}
		return rows.Err()
	})
	if err != nil {
		return 0, 0, err
	}
	for threadID, calls := range doomed {
		more, err := db.removeFrom(ctx, threadID, calls)
		if err != nil {
			return 0, 0, err
		}
		freed += more
	}
	return n, freed, nil
}

// removeFrom removes calls of one thread. They are marked first and removed last, so that a sweep that breaks off is
// taken up by the next. A thread that is deleted meanwhile may leave their rowids to calls of others.
func (db *DB) removeFrom(ctx context.Context, threadID string, calls []doomedCall) (freed int64, err error) {
	err = db.Write(ctx, func(_ context.Context, tx *Tx) error {
		for _, d := range calls {
			if _, err := tx.Exec("UPDATE model_calls SET ended_at = 0 WHERE rowid = $1 AND thread_id = $2 AND ended_at > 0", d.rowid, threadID); err != nil {
				return err
			}
		}
		return nil
	})
	for tries := 1; err == nil; tries++ {
		var collected int64
		collected, err = db.collectParts(ctx, threadID)
		freed += collected
		if err == nil {
			break
		}
		if errors.Is(err, errTouched) && tries < collections {
			err = nil
		}
	}
	if err != nil {
		return 0, err
	}
	var size int64
	for _, d := range calls {
		size += d.size
		freed += d.own
	}
	return freed, db.Write(ctx, func(_ context.Context, tx *Tx) error {
		for _, d := range calls {
			if _, err := tx.Exec("DELETE FROM model_calls WHERE rowid = $1 AND thread_id = $2 AND ended_at = 0", d.rowid, threadID); err != nil {
				return err
			}
		}
		// What the calls were the first to name, and others name too, is theirs now.
		_, err := tx.Exec(`UPDATE model_calls SET size = size + $1 WHERE rowid = (SELECT c.rowid FROM model_calls c JOIN runs r ON r.id = c.run_id
			WHERE r.thread_id = $2 AND c.ended_at > 0 ORDER BY c.ended_at LIMIT 1)`, size-freed, threadID)
		return err
	})
}
