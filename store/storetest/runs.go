package storetest

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// lifetime is longer than any run of the suite has.
const lifetime = 10 * time.Minute

func (s *suite) createRun() {
	ctx := s.Context()
	t := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made)}
	r := newRun(t.ID, runs.Queued)
	m := newMessage(t.ID, threads.User, "with the run")
	created(s, r)(s.CreateRun(ctx, ours, runs.NewRun{Run: r, Thread: t, Messages: []*threads.Message{m}, NeedsMessage: false}))
	same(s, t)(s.Thread(ctx, ours, t.ID))
	same(s, m)(s.Message(ctx, ours, t.ID, m.ID))
	same(s, r)(s.Run(ctx, ours, t.ID, r.ID))
	active, err := s.ActiveOn(ctx, ours, t.ID)
	require.NoError(s, err)
	require.Equal(s, []string{r.ID}, active)

	empty := s.thread()
	_, err = s.CreateRun(ctx, ours, runs.NewRun{Run: newRun(empty.ID, runs.Queued), NeedsMessage: true})
	require.ErrorIs(s, err, runs.ErrNoInput)
	_, err = s.CreateRun(ctx, ours, runs.NewRun{
		Run: newRun(empty.ID, runs.Queued), NeedsMessage: true, Messages: []*threads.Message{newMessage(empty.ID, threads.Assistant, "me")},
	})
	require.ErrorIs(s, err, runs.ErrNoInput)
	list, err := s.Messages(ctx, ours, empty.ID, "", wire.Page{Limit: 9})
	require.NoError(s, err)
	require.Empty(s, list.Items, "a run that was refused left its messages behind")
	active, err = s.ActiveOn(ctx, ours, empty.ID)
	require.NoError(s, err)
	require.Empty(s, active)

	gone := s.message(empty.ID, "deleted")
	require.NoError(s, s.DeleteMessage(ctx, ours, empty.ID, gone.ID))
	_, err = s.CreateRun(ctx, ours, runs.NewRun{Run: newRun(empty.ID, runs.Queued), NeedsMessage: true})
	require.ErrorIs(s, err, runs.ErrNoInput)
	s.message(empty.ID, "hello")
	_, err = s.CreateRun(ctx, ours, runs.NewRun{Run: newRun(empty.ID, runs.Queued), NeedsMessage: true})
	require.NoError(s, err)
}

// threadLock creates runs at once: one gets the thread, the others are told which.
func (s *suite) threadLock() {
	ctx := s.Context()
	t := s.thread()
	var winner atomic.Pointer[string]
	var racing sync.WaitGroup
	refused := make(chan error, 8)
	for range cap(refused) {
		r := newRun(t.ID, runs.Queued)
		racing.Go(func() {
			_, err := s.CreateRun(ctx, ours, runs.NewRun{Run: r})
			if err == nil && !winner.CompareAndSwap(nil, &r.ID) {
				s.Error("two runs hold the thread")
			}
			refused <- err
		})
	}
	racing.Wait()
	close(refused)
	for err := range refused {
		if err != nil {
			s.busy(err, *winner.Load())
		}
	}
	_, err := s.AddMessage(ctx, ours, newMessage(t.ID, threads.User, "no"))
	s.busy(err, *winner.Load())

	for _, status := range []runs.Status{runs.InProgress, runs.RequiresAction, runs.Cancelling} {
		t := s.thread()
		r := s.run(t.ID, status)
		_, err := s.CreateRun(ctx, ours, runs.NewRun{Run: newRun(t.ID, runs.Queued)})
		s.busy(err, r.ID)
		r.Status = runs.Failed
		s.change(r, runs.Change{})
		s.run(t.ID, runs.Queued)
	}
}

func (s *suite) busy(err error, runID string) {
	s.Helper()
	var busy *threads.BusyError
	require.ErrorAs(s, err, &busy)
	require.Equal(s, runID, busy.RunID)
}

func mustNotDecide(s *suite) func(*runs.Record) (*runs.Change, error) {
	return func(*runs.Record) (*runs.Change, error) {
		s.Error("a run was shown that must not be")
		return nil, nil
	}
}

