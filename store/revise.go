package store

import (
	"context"
	"encoding/json"

	"understudy/api/wire"
	"understudy/threads"
)

// ReviseThread implements threads.Store. A message that is rewound keeps its row, as one that was deleted does, and the
// calls of tools behind the last message are no part of the thread's timeline any more.
func (db *DB) ReviseThread(ctx context.Context, project string, r threads.Revision) (thread, message json.RawMessage, err error) {
	answer := &thread
	if r.Content != nil {
		answer = &message
	}
	tokens := (&threads.Message{Content: r.Content}).CountTokens()
	err = db.change(ctx, answer, func(ctx context.Context, tx *Tx) error {
		if thread, err = threadsTable.read(tx, project, r.ThreadID); err != nil {
			return wire.OrNoSuch(err, "thread", r.ThreadID)
		}
		if err := requireIdle(tx, r.ThreadID); err != nil {
			return err
		}
		if message, err = child(tx, string(messagesTable), project, r.ThreadID, r.MessageID); err != nil {
			return err
		}
		tx.onCommit(func(db *DB) { db.tails.forget(r.ThreadID) })
		if err := forgetIndexed(tx, r.ThreadID); err != nil {
			return err
		}
		revision := revision{Revision: r, tx: tx, project: project, ids: wire.MinterOf(ctx)}
		if r.Rewind {
			if err := revision.rewind(); err != nil {
				return err
			}
		}
		if r.Content == nil {
			return nil
		}
		message, err = revision.edit(message, tokens)
		return err
	})
	return thread, message, err
}

// revision is a threads.Revision being carried out.
type revision struct {
	threads.Revision
	tx      *Tx
	project string
	ids     *wire.Minter
}

// keep adds a message to the history.
func (r revision) keep(reason, id string, message json.RawMessage) error {
	v := threads.NewVersion(r.ids, r.At, reason, message)
	body, err := wire.Marshal(v)
	if err != nil {
		return err
	}
	_, err = r.tx.Exec("INSERT INTO message_versions (thread_id, project_id, id, message_id, body) VALUES ($1, $2, $3, $4, $5)",
		r.ThreadID, r.project, v.ID, id, string(body))
	return err
}

func (r revision) edit(message json.RawMessage, tokens int) (json.RawMessage, error) {
	if err := r.keep(threads.Edited, r.MessageID, message); err != nil {
		return nil, err
	}
	edited, err := rewrite(r.tx, messagesTable, r.MessageID, message, func(m *threads.Message) { m.Content = r.Content })
	if err != nil {
		return nil, err
	}
	// What the backend wanted back belonged to what it said.
	_, err = r.tx.Exec("UPDATE messages SET tokens = $1, state = NULL WHERE id = $2", tokens, r.MessageID)
	return edited, err
}

func (r revision) rewind() error {
	var last int64
	if err := r.tx.QueryRow("SELECT seq FROM messages WHERE id = $1", r.MessageID).Scan(&last); err != nil {
		return err
	}
	items, err := readItems(r.tx, "SELECT id, body FROM messages WHERE thread_id = $1 AND seq > $2 AND body IS NOT NULL ORDER BY seq LIMIT $3",
		r.ThreadID, last, threads.MaxRewound+1)
	if err != nil {
		return err
	}
	if len(items) > threads.MaxRewound {
		return threads.ErrTooLong
	}
	for _, item := range items {
		if err := r.keep(threads.Rewound, item.ID, item.JSON); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		emptyMessages + "WHERE thread_id = $1 AND seq > $2 AND body IS NOT NULL",
		"UPDATE steps SET calls = 0 WHERE thread_id = $1 AND calls = 1 AND after >= $2",
	} {
		if _, err := r.tx.Exec(statement, r.ThreadID, last); err != nil {
			return err
		}
	}
	return nil
}

// Versions implements threads.Store.
func (db *DB) Versions(ctx context.Context, project, threadID, messageID string, page wire.Page) (wire.List, error) {
	r := db.Read(ctx)
	if err := requireThread(r, project, threadID); err != nil {
		return wire.List{}, err
	}
	all := listing{table: "message_versions", where: "thread_id = $1", args: []any{threadID}}
	shown := all
	if messageID != "" {
		shown.where, shown.args = all.where+" AND message_id = $2", []any{threadID, messageID}
	}
	return all.page(r, page, shown)
}

// dropVersions removes what the history has of a message, for good, and reports whether there was something.
func dropVersions(tx *Tx, project, threadID, messageID string) (bool, error) {
	n, err := tx.Exec("DELETE FROM message_versions WHERE thread_id = $1 AND project_id = $2 AND message_id = $3", threadID, project, messageID)
	return n > 0, err
}
