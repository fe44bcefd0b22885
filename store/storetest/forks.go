package storetest

import (
	"encoding/json"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// forked is a thread with two runs that called tools: question, first run's call
// and answer, question, second run's call, answer.
type forked struct {
	*suite
	thread   *threads.Thread
	messages []*threads.Message
	runs     []*runs.Run
}

func (s *suite) forkable() *forked {
	t := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made), Object: "thread", CreatedAt: made.Unix() - 60, Metadata: wire.Metadata{"user": "u"}}
	f := &forked{suite: s, thread: created(s, t)(s.CreateThread(s.Context(), ours, t, nil, nil))}
	for _, name := range []string{"one", "two"} {
		f.messages = append(f.messages, s.message(t.ID, "question "+name))
		r := s.run(t.ID, runs.Completed)
		step := callStep(r, name)
		step.Status = runs.StepCompleted
		answer := newMessage(t.ID, threads.Assistant, "answer "+name)
		answer.RunID = &r.ID
		s.change(r, runs.Change{Steps: []*runs.StepRecord{{Step: step, Turn: 1, Tokens: 5}}})
		s.change(r, runs.Change{Messages: []*runs.MessageRecord{{Message: answer, Turn: 2, Tokens: 7, State: json.RawMessage(`["s"]`)}}})
		f.messages, f.runs = append(f.messages, answer), append(f.runs, r)
	}
	return f
}

// fork makes a fork and reads what a prompt would have of it, oldest first.
func (f *forked) fork(how threads.Fork) (id string, timeline []string) {
	f.Helper()
	how.Of, how.ID, how.At = f.thread.ID, wire.NewID(threads.IDPrefix, made), made
	body, err := f.ForkThread(f.Context(), ours, how)
	require.NoError(f, err)
	want := *f.thread
	want.ID, want.CreatedAt = how.ID, made.Unix()
	same(f.suite, &want)(body, nil)
	same(f.suite, &want)(f.Thread(f.Context(), ours, how.ID))

	recent, err := f.RecentMessages(f.Context(), how.ID, 0, 100)
	require.NoError(f, err)
	steps, err := f.ToolSteps(f.Context(), how.ID, 0, 1<<40)
	require.NoError(f, err)
	for i := len(recent) - 1; i >= 0; i-- {
		m := recent[i].Message
		timeline = append(timeline, m.Text())
		require.Equal(f, how.ID, m.ThreadID)
		for _, s := range steps {
			require.Equal(f, how.ID, s.Step.ThreadID)
			if s.After == recent[i].Seq {
				timeline = append(timeline, "call "+s.Step.Details.ToolCalls[0].Function.Name)
			}
		}
	}
	return how.ID, timeline
}

func (s *suite) forks() {
	f := s.forkable()
	whole := []string{"question one", "call one", "answer one", "question two", "call two", "answer two"}
	for name, tc := range map[string]struct {
		how  threads.Fork
		want []string
	}{
		"everything":               {threads.Fork{}, whole},
		"after a question":         {threads.Fork{After: f.messages[2].ID}, whole[:4]},
		"after an answer":          {threads.Fork{After: f.messages[1].ID}, whole[:3]},
		"before the first run":     {threads.Fork{BeforeRun: f.runs[0].ID}, whole[:1]},
		"before the second, apart": {threads.Fork{BeforeRun: f.runs[1].ID, Hidden: true}, whole[:4]},
	} {
		_, timeline := f.fork(tc.how)
		require.Equal(s, tc.want, timeline, name)
	}

	id, _ := f.fork(threads.Fork{})
	recent, err := s.RecentMessages(s.Context(), id, 0, 1)
	require.NoError(s, err)
	answer := *f.messages[3]
	answer.ID, answer.ThreadID = recent[0].Message.ID, id
	require.NotEqual(s, f.messages[3].ID, answer.ID)
	require.Equal(s, &runs.MessageRecord{Message: &answer, Seq: 4, Turn: 2, Tokens: 7, State: json.RawMessage(`["s"]`)}, recent[0])
	recording, err := s.Recording(s.Context(), ours, f.thread.ID, f.runs[1].ID)
	require.NoError(s, err)
	require.Len(s, recording.Messages, 1, "a run has made what is in its own thread")
	list, err := s.Runs(s.Context(), ours, id, wire.Page{Limit: 9})
	require.NoError(s, err)
	require.Empty(s, list.Items)

	again, timeline := (&forked{suite: s, thread: &threads.Thread{ID: id, Object: "thread", Metadata: wire.Metadata{"user": "u"}}}).fork(threads.Fork{})
	require.Equal(s, whole, timeline, "a fork is forked")
	s.message(again, "more")
	r := s.run(again, runs.Completed)
	s.change(r, runs.Change{Steps: []*runs.StepRecord{{Step: callStep(r, "new"), Turn: 1}}})
	_, timeline = f.fork(threads.Fork{})
	require.Equal(s, whole, timeline, "the origin does not see what is done with a fork")
}