// decisions checks that what decide answers is written in one piece.
func (s *suite) decisions() {
	ctx := s.Context()
	r, lease := s.leased("engine", 3)
	before, err := s.Run(ctx, ours, r.ThreadID, r.ID)
	require.NoError(s, err)
	unchanged := func(what string) {
		s.Helper()
		after, err := s.Run(ctx, ours, r.ThreadID, r.ID)
		require.NoError(s, err)
		require.Equal(s, string(before), string(after), what)
		list, err := s.Messages(ctx, ours, r.ThreadID, "", wire.Page{Limit: 9})
		require.NoError(s, err)
		require.Empty(s, list.Items, what)
	}

	refusal := errors.New("refused")
	failing := func(rec *runs.Record) (*runs.Change, error) {
		rec.Run.Status = runs.Failed
		return &runs.Change{Run: rec.Run}, refusal
	}
	_, err = s.ChangeRun(ctx, ours, r.ThreadID, r.ID, failing)
	require.ErrorIs(s, err, refusal)
	require.ErrorIs(s, s.Advance(ctx, r.ID, lease, failing), refusal)
	unchanged("a decision that failed wrote something")

	_, err = s.ChangeRun(ctx, ours, r.ThreadID, r.ID, func(*runs.Record) (*runs.Change, error) { return nil, nil })
	require.NoError(s, err)
	unchanged("no decision wrote something")

	message := newMessage(r.ThreadID, threads.Assistant, "twice")
	err = s.Advance(ctx, r.ID, lease, func(rec *runs.Record) (*runs.Change, error) {
		rec.Run.Status = runs.Completed
		twice := &runs.MessageRecord{Message: message, Turn: 1}
		return &runs.Change{Run: rec.Run, Lease: rec.Lease, Messages: []*runs.MessageRecord{twice, twice}}, nil
	})
	require.Error(s, err)
	unchanged("a write that failed half-way left its first half")

	missing(s)(s.ChangeRun(ctx, ours, r.ThreadID, "run_unknown", mustNotDecide(s)))
	spent := runs.Spent{Turns: 2, Usage: runs.Usage{PromptTokens: 5, CompletionTokens: 6, TotalTokens: 11}}
	r.Status, r.Metadata = runs.InProgress, wire.Metadata{"a": "b"}
	same(s, r)(s.ChangeRun(ctx, ours, r.ThreadID, r.ID, func(rec *runs.Record) (*runs.Change, error) {
		require.Equal(s, ours, rec.Project)
		require.Equal(s, lease, rec.Lease)
		require.Zero(s, rec.Spent)
		*rec.Run = *r
		return &runs.Change{Run: rec.Run, Spent: spent, Lease: rec.Lease}, nil
	}))
	require.NoError(s, s.Advance(ctx, r.ID, lease, func(rec *runs.Record) (*runs.Change, error) {
		require.Equal(s, spent, rec.Spent)
		body, err := wire.Marshal(rec.Run)
		same(s, r)(body, err)
		return nil, nil
	}))
}

func (s *suite) steps() {
	ctx := s.Context()
	r, _ := s.leased("engine", 1)
	call := callStep(r, "f")
	record := &runs.StepRecord{Step: call, Turn: 1, Tokens: 5, Used: runs.Usage{TotalTokens: 9}, State: json.RawMessage(`{"x":1}`)}
	record.Searches = []*filesearch.Search{{CallID: "call_s", Arguments: `{"query":"x"}`}}
	s.change(r, runs.Change{Steps: []*runs.StepRecord{record}})
	said := newMessage(r.ThreadID, threads.Assistant, "said")
	creation := newStep(r, runs.StepDetails{Type: runs.MessageCreation, MessageCreation: &runs.MessageRef{MessageID: said.ID}})
	s.change(r, runs.Change{
		Messages: []*runs.MessageRecord{{Message: said, Turn: 2}},
		Steps:    []*runs.StepRecord{{Step: creation, Turn: 2}},
	})
	found := []*filesearch.Search{{CallID: "call_s", Arguments: `{"query":"x"}`, Done: true, Passages: []filesearch.Passage{
		{Source: 4, Number: 1, FileID: "file-a", FileName: "a.txt", Score: 0.5, Attributes: json.RawMessage(`{"k":1}`), Text: "y", Tokens: 1, Page: 2, Start: 3, End: 4},
	}}}
	call.Status, call.Details.ToolCalls[0].Function.Output = runs.StepCompleted, wire.Ptr("42")
	s.change(r, runs.Change{Steps: []*runs.StepRecord{{Step: call, Turn: 1, Tokens: 7, Searches: found}}}) // replaces it in its place

	same(s, call)(s.Step(ctx, ours, r.ThreadID, r.ID, call.ID))
	missing(s)(s.Step(ctx, ours, r.ThreadID, r.ID, "step_unknown"))
	missing(s)(s.Steps(ctx, ours, r.ThreadID, "run_unknown", wire.Page{Limit: 9}))
	_, err := s.ChangeRun(ctx, ours, r.ThreadID, r.ID, func(rec *runs.Record) (*runs.Change, error) {
		steps, err := rec.Steps()
		require.NoError(s, err)
		require.Equal(s, []*runs.StepRecord{
			{Step: call, Turn: 1, After: 0, Tokens: 7, Used: runs.Usage{TotalTokens: 9}, State: json.RawMessage(`{"x":1}`), Searches: found},
			{Step: creation, Turn: 2, After: 1},
		}, steps)
		return nil, nil
	})
	require.NoError(s, err)
	searched, err := s.SearchedSteps(ctx, r.ThreadID)
	require.NoError(s, err)
	require.Equal(s, 1, searched)
	searches, err := s.Searches(ctx, []string{call.ID, creation.ID})
	require.NoError(s, err)
	require.Equal(s, map[string][]*filesearch.Search{call.ID: found}, searches)
}
