package runs_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
)

// paced says each piece when it comes out of the channel, until that is closed.
func paced(pieces <-chan string) turn {
	return func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		text := ""
		for piece := range pieces {
			sink.Text(piece)
			text += piece
		}
		return &chat.Answer{Text: text, Finish: chat.FinishStop, Usage: perTurn}, nil
	}
}

// upTo reads a stream until its deltas add up to a text.
func upTo(t *testing.T, s *stream, want string) {
	t.Helper()
	for {
		if text, _ := textOf(t, s.events); text == want {
			return
		}
		require.True(t, s.next(), "the stream ended before %q", want)
	}
}

// TestWatchersJoin in the middle of a message: they are told of it from its
// beginning, its text so far in one piece, and then see what others see.
func TestWatchersJoin(t *testing.T) {
	for name, streamed := range map[string]bool{"beside the creating stream": true, "of a run that nobody streams": false} {
		t.Run(name, func(t *testing.T) {
			pieces := make(chan string)
			w := open(t, worldOptions{}, paced(pieces))
			var first *stream
			var r *runs.Run
			if thread := w.thread("Hi"); streamed {
				r, first = w.stream(thread)
			} else {
				r = w.run(thread)
				first = w.watch(r, 0)
			}
			for _, piece := range []string{"One", ", two", ", three"} {
				pieces <- piece
			}
			upTo(t, first, "One, two, three")
			second, third := w.watch(r, 0), w.watch(r, 2)
			upTo(t, second, "One, two, three")
			upTo(t, third, "One, two, three")
			third.Close() // one who leaves disturbs nobody
			pieces <- ", four"
			close(pieces)
			told := concat(opening, spoken("One", ", two", ", three", ", four"), []string{"run.completed usage=15"})
			joined := concat(opening, spoken("One, two, three", ", four"), []string{"run.completed usage=15"})
			if !streamed {
				require.Subset(t, told, story(t, read(first))[:7]) // it may have joined between two pieces
			} else {
				require.Equal(t, told, story(t, read(first)))
			}
			require.Equal(t, joined, story(t, read(second)))
			late := read(w.watch(r, 0))
			require.Equal(t, concat(opening, spoken("One, two, three, four"), []string{"run.completed usage=15"}), story(t, late))
			require.Equal(t, text(late), text(first.events))
			require.Equal(t, text(late), text(second.events))
		})
	}
}

// TestWatchOfARunThatWaits joins a run that has no place yet; it is told of the
// run's end when the place came.
func TestWatchOfARunThatWaits(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{maxRuns: 1}, waits(gate, says("one")), says("two"))
	w.run(w.thread("Hi"))
	<-w.model.called
	second := w.run(w.thread("Hi"))
	s, gone := w.watch(second, 0), w.watch(second, 2)
	_, waiting := w.engine.Driven()
	require.Equal(t, 1, waiting)
	gone.Close()
	require.True(t, s.next())
	close(gate)
	require.Equal(t, concat(opening, spoken("two"), []string{"run.completed usage=15"}), story(t, read(s)))
	_, waiting = w.engine.Driven()
	require.Zero(t, waiting)

	gate = make(chan struct{})
	w.model.play(waits(gate, says("three")), says("four"))
	w.run(w.thread("Hi"))
	<-w.model.called // the second's
	<-w.model.called
	fourth := w.run(w.thread("Hi"))
	w.watch(fourth, 0).Close()
	_, waiting = w.engine.Driven()
	require.Zero(t, waiting, "nobody keeps a log that nobody reads")
	close(gate)
	require.Equal(t, runs.Completed, w.settled(fourth).Status)
}

// TestWatchAfterACrash goes on where a killed process left off: the half message
// is told anew by the next one.
func TestWatchAfterACrash(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("I add.", "add"), hangs("thr"))
	r, first := w.stream(w.thread("Hi"))
	read(first)
	_, second, err := w.submit(w.settled(r), true, "3")
	require.NoError(t, err)
	untilText(second)
	gate := make(chan struct{})
	w.model.play(waits(gate, says("three")))
	w.crash()
	broken := read(second)
	require.Equal(t, "error", broken[len(broken)-1].Name)
	seen := stored(broken)
	last := seen[len(seen)-1]
	require.Equal(t, "thread.run.queued", last.Name)
	resumed := w.watch(r, last.Number)
	close(gate)
	require.Equal(t, concat([]string{"run.in_progress"}, spoken("three"), []string{"run.completed usage=30"}), story(t, read(resumed)))
	all := read(w.watch(r, 0))
	require.Equal(t, text(append(append(stored(first.events), seen...), resumed.events...)), text(all))
	requireSound(t, all)
}

