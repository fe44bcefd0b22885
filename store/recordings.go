package store

import (
	"context"
	"fmt"

	"understudy/runs"
	"understudy/threads"
)

// Recording implements runs.Store.
func (db *DB) Recording(ctx context.Context, project, threadID, id string) (recording *runs.Recording, err error) {
	err = db.View(ctx, func(r Reader) error {
		row := r.QueryRow("SELECT "+recordColumns+" FROM runs o WHERE "+ownedBy+" AND o.id = $3", threadID, project, id)
		record, err := scanRecord(db.tails, row)
		if err != nil {
			return orNoThread(r, err, project, threadID)
		}
		recording = &runs.Recording{Run: record.Run, Spent: record.Spent, ReplayOf: record.ReplayOf}
		if recording.Steps, err = readSteps(r, id); err != nil {
			return err
		}
		recording.Messages, err = messagesOf(r, threadID, id)
		return err
	})
	return recording, err
}

// messagesOf reads the messages that a run made, by their id; forks of its
// thread have copies of them.
func messagesOf(r Reader, threadID, runID string) (map[string]*threads.Message, error) {
	items, err := readItems(r, "SELECT id, body FROM messages WHERE run_id = $1 AND thread_id = $2 AND body IS NOT NULL ORDER BY seq", runID, threadID)
	if err != nil {
		return nil, err
	}
	messages := make(map[string]*threads.Message, len(items))
	for _, item := range items {
		m := &threads.Message{}
		if err := decode(r, item.JSON, m); err != nil {
			return nil, fmt.Errorf("decode %s: %w", item.ID, err)
		}
		messages[item.ID] = m
	}
	return messages, nil
}
