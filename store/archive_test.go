package store

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// TestEveryTableIsArchivedOrNamed: who adds a table decides whether it travels.
func TestEveryTableIsArchivedOrNamed(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir()})
	tables, err := readStrings(db.Read(t.Context()), `SELECT name FROM sqlite_master WHERE type = 'table'
		AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'chunk_terms_%' AND name NOT LIKE 'message_terms_%' ORDER BY name`)
	require.NoError(t, err)
	known := slices.Clone(notArchived)
	for _, table := range archived {
		known = append(known, table.table)
	}
	slices.Sort(known)
	require.Equal(t, tables, known, "add the table to archived in archive.go, or to notArchived when it must not travel")
}

func TestColumnsKeepTheirTypes(t *testing.T) {
	for name, value := range map[string]any{
		"a number": int64(1<<62 + 1), "below zero": int64(-1), "text": "ä\x00<&", "no text": "", "nothing": nil,
		"bytes": []byte{0, 255}, "no bytes": []byte{},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := Columns{"c": value}.MarshalJSON()
			require.NoError(t, err)
			var back Columns
			require.NoError(t, back.UnmarshalJSON(text))
			require.Equal(t, Columns{"c": value}, back)
		})
	}
	text, err := Columns{"c": []byte(nil)}.MarshalJSON() // as an empty blob is read
	require.NoError(t, err)
	require.JSONEq(t, `{"c": {"base64": ""}}`, string(text))
	var back Columns
	require.NoError(t, back.UnmarshalJSON([]byte(`{"c": {"base64": null}}`)), "so were they written once")
	require.Equal(t, Columns{"c": []byte{}}, back)
	_, err = Columns{"c": 1.5}.MarshalJSON()
	require.ErrorContains(t, err, "float64")
	for _, bad := range []string{`[]`, `{"c":1.5}`, `{"c":true}`, `{"c":{"base64":"?"}}`, `{"c":[1]}`} {
		require.Error(t, new(Columns).UnmarshalJSON([]byte(bad)), bad)
	}
}

// TestImporterRefuses names what is wrong with an entry.
func TestImporterRefuses(t *testing.T) {
	thread := Entry{Kind: "thread", Project: "p", Object: []byte(`{}`), Row: Columns{"id": "thread_1", "seq": int64(9)}}
	for name, c := range map[string]struct {
		entry Entry
		says  string
	}{
		"an unknown kind":         {Entry{Kind: "poem"}, `the kind "poem" is unknown`},
		"no id":                   {Entry{Kind: "thread", Object: []byte(`{}`)}, "it has no id"},
		"an unknown column":       {Entry{Kind: "thread", Project: "p", Row: Columns{"id": "thread_2", "mood": "x"}}, `the column "mood" is unknown`},
		"a foreign id":            {Entry{Kind: "thread", Project: "q", Row: Columns{"id": "thread_1"}}, "in use by another project"},
		"a parent that is absent": {Entry{Kind: "thread.message", Project: "p", Row: Columns{"id": "msg_1", "thread_id": "thread_3"}}, `the thread "thread_3", which is not in the archive`},
		"a parent of others":      {Entry{Kind: "thread.message", Project: "q", Row: Columns{"id": "msg_1", "thread_id": "thread_1"}}, "of another project"},
	} {
		t.Run(name, func(t *testing.T) {
			db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
			err := db.Import(t.Context(), func(i *Importer) error {
				if outcome, err := i.Add(thread); err != nil || outcome != Added {
					return err
				}
				_, err := i.Add(c.entry)
				return err
			})
			require.ErrorContains(t, err, c.says)
			_, err = db.Thread(t.Context(), "p", "thread_1")
			require.Error(t, err, "something was kept")
		})
	}
}

