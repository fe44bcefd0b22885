package store

import (
	"context"
	"slices"

	"understudy/runs"
)

// unknown is the holder of a thread that was read without its runs.
const unknown = "?"

// version is what the version of a thread's tail is now, 0 when there is none.
func (t *tails) version(thread string) int64 {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if kept := t.find(thread); kept != nil {
		return kept.version
	}
	return 0
}

// Outlook implements runs.Store: it tells from the thread's tail or not at all.
func (db *DB) Outlook(project, threadID string) *runs.Outlook {
	t := db.tails
	t.mutex.Lock()
	defer t.mutex.Unlock()
	kept := t.find(threadID)
	if kept == nil || kept.project != project || kept.holder != "" {
		return nil
	}
	history := &frozen{db: db, next: 1, tail: tail{from: kept.from, messages: slices.Clip(kept.messages), steps: slices.Clone(kept.steps)}}
	if n := len(kept.messages); n > 0 {
		history.next = kept.messages[n-1].Seq + 1
	}
	return &runs.Outlook{History: history, Version: kept.version}
}

// frozen is a thread as a tail had it at one moment, and what is older as the database has it.
type frozen struct {
	db   *DB
	tail tail
	next int64 // the first sequence number that is too new
}

// RecentMessages implements runs.History.
func (f *frozen) RecentMessages(ctx context.Context, threadID string, before int64, limit int) ([]*runs.MessageRecord, error) {
	if before == 0 {
		before = f.next
	}
	if messages, ok := f.tail.recent(before, limit); ok {
		return messages, nil
	}
	return f.db.readMessages(ctx, threadID, min(before, f.next), limit)
}

// ToolSteps implements runs.History.
func (f *frozen) ToolSteps(ctx context.Context, threadID string, since, before int64) ([]*runs.StepRecord, error) {
	if steps, ok := f.tail.toolSteps(since, before); ok {
		return steps, nil
	}
	return f.db.readToolSteps(ctx, threadID, since, before)
}
