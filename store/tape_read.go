package store

import (
	"context"
	"fmt"
	"slices"

	"understudy/runs"
)

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
	meta, messages, request, response []byte
	shared                            bool
	splitAt, depth                    int
}

// readCalls reads the calls of a run that are not being removed, oldest first.
func readCalls(r Reader, runID, threadID string) ([]*runs.ModelCall, error) {
	rows, err := r.Query("SELECT shared, split_at, depth, meta, messages, request, response FROM model_calls WHERE run_id = $1 AND ended_at > 0 ORDER BY seq", runID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var stored []storedCall
	for rows.Next() {
		var s storedCall
		if err := rows.Scan(&s.shared, &s.splitAt, &s.depth, &s.meta, &s.messages, &s.request, &s.response); err != nil {
			return nil, err
		}
		stored = append(stored, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	calls := make([]*runs.ModelCall, len(stored))
	parts := partsReader{r: r, threadID: threadID, read: map[hash][]byte{}}
	for i, s := range stored {
		if calls[i], err = s.restore(parts); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

func (s storedCall) restore(parts partsReader) (*runs.ModelCall, error) {
	var call runs.ModelCall
	if err := decode(parts.r, s.meta, &call); err != nil {
		return nil, fmt.Errorf("decode a model call: %w", err)
	}
	response, err := unpack(parts.r, s.response)
	if err != nil {
		return nil, err
	}
	call.Request, call.Response = nil, response
	rest, err := unpack(parts.r, s.request)
	if s.shared {
		rest, err = parts.body(hash(s.request))
	}
	if err != nil {
		return nil, err
	}
	if s.splitAt == 0 {
		if len(rest) > 0 { // else the call failed before it was sent
			call.Request = slices.Clone(rest)
		}
		return &call, nil
	}
	messages, err := parts.list(nil, s.messages, s.depth)
	call.Request = slices.Concat(rest[:s.splitAt], joinMessages(messages), rest[s.splitAt:])
	return &call, err
}

// partsReader reads the parts of a thread's calls, each once.
type partsReader struct {
	r        Reader
	threadID string
	read     map[hash][]byte
}

func (p partsReader) body(h hash) ([]byte, error) {
	if body, ok := p.read[h]; ok {
		return body, nil
	}
	stored, err := readBytes(p.r, "SELECT body FROM prompt_messages WHERE thread_id = $1 AND hash = $2", p.threadID, h[:])
	if err != nil {
		return nil, fmt.Errorf("read a part of a prompt: %w", err)
	}
	body, err := unpack(p.r, stored)
	p.read[h] = body
	return body, err
}

// list appends the messages that a list of hashes stands for.
func (p partsReader) list(messages [][]byte, hashes []byte, depth int) ([][]byte, error) {
	for _, h := range splitHashes(hashes) {
		body, err := p.body(h)
		if err == nil && depth > 0 {
			messages, err = p.list(messages, body, depth-1)
		} else {
			messages = append(messages, body)
		}
		if err != nil {
			return nil, err
		}
	}
	return messages, nil
}
