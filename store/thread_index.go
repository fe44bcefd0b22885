package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"understudy/threads"
)

const (
	// threadRows is how many rows of message_terms a thread can have.
	threadRows = 1 << 24

	// What is indexed in one transaction, which other writes wait for: messages, and bytes of text, about.
	indexBatch      = 100
	indexBatchBytes = 128 << 10
)

// forgetIndexed is called with a change of what a search may have read of a thread, other than a message at its end: the
// next search reads the thread again.
func forgetIndexed(tx *Tx, threadID string) error {
	_, err := tx.Exec("UPDATE threads_indexed SET thread_id = NULL WHERE thread_id = $1", threadID)
	return err
}

// purgeIndexed removes what was read of threads that have changed.
func (db *DB) purgeIndexed(ctx context.Context) error {
	numbers, err := readStrings(db.Read(ctx), "SELECT number FROM threads_indexed WHERE thread_id IS NULL")
	if err != nil {
		return err
	}
	for _, number := range numbers {
		for n := int64(purgeBatch); n == purgeBatch; {
			err := db.Write(ctx, func(_ context.Context, tx *Tx) (err error) {
				n, err = tx.Exec(`DELETE FROM message_terms WHERE rowid IN (SELECT rowid FROM message_terms
					WHERE rowid BETWEEN CAST($1 AS INTEGER) * $2 AND (CAST($1 AS INTEGER) + 1) * $2 - 1 LIMIT $3)`, number, threadRows, purgeBatch)
				if err == nil && n < purgeBatch {
					_, err = tx.Exec("DELETE FROM threads_indexed WHERE number = $1", number)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// indexThreads reads into the index what it lacks of a project's threads. One search does it at a time; what it has done
// when it is given up is done.
func (db *DB) indexThreads(ctx context.Context, project string) error {
	select {
	case db.indexing <- struct{}{}:
		defer func() { <-db.indexing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := db.purgeIndexed(ctx); err != nil {
		return err
	}
	wanting, err := readStrings(db.Read(ctx), `SELECT t.id FROM threads t LEFT JOIN threads_indexed i ON i.thread_id = t.id
		WHERE t.project_id = $1 AND t.body IS NOT NULL AND t.hidden_of IS NULL
		AND COALESCE(i.upto, -1) < COALESCE((SELECT MAX(seq) FROM messages m WHERE m.thread_id = t.id), 0)`, project)
	if err != nil {
		return err
	}
	for _, id := range wanting {
		for more := true; more; {
			if more, err = db.indexThread(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexThread reads some more of a thread into the index and reports whether there may be more still.
func (db *DB) indexThread(ctx context.Context, id string) (more bool, err error) {
	err = db.Write(ctx, func(_ context.Context, tx *Tx) error {
		var body []byte
		err := tx.QueryRow("SELECT body FROM threads WHERE id = $1", id).Scan(&body)
		if err != nil || body == nil { // deleted meanwhile
			return err
		}
		number, upto, err := indexedThread(tx, id, body)
		if err != nil {
			return err
		}
		rows, err := tx.Query("SELECT seq, body FROM messages WHERE thread_id = $1 AND seq > $2 ORDER BY seq LIMIT $3", id, upto, indexBatch)
		if err != nil {
			return err
		}
		defer rows.Close()
		texts := map[int64]string{}
		size := 0
		for more = false; size < indexBatchBytes && rows.Next(); more = true {
			var message []byte
			if err := rows.Scan(&upto, &message); err != nil {
				return err
			}
			if message == nil {
				continue
			}
			var m threads.Message
			if err := decode(rows, message, &m); err != nil {
				return fmt.Errorf("decode message %d of %s: %w", upto, id, err)
			}
			texts[upto] = m.Text()
			size += len(texts[upto])
		}
		if err := cmp.Or(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, seq := range slices.Sorted(maps.Keys(texts)) {
			if err := insertTerms(tx, number*threadRows+seq, texts[seq]); err != nil {
				return err
			}
		}
		_, err = tx.Exec("UPDATE threads_indexed SET upto = $1 WHERE number = $2", upto, number)
		return err
	})
	return more, err
}

// indexedThread finds how far a thread is in the index. One that is not gets a number there, and its metadata.
func indexedThread(tx *Tx, id string, body []byte) (number, upto int64, err error) {
	known, err := tx.Query("SELECT number, upto FROM threads_indexed WHERE thread_id = $1", id)
	if err != nil {
		return 0, 0, err
	}
	defer known.Close()
	if known.Next() {
		return number, upto, cmp.Or(known.Scan(&number, &upto), known.Close())
	}
	if err := cmp.Or(known.Err(), known.Close()); err != nil {
		return 0, 0, err
	}
	if err := tx.QueryRow("INSERT INTO threads_indexed (thread_id, upto) VALUES ($1, 0) RETURNING number", id).Scan(&number); err != nil {
		return 0, 0, err
	}
	text, err := metadataText(tx, body)
	if err != nil {
		return 0, 0, err
	}
	return number, 0, insertTerms(tx, number*threadRows, text)
}

// metadataText is what is searched of a thread itself.
func metadataText(w witness, body []byte) (string, error) {
	var t threads.Thread
	if err := decode(w, body, &t); err != nil {
		return "", fmt.Errorf("decode a thread: %w", err)
	}
	lines := make([]string, 0, len(t.Metadata))
	for _, key := range slices.Sorted(maps.Keys(t.Metadata)) {
		lines = append(lines, key+": "+t.Metadata[key])
	}
	return strings.Join(lines, "\n"), nil
}

func insertTerms(tx *Tx, row int64, text string) error {
	if text == "" {
		return nil
	}
	_, err := tx.Exec("INSERT INTO message_terms (rowid, terms) VALUES ($1, $2)", row, termsOf(text))
	return err
}
