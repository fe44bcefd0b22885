package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// maxQueued bounds what may wait for one thread: all of it may have to be written with the end of one run.
const maxQueued = 200

// queues knows which threads may have something in thread_queue, so that the end of a run need not ask the database.
// Whoever adds something marks the thread before the commit, for those behind it in the same transaction; a mark may
// stand for nothing, and does no harm then.
type queues struct {
	mutex  sync.Mutex
	marked map[string]int // thread -> how often it was marked
}

// readQueues finds the marks again.
func readQueues(ctx context.Context, db *DB) error {
	ids, err := readStrings(db.Read(ctx), "SELECT thread_id FROM thread_queue")
	for _, id := range ids {
		db.queues.mark(id)
	}
	return err
}

func (q *queues) mark(thread string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.marked == nil {
		q.marked = map[string]int{}
	}
	q.marked[thread]++
}

// marks is how often a thread was marked, 0 = nothing waits for it.
func (q *queues) marks(thread string) int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.marked[thread]
}

// unmark forgets a thread that nobody has marked since.
func (q *queues) unmark(thread string, marks int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.marked[thread] == marks {
		delete(q.marked, thread)
	}
}

// EnqueueMessage implements threads.Store. The files that a message attaches are the thread's at once.
func (db *DB) EnqueueMessage(ctx context.Context, project string, m *threads.Message) (body json.RawMessage, ahead []string, err error) {
	messages := []*threads.Message{m}
	tokens := countTokens(messages)
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if err := requireThread(tx, project, m.ThreadID); err != nil {
			return err
		}
		if ahead, err = activeRuns(tx, m.ThreadID); err != nil {
			return err
		}
		if len(ahead) > 0 {
			body, err = wire.Marshal(m)
			if err != nil {
				return err
			}
			return enqueue(tx, project, "", messages, tokens)
		}
		bodies, err := insertMessages(tx, project, messages, tokens)
		if err == nil {
			body = bodies[0]
		}
		return err
	})
	return body, ahead, err
}

// activeRuns lists the runs that hold a thread or wait for it, newest first.
func activeRuns(r Reader, threadID string) ([]string, error) {
	active, err := activeRun(r, threadID)
	if err != nil || active == "" {
		return nil, err
	}
	ids, err := readStrings(r, "SELECT id FROM runs WHERE thread_id = $1 AND active = 2 ORDER BY seq DESC", threadID)
	return append(ids, active), err
}

// enqueue puts messages behind what waits for their thread, and after them the run they belong to, if any.
func enqueue(tx *Tx, project, runID string, messages []*threads.Message, tokens []int) error {
	threadID := ""
	add := func(id string, tokens int, body any) error {
		_, err := tx.Exec(`INSERT INTO thread_queue (thread_id, seq, project_id, id, run_id, tokens, body)
			VALUES ($1, COALESCE((SELECT MAX(seq) FROM thread_queue WHERE thread_id = $1), 0) + 1, $2, $3, $4, $5, $6)`,
			threadID, project, id, nonEmpty(runID), tokens, body)
		return err
	}
	for i, m := range messages {
		threadID = m.ThreadID
		body, err := wire.Marshal(m)
		if err != nil {
			return err
		}
		if err := add(m.ID, tokens[i], string(body)); err != nil {
			return err
		}
		if err := giveFiles(tx, project, m); err != nil {
			return err
		}
	}
	if runID != "" {
		if err := tx.QueryRow("SELECT thread_id FROM runs WHERE id = $1", runID).Scan(&threadID); err != nil {
			return err
		}
		if err := add(runID, 0, nil); err != nil {
			return err
		}
	}
	var waiting int
	if err := tx.QueryRow("SELECT COUNT(*) FROM thread_queue WHERE thread_id = $1", threadID).Scan(&waiting); err != nil {
		return err
	}
	if waiting > maxQueued {
		return threads.ErrQueueFull
	}
	tx.db.queues.mark(threadID)
	return nil
}

