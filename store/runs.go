package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// Run implements runs.Store.
func (db *DB) Run(ctx context.Context, project, threadID, id string) (json.RawMessage, error) {
	if kept := db.tails.run(threadID, id); kept != nil && kept.project == project {
		return json.RawMessage(kept.body), nil
	}
	return child(db.Read(ctx), "runs", project, threadID, id)
}

// Runs implements runs.Store.
func (db *DB) Runs(ctx context.Context, project, threadID string, page wire.Page) (wire.List, error) {
	r := db.Read(ctx)
	if err := requireThread(r, project, threadID); err != nil {
		return wire.List{}, err
	}
	all := listing{table: "runs", where: "thread_id = $1", args: []any{threadID}}
	return all.page(r, page, all)
}

// ActiveOn implements runs.Store.
func (db *DB) ActiveOn(ctx context.Context, project, threadID string) (ids []string, err error) {
	err = db.View(ctx, func(r Reader) error {
		if err := requireThread(r, project, threadID); err != nil {
			return err
		}
		ids, err = activeRuns(r, threadID)
		return err
	})
	return ids, err
}

// ActiveRuns implements runs.Store.
func (db *DB) ActiveRuns(ctx context.Context, project string, limit int) ([]*runs.Record, error) {
	const of = " FROM runs WHERE project_id = $1 AND active = " // each has an index of its own
	rows, err := db.Read(ctx).Query("SELECT "+recordColumns+of+"1 UNION ALL SELECT "+recordColumns+of+"2 ORDER BY id LIMIT $2", project, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []*runs.Record
	for rows.Next() {
		record, err := scanRecord(db.tails, rows)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, rows.Err()
}

// recordColumns are what scanRecord reads of a run.
const recordColumns = "thread_id, id, project_id, lease_owner, lease_until, epoch, active, upstream, search, trace, replay_of, webhook, spent, body"

// scanned is a Row, or the Rows at one of them.
type scanned interface {
	witness
	Scan(dest ...any) error
}

func scanRecord(kept *tails, row scanned) (*runs.Record, error) {
	r := &runs.Record{Run: &runs.Run{}}
	var threadID, id string
	var until int64
	var active int
	var search, trace, replayOf, spent, body []byte
	if err := row.Scan(&threadID, &id, &r.Project, &r.Lease.Owner, &until, &r.Lease.Epoch, &active, &r.Upstream, &search, &trace, &replayOf, &r.Webhook, &spent, &body); err != nil {
		return nil, notFound(err)
	}
	r.Lease.Until, r.Enqueued = time.UnixMilli(until), active == isEnqueued
	if len(search) > 0 {
		if err := decode(row, search, &r.Search); err != nil {
			return nil, fmt.Errorf("decode how a run searches: %w", err)
		}
	}
	if len(trace) > 0 {
		if err := decode(row, trace, &r.Trace); err != nil {
			return nil, fmt.Errorf("decode the trace of a run: %w", err)
		}
	}
	if len(replayOf) > 0 {
		if err := decode(row, replayOf, &r.ReplayOf); err != nil {
			return nil, fmt.Errorf("decode what a run replays: %w", err)
		}
	}
	if err := kept.run(threadID, id).restore(row, r, spent, body); err != nil {
		return nil, fmt.Errorf("decode a run: %w", err)
	}
	return r, nil
}

// ChangeRun implements runs.Store.
func (db *DB) ChangeRun(ctx context.Context, project, threadID, id string, decide func(*runs.Record) (*runs.Change, error)) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		row := tx.QueryRow("SELECT "+recordColumns+" FROM runs o WHERE "+ownedBy+" AND o.id = $3", threadID, project, id)
		record, err := scanRecord(tx.db.tails, row)
		if err != nil {
			return orNoThread(tx, err, project, threadID)
		}
		body, err = applyDecision(tx, record, decide)
		return err
	})
	return body, err
}

// Advance implements runs.EngineStore.
func (db *DB) Advance(ctx context.Context, runID string, lease runs.Lease, decide func(*runs.Record) (*runs.Change, error)) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		row := tx.QueryRow("SELECT "+recordColumns+` FROM runs o WHERE id = $1 AND lease_owner = $2 AND epoch = $3
			AND EXISTS (SELECT 1 FROM threads t WHERE t.id = o.thread_id AND t.body IS NOT NULL)`, runID, lease.Owner, lease.Epoch)
		record, err := scanRecord(tx.db.tails, row)
		if err != nil {
			return orLost(err)
		}
		_, err = applyDecision(tx, record, decide)
		return err
	})
}

func applyDecision(tx *Tx, record *runs.Record, decide func(*runs.Record) (*runs.Change, error)) (json.RawMessage, error) {
	record.Steps = func() ([]*runs.StepRecord, error) { return readSteps(tx, record.Run.ID) }
	holds := record.Run.Status.Active() && !record.Enqueued
	change, err := decide(record)
	if err != nil {
		return nil, err
	}
	if change == nil {
		return wire.Marshal(record.Run)
	}
	body, err := wire.Marshal(change.Run)
	if err != nil {
		return nil, err
	}
	return body, writeChange(tx, record.Project, change, body, holds)
}

