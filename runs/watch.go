package runs

import (
	"context"
	"encoding/json"
	"fmt"

	"understudy/api/wire"
)

// Watch tells one reader the events of a run, from a point on to the end of the
// leg: the run's end, or its wait for the client. It is used by one goroutine
// and closed by it;
// only Wake is for everyone.
type Watch struct {
	Start   Start
	engine  *Engine
	preface *Event  // the thread that came with the run, until it was told
	past    *cursor // what is stored, nil when it was told
	live    *cursor // what happens now, nil when nothing does
	told    int     // number of the last stored event that was told
	more    chan struct{}
	held    int // as in Held
	events  []Event
	deltas  []byte // what the data of text among events lies in
}

// Start says where a watch began, so that the same can be watched again.
type Start struct {
	ThreadID, RunID string
	After           int  // number of the stored event before the first
	Texts           bool // results of searches are told with their texts
	WithThread      bool // the thread, which came with the run, is told first
}

// readAtOnce bounds how many bytes of events a reader is handed at a time,
// though not the size of one event.
const readAtOnce = 64 << 10

// maxKeptDeltas bounds what a watch keeps from one reading for the next, in
// bytes: a delta has about 200.
const maxKeptDeltas = 1 << 10

// Read returns the events that are ready to be told, and whether the watch has
// come to its end with them. The slice and what it holds are the watch's own
// until the next call, which is worthwhile when More has a value.
func (w *Watch) Read() (events []Event, ended bool) {
	clear(w.events)
	w.events, w.deltas = w.events[:0], w.deltas[:0]
	if cap(w.deltas) > maxKeptDeltas {
		w.deltas = nil
	}
	if w.preface != nil {
		w.events, w.preface = append(w.events, *w.preface), nil
	}
	for size := 0; size < readAtOnce; {
		c := w.past
		if c == nil {
			c = w.live
		}
		if c == nil {
			return w.events, true
		}
		r, over := c.read(w.told)
		switch {
		case r.line != nil:
			var e Event
			e, w.deltas = r.event(w.Start.Texts, w.deltas)
			w.told = max(w.told, e.Number)
			w.events = append(w.events, e)
			size += len(e.Data)
		case !over:
			return w.events, false
		case w.past != nil:
			w.past, w.held = nil, 0
		default:
			w.Close()
		}
	}
	w.Wake() // there may be more
	return w.events, false
}

// Held is how many bytes of messages and outputs the watch keeps for its reader
// alone: none when all that is stored was told.
func (w *Watch) Held() int { return w.held }

// More has a value when it is worthwhile to read again.
func (w *Watch) More() <-chan struct{} { return w.more }

// Wake has More give a value, for what else the reader waits for: one channel
// costs it a third of three.
func (w *Watch) Wake() { nudge(w.more) }

// Close gives the watch up; the run goes on.
func (w *Watch) Close() {
	if w.live != nil {
		w.engine.unwatch(w.Start.RunID, w.live)
		w.live = nil
	}
}

// newWatch returns a watch of what comes behind a stored event of a run.
func (e *Engine) newWatch(from Start) *Watch {
	return &Watch{Start: from, engine: e, told: from.After, more: make(chan struct{}, 1)}
}

// preface is the event that tells of the thread that came with a run.
func preface(thread []byte) *Event { return &Event{Name: "thread.created", Data: thread} }

// follow lets the watch see a leg from its beginning.
func (w *Watch) follow(log *Log) { w.live = log.join(w.more, false) }

// BeyondEndError says that a run has fewer stored events than a watcher claims
// to have seen.
type BeyondEndError struct{ Last int }

func (e *BeyondEndError) Error() string {
	return fmt.Sprintf("the last stored event of the run is number %d", e.Last)
}

// Watch tells the events of a run behind the stored one of number after, 0 for
// all: those that are stored are told again, and then what happens; texts is as
// in Step. It answers a *BeyondEndError when there is no such event.
func (s *Service) Watch(ctx context.Context, project, threadID, id string, after int, texts bool) (*Watch, error) {
	return s.watch(ctx, project, Start{ThreadID: threadID, RunID: id, After: after, Texts: texts})
}

// Abandon cancels a run whose client has gone away in the middle of the stream.
// A run that ended meanwhile stays as it is, and so does one whose stream broke
// off because this process stops.
func (s *Service) Abandon(ctx context.Context, project string, from Start) {
	if s.engine.Ready() == nil {
		_, _ = s.Cancel(ctx, project, from.ThreadID, from.RunID) // refused, it has ended
	}
}

// Rewatch watches what an earlier watch did. A thread that came with the run is
// told as it is now.
func (s *Service) Rewatch(ctx context.Context, project string, from Start) (*Watch, error) {
	var thread json.RawMessage
	var err error
	if from.WithThread {
		if thread, err = s.threads.Thread(ctx, project, from.ThreadID); err != nil {
			return nil, wire.OrNoSuch(err, threadNoun, from.ThreadID)
		}
	}
	w, err := s.watch(ctx, project, from)
	if err == nil && from.WithThread {
		w.preface = preface(thread)
	}
	return w, err
}

func (s *Service) watch(ctx context.Context, project string, from Start) (*Watch, error) {
	for {
		w := s.engine.newWatch(from)
		w.live = s.engine.watched(from.RunID, w.more) // before the store is read, so that nothing is missed in between
		r, err := s.store.Recording(ctx, project, from.ThreadID, from.RunID)
		if err != nil {
			w.Close()
			return nil, wire.OrNoSuch(err, noun, from.RunID)
		}
		past, last := r.replay()
		w.held = r.bytes()
		if w.past = past; from.After > last {
			w.Close()
			return nil, &BeyondEndError{Last: last}
		}
		if r.Run.Status.Settled() {
			w.Close()
			return w, nil
		}
		if !w.live.log.hasEnded() || s.engine.Ready() != nil {
			return w, nil
		}
		w.Close() // one leg ended and the next began between the two looks
	}
}
