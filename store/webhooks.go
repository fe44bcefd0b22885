package store

import (
	"context"
	"slices"
	"strconv"
	"time"

	"understudy/runs"
	"understudy/runs/webhooks"
)

// insertNotices writes the events of a run, oldest first. One of them waits while the endpoint has not taken an earlier
// one of the run. Runs of hidden forks are rehearsals, of which nobody outside is told.
func insertNotices(tx *Tx, project string, r *runs.Run, notices []*runs.Notice) error {
	for _, n := range notices {
		if _, err := tx.Exec(`INSERT INTO webhook_deliveries (project_id, thread_id, run_id, id, type, endpoint, lane, origin, payload, created_at, next_at)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN EXISTS (SELECT 1 FROM webhook_deliveries
				WHERE thread_id = $2 AND run_id = $3 AND endpoint = $6 AND dead_at IS NULL) THEN NULL ELSE $10 END
			WHERE NOT EXISTS (SELECT 1 FROM threads WHERE id = $2 AND hidden_of IS NOT NULL)`,
			project, r.ThreadID, r.ID, n.ID, n.Type, n.Endpoint, n.Lane, n.Origin, string(n.Payload), millis(n.At)); err != nil {
			return err
		}
	}
	return nil
}

// WebhookLanes implements webhooks.Store.
func (db *DB) WebhookLanes(ctx context.Context) (lanes []string, err error) {
	r := db.Read(ctx)
	for last := ""; ; {
		var next *string
		err := r.QueryRow("SELECT MIN(lane) FROM webhook_deliveries WHERE next_at IS NOT NULL AND lane > $1", last).Scan(&next)
		if err != nil || next == nil {
			return lanes, err
		}
		lanes, last = append(lanes, *next), *next
	}
}

const deliveryColumns = "seq, project_id, thread_id, run_id, id, type, endpoint, lane, origin, payload, created_at, attempts, error, next_at, dead_at"

// NextDeliveries implements webhooks.Store.
func (db *DB) NextDeliveries(ctx context.Context, lane string, limit int) ([]*webhooks.Delivery, error) {
	return readDeliveries(db.Read(ctx), "SELECT "+deliveryColumns+` FROM webhook_deliveries
		WHERE lane = $1 AND next_at IS NOT NULL ORDER BY next_at, seq LIMIT $2`, lane, limit)
}

// Deliveries implements webhooks.Store. The place of a cursor is its id's, as the event itself may have been delivered
// since.
func (db *DB) Deliveries(ctx context.Context, project string, q webhooks.Query) (list []*webhooks.Delivery, more bool, err error) {
	query, args := "SELECT "+deliveryColumns+" FROM webhook_deliveries WHERE project_id = $1", []any{project}
	switch q.Status {
	case webhooks.Pending:
		query += " AND dead_at IS NULL"
	case webhooks.Dead:
		query += " AND dead_at IS NOT NULL"
	}
	if q.After != "" {
		args = append(args, q.After)
		query += " AND id " + comparison(q.Asc) + " $" + strconv.Itoa(len(args))
	}
	if q.Before != "" {
		args = append(args, q.Before)
		query += " AND id " + comparison(!q.Asc) + " $" + strconv.Itoa(len(args))
	}
	backward := q.Before != "" && q.After == "" // the rows nearest to the cursor: read away from it
	args = append(args, q.Limit+1)
	query += " ORDER BY id" + direction(q.Asc != backward) + " LIMIT $" + strconv.Itoa(len(args))
	if list, err = readDeliveries(db.Read(ctx), query, args...); err != nil {
		return nil, false, err
	}
	more = len(list) > q.Limit
	list = list[:min(len(list), q.Limit)]
	if backward {
		slices.Reverse(list)
	}
	return list, more, nil
}

func readDeliveries(r Reader, query string, args ...any) ([]*webhooks.Delivery, error) {
	rows, err := r.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*webhooks.Delivery
	for rows.Next() {
		d := &webhooks.Delivery{}
		var payload []byte
		var created int64
		var next, dead *int64
		if err := rows.Scan(&d.Seq, &d.Project, &d.ThreadID, &d.RunID, &d.ID, &d.Type, &d.Endpoint, &d.Lane, &d.Origin, &payload,
			&created, &d.Attempts, &d.Error, &next, &dead); err != nil {
			return nil, err
		}
		d.Payload, d.At, d.Next, d.Dead = payload, time.UnixMilli(created), timeOf(next), timeOf(dead)
		list = append(list, d)
	}
	return list, rows.Err()
}

// timeOf is a stored time, zero for null.
func timeOf(stored *int64) time.Time {
	if stored == nil {
		return time.Time{}
	}
	return time.UnixMilli(*stored)
}

// SettleDelivery implements webhooks.Store.
func (db *DB) SettleDelivery(ctx context.Context, d *webhooks.Delivery, o webhooks.Outcome) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		switch {
		case !o.Next.IsZero():
			_, err := tx.Exec("UPDATE webhook_deliveries SET attempts = $1, error = $2, next_at = $3 WHERE seq = $4 AND id = $5",
				o.Attempts, o.Error, millis(o.Next), d.Seq, d.ID)
			return err
		case o.Dead:
			if _, err := tx.Exec("UPDATE webhook_deliveries SET attempts = $1, error = $2, next_at = NULL, dead_at = $3 WHERE seq = $4 AND id = $5",
				o.Attempts, o.Error, millis(o.At), d.Seq, d.ID); err != nil {
				return err
			}
		default:
			if err := forgetDeliveries(tx, "seq = $1 AND id = $2", d.Seq, d.ID); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`UPDATE webhook_deliveries SET next_at = $1 WHERE seq = (SELECT MIN(seq) FROM webhook_deliveries
			WHERE thread_id = $2 AND run_id = $3 AND endpoint = $4 AND dead_at IS NULL)`, millis(o.At), d.ThreadID, d.RunID, d.Endpoint)
		return err
	})
}

func forgetDeliveries(tx *Tx, where string, args ...any) error {
	_, err := tx.Exec("DELETE FROM webhook_deliveries WHERE "+where, args...)
	return err
}

// ForgetDeadDeliveries implements webhooks.Store.
func (db *DB) ForgetDeadDeliveries(ctx context.Context, before time.Time) error {
	var old bool
	err := db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM webhook_deliveries WHERE dead_at < $1)", millis(before)).Scan(&old)
	if err != nil || !old {
		return err
	}
	return db.Write(ctx, func(_ context.Context, tx *Tx) error { return forgetDeliveries(tx, "dead_at < $1", millis(before)) })
}

// UndeliveredWebhooks counts the events that are still to be delivered, and those that were given up.
func (db *DB) UndeliveredWebhooks(ctx context.Context) (pending, dead int, err error) {
	err = db.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM webhook_deliveries),
		(SELECT COUNT(*) FROM webhook_deliveries WHERE dead_at IS NOT NULL)`).Scan(&pending, &dead)
	return pending - dead, dead, err
}
