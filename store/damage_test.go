package store

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/threads"
)

// damageSeen is a witness that keeps nothing.
type damageSeen struct{}

func (damageSeen) damaged(err error) error { return err }

// SQLite keeps no sums over what it stores: a page of a long text that was lost is noticed where the text is read, and is
// then what damage of SQLite's own is.
func TestDamageThatSQLiteDoesNotNotice(t *testing.T) {
	db, dir, _ := watched(t)
	const text = "the text of a message that is on pages of its own "
	long := strings.Repeat(text, 200)
	thread := &threads.Thread{ID: "thread_d", Object: "thread"}
	m := &threads.Message{ID: "msg_d", ThreadID: thread.ID, Role: threads.User, Content: []threads.Part{threads.NewText(long)}}
	_, err := db.CreateThread(t.Context(), "default", thread, []*threads.Message{m}, nil)
	require.NoError(t, err)
	require.NoError(t, db.checkpoints.checkpoint())
	require.NoError(t, db.Close())
	path := filepath.Join(dir, databaseFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	at := strings.LastIndex(string(content), text)
	require.Positive(t, at)
	clear(content[at : at+len(text)])
	require.NoError(t, os.WriteFile(path, content, 0o600))
	require.NoError(t, Check(t.Context(), dir), "SQLite finds nothing wrong with it")

	for name, read := range map[string]func(*DB) error{
		"message": func(db *DB) error {
			_, err := db.Message(t.Context(), "default", thread.ID, m.ID)
			return err
		},
		"history of a run": func(db *DB) error {
			_, err := db.RecentMessages(t.Context(), thread.ID, 0, 10)
			return err
		},
		"change": func(db *DB) error {
			_, err := db.UpdateMessage(t.Context(), "default", thread.ID, m.ID, func(*threads.Message) {})
			return err
		},
		"index of a search": func(db *DB) error {
			_, err := db.indexThread(t.Context(), thread.ID)
			return err
		},
		"what a list shows": func(db *DB) error {
			list, err := db.Messages(t.Context(), "default", thread.ID, "", wire.Page{Limit: 10})
			require.NoError(t, err)
			_, err = wire.Marshal(list)
			err = wire.Damaged(err)
			db.Damaged(err)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, log := reopened(t, dir)
			defer db.Close()
			require.NoError(t, db.Ping(t.Context()))
			err := read(db)
			require.ErrorIs(t, err, ErrUnavailable)
			require.True(t, IsCorrupt(err), "%v", err)
			require.True(t, IsCorrupt(db.Ping(t.Context())))
			require.Equal(t, 1, strings.Count(log.String(), "restore it from a backup"), log.String())
		})
	}
}

// reopened is the database of a directory as its next process has it, and that one's log.
func reopened(t *testing.T, dir string) (*DB, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	db, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db, log
}

func TestLooksSound(t *testing.T) {
	for body, sound := range map[string]bool{
		`{}`: true, `{"a":"ä \u0000 <>"}`: true,
		``: false, `{`: false, `{"a":1`: false, "{\"a\":\"\x00\"}": false, "{\n}": false, `"text"`: false,
	} {
		require.Equal(t, sound, looksSound([]byte(body)), body)
		require.True(t, !looksSound([]byte(body)) || json.Valid([]byte(body)), body)
	}
	require.True(t, looksSound(nil), "NULL is no damage")
}

// What is stored in another form than the server's own is not taken for damaged.
func TestJSONWithBlanksIsSound(t *testing.T) {
	db, _, _ := watched(t)
	require.NoError(t, db.Write(t.Context(), func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("INSERT INTO assistants (project_id, id, body) VALUES ('default', 'asst_x', $1)", "{\n  \"id\": \"asst_x\"\n}")
		return err
	}))
	body, err := db.Assistant(t.Context(), "default", "asst_x")
	require.NoError(t, err)
	require.True(t, json.Valid(body))
	require.NoError(t, db.Ping(t.Context()))
}
