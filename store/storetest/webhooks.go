package storetest

import (
	"encoding/json"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/webhooks"
	"understudy/threads"
)

// notice is an event for an endpoint.
func notice(id, endpoint string) *runs.Notice {
	return &runs.Notice{
		ID: id, Type: "thread.run.queued", Endpoint: endpoint, Lane: "lane " + endpoint, Origin: "https://" + endpoint,
		Payload: json.RawMessage(`{"a":"ü"}`), At: made,
	}
}

// noticed makes a run with notices, whose ids are made of the run's name.
func (s *suite) noticed(project string, notices ...*runs.Notice) *runs.Run {
	t := &threads.Thread{ID: "thread_" + notices[0].ID}
	r := newRun(t.ID, runs.Queued)
	_, err := s.CreateRun(s.Context(), project, runs.NewRun{Run: r, Thread: t, Webhook: "https://own", Notices: notices})
	require.NoError(s, err)
	return r
}

// due are the ids of what a lane has to send, in order.
func (s *suite) due(lane string) (ids []string) {
	list, err := s.NextDeliveries(s.Context(), lane, 9)
	require.NoError(s, err)
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	return ids
}

func (s *suite) webhooks() {
	ctx := s.Context()
	lanes, err := s.WebhookLanes(ctx)
	require.NoError(s, err)
	require.Empty(s, lanes)

	a := s.noticed(ours, notice("a1", "x"), notice("a2", "x"), notice("a1y", "y"))
	s.noticed(theirs, notice("b1", "x"))
	_, err = s.ChangeRun(ctx, ours, a.ThreadID, a.ID, func(r *runs.Record) (*runs.Change, error) {
		require.Equal(s, "https://own", r.Webhook)
		return &runs.Change{Run: r.Run, Notices: []*runs.Notice{notice("a3", "x")}}, nil
	})
	require.NoError(s, err)
	lanes, err = s.WebhookLanes(ctx)
	require.NoError(s, err)
	require.Equal(s, []string{"lane x", "lane y"}, lanes)
	require.Equal(s, []string{"a1", "b1"}, s.due("lane x"), "the others wait behind the first of their run")
	require.Equal(s, []string{"a1y"}, s.due("lane y"))

	list, err := s.NextDeliveries(ctx, "lane x", 1)
	require.NoError(s, err)
	first := list[0]
	require.True(s, first.At.Equal(made))
	require.True(s, first.Next.Equal(made))
	want := webhooks.Delivery{Notice: *notice("a1", "x"), Seq: first.Seq, Project: ours, ThreadID: a.ThreadID, RunID: a.ID}
	want.At, want.Next = first.At, first.Next
	require.Equal(s, want, *first)

	later := made.Add(time.Minute)
	require.NoError(s, s.SettleDelivery(ctx, first, webhooks.Outcome{At: made, Attempts: 1, Error: "no", Next: later}))
	require.Equal(s, []string{"b1", "a1"}, s.due("lane x"), "the earliest first")
	require.NoError(s, s.SettleDelivery(ctx, first, webhooks.Outcome{At: later, Attempts: 2, Error: "never", Dead: true}))
	require.Equal(s, []string{"b1", "a2"}, s.due("lane x"), "the next of the run goes when this one is dead")
	list, err = s.NextDeliveries(ctx, "lane x", 9)
	require.NoError(s, err)
	second := list[1]
	require.NoError(s, s.SettleDelivery(ctx, second, webhooks.Outcome{At: later, Attempts: 1}))
	require.NoError(s, s.SettleDelivery(ctx, second, webhooks.Outcome{At: later, Attempts: 1}), "it is gone already")
	require.Equal(s, []string{"b1", "a3"}, s.due("lane x"), "or delivered")

	s.deliveryPages()
	list, _, err = s.Deliveries(ctx, ours, everyDelivery)
	require.NoError(s, err)
	require.Len(s, list, 3)
	require.Equal(s, 2, list[2].Attempts)
	require.Equal(s, "never", list[2].Error)
	require.True(s, list[2].Dead.Equal(later))
	require.True(s, list[2].Next.IsZero())

	require.NoError(s, s.ForgetDeadDeliveries(ctx, later))
	require.Len(s, s.kept(ours, everyDelivery), 3, "not yet")
	require.NoError(s, s.ForgetDeadDeliveries(ctx, later.Add(time.Second)))
	require.Len(s, s.kept(ours, everyDelivery), 2)
	require.NoError(s, s.DeleteThread(ctx, ours, a.ThreadID))
	require.Empty(s, s.kept(ours, everyDelivery))
	require.Len(s, s.kept(theirs, everyDelivery), 1)
}

