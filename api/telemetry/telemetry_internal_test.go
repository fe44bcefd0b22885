package telemetry

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/assistants"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/runs/chat"
)

// TestNothingWithoutACollector: contexts stay as they are, nothing is allocated
// for spans, and nothing is left to be closed.
func TestNothingWithoutACollector(t *testing.T) {
	seen := New(Options{Now: time.Now})
	came := chat.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=1"}
	ctx := chat.WithTrace(t.Context(), came)
	rec := &runs.Record{Run: &runs.Run{ID: "run_1"}}
	require.Equal(t, runs.Trace{Trace: came}, seen.Traced(ctx, rec.Run, &assistants.Assistant{}))
	require.Equal(t, ctx, seen.Under(ctx, rec))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, call := seen.spans.chat(ctx, chat.Request{})
		call.end(&chat.Answer{}, nil)
		_, end := seen.spans.search(ctx, vectorstores.Find{})
		end(nil, nil)
		seen.spans.answered(ctx, rec, nil, time.Time{})
		seen.spans.ended(rec)
	}))
	require.NoError(t, seen.Close(t.Context()))
}

// TestLabelsAreBounded: clients name models, and could name any number.
func TestLabelsAreBounded(t *testing.T) {
	var n names
	for i := range 3 * maxModels {
		name := fmt.Sprint("model-", i)
		if i < maxModels {
			require.Equal(t, name, n.label(name))
		} else {
			require.Equal(t, other, n.label(name))
		}
	}
	require.Equal(t, "model-5", n.label("model-5"), "a model that has a label keeps it")
	require.Equal(t, other, knownMethod("BREW"))
	require.Equal(t, "POST", knownMethod("POST"))
}

// TestLegsAreBounded forgets the runs that were not heard of for longest.
func TestLegsAreBounded(t *testing.T) {
	var l legs
	known := func(id string) (known bool) {
		l.change(id, func(leg *leg) bool {
			known = !leg.asked.IsZero()
			return known
		})
		return known
	}
	set := func(id string) {
		l.change(id, func(leg *leg) bool {
			leg.asked = leg.asked.AddDate(1, 0, 0)
			return true
		})
	}
	set("old")
	set("steady")
	for i := range 3 * maxLegs {
		set(fmt.Sprint("run-", i))
		if i%1000 == 0 {
			require.True(t, known("steady"))
		}
	}
	require.False(t, known("old"))
	require.True(t, known("steady"))
	require.LessOrEqual(t, len(l.recent)+len(l.older), 2*maxLegs)
}
