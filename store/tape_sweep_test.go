package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

func TestTapeIsKeptByAge(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1", "run_2", "run_3")
	for i, run := range []string{"run_1", "run_2", "run_3"} {
		w.call("thread_1", run, int64(100*(i+1)), runs.ModelCall{Request: conversation(1+i, 3+i)})
	}
	limits := TapeLimits{Keep: 100 * time.Second}
	require.Zero(t, w.sweep(150, limits))
	require.Zero(t, w.sweep(200, limits))
	require.Equal(t, 1, w.sweep(250, limits))
	require.Empty(t, w.requests("thread_1", "run_1"))
	require.Equal(t, []string{string(conversation(2, 4))}, w.requests("thread_1", "run_2"))
	require.Equal(t, 4, rowsOf(t, w.db, "thread_1")["prompt_messages"], "message 1 is gone, 2 to 5 are named by others")
	w.size()

	require.Equal(t, 2, w.sweep(10_000, limits))
	require.Zero(t, w.size())
	w.call("thread_1", "run_1", 300, runs.ModelCall{Request: conversation(3, 5)})
	require.Equal(t, []string{string(conversation(3, 5))}, w.requests("thread_1", "run_1"), "what was removed is stored again")
}

func TestTapeIsKeptBySize(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_a", "run_a")
	w.thread("thread_b", "run_b")
	for i := range 100 {
		w.call("thread_a", "run_a", int64(2*i+1), runs.ModelCall{Request: conversation(1, 100+i), Response: runs.Transcript(strings.Repeat("x", 200))})
		w.call("thread_b", "run_b", int64(2*i+2), runs.ModelCall{Request: conversation(i, i+1), Response: runs.Transcript(strings.Repeat("x", 200))})
	}
	whole := w.size()
	require.Zero(t, w.sweep(1, TapeLimits{Size: whole}))
	removed := w.sweep(1, TapeLimits{Size: whole / 2})
	require.Positive(t, removed)
	left := w.size()
	require.LessOrEqual(t, left, whole/2)
	require.Greater(t, left, whole/8, "no more than must go does")
	a := w.requests("thread_a", "run_a")
	require.NotEmpty(t, a)
	require.Equal(t, string(conversation(1, 199)), a[len(a)-1], "the newest stay, whole")
	require.Len(t, w.requests("thread_b", "run_b"), 200-removed-len(a))

	require.Zero(t, w.sweep(1, TapeLimits{Size: whole / 2}), "nothing was written: it is not counted again")
	require.NotZero(t, w.sweep(1, TapeLimits{Size: 1}))
	require.Zero(t, w.size())
}

// TestARunThatIsNotOverKeepsItsTape however old it is.
func TestARunThatIsNotOverKeepsItsTape(t *testing.T) {
	for _, limits := range []TapeLimits{{Keep: 1}, {Size: 1}, {Off: []string{"p"}}} {
		w := newTaper(t)
		w.thread("thread_1")
		run := &runs.Run{ID: "run_1", ThreadID: "thread_1", Status: runs.RequiresAction}
		_, err := w.db.CreateRun(t.Context(), "p", runs.NewRun{Run: run})
		require.NoError(t, err)
		w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1, 3)})
		require.Zero(t, w.sweep(1000, limits))
		require.Len(t, w.requests("thread_1", "run_1"), 1)

		write(t, w.db, "UPDATE runs SET active = 0")
		require.Equal(t, 1, w.sweep(1000, limits), "%+v", limits)
		require.Empty(t, w.requests("thread_1", "run_1"))
		require.Equal(t, len(limits.Off) > 0, w.db.tape.forgotten)
	}
}

func TestProjectWithoutTapeLosesIt(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1")
	w.call("thread_1", "run_1", 500, runs.ModelCall{Request: conversation(1, 3)})
	require.Zero(t, w.sweep(500, TapeLimits{Off: []string{"another"}}))
	w.db.tape.forgotten = false // another start
	require.Equal(t, 1, w.sweep(500, TapeLimits{Off: []string{"another", "p"}}))
	require.Zero(t, w.size())
}