// TestImportIntoWhatIsThere: what is there stays, what is new finds a place.
func TestImportIntoWhatIsThere(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	entry := func(kind, id, body string, more Columns) Entry {
		e := Entry{Kind: kind, Project: "p", Row: Columns{"id": id, "seq": int64(1)}}
		if body != "" {
			e.Object = []byte(body)
		}
		for name, value := range more {
			e.Row[name] = value
		}
		return e
	}
	message := func(id, thread, body string) Entry {
		return entry("thread.message", id, body, Columns{"thread_id": thread, "by_user": int64(1), "tokens": int64(1)})
	}
	add := func(entries ...Entry) (outcomes []Outcome) {
		require.NoError(t, db.Import(t.Context(), func(i *Importer) error {
			for _, e := range entries {
				outcome, err := i.Add(e)
				if err != nil {
					return err
				}
				outcomes = append(outcomes, outcome)
			}
			return nil
		}))
		return outcomes
	}
	one, gone := entry("thread", "thread_1", `{"id":"thread_1"}`, nil), entry("thread", "thread_2", `{"id":"thread_2"}`, nil)
	require.Equal(t, []Outcome{Added, Added, Added}, add(one, gone, message("msg_1", "thread_1", `{"a":1}`)))
	require.NoError(t, db.DeleteThread(t.Context(), "p", "thread_2"))

	require.Equal(t, []Outcome{Same, Different, Same, Different, Added, Different},
		add(one, gone, message("msg_1", "thread_1", `{"a":1}`), message("msg_1", "thread_1", `{"a":2}`),
			message("msg_2", "thread_1", `{"b":1}`), message("msg_3", "thread_2", `{"c":1}`)))
	found, err := readStrings(db.Read(t.Context()), "SELECT id FROM messages ORDER BY seq")
	require.NoError(t, err)
	require.Equal(t, []string{"msg_1", "msg_2"}, found)
}

// TestQueueTravels: what waits for a run has its turn after an import, but not
// where its thread is already, whose owner may have gone on.
func TestQueueTravels(t *testing.T) {
	from := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	_, err := from.CreateThread(t.Context(), "p", &threads.Thread{ID: "thread_1"}, nil, nil)
	require.NoError(t, err)
	for _, id := range []string{"run_1", "run_2"} {
		r := &runs.Run{ID: id, ThreadID: "thread_1", Status: runs.Queued, ExpiresAt: wire.Ptr(int64(600))}
		_, err = from.CreateRun(t.Context(), "p", runs.NewRun{Run: r, Enqueue: func([]string) {}})
		require.NoError(t, err)
		m := threads.NewMessage{Role: threads.User, Content: []threads.Part{threads.NewText("hi")}}.Build("msg_of_"+id, "thread_1", 1)
		_, _, err = from.EnqueueMessage(t.Context(), "p", m)
		require.NoError(t, err)
	}
	var entries []Entry
	require.NoError(t, from.Export(t.Context(), func(e Entry) error { entries = append(entries, e); return nil }))

	dir := t.TempDir()
	put := func() (added int) {
		to := reopen(t, Options{Dir: dir, Durability: Normal})
		require.NoError(t, to.Import(t.Context(), func(i *Importer) error {
			for _, e := range entries {
				outcome, err := i.Add(e)
				if err != nil {
					return err
				}
				added += flag(outcome == Added)
			}
			return nil
		}))
		require.NoError(t, to.Close())
		return added
	}
	require.Equal(t, len(entries), put())
	to := reopen(t, Options{Dir: dir, Durability: Normal})
	for _, id := range []string{"run_1", "run_2"} {
		active, err := to.ActiveOn(t.Context(), "p", "thread_1")
		require.NoError(t, err)
		require.Equal(t, id, active[len(active)-1])
		_, err = to.ChangeRun(t.Context(), "p", "thread_1", id, func(r *runs.Record) (*runs.Change, error) {
			r.Run.Status = runs.Completed
			return &runs.Change{Run: r.Run}, nil
		})
		require.NoError(t, err)
	}
	list, err := to.Messages(t.Context(), "p", "thread_1", "", wire.Page{Limit: 9, Asc: true})
	require.NoError(t, err)
	require.Len(t, list.Items, 2)
	require.NoError(t, to.Close())
	require.Zero(t, put(), "once more brings nothing back")
}
