package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// AddMessage implements threads.Store.
func (db *DB) AddMessage(ctx context.Context, project string, m *threads.Message) (json.RawMessage, error) {
	messages := []*threads.Message{m}
	tokens := countTokens(messages)
	var body json.RawMessage
	err := db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if err := requireThread(tx, project, m.ThreadID); err != nil {
			return err
		}
		if err := requireIdle(tx, m.ThreadID); err != nil {
			return err
		}
		bodies, err := insertMessages(tx, project, messages, tokens)
		if err == nil {
			body = bodies[0]
		}
		return err
	})
	return body, err
}

// requireIdle answers a *threads.BusyError while a run holds the thread.
func requireIdle(r Reader, threadID string) error {
	active, err := activeRun(r, threadID)
	if err == nil && active != "" {
		return &threads.BusyError{RunID: active}
	}
	return err
}

func activeRun(r Reader, threadID string) (id string, err error) {
	err = r.QueryRow("SELECT id FROM runs WHERE thread_id = $1 AND active = 1", threadID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// countTokens counts outside of the transaction, which others wait for.
func countTokens(messages []*threads.Message) []int {
	tokens := make([]int, len(messages))
	for i, m := range messages {
		tokens[i] = m.CountTokens()
	}
	return tokens
}

func insertMessages(tx *Tx, project string, messages []*threads.Message, tokens []int) ([]json.RawMessage, error) {
	bodies := make([]json.RawMessage, len(messages))
	for i, m := range messages {
		body, err := insertMessage(tx, project, &runs.MessageRecord{Message: m, Tokens: tokens[i]})
		if err != nil {
			return nil, err
		}
		bodies[i] = body
		if err := giveFiles(tx, project, m); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// giveFiles lets the thread have what a message attaches for its tools.
func giveFiles(tx *Tx, project string, m *threads.Message) error {
	var probe threads.Thread
	if probe.Take(m) {
		if _, err := update(tx, threadsTable, project, m.ThreadID, func(t *threads.Thread) { t.Take(m) }); err != nil {
			return err
		}
	}
	return giveSearched(tx, project, m)
}

// insertMessage puts a message at the end of its thread.
func insertMessage(tx *Tx, project string, r *runs.MessageRecord) (json.RawMessage, error) {
	body, err := wire.Marshal(r.Message)
	if err != nil {
		return nil, err
	}
	stored := *r
	err = tx.QueryRow(`INSERT INTO messages (thread_id, seq, project_id, id, by_user, run_id, turn, tokens, state, body)
		VALUES ($1, COALESCE((SELECT MAX(seq) FROM messages WHERE thread_id = $1), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq`,
		r.Message.ThreadID, project, r.Message.ID, flag(r.Message.Role == threads.User), r.Message.RunID, r.Turn, r.Tokens, nullable(r.State), string(body)).
		Scan(&stored.Seq)
	if err != nil {
		return nil, err
	}
	tx.onCommit(func(db *DB) { db.tails.added(&stored) })
	return body, nil
}

// Message implements threads.Store.
func (db *DB) Message(ctx context.Context, project, threadID, id string) (json.RawMessage, error) {
	_, body, err := findMessage(db.Read(ctx), project, threadID, id)
	return body, err
}

// findMessage reads a message from the table it is in: the thread's, or what waits for it.
func findMessage(r Reader, project, threadID, id string) (table, json.RawMessage, error) {
	body, err := child(r, string(messagesTable), project, threadID, id)
	if !errors.Is(err, wire.ErrNotFound) {
		return messagesTable, body, err
	}
	body, err = child(r, string(queueTable), project, threadID, id)
	return queueTable, body, err
}

// UpdateMessage implements threads.Store.
func (db *DB) UpdateMessage(ctx context.Context, project, threadID, id string, change func(*threads.Message)) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		in, stored, err := findMessage(tx, project, threadID, id)
		if err != nil {
			return err
		}
		tx.onCommit(func(db *DB) { db.tails.forget(threadID) })
		body, err = rewrite(tx, in, id, stored, change)
		return err
	})
	return body, err
}

// emptyMessages takes messages of thread $1 out of it. Their rows keep their places.
const emptyMessages = `UPDATE messages SET body = NULL, state = NULL, tokens = 0,
	gone_after = (SELECT COALESCE(MAX(seq), 0) FROM runs WHERE thread_id = $1 AND active <> 2) ` // 2 = isEnqueued

// DeleteMessage implements threads.Store.
func (db *DB) DeleteMessage(ctx context.Context, project, threadID, id string) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		had, err := dropVersions(tx, project, threadID, id)
		if err != nil {
			return err
		}
		in, _, err := findMessage(tx, project, threadID, id)
		if had && errors.Is(err, wire.ErrNotFound) { // a rewind took it out of the thread
			return nil
		}
		if err != nil {
			return err
		}
		if in == queueTable {
			_, err = tx.Exec("DELETE FROM thread_queue WHERE id = $1", id)
			return err
		}
		tx.onCommit(func(db *DB) { db.tails.forget(threadID) })
		if err := forgetIndexed(tx, threadID); err != nil {
			return err
		}
		_, err = tx.Exec(emptyMessages+"WHERE thread_id = $1 AND id = $2", threadID, id)
		return err
	})
}