// TestWatchKnowsEachStart: a leg's events name the second it began in, also when
// the run names only the last.
func TestWatchKnowsEachStart(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		slowly := func(then turn) turn {
			return func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
				time.Sleep(3 * time.Second)
				return then(ctx, req, sink)
			}
		}
		w := open(t, worldOptions{}, slowly(calls("add")), slowly(saysAndCalls("Again.", "sub")), slowly(says("3")))
		r, s := w.stream(w.thread("Hi"))
		live := read(s)
		for range 2 {
			time.Sleep(5 * time.Second)
			var err error
			_, s, err = w.submit(w.settled(r), true, "1")
			require.NoError(t, err)
			live = append(live, read(s)...)
		}
		synctest.Wait()
		all := read(w.watch(r, 0))
		require.Equal(t, text(live), text(all))
		for i, e := range live { // what is not stored is the same here, too: every message came in one piece
			require.Equal(t, e.Name+" "+string(e.Data), all[i].Name+" "+string(all[i].Data))
		}
	})
}

// TestWatchOfADeletedMessage leaves its events out and counts them.
func TestWatchOfADeletedMessage(t *testing.T) {
	w := open(t, worldOptions{}, says("Hello"))
	thread := w.thread("Hi")
	r, s := w.stream(thread)
	live := stored(read(s))
	require.NoError(t, w.threads.DeleteMessage(w.ctx, project, thread, w.messages(thread)[1].ID))
	all := read(w.watch(r, 0))
	require.Equal(t, concat(opening, []string{
		"run.step.created message_creation", "run.step.in_progress message_creation", "run.step.completed message_creation usage=15", "run.completed usage=15",
	}), story(t, all))
	require.Equal(t, "thread.message.completed", live[2].Name)
	require.Equal(t, text(append(live[:2:2], live[3:]...)), text(all))
}

// TestWatchRefused names what cannot be watched.
func TestWatchRefused(t *testing.T) {
	w := open(t, worldOptions{}, says("Hello"))
	r := w.settled(w.run(w.thread("Hi")))
	other := w.thread("Hi")
	for name, tc := range map[string]struct {
		project, thread, run string
		after                int
		want                 string
	}{
		"another project": {"p2", r.ThreadID, r.ID, 0, "No "},
		"another thread":  {project, other, r.ID, 0, "No run found"},
		"no such run":     {project, other, "run_1", 0, "No run found"},
		"beyond the end":  {project, r.ThreadID, r.ID, 6, "is number 5"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.runs.Watch(w.ctx, tc.project, tc.thread, tc.run, tc.after, false)
			require.ErrorContains(t, err, tc.want)
			_, waiting := w.engine.Driven() // the run may not have left yet
			require.Zero(t, waiting, "a watch that was refused leaves nothing behind")
		})
	}
	require.Empty(t, read(w.watch(r, 5)), "at the end there is nothing more to tell")
}

// TestWatchWhileStopping tells what is stored, and that it goes on elsewhere.
func TestWatchWhileStopping(t *testing.T) {
	w := open(t, worldOptions{}, hangs("Hel"))
	r, s := w.stream(w.thread("Hi"))
	untilText(s)
	w.engine.Stop()
	require.Equal(t, []string{"run.created", "run.queued", "error"}, story(t, read(w.watch(r, 0))))
	w.runs.Abandon(w.ctx, project, s.Start)
	require.Equal(t, runs.Queued, w.get(r).Status, "a client that lost a stopping server has not given its run up")
}

// TestAbandon cancels a run whose client went away, unless it has ended.
func TestAbandon(t *testing.T) {
	w := open(t, worldOptions{}, hangs("Hel"), says("Hello"))
	r, s := w.stream(w.thread("Hi"))
	untilText(s)
	s.Close()
	w.runs.Abandon(w.ctx, project, s.Start)
	require.Equal(t, runs.Cancelled, w.settled(r).Status)
	r, s = w.stream(w.thread("Hi"))
	read(s)
	w.runs.Abandon(w.ctx, project, s.Start)
	require.Equal(t, runs.Completed, w.settled(r).Status)
}

// TestManyWatchers join one run at any moment and all see the same.
func TestManyWatchers(t *testing.T) {
	pieces := make(chan string)
	w := open(t, worldOptions{}, paced(pieces))
	r := w.run(w.thread("Hi"))
	var watching sync.WaitGroup
	told := make([][]runs.Event, 40)
	for i := range told {
		pieces <- "word "
		s := w.watch(r, i%3)
		watching.Go(func() { told[i] = read(s) })
	}
	close(pieces)
	watching.Wait()
	all := read(w.watch(r, 0))
	for i, events := range told {
		require.Equal(t, text(behind(i%3, all)), text(events))
		requireSound(t, events)
	}
}
