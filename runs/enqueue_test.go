package runs_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// enqueued adds a run behind the one that is active, and its stream.
func (w *world) enqueued(threadID string, members ...string) (*runs.Run, *stream) {
	r, log, err := w.createBusy(threadID, threads.Enqueue, append(members, `"stream":true`)...)
	require.NoError(w.t, err)
	require.Equal(w.t, runs.Queued, r.Status)
	return r, log
}

// mustSay is sayBusy that is not refused.
func (w *world) mustSay(threadID string, onBusy threads.OnBusy, text string) string {
	id, err := w.sayBusy(threadID, onBusy, text)
	require.NoError(w.t, err)
	return id
}

// TestEnqueued sends messages and runs to a busy thread: each comes in its turn,
// as if the client had waited for the one before.
func TestEnqueued(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{}, waits(gate, says("one")), says("two"), calls("add"), says("three"), says("four"))
	thread := w.thread("1")
	first := w.run(thread)
	<-w.model.called
	w.mustSay(thread, threads.Enqueue, "2")
	second, log := w.enqueued(thread)
	third, _ := w.enqueued(thread, `"additional_messages":[{"role":"user","content":"3"},{"role":"user","content":"3b"}]`)
	w.mustSay(thread, threads.Enqueue, "4")
	fourth, _ := w.enqueued(thread)
	w.mustSay(thread, threads.Enqueue, "5")

	_, err := w.say(thread, "not now")
	require.ErrorContains(t, err, "Can't add messages to "+thread+" while a run "+first.ID+" is active.")
	_, _, err = w.create(thread)
	require.ErrorContains(t, err, "already has an active run "+first.ID)
	require.Equal(t, []string{"user: 1"}, w.texts(thread), "what waits is not in the thread")
	driven, waiting := w.engine.Driven()
	require.Equal(t, []int{1, 3, 0}, []int{driven, waiting, w.engine.Queued()}, "it takes no place")
	active, err := w.runs.Active(t.Context(), project)
	require.NoError(t, err)
	require.Len(t, active, 4)
	require.Equal(t, []string{first.ID, fourth.ID}, []string{active[0].ID, active[3].ID}, "it has not ended either")

	close(gate)
	require.Equal(t, concat(opening, spoken("two"), []string{"run.completed usage=15"}), story(t, read(log)))
	asking := w.settled(third)
	require.Equal(t, runs.RequiresAction, asking.Status)
	require.Equal(t, runs.Queued, w.get(fourth).Status, "a run that waits for its client holds the thread")
	require.Equal(t, []string{"user: 1", "assistant: one", "user: 2", "assistant: two", "user: 3", "user: 3b"}, w.texts(thread))
	_, _, err = w.submit(asking, false, "7")
	require.NoError(t, err)
	require.Equal(t, runs.Completed, w.settled(fourth).Status)
	require.Equal(t, runs.Completed, w.get(second).Status)
	require.Equal(t, []string{
		"user: 1", "assistant: one", "user: 2", "assistant: two", "user: 3", "user: 3b", "assistant: three", "user: 4", "assistant: four", "user: 5",
	}, w.texts(thread))
	w.mustSay(thread, threads.Enqueue, "6") // the thread is free, and it is there at once
	texts := w.texts(thread)
	require.Equal(t, "user: 6", texts[len(texts)-1])
	again := w.watch(second, 0)
	require.Equal(t, concat(opening, spoken("two"), []string{"run.completed usage=15"}), story(t, read(again)), "its events are told again like any other's")
}

// TestCancelEnqueued takes a run, and what came with it, out of the queue.
func TestCancelEnqueued(t *testing.T) {
	w := open(t, worldOptions{}, hangs(), says("two"))
	thread := w.thread("1")
	first := w.run(thread)
	<-w.model.called
	gone, log := w.enqueued(thread, `"additional_messages":[{"role":"user","content":"never"}]`)
	w.mustSay(thread, threads.Enqueue, "2")
	second, _ := w.enqueued(thread)
	changed, err := w.runs.Modify(w.ctx, project, thread, gone.ID, wire.Metadata{"a": "b"}, wire.V2)
	require.NoError(t, err)
	require.Equal(t, runs.Queued, decode[runs.Run](t, changed).Status)

	answer, err := w.cancel(gone)
	require.NoError(t, err)
	require.Equal(t, runs.Cancelled, answer.Status, "nothing has to be broken off")
	require.NotNil(t, answer.CancelledAt)
	require.NotNil(t, answer.Usage)
	require.Nil(t, answer.ExpiresAt)
	require.Equal(t, []string{"run.created", "run.queued", "run.cancelling", "run.cancelled usage=0"}, story(t, read(log)))
	_, err = w.cancel(gone)
	require.ErrorContains(t, err, "Cannot cancel run with status 'cancelled'")
	require.True(t, w.get(first).Status.Active())

	w.mustCancel(t, first)
	require.Equal(t, runs.Completed, w.settled(second).Status)
	require.Equal(t, []string{"user: 1", "user: 2", "assistant: two"}, w.texts(thread))
	require.Equal(t, runs.Cancelled, w.get(gone).Status)
}

