package runs_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/chat"
)

// textOf joins the text of a stream's deltas and counts them.
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
	absent := streamOf(log.Watch(false))
	log.Show("thread.message.created", struct{}{})
	const n = 100_000
	say := log.Say("msg_1")
	for range n {
		say("word ")
	}
	lines, bytes := log.Held()
	require.Equal(t, 2, lines)
	require.Less(t, bytes, n*len("word ")+4<<10, "a reader who reads nothing costs the text and no more")
	log.Record("thread.message.completed", struct{}{})
	log.End()
	text, deltas := textOf(t, read(absent))
	require.Equal(t, strings.Repeat("word ", n), text)
	require.Equal(t, 8, deltas, "of 64 KiB at most")
	require.Equal(t, "thread.message.completed", absent.events[len(absent.events)-1].Name)
}

// TestLogWithoutReaders keeps what is not stored, for those who join.
func TestLogWithoutReaders(t *testing.T) {
	log := runs.NewLog()
	for range 100 {
		log.Show("thread.message.created", struct{}{})
		log.Say("msg_1")("word ")
		log.Record("thread.message.completed", struct{}{})
	}
	lines, _ := log.Held()
	require.Zero(t, lines)
	log.Show("thread.message.created", struct{}{})
	say := log.Say("msg_2")
	say("wo")
	say("rd")
	joined := streamOf(log.Watch(true))
	require.True(t, joined.next())
	say(" by")
	say(" word")
	log.End()
	text, deltas := textOf(t, read(joined))
	require.Equal(t, "word by word", text)
	require.Equal(t, 3, deltas, "the text so far, then as it comes")
}

// TestLogOfQuickReader sees each delta as it was made, however slow others are.
func TestLogOfQuickReader(t *testing.T) {
	log := runs.NewLog()
	slow, quick := streamOf(log.Watch(false)), streamOf(log.Watch(false))
	say := log.Say("msg_1")
	for i := range 1000 {
		say("word ")
		require.True(t, quick.next())
		require.Len(t, quick.events, i+1)
	}
	log.End()
	_, deltas := textOf(t, read(slow))
	require.Equal(t, 1, deltas)
}

// TestLogReaders lets readers of different paces read the same while it is written.
func TestLogReaders(t *testing.T) {
	log := runs.NewLog()
	var reading sync.WaitGroup
	texts := make([]string, 4)
	for i := range texts {
		s := streamOf(log.Watch(i%2 == 1))
		reading.Go(func() { texts[i], _ = textOf(t, read(s)) })
	}
	want, say := strings.Builder{}, log.Say("msg_1")
	for i := range 5000 {
		word := strings.Repeat(string(rune('a'+i%26)), i%7+1)
		want.WriteString(word)
		say(word)
	}
	log.End()
	reading.Wait()
	for _, text := range texts {
		require.Equal(t, want.String(), text)
	}
}

// TestLogBreaksOffOnce has one end, whatever comes first.
func TestLogBreaksOffOnce(t *testing.T) {
	log := runs.NewLog()
	s := streamOf(log.Watch(true))
	log.BreakOff()
	log.BreakOff()
	events := read(s)
	require.Len(t, events, 1)
	requireWire(t, events[0])
	ended := runs.NewLog()
	s = streamOf(ended.Watch(true))
	ended.End()
	ended.BreakOff()
	require.Empty(t, read(s))
}

// TestReaderThatNeverReads must not hold up the run.
func TestReaderThatNeverReads(t *testing.T) {
	w := open(t, worldOptions{}, func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		for range 20_000 {
			sink.Text("word ")
		}
		return &chat.Answer{Text: strings.Repeat("word ", 20_000), Finish: chat.FinishStop, Usage: perTurn}, nil
	})
	r, s := w.stream(w.thread("Hi"))
	require.Equal(t, runs.Completed, w.settled(r).Status)
	text, deltas := textOf(t, read(s))
	require.Len(t, text, 100_000)
	require.Equal(t, 2, deltas, "of 64 KiB at most")
}

// TestLongTextComesInPieces of whole characters, to who keeps up and who joins.
func TestLongTextComesInPieces(t *testing.T) {
	long := "x" + strings.Repeat("字🎉", 50_000)
	for _, joins := range []bool{true, false} {
		log := runs.NewLog()
		s := streamOf(log.Watch(joins))
		say := log.Say("msg_1")
		say(long)
		say("end")
		log.End()
		events := read(s)
		for _, e := range events {
			require.Less(t, len(e.Data), 65<<10)
			require.True(t, utf8.Valid(e.Data))
		}
		text, deltas := textOf(t, events)
		require.Equal(t, long+"end", text)
		require.Equal(t, map[bool]int{true: 6, false: 7}[joins], deltas)
	}
}

// TestLongEventIsEncodedOnce for all who read it.
func TestLongEventIsEncodedOnce(t *testing.T) {
	log := runs.NewLog()
	one, other := log.Watch(false), log.Watch(false)
	log.Record("thread.message.completed", strings.Repeat("x", 64<<10))
	read, _ := one.Read()
	again, _ := other.Read()
	require.Same(t, &read[0].Data[0], &again[0].Data[0])
}

// TestTextIsQuoted writes each text as the encoder of everything else does.
func TestTextIsQuoted(t *testing.T) {
	for _, text := range []string{
		"word", " <b>&amp;</b> ", "zwölf 字 🎉", "a \"quote\"", `back\slash`, "line\nbreak\ttab\r\b\f", "\x00\x1f\x7f", "2 – 3 \u2027",
		"line\u2028and\u2029paragraph", "cut \xf0\x9f", "\xff",
	} {
		log := runs.NewLog()
		s := streamOf(log.Watch(false))
		say := log.Say("msg_1")
		say(text)
		say(text)
		log.End()
		quoted, err := wire.Marshal(text)
		require.NoError(t, err)
		const before = `{"id":"msg_1","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":`
		events := read(s)
		require.Len(t, events, 2)
		require.Equal(t, before+string(quoted)+`,"annotations":[]}}]}}`, string(events[0].Data))
		require.Equal(t, before+string(quoted)+`}}]}}`, string(events[1].Data))
	}
}

// TestReadingInPortions has More say that there is more, so that a reader need
// not try.
func TestReadingInPortions(t *testing.T) {
	log := runs.NewLog()
	w := log.Watch(false)
	for range 3 {
		log.Record("thread.message.completed", strings.Repeat("x", 40_000))
	}
	log.End()
	var lengths []int
	for ended := false; !ended; {
		<-w.More()
		var events []runs.Event
		events, ended = w.Read()
		lengths = append(lengths, len(events))
	}
	require.Equal(t, []int{2, 1}, lengths)
}

// TestDeltasDoNotAllocate: a stream makes nothing new for a token.
func TestDeltasDoNotAllocate(t *testing.T) {
	log := runs.NewLog()
	w := log.Watch(false)
	say := log.Say("msg_1")
	say("word")
	w.Read()
	require.Less(t, testing.AllocsPerRun(1000, func() {
		say("word")
		w.Read()
	}), 1.0, "but for the text, which grows")
}
