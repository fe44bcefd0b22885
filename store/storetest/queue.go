package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// enqueued stores a run that waits, and answers the runs ahead of it.
func (s *suite) enqueued(threadID string, texts ...string) (r *runs.Run, ahead []string) {
	s.Helper()
	r = newRun(threadID, runs.Queued)
	n := runs.NewRun{Run: r, Lease: runs.Lease{Owner: "engine", Until: made, Epoch: 1}, Enqueue: func(ids []string) { ahead = ids }}
	for _, text := range texts {
		n.Messages = append(n.Messages, newMessage(threadID, threads.User, text))
	}
	created(s, r)(s.CreateRun(s.Context(), ours, n))
	return r, ahead
}

// end ends the run that holds a thread and answers the one whose turn it is.
func (s *suite) end(r *runs.Run) (next *runs.Record) {
	s.Helper()
	_, err := s.ChangeRun(s.Context(), ours, r.ThreadID, r.ID, func(rec *runs.Record) (*runs.Change, error) {
		require.False(s, rec.Enqueued)
		rec.Run.Status, rec.Run.ExpiresAt = runs.Completed, nil
		return &runs.Change{Run: rec.Run, Spent: rec.Spent, TakeTurn: func(rec *runs.Record) {
			next = rec
			rec.Run.ExpiresAt = wire.Ptr(made.Unix() + 900)
		}}, nil
	})
	require.NoError(s, err)
	return next
}

func (s *suite) texts(threadID string) (texts []string) {
	recent, err := s.RecentMessages(s.Context(), threadID, 0, 100)
	require.NoError(s, err)
	for i := len(recent) - 1; i >= 0; i-- {
		texts = append(texts, recent[i].Message.Text())
	}
	return texts
}

// queue lets messages and runs wait for the run that holds their thread.
func (s *suite) queue() {
	ctx := s.Context()
	t := s.thread()
	free := newMessage(t.ID, threads.User, "1")
	body, ahead, err := s.EnqueueMessage(ctx, ours, free)
	same(s, free)(body, err)
	require.Empty(s, ahead, "nothing keeps it waiting")
	first, ahead := s.enqueued(t.ID)
	require.Empty(s, ahead)
	second, ahead := s.enqueued(t.ID, "2", "2b")
	require.Equal(s, []string{first.ID}, ahead)
	waiting := newMessage(t.ID, threads.User, "3")
	_, ahead, err = s.EnqueueMessage(ctx, ours, waiting)
	require.NoError(s, err)
	require.Equal(s, []string{second.ID, first.ID}, ahead)
	third, ahead := s.enqueued(t.ID)
	require.Equal(s, []string{second.ID, first.ID}, ahead)
	active, err := s.ActiveOn(ctx, ours, t.ID)
	require.NoError(s, err)
	require.Equal(s, []string{third.ID, second.ID, first.ID}, active)

	for ofRuns, want := range map[bool][]string{true: {"2", "2b", "3"}, false: {"3"}} {
		messages, err := s.Enqueued(ctx, ours, t.ID, ofRuns)
		require.NoError(s, err)
		require.Len(s, messages, len(want))
		for i, m := range messages {
			require.Equal(s, want[i], m.Text())
		}
	}
	none, err := s.Enqueued(ctx, theirs, t.ID, true)
	require.NoError(s, err)
	require.Empty(s, none)
	require.Equal(s, []string{"1"}, s.texts(t.ID))
	same(s, waiting)(s.Message(ctx, ours, t.ID, waiting.ID))
	missing(s)(s.Message(ctx, theirs, t.ID, waiting.ID))
	missing(s)(s.Message(ctx, ours, s.thread().ID, waiting.ID))
	require.Len(s, s.claimAt(made.Add(time.Hour), 9, 9), 1, "what waits does not expire")
	_, err = s.ChangeRun(ctx, ours, t.ID, second.ID, func(r *runs.Record) (*runs.Change, error) {
		require.True(s, r.Enqueued)
		require.Equal(s, runs.Lease{Until: r.Lease.Until}, r.Lease, "nobody drives it")
		r.Run.Metadata = wire.Metadata{"a": "b"}
		return &runs.Change{Run: r.Run, Enqueued: true}, nil
	})
	require.NoError(s, err)

	next := s.end(first)
	require.Nil(s, s.end(first), "what has ended is changed without another end")
	require.Equal(s, second.ID, next.Run.ID)
	require.Equal(s, wire.Metadata{"a": "b"}, next.Run.Metadata)
	require.Equal(s, []string{"1", "2", "2b"}, s.texts(t.ID))
	same(s, next.Run)(s.Run(ctx, ours, t.ID, second.ID))
	claimed := s.claimAt(made, 1, 0)
	require.Equal(s, second.ID, claimed[0].Run.ID, "it can be driven")
	require.Equal(s, third.ID, s.end(second).Run.ID)
	require.Equal(s, []string{"1", "2", "2b", "3"}, s.texts(t.ID))
	require.Nil(s, s.end(third))
	s.message(t.ID, "free")
}

// dequeue cancels runs that wait, and deletes what waits.
func (s *suite) dequeue() {
	ctx := s.Context()
	t := s.thread()
	first, _ := s.enqueued(t.ID)
	second, _ := s.enqueued(t.ID, "with it")
	gone := newMessage(t.ID, threads.User, "deleted")
	_, _, err := s.EnqueueMessage(ctx, ours, gone)
	require.NoError(s, err)
	kept := newMessage(t.ID, threads.User, "kept")
	_, _, err = s.EnqueueMessage(ctx, ours, kept)
	require.NoError(s, err)
	s.missing(s.DeleteMessage(ctx, theirs, t.ID, gone.ID))
	require.NoError(s, s.DeleteMessage(ctx, ours, t.ID, gone.ID))
	s.missing(s.DeleteMessage(ctx, ours, t.ID, gone.ID))
	_, err = s.UpdateMessage(ctx, ours, t.ID, kept.ID, func(m *threads.Message) { m.Metadata["a"] = "b" })
	require.NoError(s, err)
	_, err = s.ChangeRun(ctx, ours, t.ID, second.ID, func(r *runs.Record) (*runs.Change, error) {
		r.Run.Status, r.Run.ExpiresAt = runs.Cancelled, nil
		return &runs.Change{Run: r.Run, Enqueued: true}, nil
	})
	require.NoError(s, err)
	active, err := s.ActiveOn(ctx, ours, t.ID)
	require.NoError(s, err)
	require.Equal(s, []string{first.ID}, active)
	require.Nil(s, s.end(first))
	require.Equal(s, []string{"kept"}, s.texts(t.ID))
	recent, err := s.RecentMessages(ctx, t.ID, 0, 1)
	require.NoError(s, err)
	require.Equal(s, wire.Metadata{"a": "b"}, recent[0].Message.Metadata)

	s.enqueued(t.ID)
	s.enqueued(t.ID, "gone with its thread")
	require.NoError(s, s.DeleteThread(ctx, ours, t.ID))
	_, _, err = s.EnqueueMessage(ctx, ours, newMessage(t.ID, threads.User, "late"))
	s.missing(err)
}