// TestInterrupt has a new run, or a new message, take the place of what goes on.
func TestInterrupt(t *testing.T) {
	for name, tc := range map[string]struct {
		now  turn
		rest bool // let the first run wait for its client
		said []string
	}{
		"a silent model":  {hangs(), false, nil},
		"a model's words": {hangs("so far"), false, []string{"assistant: so far [run_cancelled]"}},
		"a client's turn": {calls("add"), true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, worldOptions{}, tc.now, says("two"))
			thread := w.thread("1")
			first := w.run(thread)
			<-w.model.called
			if tc.rest {
				w.settled(first)
			} else if tc.said != nil {
				untilText(w.watch(first, 0))
			}
			waiting, _ := w.enqueued(thread)
			asked := time.Now()
			w.mustSay(thread, threads.Interrupt, "2")
			require.Equal(t, append(append([]string{"user: 1"}, tc.said...), "user: 2"), w.texts(thread), "the message is there when it is answered")
			require.Equal(t, runs.Cancelled, w.get(first).Status)
			require.Equal(t, runs.Cancelled, w.get(waiting).Status, "what waited is not wanted any more")
			require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status)
			require.Less(t, time.Since(asked), soon)

			w.model.play(hangs(), says("four"))
			third := w.run(thread)
			<-w.model.called
			asked = time.Now()
			fourth, log, err := w.createBusy(thread, threads.Interrupt, `"stream":true`)
			require.NoError(t, err)
			require.Equal(t, concat(opening, spoken("four"), []string{"run.completed usage=15"}), story(t, read(log)))
			require.Less(t, time.Since(asked), soon)
			require.Equal(t, runs.Cancelled, w.get(third).Status)
			require.Equal(t, runs.Completed, w.get(fourth).Status)
			require.NotContains(t, w.logs.String(), "level=ERROR")
		})
	}
}

// TestEnqueuedSurvives ends the process while a run works and others wait for it.
func TestEnqueuedSurvives(t *testing.T) {
	for how, end := range map[string]func(*world){
		"stop":  func(w *world) { w.stop(); w.start() },
		"crash": (*world).crash,
	} {
		t.Run(how, func(t *testing.T) {
			w := open(t, worldOptions{}, hangs("on"))
			thread := w.thread("1")
			first := w.run(thread)
			<-w.model.called
			w.mustSay(thread, threads.Enqueue, "2")
			_, log := w.enqueued(thread)
			third, _ := w.enqueued(thread, `"additional_messages":[{"role":"user","content":"3"}]`)
			w.model.play(says("one"), says("two"), says("three"))
			end(w)
			events := story(t, read(log))
			require.Equal(t, []string{"run.created", "run.queued", "error"}, events, "its stream is told that it breaks")
			require.Equal(t, runs.Completed, w.settled(third).Status)
			require.Equal(t, runs.Completed, w.get(first).Status)
			require.Equal(t, []string{"user: 1", "assistant: one", "user: 2", "assistant: two", "user: 3", "assistant: three"}, w.texts(thread))
			require.Len(t, w.model.sent(), 3)
			require.NotContains(t, w.logs.String(), "level=ERROR")
			_, err := w.say(thread, "free again")
			require.NoError(t, err)
		})
	}
}

// TestEnqueuedWhileItStops: the end of a run lets the next one have its turn even
// if this process will not drive it.
func TestEnqueuedWhileItStops(t *testing.T) {
	gate := make(chan struct{})
	w := open(t, worldOptions{grace: time.Hour}, waits(gate, says("one")))
	thread := w.thread("1")
	w.run(thread)
	<-w.model.called
	second, _ := w.enqueued(thread)
	stopped := make(chan struct{})
	go func() {
		w.engine.Stop()
		close(stopped)
	}()
	for w.engine.Ready() == nil {
		runtime.Gosched()
	}
	third, log := w.enqueued(thread)
	require.Equal(t, []string{"run.created", "run.queued", "error"}, story(t, read(log)))
	close(gate)
	<-stopped
	require.NoError(t, w.db.Close())
	w.model.play(says("two"), says("three"))
	w.start()
	require.Equal(t, runs.Completed, w.settled(third).Status)
	require.Equal(t, runs.Completed, w.get(second).Status)
	require.Equal(t, []string{"user: 1", "assistant: one", "assistant: two", "assistant: three"}, w.texts(thread))
}