// Messages implements threads.Store.
func (db *DB) Messages(ctx context.Context, project, threadID, runID string, page wire.Page) (wire.List, error) {
	r := db.Read(ctx)
	if err := requireThread(r, project, threadID); err != nil {
		return wire.List{}, err
	}
	all := listing{table: "messages", where: "thread_id = $1", args: []any{threadID}}
	shown := all
	if runID != "" { // the expression keeps the planner from walking the whole thread for a few messages
		shown = listing{table: "messages", where: "thread_id || '' = $1 AND run_id = $2", args: []any{threadID, runID}}
	}
	return all.page(r, page, shown.live())
}

// RecentMessages implements runs.History.
func (db *DB) RecentMessages(ctx context.Context, threadID string, before int64, limit int) ([]*runs.MessageRecord, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	if messages, ok := db.tails.messages(threadID, before, limit); ok {
		return messages, nil
	}
	if before < math.MaxInt64 {
		return db.readMessages(ctx, threadID, before, limit)
	}
	var messages []*runs.MessageRecord
	err := db.tails.load(threadID, func() (_ *tail, err error) {
		if messages, err = db.readMessages(ctx, threadID, before, limit); err != nil {
			return nil, err
		}
		read := &tail{thread: threadID, holder: unknown, messages: slices.Clone(messages)}
		slices.Reverse(read.messages)
		if len(messages) == limit {
			read.from = read.messages[0].Seq
		}
		read.steps, err = db.readToolSteps(ctx, threadID, read.from, before)
		return read, err
	})
	return messages, err
}

// MessagesBefore implements runs.Past.
func (db *DB) MessagesBefore(ctx context.Context, threadID, messageID string) (n int, first, last string, err error) {
	const older = `FROM messages WHERE thread_id = $1 AND body IS NOT NULL
		AND ($2 = '' OR seq < (SELECT m.seq FROM messages m WHERE m.id = $2 AND m.thread_id = $1))`
	err = db.QueryRow(ctx, "SELECT COUNT(*), COALESCE((SELECT id "+older+" ORDER BY seq LIMIT 1), ''), COALESCE((SELECT id "+older+" ORDER BY seq DESC LIMIT 1), '') "+older,
		threadID, messageID).Scan(&n, &first, &last)
	return n, first, last, err
}

// readMessages is RecentMessages from the database.
func (db *DB) readMessages(ctx context.Context, threadID string, before int64, limit int) ([]*runs.MessageRecord, error) {
	rows, err := db.Query(ctx, `SELECT seq, turn, tokens, state, body FROM messages
		WHERE thread_id = $1 AND seq < $2 AND body IS NOT NULL ORDER BY seq DESC LIMIT $3`, threadID, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []*runs.MessageRecord
	for rows.Next() {
		r := &runs.MessageRecord{Message: &threads.Message{}}
		var state, body []byte
		if err := rows.Scan(&r.Seq, &r.Turn, &r.Tokens, &state, &body); err != nil {
			return nil, err
		}
		r.State = state
		if err := decode(rows, body, r.Message); err != nil {
			return nil, fmt.Errorf("decode message %d of %s: %w", r.Seq, threadID, err)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

// flag is a boolean as it is stored.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// nullable is JSON as it is stored, NULL when there is none.
func nullable(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return string(raw)
}
