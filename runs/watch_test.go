package runs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/runs"
	"understudy/runs/chat"
)

// watch joins the stream of a run behind a stored event.
func (w *world) watch(r *runs.Run, after int) *stream {
	watch, err := w.runs.Watch(w.ctx, project, r.ThreadID, r.ID, after, false)
	require.NoError(w.t, err)
	return streamOf(watch)
}

// stored are the events that have a number.
func stored(events []runs.Event) []runs.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e runs.Event) bool { return e.Number == runs.Unnumbered })
}

// text says what stored events are, in lines that can be compared.
func text(events []runs.Event) string {
	var b strings.Builder
	for _, e := range stored(events) {
		fmt.Fprintf(&b, "%d %s %s\n", e.Number, e.Name, e.Data)
	}
	return b.String()
}

// behind are the stored events behind number n.
func behind(n int, events []runs.Event) []runs.Event {
	return slices.DeleteFunc(stored(events), func(e runs.Event) bool { return e.Number <= n })
}

// requireSound checks a stream the way an SDK reads it: whatever it begins with,
// a message or step is opened before it grows and before it is closed, and the
// deltas of a message add up to it.
func requireSound(t require.TestingT, events []runs.Event) {
	texts, steps := map[string]string{}, map[string]bool{}
	last := -1
	for _, e := range events {
		if e.Number != runs.Unnumbered {
			require.Greater(t, e.Number, last, "%s", e.Name)
			last = e.Number
		}
		p := decode[payload](t, e.Data)
		_, open := texts[p.ID]
		switch e.Name {
		case "thread.message.created":
			texts[p.ID] = ""
		case "thread.message.delta":
			require.True(t, open, "a delta of a message that was not created")
			part := decode[struct {
				Text    *struct{ Value string }
				Refusal string
			}](t, p.Delta.Content[0])
			if part.Text != nil {
				texts[p.ID] += part.Text.Value
			}
			texts[p.ID] += part.Refusal
		case "thread.message.completed", "thread.message.incomplete":
			require.True(t, open, "the end of a message that was not created")
			whole := ""
			for _, raw := range p.Content {
				part := decode[struct {
					Text    *struct{ Value string }
					Refusal string
				}](t, raw)
				if part.Text != nil {
					whole += part.Text.Value
				}
				whole += part.Refusal
			}
			require.Equal(t, whole, texts[p.ID])
			delete(texts, p.ID)
		case "thread.run.step.created":
			steps[p.ID] = true
		case "thread.run.step.delta":
			require.True(t, steps[p.ID], "a delta of a step that was not created")
		}
	}
	require.Empty(t, texts, "a message was left open")
}

// TestResumedStreams: for random runs and every N, the stream behind N has the
// stored events of the live streams that come behind N, to the byte, and so it
// is for the next process.
func TestResumedStreams(t *testing.T) {
	w := searched(t, &shelf{})
	p := &plans{byName: map[string][]string{}}
	w.model.choose = func(req chat.Request) turn {
		if slices.Contains(p.byName[req.Messages[0].Content[0].Text], "refuse") {
			return refuses("I ", "won't.")
		}
		return p.turn(req)
	}
	var looked int // how many searches were told with their results
	rapid.Check(t, func(rt *rapid.T) {
		w.t, w.ctx = rt, context.Background()
		live := w.playLegs(rt, p)
		run := decode[runs.Run](rt, live[0].Data)
		check := func(when string) {
			all := read(w.watch(run, 0))
			require.Equal(rt, text(live), text(all), when)
			looked += strings.Count(text(all), `"file_name":"foods.txt"`)
			for n := 0; n <= len(stored(live)); n++ {
				resumed := read(w.watch(run, n))
				require.Equal(rt, text(behind(n, live)), text(resumed), "%s, behind %d", when, n)
				requireSound(rt, resumed)
			}
		}
		check("the same process")
		w.crash()
		check("the next process")
		if r := w.get(run); r.Status.Active() {
			_, err := w.cancel(r)
			require.NoError(rt, err)
			w.settled(r)
		}
	})
	w.t, w.ctx = t, t.Context()
	require.NotZero(t, looked)
}

// playLegs lets a run go through random legs and returns what their streams told.
func (w *world) playLegs(t *rapid.T, p *plans) (live []runs.Event) {
	kinds := append([]string{"refuse", "search", "search and call", "cite"}, outcomes...)
	plan := rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 4).Draw(t, "outcomes")
	w.model.mu.Lock()
	if len(p.byName) == 0 { // one run that searches there is in any case
		plan = []string{"search"}
	}
	name := fmt.Sprintf("resumed %d", len(p.byName))
	p.byName[name] = plan
	w.model.mu.Unlock()
	r, s, err := w.create(w.thread("Hi"), `"instructions":`+quote(name), `"stream":true`)
	require.NoError(t, err)
	for {
		if hanging := slices.IndexFunc(plan, func(kind string) bool { return strings.HasPrefix(kind, "hang") }); hanging >= 0 {
			w.cancelHanging(r, s)
		}
		live = append(live, read(s)...)
		requireSound(t, live)
		r = w.settled(r)
		switch {
		case r.Status.Terminal(): // maybe after its stream, when the cancel came in between
			return append(live, behind(live[len(live)-1].Number, read(w.watch(r, 0)))...)
		case rapid.IntRange(0, 3).Draw(t, "leave it waiting") == 0:
			return live
		case rapid.IntRange(0, 3).Draw(t, "cancel it waiting") == 0:
			_, err := w.cancel(r)
			require.NoError(t, err)
			w.settled(r)
			return append(live, behind(live[len(live)-1].Number, read(w.watch(r, 0)))...) // nobody was there to see it
		}
		_, s, err = w.submit(r, true, pending(r)...)
		require.NoError(t, err)
	}
}

// cancelHanging cancels a leg that would not end by itself, once it hangs.
func (w *world) cancelHanging(r *runs.Run, s *stream) {
	for s.next() {
		if now := w.get(r); now.Status == runs.InProgress {
			_, _ = w.cancel(r) // one that went on meanwhile refuses it
			return
		}
	}
}