// TestEnqueuedExpires: the time of a run begins with its turn.
func TestEnqueuedExpires(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{}, calls("add"), hangs())
		thread := w.thread("Hi")
		w.settled(w.run(thread))
		second, log := w.enqueued(thread)
		short, _ := w.enqueued(thread, `"metadata":{"x.expires_in":"5s"}`)
		require.Equal(t, short.CreatedAt+5, *short.ExpiresAt)
		began := time.Now()
		time.Sleep(lifetime + 2*time.Second)
		synctest.Wait()
		now := w.get(second)
		require.Equal(t, runs.InProgress, now.Status, "the run ahead has expired, at last")
		require.InDelta(t, 2*lifetime.Seconds(), float64(*now.ExpiresAt-began.Unix()), 2)
		require.Equal(t, runs.Queued, w.get(short).Status, "it does not grow old while it waits")

		w.model.play(hangs())
		require.Equal(t, "run.expired usage=0", last(story(t, read(log))))
		require.Equal(t, runs.Expired, w.settled(short).Status)
		require.InDelta(t, 2*lifetime.Seconds()+5, time.Since(began).Seconds(), 3)
		replayed := w.watch(second, 0)
		require.Equal(t, []string{"run.created", "run.queued", "run.in_progress", "run.expired usage=0"}, story(t, read(replayed)))
		require.Contains(t, string(replayed.events[0].Data), fmt.Sprintf(`"expires_at":%d`, *now.ExpiresAt))
	})
}

func last(lines []string) string { return lines[len(lines)-1] }

// TestEnqueuedIsBounded fills the queue of a thread.
func TestEnqueuedIsBounded(t *testing.T) {
	w := open(t, worldOptions{}, hangs(), says("done"))
	thread := w.thread("1")
	first := w.run(thread)
	<-w.model.called
	var err error
	for n := 0; err == nil; n++ {
		require.LessOrEqual(t, n, 200)
		_, err = w.sayBusy(thread, threads.Enqueue, "x")
	}
	_, _, runErr := w.createBusy(thread, threads.Enqueue, `"stream":true`)
	for _, err := range []error{err, runErr} {
		refusal, ok := errors.AsType[*wire.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, wire.RateLimited, refusal.Kind)
	}
	require.Zero(t, w.engine.Queued())
	driven, waiting := w.engine.Driven()
	require.Equal(t, []int{1, 0}, []int{driven, waiting})
	w.mustCancel(t, first)
	require.Len(t, w.texts(thread), 201)
	require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status)
}

// TestDeletedThreadTakesItsQueue ends the streams of runs that wait, too.
func TestDeletedThreadTakesItsQueue(t *testing.T) {
	w := open(t, worldOptions{}, hangs())
	thread := w.thread("1")
	w.run(thread)
	<-w.model.called
	w.mustSay(thread, threads.Enqueue, "2")
	_, log := w.enqueued(thread)
	require.NoError(t, w.runs.DeleteThread(w.ctx, project, thread))
	require.Equal(t, "run.cancelled usage=0", last(story(t, read(log))))
	_, err := w.sayBusy(thread, threads.Enqueue, "3")
	require.ErrorContains(t, err, "No thread found")
}

// TestLifetime gives runs a time of their own.
func TestLifetime(t *testing.T) {
	inVirtualTime(t, func(t *testing.T) {
		w := open(t, worldOptions{}, calls("add"), says("three"))
		r := w.run(w.thread("Hi"), `"metadata":{"x.expires_in":"1d"}`)
		require.Equal(t, r.CreatedAt+24*3600, *r.ExpiresAt)
		w.settled(r)
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		_, _, err := w.submit(w.get(r), false, "3")
		require.NoError(t, err)
		ended := w.settled(r)
		require.Equal(t, runs.Completed, ended.Status)
		require.Nil(t, ended.ExpiresAt)
		events := w.watch(r, 0)
		read(events)
		require.Contains(t, string(events.events[0].Data), fmt.Sprintf(`"expires_at":%d`, *r.ExpiresAt), "as it was told when it began")
	})
}

func TestReadLifetime(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "600": 600, "90s": 90, "1.5h": 5400, "720h": 2592000, "30d": 2592000, "1d": 86400, "2592000": 2592000, "1500ms": 1} {
		got, err := runs.ReadLifetime("p", text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0", "-5", "soon", "999ms", "2592001", "721h", "31d", "0d", "99999999999999999999", " 5"} {
		_, err := runs.ReadLifetime("p", text)
		refusal, ok := errors.AsType[*wire.Error](err)
		require.True(t, ok, text)
		require.Equal(t, "p", refusal.Param)
		require.Contains(t, refusal.Message, "from 1 second to 30 days")
	}
	_, err := runs.ReadCreate(object(t, `{"assistant_id":"asst_1","metadata":{"x.expires_in":"never"}}`), wire.V2)
	refusal, ok := errors.AsType[*wire.Error](err)
	require.True(t, ok)
	require.Equal(t, "metadata.x.expires_in", refusal.Param)
}
