package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// encodeReplayOf is what a run replays as it is stored, "" for nothing.
func encodeReplayOf(of *runs.ReplayOf) (string, error) {
	if of == nil {
		return "", nil
	}
	encoded, err := json.Marshal(of)
	return string(encoded), err
}

// Original implements runs.Store.
func (db *DB) Original(ctx context.Context, project, threadID, id string) (original *runs.Original, err error) {
	err = db.View(ctx, func(r Reader) error {
		row := r.QueryRow("SELECT "+recordColumns+" FROM runs o WHERE "+ownedBy+" AND o.id = $3", threadID, project, id)
		record, err := scanRecord(db.tails, row)
		if err != nil {
			return orNoThread(r, err, project, threadID)
		}
		original = &runs.Original{Run: record.Run, Upstream: record.Upstream, Search: record.Search}
		last, err := newestBefore(r, record.Run)
		if err != nil {
			return err
		}
		return r.QueryRow(`SELECT COUNT(*) FROM messages WHERE thread_id = $1 AND seq <= $2 AND body IS NULL
			AND (gone_after IS NULL OR gone_after >= (SELECT seq FROM runs WHERE id = $3))`, threadID, last, id).Scan(&original.Deleted)
	})
	return original, err
}

// newestBefore is the sequence number of the newest message a thread had when a
// run was made. Until it ends a run has the thread for itself, so that is what lies
// before its own messages and calls; one without either is told by the times in
// the ids.
func newestBefore(r Reader, run *runs.Run) (int64, error) {
	var own, called sql.NullInt64
	err := r.QueryRow(`SELECT (SELECT MIN(seq) - 1 FROM messages WHERE run_id = $1 AND thread_id = $2), (SELECT MIN(after) FROM steps WHERE run_id = $1 AND calls = 1)`,
		run.ID, run.ThreadID).Scan(&own, &called)
	switch {
	case err != nil:
		return 0, err
	case own.Valid && called.Valid:
		return min(own.Int64, called.Int64), nil
	case own.Valid || called.Valid:
		return own.Int64 + called.Int64, nil // the one that is not there is 0
	}
	rows, err := r.Query("SELECT seq, id, body FROM messages WHERE thread_id = $1 ORDER BY seq DESC", run.ThreadID)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var id string
		var body []byte
		if err := rows.Scan(&seq, &id, &body); err != nil {
			return 0, err
		}
		var made struct {
			CreatedAt int64 `json:"created_at"`
		}
		if body == nil {
			continue
		}
		if err := decode(rows, body, &made); err != nil {
			return 0, fmt.Errorf("decode %s: %w", id, err)
		}
		if made.CreatedAt > run.CreatedAt {
			continue
		}
		if made.CreatedAt < run.CreatedAt || !wire.MintedAfter(id, run.ID) {
			return seq, nil
		}
	}
	return 0, rows.Err()
}

// pastStride is how many runs are looked at between two requests of a reader.
const pastStride = 500

// PastRuns implements runs.Store. Runs are kept in the order in which they were
// made or imported; what is asked of them stands in the body, as there is no hot
// path here to keep an index for.
func (db *DB) PastRuns(ctx context.Context, project string, q runs.PastRuns) (wire.List, error) {
	from, err := db.pastCursor(ctx, project, q.After)
	if err != nil {
		return wire.List{}, err
	}
	var list wire.List
	for {
		rows, err := db.pastRuns(ctx, project, from)
		if err != nil {
			return wire.List{}, err
		}
		for _, row := range rows {
			var run struct { // all members would cost several times as much
				Model  string      `json:"model"`
				Status runs.Status `json:"status"`
			}
			if err := decode(db.writer.health, row.item.JSON, &run); err != nil {
				return wire.List{}, fmt.Errorf("decode %s: %w", row.item.ID, err)
			}
			switch {
			case !q.Matches(row.item.ID, run.Model, run.Status):
			case len(list.Items) == q.Limit:
				list.HasMore = true
				return list, nil
			default:
				list.Items = append(list.Items, row.item)
			}
		}
		if len(rows) < pastStride {
			return list, nil
		}
		from = rows[len(rows)-1].place
	}
}

// pastCursor is the place behind which a page begins.
func (db *DB) pastCursor(ctx context.Context, project, after string) (place int64, err error) {
	if after == "" {
		return math.MaxInt64, nil
	}
	err = db.QueryRow(ctx, "SELECT rowid FROM runs WHERE id = $1 AND project_id = $2", after, project).Scan(&place)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, wire.UnknownCursor("after", after)
	}
	return place, err
}

// pastRun is a run with its place among all runs.
type pastRun struct {
	place int64
	item  wire.Item
}

// pastRuns reads the next runs behind a place, newest first, without replays and what else is
// on hidden threads.
func (db *DB) pastRuns(ctx context.Context, project string, from int64) ([]pastRun, error) {
	rows, err := db.Query(ctx, `SELECT rowid, id, body FROM runs o WHERE project_id = $1 AND rowid < $2 AND replay_of = ''
		AND EXISTS (SELECT 1 FROM threads t WHERE t.id = o.thread_id AND t.body IS NOT NULL AND t.hidden_of IS NULL) ORDER BY rowid DESC LIMIT $3`, project, from, pastStride)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []pastRun
	for rows.Next() {
		var r pastRun
		var body []byte
		if err := rows.Scan(&r.place, &r.item.ID, &body); err != nil {
			return nil, err
		}
		r.item.JSON = body
		found = append(found, r)
	}
	return found, rows.Err()
}

// ThreadOfRun implements runs.Store.
func (db *DB) ThreadOfRun(ctx context.Context, project, id string) (threadID string, err error) {
	err = db.QueryRow(ctx, `SELECT thread_id FROM runs o WHERE id = $1 AND project_id = $2
		AND EXISTS (SELECT 1 FROM threads t WHERE t.id = o.thread_id AND t.body IS NOT NULL)`, id, project).Scan(&threadID)
	return threadID, notFound(err)
}

// ExpireForks deletes the hidden threads that were made before a time and have no
// active run.
func (db *DB) ExpireForks(ctx context.Context, before time.Time) error {
	hidden, err := db.hiddenThreads(ctx)
	if err != nil {
		return err
	}
	for _, h := range hidden {
		if h.thread.CreatedAt >= before.Unix() {
			continue
		}
		if err := db.DeleteThread(ctx, h.project, h.thread.ID); err != nil && !errors.Is(err, wire.ErrNotFound) { // deleted meanwhile
			return err
		}
	}
	return nil
}

// hiddenThreads lists the hidden threads that no run is active on.
func (db *DB) hiddenThreads(ctx context.Context) ([]heldThread, error) {
	rows, err := db.Query(ctx, `SELECT project_id, body FROM threads t WHERE hidden_of IS NOT NULL AND body IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.thread_id = t.id AND r.active = 1)`)
	if err != nil {
		return nil, err
	}
	return scanThreads(rows)
}