var everyDelivery = webhooks.Query{Page: wire.Page{Limit: 9}}

// kept are the ids of a page of deliveries, with "more" behind them when there are.
func (s *suite) kept(project string, q webhooks.Query) (ids []string) {
	list, more, err := s.Deliveries(s.Context(), project, q)
	require.NoError(s, err)
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	if more {
		ids = append(ids, "more")
	}
	return ids
}

// deliveryPages pages through a1, which is dead, a1y and a3, which are pending, and past a2, which was delivered.
func (s *suite) deliveryPages() {
	for name, c := range map[string]struct {
		page  wire.Page
		state webhooks.State
		want  []string
	}{
		"newest first":               {wire.Page{Limit: 3}, "", []string{"a3", "a1y", "a1"}},
		"a page":                     {wire.Page{Limit: 2}, "", []string{"a3", "a1y", "more"}},
		"the next":                   {wire.Page{Limit: 2, After: "a1y"}, "", []string{"a1"}},
		"behind what was delivered":  {wire.Page{Limit: 1, After: "a2"}, "", []string{"a1y", "more"}},
		"ahead of it":                {wire.Page{Limit: 1, Before: "a2"}, "", []string{"a3"}},
		"what is nearest":            {wire.Page{Limit: 1, Before: "a1"}, "", []string{"a1y", "more"}},
		"ahead, in order":            {wire.Page{Limit: 2, Before: "a1"}, "", []string{"a3", "a1y"}},
		"between":                    {wire.Page{Limit: 9, After: "a3", Before: "a1"}, "", []string{"a1y"}},
		"oldest first":               {wire.Page{Limit: 2, Asc: true}, "", []string{"a1", "a1y", "more"}},
		"the next, oldest first":     {wire.Page{Limit: 2, Asc: true, After: "a1y"}, "", []string{"a3"}},
		"ahead, oldest first":        {wire.Page{Limit: 1, Asc: true, Before: "a3"}, "", []string{"a1y", "more"}},
		"behind the last":            {wire.Page{Limit: 9, After: "a1"}, "", nil},
		"dead":                       {wire.Page{Limit: 1}, webhooks.Dead, []string{"a1"}},
		"pending":                    {wire.Page{Limit: 1}, webhooks.Pending, []string{"a3", "more"}},
		"the next that is pending":   {wire.Page{Limit: 1, After: "a3"}, webhooks.Pending, []string{"a1y"}},
		"the first that is, by time": {wire.Page{Limit: 1, Asc: true, After: "a1"}, webhooks.Pending, []string{"a1y", "more"}},
	} {
		require.Equal(s, c.want, s.kept(ours, webhooks.Query{Page: c.page, Status: c.state}), name)
	}
}

// untoldForks: what is tried out on a hidden fork is nobody's business outside.
func (s *suite) untoldForks() {
	f := s.forkable()
	for hidden, want := range map[bool][]string{true: nil, false: {"shown"}} {
		id, _ := f.fork(threads.Fork{Hidden: hidden})
		_, err := s.CreateRun(s.Context(), ours, runs.NewRun{Run: newRun(id, runs.Queued), Notices: []*runs.Notice{notice("shown", id)}})
		require.NoError(s, err)
		require.Equal(s, want, s.due("lane "+id))
	}
}
