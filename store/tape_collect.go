package store

import (
	"context"
	"errors"
	"slices"
)

// deadPart is a part that no call names.
type deadPart struct {
	hash hash
	size int64
}

// collectParts removes the parts of a thread that no call names but those being removed. It returns what they
// occupied, in bytes. A call that comes meanwhile may name any of them: then the error is errTouched.
func (db *DB) collectParts(ctx context.Context, threadID string) (freed int64, err error) {
	db.tape.watch(threadID)
	defer db.tape.watch("")
	var dead []deadPart
	err = db.View(ctx, func(r Reader) error {
		live, err := liveParts(r, threadID)
		if err == nil {
			dead, err = deadParts(r, threadID, live)
		}
		return err
	})
	for batch := range slices.Chunk(dead, sweptParts) {
		if err == nil {
			err = db.removeParts(ctx, threadID, batch)
		}
		for _, p := range batch {
			freed += p.size
		}
	}
	if err != nil {
		return 0, err
	}
	return freed, nil
}

// liveParts are the parts that calls name, directly or by lists.
func liveParts(r Reader, threadID string) (map[hash]bool, error) {
	rows, err := r.Query(`SELECT c.depth, c.messages, CASE WHEN c.shared = 1 THEN c.request END FROM model_calls c JOIN runs r ON r.id = c.run_id
		WHERE r.thread_id = $1 AND c.ended_at > 0`, threadID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	live := map[hash]bool{}
	parts := partsReader{r: r, threadID: threadID, read: map[hash][]byte{}}
	for rows.Next() {
		var depth int
		var messages, shared []byte
		if err := rows.Scan(&depth, &messages, &shared); err != nil {
			return nil, err
		}
		for _, h := range splitHashes(shared) {
			live[h] = true
		}
		if err := parts.mark(live, messages, depth); err != nil {
			return nil, err
		}
	}
	return live, rows.Err()
}

// mark adds the parts of a list, and what they list.
func (p partsReader) mark(live map[hash]bool, hashes []byte, depth int) error {
	for _, h := range splitHashes(hashes) {
		if live[h] {
			continue
		}
		live[h] = true
		if depth == 0 {
			continue
		}
		body, err := p.body(h)
		if err == nil {
			err = p.mark(live, body, depth-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deadParts are the thread's other parts; a list comes before what it names.
func deadParts(r Reader, threadID string, live map[hash]bool) ([]deadPart, error) {
	rows, err := r.Query("SELECT hash, length(body) FROM prompt_messages WHERE thread_id = $1 ORDER BY depth DESC", threadID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var dead []deadPart
	for rows.Next() {
		var name []byte
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			return nil, err
		}
		if len(name) != hashSize {
			return nil, errors.New("store: a part of the tape has a name that is none")
		}
		if h := hash(name); !live[h] {
			dead = append(dead, deadPart{h, partCost + size})
		}
	}
	return dead, rows.Err()
}

func (db *DB) removeParts(ctx context.Context, threadID string, parts []deadPart) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		if db.tape.isTouched() {
			return errTouched
		}
		db.tails.uncalled(threadID) // before the commit: a call may come next in this transaction
		for _, p := range parts {
			if _, err := tx.Exec("DELETE FROM prompt_messages WHERE thread_id = $1 AND hash = $2", threadID, p.hash[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
