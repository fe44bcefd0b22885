package storetest

import (
	"encoding/json"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// revisions edit messages and rewind a thread, and find what it held.
func (s *suite) revisions() {
	ctx := s.Context()
	f, other := s.forkable(), s.thread().ID
	id := f.thread.ID
	to, behind := f.messages[1], f.messages[2:]
	for _, revise := range []func() error{
		func() error {
			_, _, err := s.ReviseThread(ctx, theirs, threads.Revision{ThreadID: id, MessageID: to.ID, Rewind: true})
			return err
		},
		func() error {
			_, _, err := s.ReviseThread(ctx, ours, threads.Revision{ThreadID: other, MessageID: to.ID, Rewind: true})
			return err
		},
		func() error { _, err := s.Versions(ctx, theirs, id, "", wire.Page{Limit: 9}); return err },
	} {
		s.missing(revise())
	}
	thread, message, err := s.ReviseThread(ctx, ours, threads.Revision{ThreadID: id, MessageID: to.ID, At: made, Rewind: true})
	same(s, f.thread)(thread, err)
	same(s, to)(message, err)
	require.Equal(s, []string{"question one", "answer one"}, s.texts(id))
	steps, err := s.ToolSteps(ctx, id, 0, 99)
	require.NoError(s, err)
	require.Len(s, steps, 1, "a prompt has the calls before the message")
	all, err := s.Steps(ctx, ours, id, f.runs[1].ID, wire.Page{Limit: 9})
	require.NoError(s, err)
	require.Len(s, all.Items, 1, "a run keeps its steps")
	_, timeline := f.fork(threads.Fork{})
	require.Equal(s, []string{"question one", "call one", "answer one"}, timeline)

	edited := *to
	edited.Content = []threads.Part{threads.NewText("a better answer")}
	_, message, err = s.ReviseThread(ctx, ours, threads.Revision{ThreadID: id, MessageID: to.ID, At: made, Content: edited.Content})
	same(s, &edited)(message, err)
	recent, err := s.RecentMessages(ctx, id, 0, 1)
	require.NoError(s, err)
	require.Equal(s, &runs.MessageRecord{Message: &edited, Seq: 2, Turn: 2, Tokens: edited.CountTokens()}, recent[0])
	more := s.message(id, "more")
	recent, err = s.RecentMessages(ctx, id, 0, 1)
	require.NoError(s, err)
	require.Equal(s, int64(5), recent[0].Seq, "what was taken out keeps its place")

	s.versions(id, behind, to)
	s.missing(s.DeleteMessage(ctx, theirs, id, behind[0].ID))
	for _, m := range []*threads.Message{behind[0], to, more} {
		require.NoError(s, s.DeleteMessage(ctx, ours, id, m.ID))
		s.missing(s.DeleteMessage(ctx, ours, id, m.ID))
	}
	list, err := s.Versions(ctx, ours, id, "", wire.Page{Limit: 9})
	require.NoError(s, err)
	require.Len(s, list.Items, 1, "what is deleted is gone for good")
	r := s.run(id, runs.Queued)
	_, _, err = s.ReviseThread(ctx, ours, threads.Revision{ThreadID: id, MessageID: f.messages[0].ID, Rewind: true})
	s.busy(err, r.ID)
}

// versions looks for two messages that were rewound and one that was edited.
func (s *suite) versions(id string, behind []*threads.Message, to *threads.Message) {
	s.Helper()
	list, err := s.Versions(s.Context(), ours, id, "", wire.Page{Limit: 9, Asc: true})
	require.NoError(s, err)
	require.Len(s, list.Items, 3)
	for i, want := range []struct {
		reason  string
		message *threads.Message
	}{{threads.Rewound, behind[0]}, {threads.Rewound, behind[1]}, {threads.Edited, to}} {
		var v threads.Version
		require.NoError(s, json.Unmarshal(list.Items[i].JSON, &v))
		require.Equal(s, threads.Version{ID: list.Items[i].ID, Object: "thread.message.version", CreatedAt: made.Unix(), Reason: want.reason, Message: v.Message}, v)
		same(s, want.message)(v.Message, nil)
	}
	list, err = s.Versions(s.Context(), ours, id, to.ID, wire.Page{Limit: 9})
	require.NoError(s, err)
	require.Len(s, list.Items, 1)
}
