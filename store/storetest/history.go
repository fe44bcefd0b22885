package storetest

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/threads"
)

func (s *suite) history() {
	ctx := s.Context()
	t := s.thread()
	for i := range 5 {
		s.message(t.ID, strconv.Itoa(i))
	}
	deleted := s.message(t.ID, "deleted")
	r := s.run(t.ID, runs.Queued)
	stateful := newMessage(t.ID, threads.Assistant, "6")
	s.change(r, runs.Change{Messages: []*runs.MessageRecord{{Message: stateful, Turn: 4, Tokens: 77, State: json.RawMessage(`["s"]`)}}})
	require.NoError(s, s.DeleteMessage(ctx, ours, t.ID, deleted.ID))

	recent, err := s.RecentMessages(ctx, t.ID, 0, 3)
	require.NoError(s, err)
	require.Equal(s, &runs.MessageRecord{Message: stateful, Seq: 7, Turn: 4, Tokens: 77, State: json.RawMessage(`["s"]`)}, recent[0])
	require.Equal(s, []int64{7, 5, 4}, seqs(recent), "a deleted message is not read")
	recent, err = s.RecentMessages(ctx, t.ID, 4, 9)
	require.NoError(s, err)
	require.Equal(s, []int64{3, 2, 1}, seqs(recent))
	recent, err = s.RecentMessages(ctx, t.ID, 1, 9)
	require.NoError(s, err)
	require.Empty(s, recent)

	s.toolSteps()
}

func seqs(records []*runs.MessageRecord) []int64 {
	var all []int64
	for _, r := range records {
		all = append(all, r.Seq)
	}
	return all
}

// toolSteps puts a step of calls behind each of four messages and asks for ranges.
func (s *suite) toolSteps() {
	t := s.thread()
	for i := range 4 {
		s.message(t.ID, "m")
		r := s.run(t.ID, runs.Completed)
		s.change(r, runs.Change{Steps: []*runs.StepRecord{
			{Step: callStep(r, strconv.Itoa(i+1)), Turn: 1},
			{Step: newStep(r, runs.StepDetails{Type: runs.MessageCreation, MessageCreation: &runs.MessageRef{}}), Turn: 2},
		}})
	}
	for _, tc := range []struct {
		since, before int64
		want          []int64
	}{{0, 99, []int64{1, 2, 3, 4}}, {2, 4, []int64{2, 3}}, {3, 3, nil}, {4, 5, []int64{4}}, {5, 9, nil}} {
		steps, err := s.ToolSteps(s.Context(), t.ID, tc.since, tc.before)
		require.NoError(s, err)
		var got []int64
		for _, step := range steps {
			require.Equal(s, strconv.FormatInt(step.After, 10), step.Step.Details.ToolCalls[0].Function.Name)
			got = append(got, step.After)
		}
		require.Equal(s, tc.want, got, "steps from %d to %d", tc.since, tc.before)
	}
}

// tape stores requests of every shape a backend may be sent and reads them back.
func (s *suite) tape() {
	ctx := s.Context()
	r, _ := s.leased("engine", 1)
	first := made.Add(time.Second).UTC()
	requests := []string{
		`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"ü \u00e9 <&>"}],"stream":true}`,
		`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"ü \u00e9 <&>"},{"role":"user","content":"2"}]}`,
		`{"messages":[]}`,
		`{"messages": [ {"role":"user"} ], "spaced":true}`,
		`{"messages":null}`,
		`{"input":"no messages"}`,
		`{"tools":[{"role":"user"}],"messages":[{"role":"user"}]}`,
		``,
	}
	var want []*runs.ModelCall
	for i, request := range requests {
		call := &runs.ModelCall{
			Turn: i + 1, Upstream: "u", Model: "m", Status: 200, Retries: runs.Retries{{Upstream: "u", Model: "m", Status: 503, Error: "busy", StartedAt: made.UTC(), Waited: 0.5}}, StartedAt: made.UTC(), FirstToken: &first,
			EndedAt: made.Add(2 * time.Second).UTC(), Usage: runs.Usage{TotalTokens: i}, Truncation: runs.Truncated{Messages: 3, Reason: new("overflow"), Budget: 9, Estimated: 8, Since: new("msg_7")},
			Response: runs.Transcript("data: {\"x\":\"\xff\"}\n\n"),
		}
		if request != "" {
			call.Request = json.RawMessage(request)
		} else { // the call failed before anything was sent
			call.Response, call.Status, call.FirstToken, call.Error = nil, 0, nil, &runs.LastError{Code: "server_error", Message: "no"}
		}
		s.change(r, runs.Change{Calls: []*runs.ModelCall{call}})
		want = append(want, call)
	}
	got, err := s.ModelCalls(ctx, ours, r.ThreadID, r.ID)
	require.NoError(s, err)
	require.Len(s, got, len(want))
	for i := range want {
		require.Equal(s, want[i], got[i])
	}
	_, err = json.Marshal(got)
	require.NoError(s, err)
	missing(s)(s.ModelCalls(ctx, ours, r.ThreadID, "run_unknown"))
	quiet, err := s.ModelCalls(ctx, ours, r.ThreadID, r.ID)
	require.NoError(s, err)
	require.Len(s, quiet, len(want))
}
