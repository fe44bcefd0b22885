package runs

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var statuses = []Status{Queued, InProgress, RequiresAction, Cancelling, Cancelled, Failed, Completed, Incomplete, Expired}

// legal is the table of spec section 7, written once more by hand.
var legal = map[verb]map[Status]Status{
	start:         {Queued: InProgress, InProgress: InProgress},
	requireAction: {InProgress: RequiresAction},
	submit:        {RequiresAction: Queued},
	requestCancel: {Queued: Cancelling, InProgress: Cancelling, RequiresAction: Cancelling},
	cancel:        {Cancelling: Cancelled},
	fail:          {Queued: Failed, InProgress: Failed},
	proceed:       {InProgress: InProgress},
	complete:      {InProgress: Completed},
	cutShort:      {InProgress: Incomplete},
	expire:        {Queued: Expired, InProgress: Expired, RequiresAction: Expired},
}

// TestMoves tries every verb in every state.
func TestMoves(t *testing.T) {
	require.Len(t, transitions, len(legal))
	for v, moves := range legal {
		for _, from := range statuses {
			r := Run{Status: from, ExpiresAt: new(int64), RequiredAction: &RequiredAction{}}
			before := r
			err := r.move(v, 7)
			to, ok := moves[from]
			if !ok {
				require.EqualError(t, err, `a run in status "`+string(from)+`" cannot `+string(v))
				require.Equal(t, before, r, "a refused move changes nothing")
				continue
			}
			require.NoError(t, err)
			require.Equal(t, to, r.Status)
			require.Equal(t, to.Terminal(), r.ExpiresAt == nil)
			require.Equal(t, slices.Contains([]verb{start, requireAction, proceed}, v), r.RequiredAction != nil, "%s from %s", v, from)
			for stamp, verbs := range map[**int64][]verb{
				&r.StartedAt: {start}, &r.CompletedAt: {complete, cutShort}, &r.FailedAt: {fail}, &r.CancelledAt: {cancel},
			} {
				require.Equal(t, slices.Contains(verbs, v), *stamp != nil)
			}
		}
	}
}

// TestPassed: which states the outside is told of when one state is stored
// behind another.
func TestPassed(t *testing.T) {
	at := func(unix int64) *int64 { return &unix }
	for name, tc := range map[string]struct {
		before, after *Run
		want          []Status
	}{
		"made":                         {nil, &Run{Status: Queued}, []Status{Queued}},
		"nothing happened":             {&Run{Status: Queued}, &Run{Status: Queued}, nil},
		"a turn of tools":              {&Run{Status: InProgress, StartedAt: at(2)}, &Run{Status: InProgress, StartedAt: at(2)}, nil},
		"begun":                        {&Run{Status: Queued}, &Run{Status: InProgress, StartedAt: at(2)}, []Status{InProgress}},
		"completed at once":            {&Run{Status: Queued}, &Run{Status: Completed, StartedAt: at(2)}, []Status{InProgress, Completed}},
		"completed later":              {&Run{Status: InProgress, StartedAt: at(2)}, &Run{Status: Completed, StartedAt: at(2)}, []Status{Completed}},
		"the second leg of one second": {&Run{Status: Queued, StartedAt: at(2)}, &Run{Status: RequiresAction, StartedAt: at(2)}, []Status{InProgress, RequiresAction}},
		"outputs came":                 {&Run{Status: RequiresAction, StartedAt: at(2)}, &Run{Status: Queued, StartedAt: at(2)}, []Status{Queued}},
		"expired before it began":      {&Run{Status: Queued}, &Run{Status: Expired}, []Status{Expired}},
		"expired while it waited":      {&Run{Status: RequiresAction, StartedAt: at(2)}, &Run{Status: Expired, StartedAt: at(2)}, []Status{Expired}},
		"failed at work":               {&Run{Status: Queued, StartedAt: at(2)}, &Run{Status: Failed, StartedAt: at(3)}, []Status{InProgress, Failed}},
		"to be cancelled at work":      {&Run{Status: Queued}, &Run{Status: Cancelling, StartedAt: at(2)}, []Status{InProgress, Cancelling}},
		"cancelled":                    {&Run{Status: Cancelling, StartedAt: at(2)}, &Run{Status: Cancelled, StartedAt: at(2)}, []Status{Cancelled}},
	} {
		var passed []Status
		for _, r := range Passed(tc.before, tc.after) {
			passed = append(passed, r.Status)
			if r.Status == InProgress {
				require.Equal(t, tc.after.StartedAt, r.StartedAt, name)
				require.Nil(t, r.Usage, name)
			}
		}
		require.Equal(t, tc.want, passed, name)
	}
}

func TestPredicates(t *testing.T) {
	for _, tc := range []struct {
		status                              Status
		terminal, runnable, settled, frozen bool // frozen: version 1 refuses new metadata
	}{
		{Queued, false, true, false, false},
		{InProgress, false, true, false, true},
		{RequiresAction, false, false, true, false},
		{Cancelling, false, true, false, false},
		{Cancelled, true, false, true, false},
		{Failed, true, false, true, false},
		{Completed, true, false, true, false},
		{Incomplete, true, false, true, false},
		{Expired, true, false, true, false},
	} {
		require.Equal(t, tc.terminal, tc.status.Terminal(), tc.status)
		require.Equal(t, !tc.terminal, tc.status.Active(), tc.status)
		require.Equal(t, tc.runnable, tc.status.Runnable(), tc.status)
		require.Equal(t, tc.settled, tc.status.Settled(), tc.status)
		require.Equal(t, !tc.frozen, tc.status.updatable(true), tc.status)
		require.True(t, tc.status.updatable(false), tc.status)
	}
}

func TestToolChoiceOnTheWire(t *testing.T) {
	for text, want := range map[string]ToolChoice{
		`"none"`: {Type: "none"}, `"auto"`: {Type: "auto"}, `"required"`: {Type: "required"},
		`{"type":"function","function":{"name":"f"}}`: {Type: "function", Function: "f"},
		`{"type":"file_search"}`:                      {Type: "file_search"},
	} {
		var got ToolChoice
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		require.Equal(t, want, got)
		back, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, text, string(back))
	}
	unset, err := json.Marshal(ToolChoice{})
	require.NoError(t, err)
	require.JSONEq(t, `"auto"`, string(unset))
}
