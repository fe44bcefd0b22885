package store

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/threads"
)

// requireOutlook compares an outlook, if there is one, with what the database has.
func requireOutlook(t require.TestingT, db *DB, threadID string) {
	ctx := context.Background()
	require.Nil(t, db.Outlook("another project", threadID))
	o := db.Outlook("p", threadID)
	if o == nil {
		return
	}
	active, err := activeRun(db.Read(ctx), threadID)
	require.NoError(t, err)
	require.Empty(t, active)
	require.NoError(t, requireThread(db.Read(ctx), "p", threadID))
	want, err := db.readMessages(ctx, threadID, math.MaxInt64, 64)
	require.NoError(t, err)
	got, err := o.RecentMessages(ctx, threadID, 0, 64)
	require.NoError(t, err)
	require.Equal(t, messageIDs(want), messageIDs(got))
	wantSteps, err := db.readToolSteps(ctx, threadID, 0, math.MaxInt64)
	require.NoError(t, err)
	gotSteps, err := o.ToolSteps(ctx, threadID, 0, math.MaxInt64)
	require.NoError(t, err)
	require.Len(t, gotSteps, len(wantSteps))
	for i := range wantSteps {
		require.Equal(t, wantSteps[i].Step.ID, gotSteps[i].Step.ID)
	}
}

func messageIDs(records []*runs.MessageRecord) []string {
	all := []string{}
	for _, r := range records {
		all = append(all, r.Message.ID)
	}
	return all
}

// TestOutlook says when a thread is known to be idle, and what is changed before its run is created.
func TestOutlook(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	h := &history{db: db}
	ctx := t.Context()
	thread, err := h.create(2)
	require.NoError(t, err)
	require.Nil(t, db.Outlook("another project", thread))
	require.Nil(t, db.Outlook("p", "thread_none"))
	first, err := db.RecentMessages(ctx, thread, 0, 1)
	require.NoError(t, err)
	newest := first[0].Message.ID

	create := func(o *runs.Outlook, more ...*threads.Message) (id string) {
		run := &runs.Run{ID: h.id("run_"), ThreadID: thread, Status: runs.Queued}
		_, err := db.CreateRun(ctx, "p", runs.NewRun{Run: run, Messages: more, Begin: func() *runs.Outlook { return o }})
		require.NoError(t, err)
		return run.ID
	}
	end := func(id string) {
		_, err := db.ChangeRun(ctx, "p", thread, id, func(r *runs.Record) (*runs.Change, error) {
			r.Run.Status = runs.Completed
			return &runs.Change{Run: r.Run}, nil
		})
		require.NoError(t, err)
	}
	for name, tc := range map[string]struct {
		change  func() error
		changed bool
	}{
		"nothing": {func() error { return nil }, false},
		"another thread": {func() error {
			_, err := h.create(1)
			return err
		}, false},
		"a message added": {func() error {
			_, err := db.AddMessage(ctx, "p", h.message(thread, 5))
			return err
		}, true},
		"a message changed": {func() error {
			_, err := db.UpdateMessage(ctx, "p", thread, newest, func(*threads.Message) {})
			return err
		}, true},
		"everything forgotten": {func() error {
			db.tails.clear()
			return nil
		}, true},
	} {
		if db.Outlook("p", thread) == nil { // forgotten: known again with the first run that is seen to its end
			_, err := db.RecentMessages(ctx, thread, 0, 64)
			require.NoError(t, err)
			require.Nil(t, db.Outlook("p", thread), "read without its runs")
			end(create(nil))
		}
		o := db.Outlook("p", thread)
		require.NotNil(t, o, name)
		before, err := o.RecentMessages(ctx, thread, 0, 64)
		require.NoError(t, err)
		require.NoError(t, tc.change())
		id := create(o, h.message(thread, 5))
		require.Equal(t, tc.changed, o.Changed, name)
		require.Nil(t, db.Outlook("p", thread), "held by a run")
		after, err := o.RecentMessages(ctx, thread, 0, 64)
		require.NoError(t, err)
		require.Equal(t, messageIDs(before), messageIDs(after), "an outlook stays as it was")
		end(id)
	}
	require.NoError(t, db.DeleteThread(ctx, "p", thread))
	require.Nil(t, db.Outlook("p", thread))
}

// TestOutlookInOneTransaction adds a message before and after the run in the transaction that creates it.
func TestOutlookInOneTransaction(t *testing.T) {
	for _, before := range []bool{true, false} {
		db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
		h := &history{db: db}
		thread, err := h.create(2)
		require.NoError(t, err)
		var seen *runs.Outlook
		create := func() error {
			run := &runs.Run{ID: h.id("run_"), ThreadID: thread, Status: runs.Queued}
			_, err := db.CreateRun(context.Background(), "p", runs.NewRun{Run: run, Begin: func() *runs.Outlook {
				seen = db.Outlook("p", thread)
				return seen
			}})
			return err
		}
		message := h.message(thread, 5)
		add := func() error {
			_, err := db.AddMessage(context.Background(), "p", message)
			return err
		}
		operations := []func() error{create, add}
		if before {
			operations = []func() error{add, create}
		}
		errs := inOneTransaction(db, operations...)
		require.NotNil(t, seen)
		require.Equal(t, before, seen.Changed)
		require.NoError(t, errs[0])
		if before {
			require.NoError(t, errs[1])
		} else {
			require.ErrorAs(t, errs[1], new(*threads.BusyError))
		}
	}
}