// adoption gives threads to ids that nobody has ever used.
func (s *suite) adoption() {
	old := &threads.Thread{ID: "thread_old", Object: "thread", CreatedAt: made.Unix()}
	deleted := s.thread()
	require.NoError(s, s.DeleteThread(s.Context(), ours, deleted.ID))
	for range 2 {
		require.NoError(s, s.AdoptThread(s.Context(), ours, old))
		require.NoError(s, s.AdoptThread(s.Context(), theirs, old), "another project's is left alone")
		same(s, old)(s.Thread(s.Context(), ours, old.ID))
		missing(s)(s.Thread(s.Context(), theirs, old.ID))
		require.NoError(s, s.AdoptThread(s.Context(), ours, deleted))
		missing(s)(s.Thread(s.Context(), ours, deleted.ID))
	}
	s.message(old.ID, "on it goes")
	recent, err := s.RecentMessages(s.Context(), old.ID, 0, 9)
	require.NoError(s, err)
	require.Len(s, recent, 1)
}

// forksRefused asks for forks that cannot be.
func (s *suite) forksRefused() {
	f := s.forkable()
	other := s.message(s.thread().ID, "elsewhere")
	require.NoError(s, s.DeleteMessage(s.Context(), ours, f.thread.ID, f.messages[0].ID))
	for name, tc := range map[string]struct {
		project string
		how     threads.Fork
	}{
		"a foreign thread":    {theirs, threads.Fork{Of: f.thread.ID}},
		"no thread":           {ours, threads.Fork{Of: "thread_none"}},
		"a message elsewhere": {ours, threads.Fork{Of: f.thread.ID, After: other.ID}},
		"a deleted message":   {ours, threads.Fork{Of: f.thread.ID, After: f.messages[0].ID}},
		"no run":              {ours, threads.Fork{Of: f.thread.ID, BeforeRun: "run_none"}},
	} {
		tc.how.ID, tc.how.At = wire.NewID(threads.IDPrefix, made), made
		_, err := s.ForkThread(s.Context(), tc.project, tc.how)
		s.missing(err)
		_, err = s.Thread(s.Context(), ours, tc.how.ID)
		require.ErrorIs(s, err, wire.ErrNotFound, name)
	}
	_, err := s.ForkThread(s.Context(), ours, threads.Fork{Of: f.thread.ID, ID: other.ThreadID, At: made})
	require.ErrorContains(s, err, "already in use")
}

// hiddenForks are found by their id only, and go with their thread.
func (s *suite) hiddenForks() {
	f := s.forkable()
	hidden, _ := f.fork(threads.Fork{Hidden: true})
	shown, _ := f.fork(threads.Fork{})
	below, _ := (&forked{suite: s, thread: &threads.Thread{ID: hidden, Object: "thread", Metadata: wire.Metadata{"user": "u"}}}).fork(threads.Fork{Hidden: true})
	for _, q := range []threads.Query{{}, {Metadata: wire.Metadata{"user": "u"}}} {
		q.Limit = 9
		list, err := s.Threads(s.Context(), ours, q)
		require.NoError(s, err)
		require.Equal(s, []string{shown, f.thread.ID}, idsOf(list))
	}
	s.message(hidden, "more")

	require.NoError(s, s.DeleteThread(s.Context(), ours, f.thread.ID))
	for _, id := range []string{hidden, below} {
		missing(s)(s.Thread(s.Context(), ours, id))
		missing(s)(s.Messages(s.Context(), ours, id, "", wire.Page{Limit: 9}))
	}
	_, err := s.Thread(s.Context(), ours, shown)
	require.NoError(s, err, "a fork that is shown is a thread of its own")
}
