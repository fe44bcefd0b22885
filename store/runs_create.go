package store

import (
	"context"
	"encoding/json"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/threads"
)

// CreateRun implements runs.Store.
func (db *DB) CreateRun(ctx context.Context, project string, n runs.NewRun) (json.RawMessage, error) {
	tokens := countTokens(n.Messages)
	body, err := wire.Marshal(n.Run)
	if err != nil {
		return nil, err
	}
	spent := spentNothing
	if n.Spent.ExpiresAt != 0 {
		encoded, err := json.Marshal(n.Spent)
		if err != nil {
			return nil, err
		}
		spent = string(encoded)
	}
	run := keepRun(project, n.Run, n.Spent, spent, string(body))
	return body, db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		var seen *runs.Outlook
		tx.onCommit(func(db *DB) { // before what this operation changes itself
			if seen != nil {
				seen.Changed = db.tails.version(n.Run.ThreadID) != seen.Version
			}
		})
		ahead, err := openThread(tx, project, n)
		if err != nil {
			return err
		}
		if len(ahead) > 0 {
			n.Enqueue(ahead)
			run.enqueued = true
			if err := insertRun(tx, n, run, isEnqueued); err != nil {
				return err
			}
			return enqueue(tx, project, n.Run.ID, n.Messages, tokens)
		}
		if _, err := insertMessages(tx, project, n.Messages, tokens); err != nil {
			return err
		}
		if err := insertRun(tx, n, run, flag(n.Run.Status.Active())); err != nil {
			return err
		}
		if n.Begin != nil {
			seen = n.Begin()
		}
		return nil
	})
}

// isEnqueued stands in the column active of a run that waits for another one to end.
const isEnqueued = 2

// openThread makes sure that the run's thread exists, is free and has what the
// run needs; or else it answers the runs that the run has to wait for.
func openThread(tx *Tx, project string, n runs.NewRun) (ahead []string, err error) {
	threadID := n.Run.ThreadID
	if n.Thread != nil {
		body, err := wire.Marshal(n.Thread)
		if err != nil {
			return nil, err
		}
		if err := insertThread(tx, project, threadID, body); err != nil {
			return nil, err
		}
		if err := applyChange(tx, project, vectorstores.Change{New: n.VectorStore}); err != nil {
			return nil, err
		}
	} else {
		if err := requireThread(tx, project, threadID); err != nil {
			return nil, err
		}
		if err := requireIdle(tx, threadID); err != nil && n.Enqueue == nil {
			return nil, err
		} else if err != nil {
			return activeRuns(tx, threadID) // what it will answer is there by then
		}
	}
	if !n.NeedsMessage {
		return nil, nil
	}
	var asked bool
	err = tx.QueryRow("SELECT EXISTS (SELECT 1 FROM messages WHERE thread_id = $1 AND by_user = 1 AND body IS NOT NULL)", threadID).Scan(&asked)
	if err == nil && !asked {
		return nil, runs.ErrNoInput
	}
	return nil, err
}

// spentNothing is the spent column of a new run.
var spentNothing = func() string {
	spent, err := json.Marshal(runs.Spent{})
	if err != nil { // numbers encode
		panic(err)
	}
	return string(spent)
}()

// encodeSearch is how the run's file_search works as it is stored, "" when it
// has nothing to say.
func encodeSearch(setup runs.SearchSetup) (string, error) {
	if len(setup.Stores) == 0 && !setup.Quotes {
		return "", nil
	}
	encoded, err := json.Marshal(setup)
	return string(encoded), err
}

// encodeTrace is the run's trace as it is stored, "" when there is none.
func encodeTrace(trace runs.Trace) (string, error) {
	if trace == (runs.Trace{}) {
		return "", nil
	}
	encoded, err := json.Marshal(trace)
	return string(encoded), err
}

// insertRun adds a run; active is as in the table, and without a lease while the
// run is enqueued.
func insertRun(tx *Tx, n runs.NewRun, k *keptRun, active int) error {
	runnable := flag(k.run.Status.Runnable())
	if active == isEnqueued {
		runnable, n.Lease = 0, runs.Lease{}
	}
	search, err := encodeSearch(n.Search)
	if err != nil {
		return err
	}
	trace, err := encodeTrace(n.Trace)
	if err != nil {
		return err
	}
	replayOf, err := encodeReplayOf(n.ReplayOf)
	if err != nil {
		return err
	}
	r := &k.run
	_, err = tx.Exec(`INSERT INTO runs (thread_id, seq, project_id, id, active, runnable, expires_at, lease_owner, lease_until, epoch, upstream, search, trace, replay_of, webhook, spent, body)
		VALUES ($1, COALESCE((SELECT MAX(seq) FROM runs WHERE thread_id = $1), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		r.ThreadID, k.project, r.ID, active, runnable, r.ExpiresAt,
		n.Lease.Owner, millis(n.Lease.Until), n.Lease.Epoch, n.Upstream, search, trace, replayOf, n.Webhook, k.spent, k.body)
	tx.onCommit(func(db *DB) { db.tails.wrote(k) })
	if constraint, ok := IsUnique(err); ok && constraint == "runs.thread_id" { // another process took the lock
		return &threads.BusyError{}
	}
	if err != nil {
		return err
	}
	return insertNotices(tx, k.project, r, n.Notices)
}