// nonEmpty is text as it is stored, NULL when there is none.
func nonEmpty(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// queued is an entry of thread_queue.
type queued struct {
	seq    int64
	id     string
	tokens int
	body   []byte // nil = a run
}

// advanceQueue is called with the end of the run that held a thread: the messages next in the queue are put into the
// thread, and the first run behind them has it now.
func advanceQueue(tx *Tx, project, threadID string, takeTurn func(*runs.Record)) error {
	marks := tx.db.queues.marks(threadID)
	if marks == 0 {
		return nil
	}
	waiting, err := readQueue(tx, threadID)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		if _, err := tx.Exec("DELETE FROM thread_queue WHERE thread_id = $1 AND seq = $2", threadID, w.seq); err != nil {
			return err
		}
		if w.body == nil {
			return startQueued(tx, w.id, takeTurn)
		}
		m := &threads.Message{}
		if err := decode(tx, w.body, m); err != nil {
			return fmt.Errorf("decode %s: %w", w.id, err)
		}
		if _, err := insertMessage(tx, project, &runs.MessageRecord{Message: m, Tokens: w.tokens}); err != nil {
			return err
		}
	}
	tx.onCommit(func(db *DB) { db.queues.unmark(threadID, marks) })
	return nil
}

// readQueue reads what waits for a thread, as far as the first run.
func readQueue(tx *Tx, threadID string) ([]queued, error) {
	rows, err := tx.Query("SELECT seq, id, tokens, body FROM thread_queue WHERE thread_id = $1 ORDER BY seq", threadID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var waiting []queued
	for rows.Next() {
		var w queued
		if err := rows.Scan(&w.seq, &w.id, &w.tokens, &w.body); err != nil {
			return nil, err
		}
		waiting = append(waiting, w)
		if w.body == nil {
			break
		}
	}
	return waiting, rows.Err()
}

// Enqueued implements runs.Store.
func (db *DB) Enqueued(ctx context.Context, project, threadID string, ofRuns bool) ([]*threads.Message, error) {
	bodies, err := readStrings(db.Read(ctx), `SELECT body FROM thread_queue
		WHERE thread_id = $1 AND project_id = $2 AND body IS NOT NULL AND ($3 OR run_id IS NULL) ORDER BY seq`, threadID, project, ofRuns)
	if err != nil {
		return nil, err
	}
	messages := make([]*threads.Message, len(bodies))
	for i, body := range bodies {
		if err := decode(db.writer.health, []byte(body), &messages[i]); err != nil {
			return nil, fmt.Errorf("decode a message that waits for %s: %w", threadID, err)
		}
	}
	return messages, nil
}

// startQueued gives a run its thread.
func startQueued(tx *Tx, id string, takeTurn func(*runs.Record)) error {
	record, err := scanRecord(tx.db.tails, tx.QueryRow("SELECT "+recordColumns+" FROM runs WHERE id = $1", id))
	if err != nil {
		return err
	}
	if takeTurn != nil {
		takeTurn(record)
	}
	body, err := wire.Marshal(record.Run)
	if err != nil {
		return err
	}
	spent, err := json.Marshal(record.Spent)
	if err != nil {
		return err
	}
	k := keepRun(record.Project, record.Run, record.Spent, string(spent), string(body))
	tx.onCommit(func(db *DB) { db.tails.wrote(k) })
	_, err = tx.Exec("UPDATE runs SET active = 1, runnable = 1, expires_at = $1, spent = $2, body = $3 WHERE id = $4", record.Run.ExpiresAt, k.spent, k.body, id)
	return err
}

// dequeueRun removes a run that was cancelled before its turn, and what came with it.
func dequeueRun(tx *Tx, threadID, id string) error {
	_, err := tx.Exec("DELETE FROM thread_queue WHERE thread_id = $1 AND run_id = $2", threadID, id)
	return err
}
