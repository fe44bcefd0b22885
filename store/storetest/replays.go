package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// replays finds the runs that can be replayed, and what was there before them.
func (s *suite) replays() {
	f := s.forkable()
	failed := s.run(f.thread.ID, runs.Failed) // it left nothing behind but its id
	later := newMessage(f.thread.ID, threads.User, "later")
	later.ID = wire.NewID(threads.MessagePrefix, made.Add(time.Millisecond))
	_, err := s.AddMessage(s.Context(), ours, later)
	require.NoError(s, err)
	require.NoError(s, s.DeleteMessage(s.Context(), ours, f.thread.ID, f.messages[1].ID))

	for name, tc := range map[string]struct {
		run     *runs.Run
		deleted int
		newest  string // of the messages before it
	}{
		"called first":     {f.runs[0], 0, "question one"},
		"the second":       {f.runs[1], 1, "question two"},
		"left nothing":     {failed, 1, "answer two"},
		"a run of its own": {s.run(s.thread().ID, runs.Completed), 0, ""},
	} {
		original, err := s.Original(s.Context(), ours, tc.run.ThreadID, tc.run.ID)
		require.NoError(s, err)
		require.Equal(s, tc.run.ID, original.Run.ID)
		require.Equal(s, tc.deleted, original.Deleted, name)
		recent, err := s.RecentMessages(s.Context(), s.forkBefore(tc.run), 0, 1)
		require.NoError(s, err)
		newest := ""
		for _, m := range recent {
			newest = m.Message.Text()
		}
		require.Equal(s, tc.newest, newest, name)
	}
	missing(s)(s.Original(s.Context(), theirs, f.thread.ID, f.runs[0].ID))
	missing(s)(s.Original(s.Context(), ours, f.thread.ID, "run_none"))
}

// forkBefore makes a hidden fork of what was before a run.
func (s *suite) forkBefore(r *runs.Run) (id string) {
	s.Helper()
	fork := threads.Fork{Of: r.ThreadID, ID: wire.NewID(threads.IDPrefix, made), At: made, BeforeRun: r.ID, Hidden: true}
	_, err := s.ForkThread(s.Context(), ours, fork)
	require.NoError(s, err)
	return fork.ID
}

// pastRuns lists runs of all threads but the hidden ones.
func (s *suite) pastRuns() {
	one, two := s.run(s.thread().ID, runs.Completed), s.run(s.thread().ID, runs.Failed)
	replay := newRun(s.forkBefore(one), runs.Completed)
	of := &runs.ReplayOf{ThreadID: one.ThreadID, RunID: one.ID}
	_, err := s.CreateRun(s.Context(), ours, runs.NewRun{Run: replay, ReplayOf: of})
	require.NoError(s, err)
	recording, err := s.Recording(s.Context(), ours, replay.ThreadID, replay.ID)
	require.NoError(s, err)
	require.Equal(s, of, recording.ReplayOf)

	for name, tc := range map[string]struct {
		project string
		asked   runs.PastRuns
		want    []string
		more    bool
	}{
		"all":         {ours, runs.PastRuns{Limit: 9}, []string{two.ID, one.ID}, false},
		"one":         {ours, runs.PastRuns{Limit: 1}, []string{two.ID}, true},
		"the next":    {ours, runs.PastRuns{Limit: 1, After: two.ID}, []string{one.ID}, false},
		"of a state":  {ours, runs.PastRuns{Limit: 1, Statuses: []runs.Status{runs.Completed}}, []string{one.ID}, false},
		"of a model":  {ours, runs.PastRuns{Limit: 9, Model: "m"}, []string{two.ID, one.ID}, false},
		"of no model": {ours, runs.PastRuns{Limit: 9, Model: "n"}, []string{}, false},
		"of others":   {theirs, runs.PastRuns{Limit: 9}, []string{}, false},
	} {
		list, err := s.PastRuns(s.Context(), tc.project, tc.asked)
		require.NoError(s, err)
		require.Equal(s, tc.want, idsOf(list), name)
		require.Equal(s, tc.more, list.HasMore, name)
	}
	_, err = s.PastRuns(s.Context(), theirs, runs.PastRuns{Limit: 1, After: one.ID})
	require.ErrorContains(s, err, "Invalid 'after'")

	threadID, err := s.ThreadOfRun(s.Context(), ours, replay.ID)
	require.NoError(s, err)
	require.Equal(s, replay.ThreadID, threadID)
	_, err = s.ThreadOfRun(s.Context(), theirs, replay.ID)
	s.missing(err)
}
