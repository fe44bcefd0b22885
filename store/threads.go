package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/threads"
)

// CreateThread implements threads.Store.
func (db *DB) CreateThread(ctx context.Context, project string, t *threads.Thread, messages []*threads.Message, store *vectorstores.New) (json.RawMessage, error) {
	tokens := countTokens(messages)
	body, err := wire.Marshal(t)
	if err != nil {
		return nil, err
	}
	return body, db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if err := insertThread(tx, project, t.ID, body); err != nil {
			return err
		}
		if err := applyChange(tx, project, vectorstores.Change{New: store}); err != nil {
			return err
		}
		_, err := insertMessages(tx, project, messages, tokens)
		return err
	})
}

// insertThread adds a thread. One that was deleted and emptied makes way for a
// new one under its id, which a client may have chosen for good.
func insertThread(tx *Tx, project, id string, body json.RawMessage) error {
	n, err := tx.Exec(`INSERT INTO threads (project_id, id, body) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET seq = (SELECT MAX(seq) FROM threads) + 1, purged = 0, hidden_of = NULL, body = excluded.body
		WHERE threads.body IS NULL AND threads.purged = 1 AND threads.project_id = excluded.project_id`, project, id, string(body))
	if err == nil && n == 0 {
		return errTaken(id)
	}
	tx.onCommit(func(db *DB) { db.tails.created(project, id) })
	return err
}

// Thread implements threads.Store.
func (db *DB) Thread(ctx context.Context, project, id string) (json.RawMessage, error) {
	return threadsTable.read(db.Read(ctx), project, id)
}

// UpdateThread implements threads.Store.
func (db *DB) UpdateThread(ctx context.Context, project, id string, change func(*threads.Thread)) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if err := forgetIndexed(tx, id); err != nil {
			return err
		}
		body, err = update(tx, threadsTable, project, id, change)
		return err
	})
	return body, err
}

// Threads implements threads.Store. Metadata is matched in the body: there is
// no list of threads on the hosted API's hot path to keep an index for.
func (db *DB) Threads(ctx context.Context, project string, q threads.Query) (wire.List, error) {
	all := listing{table: "threads", where: "project_id = $1", args: []any{project}}
	shown := all.live()
	shown.where += " AND hidden_of IS NULL"
	r := db.Read(ctx)
	if len(q.Metadata) == 0 {
		return all.page(r, q.Page, shown)
	}
	return filteredPage(r, q, func(page wire.Page) (wire.List, error) { return all.page(r, page, shown) })
}

// filteredPage reads page after page, away from the cursor, until enough
// threads carry the metadata.
func filteredPage(w witness, q threads.Query, read func(wire.Page) (wire.List, error)) (wire.List, error) {
	const stride = 500
	var found wire.List
	page := q.Page
	page.Limit = stride
	backward := page.Before != "" && page.After == ""
	for more := true; more && !found.HasMore; {
		list, err := read(page)
		if err != nil {
			return wire.List{}, err
		}
		if more = list.HasMore; more && backward {
			page.Before = list.Items[0].ID
		} else if more {
			page.After = list.Items[len(list.Items)-1].ID
		}
		if backward {
			slices.Reverse(list.Items)
		}
		if err := keepCarriers(w, &found, list.Items, q); err != nil {
			return wire.List{}, err
		}
	}
	if backward {
		slices.Reverse(found.Items)
	}
	return found, nil
}

// keepCarriers adds the items that carry the metadata, up to the query's limit.
func keepCarriers(w witness, found *wire.List, items []wire.Item, q threads.Query) error {
	for _, item := range items {
		ok, err := carries(w, item.JSON, q.Metadata)
		switch {
		case err != nil:
			return err
		case ok && len(found.Items) == q.Limit:
			found.HasMore = true
			return nil
		case ok:
			found.Items = append(found.Items, item)
		}
	}
	return nil
}

func carries(w witness, body json.RawMessage, wanted wire.Metadata) (bool, error) {
	var t threads.Thread
	if err := decode(w, body, &t); err != nil {
		return false, err
	}
	for key, value := range wanted {
		if have, ok := t.Metadata[key]; !ok || have != value {
			return false, nil
		}
	}
	return true, nil
}

// requireThread answers the API's 404 unless the project has the thread.
func requireThread(r Reader, project, id string) error {
	var one int
	err := r.QueryRow("SELECT 1 FROM threads WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", id, project).Scan(&one)
	if err = notFound(err); errors.Is(err, wire.ErrNotFound) {
		return threads.NoSuch(id)
	}
	return err
}

