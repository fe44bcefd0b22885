package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"understudy/api/wire"
	"understudy/threads"
)

// ErasedThread says what a thread that was erased, or would be, held.
type ErasedThread struct {
	ID           string   `json:"id"`
	Project      string   `json:"project"`
	Messages     int      `json:"messages"`
	Runs         int      `json:"runs"`
	Steps        int      `json:"steps"`
	ModelCalls   int      `json:"model_calls"`
	Files        []string `json:"files_named"`         // by its messages and its tools; they are still there
	VectorStores []string `json:"vector_stores_named"` // by its tools; they are still there
	Copies       []string `json:"copies_in"`           // other threads that have messages of it; they are still there
}

// heldThread is a thread that may be erased.
type heldThread struct {
	project string
	thread  threads.Thread
}

// ThreadsToErase describes the threads, of all projects, that match. lastActive is when the newest message was created,
// or the thread itself, in unix seconds.
func (db *DB) ThreadsToErase(ctx context.Context, match func(project string, t *threads.Thread, lastActive int64) bool) ([]ErasedThread, error) {
	var found []ErasedThread
	err := db.View(ctx, func(r Reader) error {
		held, err := heldThreads(r)
		if err != nil {
			return err
		}
		for _, h := range held {
			last, err := lastActive(r, &h.thread)
			if err != nil {
				return err
			}
			if !match(h.project, &h.thread, last) {
				continue
			}
			described, err := describe(r, h)
			if err != nil {
				return err
			}
			found = append(found, described)
		}
		return nil
	})
	going := map[string]bool{}
	for _, e := range found {
		going[e.ID] = true
	}
	for i := range found {
		found[i].Copies = slices.DeleteFunc(found[i].Copies, func(id string) bool { return going[id] })
	}
	return found, err
}

// copies lists the threads that are shown and hold copies of a thread's messages: its forks, those it was forked from,
// and other forks of these. What tells is the run that made a message, whose id its copies keep, be they deleted since or
// not: the messages around them may be there. So a fork is not known that was made ahead of the first answer, or of a
// thread whose answers a client wrote.
func copies(r Reader, id string) ([]string, error) {
	list, err := readStrings(r, `SELECT id FROM threads WHERE body IS NOT NULL AND hidden_of IS NULL AND id IN (
		SELECT c.thread_id FROM messages m JOIN messages c ON c.run_id = m.run_id
		WHERE m.thread_id = $1 AND m.run_id IS NOT NULL AND c.thread_id <> $1) ORDER BY seq`, id)
	return append([]string{}, list...), err
}

// heldThreads lists the threads that are shown; hidden forks go with theirs.
func heldThreads(r Reader) ([]heldThread, error) {
	rows, err := r.Query("SELECT project_id, body FROM threads WHERE body IS NOT NULL AND hidden_of IS NULL ORDER BY seq")
	if err != nil {
		return nil, err
	}
	return scanThreads(rows)
}

func scanThreads(rows *Rows) ([]heldThread, error) {
	defer rows.Close()
	var held []heldThread
	for rows.Next() {
		var h heldThread
		var body []byte
		if err := rows.Scan(&h.project, &body); err != nil {
			return nil, err
		}
		if err := decode(rows, body, &h.thread); err != nil {
			return nil, fmt.Errorf("decode a thread: %w", err)
		}
		held = append(held, h)
	}
	return held, rows.Err()
}

func lastActive(r Reader, t *threads.Thread) (int64, error) {
	body, err := readBody(r, "SELECT body FROM messages WHERE thread_id = $1 AND body IS NOT NULL ORDER BY seq DESC LIMIT 1", t.ID)
	if errors.Is(err, wire.ErrNotFound) {
		return t.CreatedAt, nil
	}
	if err != nil {
		return 0, err
	}
	var newest threads.Message
	err = decode(r, body, &newest)
	return max(t.CreatedAt, newest.CreatedAt), err
}

// describe counts what a thread holds and gathers what it names.
func describe(r Reader, h heldThread) (ErasedThread, error) {
	e := ErasedThread{
		ID: h.thread.ID, Project: h.project,
		Files: append([]string{}, h.thread.ToolResources.FileIDs()...), VectorStores: append([]string{}, h.thread.ToolResources.StoreIDs()...),
	}
	err := r.QueryRow(`SELECT (SELECT COUNT(*) FROM messages WHERE thread_id = $1 AND body IS NOT NULL), (SELECT COUNT(*) FROM runs WHERE thread_id = $1),
		(SELECT COUNT(*) FROM steps s JOIN runs r ON r.id = s.run_id WHERE r.thread_id = $1), (SELECT COUNT(*) FROM model_calls c JOIN runs r ON r.id = c.run_id WHERE r.thread_id = $1)`, e.ID).
		Scan(&e.Messages, &e.Runs, &e.Steps, &e.ModelCalls)
	if err != nil {
		return e, err
	}
	if e.Copies, err = copies(r, e.ID); err != nil {
		return e, err
	}
	bodies, err := readStrings(r, "SELECT body FROM messages WHERE thread_id = $1 AND body IS NOT NULL ORDER BY seq", e.ID)
	if err != nil {
		return e, err
	}
	for _, body := range bodies {
		var m threads.Message
		if err := decode(r, []byte(body), &m); err != nil {
			return e, fmt.Errorf("decode a message of %s: %w", e.ID, err)
		}
		e.Files = append(e.Files, named(&m)...)
	}
	slices.Sort(e.Files)
	e.Files = slices.Compact(e.Files)
	return e, nil
}

// named lists the files a message names.
func named(m *threads.Message) []string {
	return threads.NewMessage{Content: m.Content, Attachments: m.Attachments}.FileIDs()
}

// EraseThreads removes threads and all they held, and the answers kept for Idempotency-Key, which may repeat them, and
// writes the database anew without them, even when there are none: one before may have failed at that. The write-ahead
// log has them until Close. No server may use the database.
func (db *DB) EraseThreads(ctx context.Context, list []ErasedThread) error {
	err := db.Write(ctx, func(_ context.Context, tx *Tx) error {
		for _, statement := range []string{
			"DELETE FROM answers",
			// The next search reads the threads that are left anew.
			"INSERT INTO message_terms (message_terms) VALUES ('delete-all')", "DELETE FROM threads_indexed",
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := db.DeleteThread(ctx, e.Project, e.ID); err != nil {
			return err
		}
	}
	if err := db.PurgeThreads(ctx); err != nil {
		return err
	}
	if err := db.rewrite(); err != nil {
		return fmt.Errorf("the threads are removed, but not yet from the unused parts of the database's file, which takes room for two copies of it; "+
			"see to it and erase again: %w", err)
	}
	return nil
}

// rewrite writes the database anew, without what was removed. To overwrite rows as they are removed is not enough: a
// page that was split keeps what it had in its unused part.
func (db *DB) rewrite() error {
	db.writer.baton <- struct{}{}
	defer func() { <-db.writer.baton }()
	return db.writer.conn.exec("VACUUM")
}