// writeChange writes one advance: messages before steps, because a tool step
// names the newest message. held says that the run has held its thread so far.
func writeChange(tx *Tx, project string, c *runs.Change, body json.RawMessage, held bool) error {
	spent, err := json.Marshal(c.Spent)
	if err != nil {
		return err
	}
	k := keepRun(project, c.Run, c.Spent, string(spent), string(body))
	active, runnable := flag(c.Run.Status.Active()), flag(c.Run.Status.Runnable())
	if c.Enqueued && active == 1 {
		active, runnable = isEnqueued, 0
	}
	if _, err := tx.Exec(`UPDATE runs SET active = $1, runnable = $2, expires_at = $3, lease_owner = $4, lease_until = $5, epoch = $6, spent = $7, body = $8
		WHERE id = $9`, active, runnable, c.Run.ExpiresAt,
		c.Lease.Owner, millis(c.Lease.Until), c.Lease.Epoch, k.spent, k.body, c.Run.ID); err != nil {
		return err
	}
	k.enqueued = c.Enqueued
	tx.onCommit(func(db *DB) { db.tails.wrote(k) })
	for _, m := range c.Messages {
		if _, err := insertMessage(tx, project, m); err != nil {
			return err
		}
	}
	for _, s := range c.Steps {
		if err := writeStep(tx, project, s); err != nil {
			return err
		}
	}
	for _, call := range c.Calls {
		if err := insertModelCall(tx, project, c.Run, call); err != nil {
			return err
		}
	}
	if err := insertNotices(tx, project, c.Run, c.Notices); err != nil {
		return err
	}
	switch {
	case active != 0:
		return nil
	case c.Enqueued:
		return dequeueRun(tx, c.Run.ThreadID, c.Run.ID)
	case held:
		return advanceQueue(tx, project, c.Run.ThreadID, c.TakeTurn)
	default: // it ended before
		return nil
	}
}

// What nobody drives and has something to do, in time or not.
const (
	isFree     = "active = 1 AND lease_until <= $1"
	isRunnable = isFree + " AND runnable = 1 AND expires_at > $2"
	isExpired  = isFree + " AND expires_at <= $2"
)

// Due implements runs.EngineStore.
func (db *DB) Due(ctx context.Context, now time.Time, known func(string) bool) (runnable []runs.Due, expired []string, err error) {
	r := db.Read(ctx)
	if expired, err = readStrings(r, "SELECT id FROM runs WHERE "+isExpired+" ORDER BY id", millis(now), now.Unix()); err != nil {
		return nil, nil, err
	}
	free, err := readStrings(r, "SELECT id FROM runs WHERE "+isRunnable+" ORDER BY id", millis(now), now.Unix())
	for _, id := range free {
		if known(id) {
			continue
		}
		d := runs.Due{ID: id}
		var body []byte
		switch err := r.QueryRow("SELECT project_id, upstream, body FROM runs WHERE id = $1", id).Scan(&d.Project, &d.Upstream, &body); {
		case errors.Is(err, sql.ErrNoRows): // its thread was just removed
			continue
		case err != nil:
			return nil, nil, err
		}
		var named struct {
			Model string `json:"model"`
		}
		_ = json.Unmarshal(body, &named) // a bad row is found by its claim
		d.Model = named.Model
		runnable = append(runnable, d)
	}
	return runnable, expired, err
}

// Claim implements runs.EngineStore.
func (db *DB) Claim(ctx context.Context, lease runs.Lease, now time.Time, runIDs []string) ([]*runs.Record, error) {
	var records []*runs.Record
	var unreadable error
	err := db.Write(ctx, func(_ context.Context, tx *Tx) error {
		for _, id := range runIDs {
			record, err := claim(tx, id, lease, now)
			switch {
			case tx.failed != nil:
				return err
			case err != nil: // leased and passed over: one bad row must not keep the others waiting
				unreadable = errors.Join(unreadable, fmt.Errorf("claim %s: %w", id, err))
			case record != nil:
				records = append(records, record)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return records, unreadable
}

// claim leases one run, nil when somebody else was faster.
func claim(tx *Tx, id string, lease runs.Lease, now time.Time) (*runs.Record, error) {
	n, err := tx.Exec("UPDATE runs SET lease_owner = $3, lease_until = $4, epoch = epoch + 1 WHERE id = $5 AND "+isFree+" AND (runnable = 1 OR expires_at <= $2)",
		millis(now), now.Unix(), lease.Owner, millis(lease.Until), id)
	if err != nil || n == 0 {
		return nil, err
	}
	return scanRecord(tx.db.tails, tx.QueryRow("SELECT "+recordColumns+" FROM runs WHERE id = $1", id))
}

// Extend implements runs.EngineStore.
func (db *DB) Extend(ctx context.Context, owner string, runIDs []string, until time.Time) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		for _, id := range runIDs {
			if _, err := tx.Exec("UPDATE runs SET lease_until = $1 WHERE id = $2 AND lease_owner = $3", millis(until), id, owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// Release implements runs.EngineStore.
func (db *DB) Release(ctx context.Context, owner string) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("UPDATE runs SET lease_owner = '', lease_until = 0 WHERE active = 1 AND lease_owner = $1", owner)
		return err
	})
}

// ReleaseDead implements runs.EngineStore: the lock on the data directory says
// that no other process is alive.
func (db *DB) ReleaseDead(ctx context.Context) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("UPDATE runs SET lease_owner = '', lease_until = 0 WHERE active = 1")
		return err
	})
}

// millis is a time as it is stored, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
