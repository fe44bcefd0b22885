package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/tools/filesearch"
)

func orLost(err error) error {
	if errors.Is(err, wire.ErrNotFound) {
		return runs.ErrLost
	}
	return err
}

// writeStep inserts a step, or rewrites the one with its id.
func writeStep(tx *Tx, project string, r *runs.StepRecord) error {
	body, err := wire.Marshal(r.Step)
	if err != nil {
		return err
	}
	used, err := json.Marshal(r.Used)
	if err != nil {
		return err
	}
	var searches any
	if len(r.Searches) > 0 {
		encoded, err := json.Marshal(r.Searches)
		if err != nil {
			return err
		}
		searches = string(encoded)
	}
	s := r.Step
	err = tx.QueryRow(`INSERT INTO steps (run_id, seq, project_id, thread_id, id, calls, turn, after, tokens, used, state, searches, body)
		VALUES ($1, COALESCE((SELECT MAX(seq) FROM steps WHERE run_id = $1), 0) + 1, $2, $3, $4, $5, $6,
			COALESCE((SELECT MAX(seq) FROM messages WHERE thread_id = $3), 0), $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET tokens = excluded.tokens, searches = excluded.searches, body = excluded.body
		RETURNING after`,
		s.RunID, project, s.ThreadID, s.ID, flag(s.Type == runs.ToolCalls), r.Turn, r.Tokens, string(used), nullable(r.State), searches, string(body)).
		Scan(&r.After)
	if err == nil && s.Type == runs.ToolCalls {
		stored := *r
		tx.onCommit(func(db *DB) { db.tails.stepped(&stored) })
	}
	return err
}

const stepColumns = "turn, after, tokens, used, state, searches, body"

func scanSteps(rows *Rows, err error) ([]*runs.StepRecord, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []*runs.StepRecord
	for rows.Next() {
		r := &runs.StepRecord{Step: &runs.Step{}}
		var used, state, searches, body []byte
		if err := rows.Scan(&r.Turn, &r.After, &r.Tokens, &used, &state, &searches, &body); err != nil {
			return nil, err
		}
		r.State = state
		if searches != nil {
			if err := decode(rows, searches, &r.Searches); err != nil {
				return nil, fmt.Errorf("decode what a run step found: %w", err)
			}
		}
		if err := errors.Join(decode(rows, used, &r.Used), decode(rows, body, r.Step)); err != nil {
			return nil, fmt.Errorf("decode a run step: %w", err)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

func readSteps(r Reader, runID string) ([]*runs.StepRecord, error) {
	return scanSteps(r.Query("SELECT "+stepColumns+" FROM steps WHERE run_id = $1 ORDER BY seq", runID))
}

// ToolSteps implements runs.History.
func (db *DB) ToolSteps(ctx context.Context, threadID string, since, before int64) ([]*runs.StepRecord, error) {
	if steps, ok := db.tails.toolSteps(threadID, since, before); ok {
		return steps, nil
	}
	return db.readToolSteps(ctx, threadID, since, before)
}

// readToolSteps is ToolSteps from the database.
func (db *DB) readToolSteps(ctx context.Context, threadID string, since, before int64) ([]*runs.StepRecord, error) {
	return scanSteps(db.Query(ctx, "SELECT "+stepColumns+` FROM steps
		WHERE thread_id = $1 AND calls = 1 AND after >= $2 AND after < $3 ORDER BY after, run_id, seq`, threadID, since, before))
}

// Step implements runs.Store.
func (db *DB) Step(ctx context.Context, project, threadID, runID, id string) (json.RawMessage, error) {
	r := db.Read(ctx)
	body, err := readBody(r, "SELECT body FROM steps o WHERE "+ownedBy+" AND o.run_id = $3 AND o.id = $4", threadID, project, runID, id)
	return body, orNoThread(r, err, project, threadID)
}

// Steps implements runs.Store.
func (db *DB) Steps(ctx context.Context, project, threadID, runID string, page wire.Page) (wire.List, error) {
	r := db.Read(ctx)
	if _, err := child(r, "runs", project, threadID, runID); err != nil {
		return wire.List{}, err
	}
	all := listing{table: "steps", where: "run_id = $1", args: []any{runID}}
	return all.page(r, page, all)
}

// SearchedSteps implements runs.EngineStore.
func (db *DB) SearchedSteps(ctx context.Context, threadID string) (n int, err error) {
	err = db.QueryRow(ctx, "SELECT COUNT(*) FROM steps WHERE thread_id = $1 AND calls = 1 AND searches IS NOT NULL", threadID).Scan(&n)
	return n, err
}

// Searches implements runs.Store.
func (db *DB) Searches(ctx context.Context, stepIDs []string) (map[string][]*filesearch.Search, error) {
	found := map[string][]*filesearch.Search{}
	r := db.Read(ctx)
	for _, id := range stepIDs {
		var raw []byte
		if err := r.QueryRow("SELECT searches FROM steps WHERE id = $1", id).Scan(&raw); err != nil {
			return nil, notFound(err)
		}
		if raw == nil {
			continue
		}
		var searches []*filesearch.Search
		if err := decode(r, raw, &searches); err != nil {
			return nil, fmt.Errorf("decode what %s found: %w", id, err)
		}
		found[id] = searches
	}
	return found, nil
}
