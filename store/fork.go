package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// forkBatch is how many rows of a fork are written at a time, so that a long thread does not hold up other writers.
const forkBatch = 300

// forkedRun stands for the run in the rows of copied steps, which belong to no run of the new thread; it sorts before
// every run's id, as what was copied comes before what is new.
func forkedRun(threadID string) string { return "fork_" + threadID }

// ForkThread implements threads.Store. What is copied is read as of one moment and written piece by piece; the thread
// comes into being with the last piece. Until then it is one that was deleted and has yet to be emptied, which is what
// becomes of it after a crash.
func (db *DB) ForkThread(ctx context.Context, project string, f threads.Fork) (body json.RawMessage, err error) {
	var parts []func(*Tx) error
	err = db.View(ctx, func(r Reader) (err error) {
		body, parts, err = readFork(r, wire.MinterOf(ctx), project, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	written := false
	for ; len(parts) > forkBatch && err == nil; parts = parts[forkBatch:] {
		batch := parts[:forkBatch]
		if err = db.Write(ctx, func(_ context.Context, tx *Tx) error { return writeParts(tx, batch) }); err == nil {
			written = true
		}
	}
	if err == nil {
		err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
			if err := requireThread(tx, project, f.Of); err != nil { // deleted meanwhile, with its hidden forks
				return err
			}
			if err := writeParts(tx, parts); err != nil {
				return err
			}
			_, err := tx.Exec("UPDATE threads SET body = $1 WHERE id = $2", string(body), f.ID)
			return err
		})
	}
	if err != nil && written {
		if err := db.purgeThread(context.WithoutCancel(ctx), f.ID); err != nil { // PurgeThreads does it at the next start
			db.writer.logger.Warn("removing a fork that was not finished", "thread", f.ID, "error", err)
		}
	}
	return body, err
}

func writeParts(tx *Tx, parts []func(*Tx) error) error {
	for _, write := range parts {
		if err := write(tx); err != nil {
			return err
		}
	}
	return nil
}

// readFork reads what a fork copies: the new thread as it will be shown, and what writes all else, a row each.
func readFork(r Reader, ids *wire.Minter, project string, f threads.Fork) (json.RawMessage, []func(*Tx) error, error) {
	var t threads.Thread
	var body []byte
	var hiddenOf *string
	err := notFound(r.QueryRow("SELECT hidden_of, body FROM threads WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", f.Of, project).Scan(&hiddenOf, &body))
	if err != nil {
		return nil, nil, wire.OrNoSuch(err, "thread", f.Of)
	}
	if err := decode(r, body, &t); err != nil {
		return nil, nil, fmt.Errorf("decode %s: %w", f.Of, err)
	}
	t.ID, t.CreatedAt = f.ID, f.At.Unix()
	point, err := findPoint(r, f)
	if err != nil {
		return nil, nil, err
	}
	var origin any
	if f.Hidden {
		origin = f.Of
		if hiddenOf != nil {
			origin = *hiddenOf
		}
	}
	parts := []func(*Tx) error{func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO threads (project_id, id, hidden_of) VALUES ($1, $2, $3)", project, f.ID, origin)
		return taken(err, f.ID)
	}}
	if parts, err = copyMessages(r, ids, project, f, point, parts); err != nil {
		return nil, nil, err
	}
	if parts, err = copySteps(r, ids, project, f, point, parts); err != nil {
		return nil, nil, err
	}
	shown, err := wire.Marshal(&t)
	return shown, parts, err
}

// forkPoint is where a fork ends: ahead of which message and of which calls of tools, by what they follow, and of which
// run, all by their sequence numbers.
type forkPoint struct{ message, step, run int64 }

func findPoint(r Reader, f threads.Fork) (forkPoint, error) {
	all := forkPoint{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	switch {
	case f.After != "":
		var seq int64
		err := r.QueryRow("SELECT seq FROM messages WHERE id = $1 AND thread_id = $2 AND body IS NOT NULL", f.After, f.Of).Scan(&seq)
		return forkPoint{seq + 1, seq, math.MaxInt64}, notFound(err)
	case f.BeforeRun != "":
		var body []byte
		if err := r.QueryRow("SELECT seq, body FROM runs WHERE id = $1 AND thread_id = $2", f.BeforeRun, f.Of).Scan(&all.run, &body); err != nil {
			return all, notFound(err)
		}
		var run runs.Run
		if err := decode(r, body, &run); err != nil {
			return all, fmt.Errorf("decode %s: %w", f.BeforeRun, err)
		}
		last, err := newestBefore(r, &run)
		return forkPoint{last + 1, last + 1, all.run}, err
	default:
		return all, nil
	}
}

// copyMessages adds what writes the copies of messages, in their places.
func copyMessages(r Reader, ids *wire.Minter, project string, f threads.Fork, p forkPoint, parts []func(*Tx) error) ([]func(*Tx) error, error) {
	rows, err := r.Query(`SELECT seq, by_user, run_id, turn, tokens, state, body FROM messages
		WHERE thread_id = $1 AND seq < $2 AND body IS NOT NULL ORDER BY seq`, f.Of, p.message)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var byUser, turn, tokens int
		var runID, state *string
		var body []byte
		if err := rows.Scan(&seq, &byUser, &runID, &turn, &tokens, &state, &body); err != nil {
			return nil, err
		}
		var m threads.Message
		if err := decode(rows, body, &m); err != nil {
			return nil, fmt.Errorf("decode message %d of %s: %w", seq, f.Of, err)
		}
		m.ID, m.ThreadID = ids.ID(threads.MessagePrefix, f.At), f.ID
		copied, err := wire.Marshal(&m)
		if err != nil {
			return nil, err
		}
		parts = append(parts, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO messages (thread_id, seq, project_id, id, by_user, run_id, turn, tokens, state, body)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, f.ID, seq, project, m.ID, byUser, runID, turn, tokens, state, string(copied))
			return err
		})
	}
	return parts, rows.Err()
}

// copySteps adds what writes the copies of the calls of tools that a prompt shows. A step that is still open has not
// been answered, and is left out.
func copySteps(r Reader, ids *wire.Minter, project string, f threads.Fork, p forkPoint, parts []func(*Tx) error) ([]func(*Tx) error, error) {
	rows, err := r.Query(`SELECT turn, after, tokens, used, state, searches, body FROM steps
		WHERE thread_id = $1 AND calls = 1 AND after < $2 AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.id = steps.run_id AND n.seq >= $3)
		ORDER BY after, run_id, seq`, f.Of, p.step, p.run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for seq := 1; rows.Next(); seq++ {
		var turn, tokens int
		var after int64
		var used string
		var state, searches *string
		var body []byte
		if err := rows.Scan(&turn, &after, &tokens, &used, &state, &searches, &body); err != nil {
			return nil, err
		}
		var s runs.Step
		if err := decode(rows, body, &s); err != nil {
			return nil, fmt.Errorf("decode a run step: %w", err)
		}
		if s.Open() {
			continue
		}
		s.ID, s.ThreadID = ids.ID(runs.StepPrefix, f.At), f.ID
		copied, err := wire.Marshal(&s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO steps (run_id, seq, project_id, thread_id, id, calls, turn, after, tokens, used, state, searches, body)
				VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12)`,
				forkedRun(f.ID), seq, project, f.ID, s.ID, turn, after, tokens, used, state, searches, string(copied))
			return err
		})
	}
	return parts, rows.Err()
}