// TestSweepThatBrokeOff leaves marked calls behind, in every state that a sweep
// goes through: nobody sees them, and the next sweep takes them.
func TestSweepThatBrokeOff(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1", "run_2")
	w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1, 300)})
	w.call("thread_1", "run_2", 2, runs.ModelCall{Request: conversation(200, 400)})
	write(t, w.db, "UPDATE model_calls SET ended_at = 0 WHERE run_id = 'run_1'")
	dead := func() (parts []deadPart) {
		require.NoError(t, w.db.View(t.Context(), func(r Reader) error {
			live, err := liveParts(r, "thread_1")
			require.NoError(t, err)
			parts, err = deadParts(r, "thread_1", live)
			return err
		}))
		return parts
	}
	parts := dead()
	require.NotEmpty(t, parts)
	require.NoError(t, w.db.removeParts(t.Context(), "thread_1", parts[:len(parts)/2]))
	require.Empty(t, w.requests("thread_1", "run_1"), "it is being removed")
	require.Equal(t, []string{string(conversation(200, 400))}, w.requests("thread_1", "run_2"))

	// What was half removed is whole again when another call names it.
	w.call("thread_1", "run_2", 3, runs.ModelCall{Request: conversation(1, 300)})
	require.Equal(t, string(conversation(1, 300)), w.requests("thread_1", "run_2")[1])
	require.Equal(t, 1, w.sweep(3, TapeLimits{}))
	require.Empty(t, dead())
	require.Len(t, w.requests("thread_1", "run_2"), 2)
}

// TestACallComesWhileItsThreadIsSwept names parts that were found dead.
func TestACallComesWhileItsThreadIsSwept(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1", "run_2")
	w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1, 3)})
	write(t, w.db, "UPDATE model_calls SET ended_at = 0")
	w.db.tape.watch("thread_1")
	w.call("thread_1", "run_2", 2, runs.ModelCall{Request: conversation(2, 4)})
	require.ErrorIs(t, w.db.removeParts(t.Context(), "thread_1", []deadPart{{hash: hashOf([]byte("x"))}}), errTouched)
	w.db.tape.watch("")
	require.Equal(t, 1, w.sweep(2, TapeLimits{}))
	require.Equal(t, []string{string(conversation(2, 4))}, w.requests("thread_1", "run_2"))
	require.Equal(t, 3, rowsOf(t, w.db, "thread_1")["prompt_messages"])
}

// TestACallSharesATransactionWithTheSweep names dead parts in the transaction that removes them, before and after.
func TestACallSharesATransactionWithTheSweep(t *testing.T) {
	for _, before := range []bool{true, false} {
		w := newTaper(t)
		w.thread("thread_1", "run_1", "run_2")
		w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1, 3)})
		write(t, w.db, "UPDATE model_calls SET ended_at = 0")
		w.db.tape.watch("thread_1")
		var dead []deadPart
		require.NoError(t, w.db.View(t.Context(), func(r Reader) (err error) {
			dead, err = deadParts(r, "thread_1", nil)
			return err
		}))
		require.Len(t, dead, 3)
		again := runs.ModelCall{Request: conversation(1, 4), EndedAt: time.Unix(2, 0)}
		w.db.Seal("thread_1", &again)
		name := func() error {
			_, err := w.db.ChangeRun(context.Background(), "p", "thread_1", "run_2", func(r *runs.Record) (*runs.Change, error) {
				return &runs.Change{Run: r.Run, Calls: []*runs.ModelCall{&again}}, nil
			})
			return err
		}
		remove := func() error { return w.db.removeParts(context.Background(), "thread_1", dead) }
		if before {
			errs := inOneTransaction(w.db, name, remove)
			require.NoError(t, errs[0])
			require.ErrorIs(t, errs[1], errTouched)
		} else {
			require.Equal(t, []error{nil, nil}, inOneTransaction(w.db, remove, name))
		}
		w.db.tape.watch("")
		require.Equal(t, []string{string(conversation(1, 4))}, w.requests("thread_1", "run_2"))
		require.Equal(t, 1, w.sweep(2, TapeLimits{}))
		require.Equal(t, []string{string(conversation(1, 4))}, w.requests("thread_1", "run_2"))
	}
}

func TestSweepEndsWithItsContext(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1")
	w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1, 3)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.db.SweepTape(ctx, time.Unix(1000, 0), TapeLimits{Keep: time.Second})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, w.requests("thread_1", "run_1"), 1)
}
