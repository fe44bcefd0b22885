package storetest

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

func (s *suite) fence() {
	ctx := s.Context()
	r, lease := s.leased("engine", 2)
	for name, wrong := range map[string]runs.Lease{
		"another owner":  {Owner: "other", Epoch: 2},
		"an older epoch": {Owner: "engine", Epoch: 1},
		"a later epoch":  {Owner: "engine", Epoch: 3},
	} {
		require.ErrorIs(s, s.Advance(ctx, r.ID, wrong, mustNotDecide(s)), runs.ErrLost, name)
	}
	require.ErrorIs(s, s.Advance(ctx, "run_unknown", lease, mustNotDecide(s)), runs.ErrLost)

	// A lease that has ended still holds until somebody else takes the run.
	claimed := s.claimAt(made.Add(2*time.Minute), 1, 0)
	require.Len(s, claimed, 1)
	require.Equal(s, int64(3), claimed[0].Lease.Epoch)
	require.ErrorIs(s, s.Advance(ctx, r.ID, lease, mustNotDecide(s)), runs.ErrLost)
	shown := false
	require.NoError(s, s.Advance(ctx, r.ID, claimed[0].Lease, func(*runs.Record) (*runs.Change, error) {
		shown = true
		return nil, nil
	}))
	require.True(s, shown)
}

// claimAt claims for an engine called sweeper, for a minute, up to some runs
// that are runnable and some that have expired.
func (s *suite) claimAt(now time.Time, runnable, expired int) []*runs.Record {
	s.Helper()
	due, overdue, err := s.Due(s.Context(), now, nobody)
	require.NoError(s, err)
	ids := slices.Clone(overdue[:min(expired, len(overdue))])
	for _, d := range due[:min(runnable, len(due))] {
		require.Equal(s, runs.Due{ID: d.ID, Project: ours, Model: "m"}, d)
		ids = append(ids, d.ID)
	}
	records, err := s.Claim(s.Context(), runs.Lease{Owner: "sweeper", Until: now.Add(time.Minute)}, now, ids)
	require.NoError(s, err)
	return records
}

// nobody is known.
func nobody(string) bool { return false }

// claim checks who is due, in which order, and how many at a time.
func (s *suite) claim() {
	later := made.Add(2 * time.Minute)
	var waiting []*runs.Run
	for i := range 3 {
		r := newRun(s.thread().ID, runs.Queued)
		r.ID = "run_" + string(rune('c'-i)) // made in the opposite order of their ids
		_, err := s.CreateRun(s.Context(), ours, runs.NewRun{Run: r})
		require.NoError(s, err)
		waiting = append(waiting, r)
	}
	s.leased("engine", 1) // until a minute after made
	s.run(s.thread().ID, runs.Completed)
	asking := s.run(s.thread().ID, runs.RequiresAction)
	ids := func(records []*runs.Record) []string {
		ids := []string{}
		for _, r := range records {
			require.Equal(s, ours, r.Project)
			require.Equal(s, "sweeper", r.Lease.Owner)
			ids = append(ids, r.Run.ID)
		}
		return ids
	}

	require.Empty(s, s.claimAt(made, 0, 9))
	due, _, err := s.Due(s.Context(), made, func(id string) bool { return id == "run_b" })
	require.NoError(s, err)
	require.Len(s, due, 2, "who is known is left out")
	early, err := s.Claim(s.Context(), runs.Lease{Owner: "sweeper"}, made, []string{asking.ID, "run_unknown"})
	require.NoError(s, err)
	require.Empty(s, early, "only what is due is claimed")
	require.Equal(s, []string{"run_a", "run_b"}, ids(s.claimAt(made, 2, 9)), "the oldest ids first")
	require.Equal(s, []string{"run_c"}, ids(s.claimAt(made, 9, 9)), "what is claimed is not claimed again")
	require.Empty(s, s.claimAt(made, 9, 9))
	require.Len(s, s.claimAt(later, 9, 0), 4, "leases that have ended")

	waiting[0].Status = runs.Cancelled
	s.change(waiting[0], runs.Change{})
	overdue := later.Add(lifetime)
	expired := s.claimAt(overdue, 0, 2)
	require.Len(s, expired, 2)
	expired = append(expired, s.claimAt(overdue, 0, 9)...)
	require.Len(s, expired, 4, "expired runs need no place; a run that ended is none")
	require.Contains(s, ids(expired), asking.ID, "a run may expire while it waits for the client")
}

func (s *suite) leases() {
	ctx := s.Context()
	held, lease := s.leased("engine", 1)
	other, otherLease := s.leased("other", 1)
	require.NoError(s, s.Extend(ctx, "engine", []string{held.ID, other.ID, "run_unknown"}, made.Add(5*time.Minute)))
	claimed := s.claimAt(made.Add(2*time.Minute), 9, 9)
	require.Len(s, claimed, 1, "the extended lease holds, and an owner extends its own leases only")
	require.Equal(s, other.ID, claimed[0].Run.ID)
	require.ErrorIs(s, s.Advance(ctx, other.ID, otherLease, mustNotDecide(s)), runs.ErrLost)

	require.NoError(s, s.Release(ctx, "engine"))
	require.ErrorIs(s, s.Advance(ctx, held.ID, lease, mustNotDecide(s)), runs.ErrLost)
	claimed = s.claimAt(made, 9, 9)
	require.Len(s, claimed, 1, "a release frees the owner's leases only")
	require.Equal(s, held.ID, claimed[0].Run.ID)
	require.Equal(s, int64(2), claimed[0].Lease.Epoch)

	require.NoError(s, s.ReleaseDead(ctx))
	require.Len(s, s.claimAt(made, 9, 9), 2)
}
