package store

import (
	"encoding/json"

	"understudy/runs"
)

// What a row occupies beside its bodies, in bytes, about: its ids, twice because of the indexes.
const (
	callCost = 250
	partCost = 130
)

// sealedCall is a model call as it is about to be stored.
type sealedCall struct {
	meta     []byte
	request  []byte
	shared   *part // holds the request's body without its messages; nil = request does
	splitAt  int
	messages []*part
	depth    int
	response []byte
}

// leastShared is the shortest rest of a request that is a part, in bytes: it holds the tools, which are the same from
// call to call.
const leastShared = 256

// Seal implements runs.EngineStore.
func (db *DB) Seal(threadID string, call *runs.ModelCall) {
	if sealed, err := seal(call, splitHashes(db.tails.sent(threadID))); err == nil { // else the write fails and says why
		call.Sealed = sealed
	}
}

// seal does what can be done about a call before a transaction. stored are parts that its thread has for certain.
func seal(call *runs.ModelCall, stored []hash) (*sealedCall, error) {
	meta, err := callMeta(call)
	if err != nil {
		return nil, err
	}
	rest, splitAt, messages := splitRequest(call.Request)
	s := &sealedCall{meta: meta, splitAt: splitAt, response: pack(call.Response)}
	known := setOf(stored)
	once := func(body []byte) *part {
		p := newPart(body)
		if !known[p.hash] {
			p.packed()
		}
		return p
	}
	if len(rest) >= leastShared {
		s.shared = once(rest)
		s.request = s.shared.hash[:]
	} else {
		s.request = pack(rest)
	}
	list := make([]*part, len(messages))
	for i, m := range messages {
		list[i] = once(m)
	}
	s.messages, s.depth = fold(list)
	return s, nil
}

// callMeta is a ModelCall without its bodies.
func callMeta(c *runs.ModelCall) ([]byte, error) {
	meta := *c
	meta.Request, meta.Response = nil, nil
	return json.Marshal(meta)
}

func setOf(hashes []hash) map[hash]bool {
	set := make(map[hash]bool, len(hashes))
	for _, h := range hashes {
		set[h] = true
	}
	return set
}

// insertModelCall writes one entry of the tape. What its request has in common with earlier ones of the thread is
// stored already, so that a long conversation costs what it adds.
func insertModelCall(tx *Tx, project string, r *runs.Run, c *runs.ModelCall) error {
	s, ok := c.Sealed.(*sealedCall)
	if !ok {
		var err error
		if s, err = seal(c, nil); err != nil {
			return err
		}
	}
	tx.db.tape.touch(r.ThreadID)
	stored := partsWriter{tx: tx, threadID: r.ThreadID, known: setOf(splitHashes(tx.db.tails.sent(r.ThreadID)))}
	roots := s.messages
	if s.shared != nil {
		roots = append([]*part{s.shared}, roots...)
	}
	for _, p := range roots {
		if err := stored.add(p); err != nil {
			return err
		}
	}
	list := hashesOf(s.messages)
	size := callCost + len(s.meta) + len(list) + len(s.request) + len(s.response) + stored.size
	_, err := tx.Exec(`INSERT INTO model_calls (run_id, seq, project_id, thread_id, ended_at, size, shared, split_at, depth, meta, messages, request, response)
		VALUES ($1, COALESCE((SELECT MAX(seq) FROM model_calls WHERE run_id = $1), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.ID, project, r.ThreadID, max(1, c.EndedAt.Unix()), size, flag(s.shared != nil), s.splitAt, s.depth, string(s.meta), list, s.request, s.response)
	tx.onCommit(func(db *DB) {
		db.tails.called(r.ThreadID, sentParts(roots))
		db.tape.wrote(r.ThreadID, size)
	})
	return err
}

// partsWriter stores the parts of one request that the thread does not have.
type partsWriter struct {
	tx       *Tx
	threadID string
	known    map[hash]bool
	size     int // of what was stored
}

// add stores a part and what it lists. What a stored list names is stored.
func (w *partsWriter) add(p *part) error {
	if w.known[p.hash] {
		return nil
	}
	w.known[p.hash] = true
	body := p.packed()
	n, err := w.tx.Exec("INSERT INTO prompt_messages (thread_id, hash, depth, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		w.threadID, p.hash[:], p.depth, body)
	if err != nil || n == 0 {
		return err
	}
	w.size += partCost + len(body)
	for _, named := range p.lists {
		if err := w.add(named); err != nil {
			return err
		}
	}
	return nil
}

// sentParts are the hashes of the parts that the thread's next call is likely to name: the lists, and the messages
// that are in no list or in the last one.
func sentParts(roots []*part) []byte {
	var hashes []byte
	for i, p := range roots {
		hashes = append(hashes, p.hash[:]...)
		if p.depth > 1 || i == len(roots)-1 {
			hashes = append(hashes, sentParts(p.lists)...)
		}
	}
	return hashes
}
