package runs_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
)

// textOf joins the text of a log's deltas and counts them.
func textOf(t *testing.T, events []runs.Event) (text string, deltas int) {
	t.Helper()
	for _, e := range events {
		if e.Name != "thread.message.delta" {
			continue
		}
		deltas++
		delta := decode[struct {
			Delta struct {
				Content []struct {
					Text struct {
						Value       string
						Annotations []any
					}
				}
			}
		}](t, e.Data).Delta.Content[0].Text
		require.Equal(t, deltas == 1, delta.Annotations != nil, "only the first delta has annotations")
		text += delta.Value
	}
	return text, deltas
}

// TestLogOfAbsentReader keeps the text, not a hundred thousand events.
func TestLogOfAbsentReader(t *testing.T) {
	log := runs.NewLog()
	log.Publish("thread.message.created", struct{}{})
	const n = 100_000
	for i := range n {
		log.Delta("msg_1", "word ", i == 0)
	}
	log.Publish("thread.message.completed", struct{}{})
	log.End()
	events := read(log)
	text, deltas := textOf(t, events)
	require.Equal(t, strings.Repeat("word ", n), text)
	require.Less(t, deltas, 100)
	require.Equal(t, "thread.message.completed", events[len(events)-1].Name)
}

// TestLogOfQuickReader sees each delta as it was made.
func TestLogOfQuickReader(t *testing.T) {
	log := runs.NewLog()
	for i := range 1000 {
		log.Delta("msg_1", "word ", i == 0)
		events, ended, _ := log.Since(i)
		require.Len(t, events, 1)
		require.False(t, ended)
	}
}

// TestLogReaders lets readers of different paces read the same while it is written.
func TestLogReaders(t *testing.T) {
	log := runs.NewLog()
	var reading sync.WaitGroup
	texts := make([]string, 4)
	for i := range texts {
		reading.Go(func() { texts[i], _ = textOf(t, read(log)) })
	}
	want := strings.Builder{}
	for i := range 5000 {
		word := strings.Repeat(string(rune('a'+i%26)), i%7+1)
		want.WriteString(word)
		log.Delta("msg_1", word, i == 0)
	}
	log.End()
	reading.Wait()
	for _, text := range texts {
		require.Equal(t, want.String(), text)
	}
	late, _ := textOf(t, read(log))
	require.Equal(t, want.String(), late, "a reader may come when all is over")
}

// TestLogBreaksOffOnce has one end, whatever comes first.
func TestLogBreaksOffOnce(t *testing.T) {
	log := runs.NewLog()
	log.BreakOff()
	log.BreakOff()
	events := read(log)
	require.Len(t, events, 1)
	requireWire(t, events[0])
	ended := runs.NewLog()
	ended.End()
	ended.BreakOff()
	require.Empty(t, read(ended))
	var nobody *runs.Log
	nobody.Publish("thread.run.created", nil)
	nobody.Delta("msg_1", "word", true)
	nobody.End()
	nobody.BreakOff()
}

// TestReaderThatNeverReads must not hold up the run.
func TestReaderThatNeverReads(t *testing.T) {
	w := open(t, worldOptions{}, func(_ context.Context, _ chat.Request, sink chat.Sink) (chat.Answer, error) {
		for range 20_000 {
			sink.Text("word ")
		}
		return chat.Answer{Text: strings.Repeat("word ", 20_000), Finish: chat.FinishStop, Usage: perTurn}, nil
	})
	r, log := w.stream(w.thread("Hi"))
	require.Equal(t, runs.Completed, w.settled(r).Status)
	text, deltas := textOf(t, read(log))
	require.Len(t, text, 100_000)
	require.Less(t, deltas, 100)
}
