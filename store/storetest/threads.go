package storetest

import (
	"sync"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// messageOrder adds messages at once: each is there once, and both reads agree
// on one order, in which the thread's first messages come first.
func (s *suite) messageOrder() {
	ctx := s.Context()
	t := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made)}
	first := []*threads.Message{newMessage(t.ID, threads.User, "1"), newMessage(t.ID, threads.Assistant, "2"), newMessage(t.ID, threads.User, "3")}
	_, err := s.CreateThread(ctx, ours, t, first, nil)
	require.NoError(s, err)
	added := make([]string, 20)
	var adding sync.WaitGroup
	for i := range added {
		m := newMessage(t.ID, threads.User, "more")
		added[i] = m.ID
		adding.Go(func() {
			if _, err := s.AddMessage(ctx, ours, m); err != nil {
				s.Error(err)
			}
		})
	}
	adding.Wait()

	list, err := s.Messages(ctx, ours, t.ID, "", wire.Page{Limit: 100, Asc: true})
	require.NoError(s, err)
	ids := idsOf(list)
	require.Equal(s, []string{first[0].ID, first[1].ID, first[2].ID}, ids[:3])
	require.ElementsMatch(s, added, ids[3:])
	recent, err := s.RecentMessages(ctx, t.ID, 0, 100)
	require.NoError(s, err)
	require.Len(s, recent, len(ids))
	for i, m := range recent {
		require.Equal(s, ids[len(ids)-1-i], m.Message.ID)
		require.Equal(s, int64(len(ids)-i), m.Seq)
		require.Equal(s, m.Message.CountTokens(), m.Tokens)
	}
}

func (s *suite) messagesOfRun() {
	ctx := s.Context()
	t := s.thread()
	s.message(t.ID, "question")
	r := s.run(t.ID, runs.Queued)
	answer := newMessage(t.ID, threads.Assistant, "answer")
	answer.RunID = &r.ID
	s.change(r, runs.Change{Messages: []*runs.MessageRecord{{Message: answer, Turn: 1}}})
	for runID, want := range map[string][]string{r.ID: {answer.ID}, "run_other": {}} {
		list, err := s.Messages(ctx, ours, t.ID, runID, wire.Page{Limit: 9})
		require.NoError(s, err)
		require.Equal(s, want, idsOf(list))
	}
}

func (s *suite) threadDeletion() {
	ctx := s.Context()
	t := s.thread()
	s.message(t.ID, "hello")
	r := s.run(t.ID, runs.Completed)
	s.change(r, runs.Change{
		Messages: []*runs.MessageRecord{{Message: newMessage(t.ID, threads.Assistant, "hi"), Turn: 1}},
		Steps:    []*runs.StepRecord{{Step: callStep(r, "f"), Turn: 1}},
		Calls:    []*runs.ModelCall{{Turn: 1, Request: []byte(`{"messages":[{"role":"user"}]}`)}},
	})
	active, lease := s.leased("engine", 1)
	require.NoError(s, s.DeleteThread(ctx, ours, t.ID))
	require.NoError(s, s.DeleteThread(ctx, ours, active.ThreadID))

	missing(s)(s.Messages(ctx, ours, t.ID, "", wire.Page{Limit: 9}))
	missing(s)(s.Runs(ctx, ours, t.ID, wire.Page{Limit: 9}))
	missing(s)(s.Run(ctx, ours, t.ID, r.ID))
	missing(s)(s.Steps(ctx, ours, t.ID, r.ID, wire.Page{Limit: 9}))
	missing(s)(s.ModelCalls(ctx, ours, t.ID, r.ID))
	missing(s)(s.AddMessage(ctx, ours, newMessage(t.ID, threads.User, "late")))
	missing(s)(s.CreateRun(ctx, ours, runs.NewRun{Run: newRun(t.ID, runs.Queued)}))
	recent, err := s.RecentMessages(ctx, t.ID, 0, 9)
	require.NoError(s, err)
	require.Empty(s, recent)
	steps, err := s.ToolSteps(ctx, t.ID, 0, 99)
	require.NoError(s, err)
	require.Empty(s, steps)
	require.ErrorIs(s, s.Advance(ctx, active.ID, lease, mustNotDecide(s)), runs.ErrLost)
	require.Empty(s, s.claimAt(made.Add(2*lifetime), 9, 9))
}