// ownedBy is the condition that a row of a thread belongs to a project and its
// thread still exists; the row's table must be named o.
const ownedBy = "o.thread_id = $1 AND o.project_id = $2 AND EXISTS (SELECT 1 FROM threads t WHERE t.id = o.thread_id AND t.body IS NOT NULL)"

// child reads one body of a thread's object and says what is missing, the
// object or its thread.
func child(r Reader, tableName, project, threadID, id string) (json.RawMessage, error) {
	body, err := readBody(r, "SELECT body FROM "+tableName+" o WHERE "+ownedBy+" AND o.id = $3 AND body IS NOT NULL", threadID, project, id)
	return body, orNoThread(r, err, project, threadID)
}

func orNoThread(r Reader, err error, project, threadID string) error {
	if errors.Is(err, wire.ErrNotFound) {
		if gone := requireThread(r, project, threadID); gone != nil {
			return gone
		}
	}
	return err
}

// purgeBatch is how many rows of a deleted thread are removed at a time, so
// that a long thread does not hold up other writers.
const purgeBatch = 500

// DeleteThread implements threads.Store. The thread and its hidden forks are
// gone with the first transaction; what they held is removed piece by piece
// behind it.
func (db *DB) DeleteThread(ctx context.Context, project, id string) error {
	var gone []string
	err := db.Write(ctx, func(_ context.Context, tx *Tx) (err error) {
		if gone, err = readStrings(tx, "SELECT id FROM threads WHERE hidden_of = $1 AND body IS NOT NULL", id); err != nil {
			return err
		}
		gone = append(gone, id)
		for _, id := range gone {
			waiting := tx.db.queues.marks(id)
			tx.onCommit(func(db *DB) {
				db.tails.forget(id)
				db.queues.unmark(id, waiting)
			})
			if err := forgetIndexed(tx, id); err != nil {
				return err
			}
			if err := threadsTable.remove(tx, project, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range gone {
		if err := db.purgeThread(context.WithoutCancel(ctx), id); err != nil { // PurgeThreads does it at the next start
			db.writer.logger.Warn("removing what a deleted thread held", "thread", id, "error", err)
		}
	}
	return nil
}

// PurgeThreads removes what deleted threads still hold after a crash.
func (db *DB) PurgeThreads(ctx context.Context) error {
	ids, err := readStrings(db.Read(ctx), "SELECT id FROM threads WHERE body IS NULL AND purged = 0")
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := db.purgeThread(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// purges remove a batch each; every table is clustered by the key they select.
var purges = []string{
	"DELETE FROM thread_queue WHERE thread_id = $1 AND seq IN (SELECT seq FROM thread_queue WHERE thread_id = $1 LIMIT $2)",
	"DELETE FROM message_versions WHERE seq IN (SELECT seq FROM message_versions WHERE thread_id = $1 LIMIT $2)",
	"DELETE FROM messages WHERE thread_id = $1 AND seq IN (SELECT seq FROM messages WHERE thread_id = $1 LIMIT $2)",
	"DELETE FROM steps WHERE id IN (SELECT s.id FROM steps s JOIN runs r ON r.id = s.run_id WHERE r.thread_id = $1 LIMIT $2)",
	"DELETE FROM steps WHERE id IN (SELECT id FROM steps WHERE run_id = 'fork_' || $1 LIMIT $2)",
	"DELETE FROM model_calls WHERE rowid IN (SELECT c.rowid FROM model_calls c JOIN runs r ON r.id = c.run_id WHERE r.thread_id = $1 LIMIT $2)",
	"DELETE FROM prompt_messages WHERE thread_id = $1 AND hash IN (SELECT hash FROM prompt_messages WHERE thread_id = $1 LIMIT $2)",
	"DELETE FROM webhook_deliveries WHERE seq IN (SELECT seq FROM webhook_deliveries WHERE thread_id = $1 LIMIT $2)",
	"DELETE FROM runs WHERE thread_id = $1 AND seq IN (SELECT seq FROM runs WHERE thread_id = $1 LIMIT $2)",
}

func (db *DB) purgeThread(ctx context.Context, id string) error {
	for _, purge := range purges {
		for n := int64(purgeBatch); n == purgeBatch; {
			err := db.Write(ctx, func(_ context.Context, tx *Tx) (err error) {
				n, err = tx.Exec(purge, id, purgeBatch)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("UPDATE threads SET purged = 1 WHERE id = $1", id)
		return err
	})
}
