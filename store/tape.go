package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"understudy/runs"
)

// hashSize is how many bytes of a SHA-256 name a prompt message inside its
// thread.
const hashSize = 16

// callMeta is a ModelCall without its bodies.
func callMeta(c *runs.ModelCall) ([]byte, error) {
	meta := *c
	meta.Request, meta.Response = nil, ""
	return json.Marshal(meta)
}

// insertModelCall writes one entry of the tape. The messages of its request
// are stored once per thread, so that a long conversation costs what it adds.
func insertModelCall(tx *Tx, project string, r *runs.Run, c *runs.ModelCall) error {
	meta, err := callMeta(c)
	if err != nil {
		return err
	}
	rest, splitAt, messages := splitRequest(c.Request)
	hashes, known := make([]byte, 0, hashSize*len(messages)), storedHashes(tx.db.tails.sent(r.ThreadID))
	for _, m := range messages {
		sum := sha256.Sum256(m)
		hash := [hashSize]byte(sum[:hashSize])
		hashes = append(hashes, hash[:]...)
		if known[hash] {
			continue
		}
		if _, err := tx.Exec("INSERT INTO prompt_messages (thread_id, hash, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			r.ThreadID, hash[:], []byte(m)); err != nil {
			return err
		}
	}
	tx.onCommit(func(db *DB) { db.tails.called(r.ThreadID, hashes) })
	_, err = tx.Exec(`INSERT INTO model_calls (run_id, seq, project_id, thread_id, meta, request, split_at, messages, response)
		VALUES ($1, COALESCE((SELECT MAX(seq) FROM model_calls WHERE run_id = $1), 0) + 1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, project, r.ThreadID, string(meta), rest, splitAt, hashes, []byte(c.Response))
	return err
}

// storedHashes takes the hashes of a model call apart: its messages need not be stored again.
func storedHashes(hashes []byte) map[[hashSize]byte]bool {
	stored := make(map[[hashSize]byte]bool, len(hashes)/hashSize)
	for ; len(hashes) > 0; hashes = hashes[hashSize:] {
		stored[[hashSize]byte(hashes)] = true
	}
	return stored
}

// splitRequest takes the messages out of a request body: rest is the body
// without them and splitAt where they were. A body that has none, or that would
// not come out the same again, stays whole.
func splitRequest(request []byte) (rest []byte, splitAt int, messages []json.RawMessage) {
	var top struct {
		Messages []json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(request, &top) == nil && top.Messages != nil {
		joined := joinMessages(top.Messages)
		if at := bytes.Index(request, joined); at >= 0 {
			return slices.Concat(request[:at], request[at+len(joined):]), at, top.Messages
		}
	}
	return append([]byte{}, request...), 0, nil // never nil, which would be stored as NULL
}

func joinMessages(messages []json.RawMessage) []byte {
	parts := make([][]byte, len(messages))
	for i, m := range messages {
		parts[i] = m
	}
	return append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
}

// ModelCalls implements runs.Store.
func (db *DB) ModelCalls(ctx context.Context, project, threadID, runID string) (calls []*runs.ModelCall, err error) {
	err = db.View(ctx, func(r Reader) error {
		if _, err := child(r, "runs", project, threadID, runID); err != nil {
			return err
		}
		calls, err = readCalls(r, runID, threadID)
		return err
	})
	return calls, err
}

// storedCall is a row of the tape.
type storedCall struct {
	meta, request, messages, response []byte
	splitAt                           int
}

func readCalls(r Reader, runID, threadID string) ([]*runs.ModelCall, error) {
	rows, err := r.Query("SELECT meta, request, split_at, messages, response FROM model_calls WHERE run_id = $1 ORDER BY seq", runID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var stored []storedCall
	for rows.Next() {
		var s storedCall
		if err := rows.Scan(&s.meta, &s.request, &s.splitAt, &s.messages, &s.response); err != nil {
			return nil, err
		}
		stored = append(stored, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	calls := make([]*runs.ModelCall, len(stored))
	for i, s := range stored {
		if calls[i], err = s.restore(r, threadID); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

func (s storedCall) restore(r Reader, threadID string) (*runs.ModelCall, error) {
	var call runs.ModelCall
	if err := json.Unmarshal(s.meta, &call); err != nil {
		return nil, fmt.Errorf("decode a model call: %w", err)
	}
	call.Request, call.Response = nil, string(s.response)
	if len(s.request) > 0 { // else the call failed before it was sent
		call.Request = s.request
	}
	if s.splitAt == 0 {
		return &call, nil
	}
	var messages []json.RawMessage
	for hash := s.messages; len(hash) > 0; hash = hash[hashSize:] {
		body, err := readBody(r, "SELECT body FROM prompt_messages WHERE thread_id = $1 AND hash = $2", threadID, hash[:hashSize])
		if err != nil {
			return nil, fmt.Errorf("read a prompt message: %w", err)
		}
		messages = append(messages, body)
	}
	call.Request = append(append(append([]byte{}, s.request[:s.splitAt]...), joinMessages(messages)...), s.request[s.splitAt:]...)
	return &call, nil
}
