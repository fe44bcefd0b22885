package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// keepAlive is how long a stream is silent at most: proxies close idle
// connections.
const keepAlive = 15 * time.Second

const (
	lastEventIDHeader  = "Last-Event-ID"
	onDisconnectHeader = "Understudy-On-Disconnect"
)

// again opens a stream once more from where it began.
type again func(context.Context) (*runs.Watch, error)

// rewatch is kept for long, and knows nothing of the call that it was made for.
func (s *server) rewatch(project string, from runs.Start) again {
	return func(ctx context.Context) (*runs.Watch, error) { return s.Runs.Rewatch(ctx, project, from) }
}

// answer renders a run as an object, or what happens to it as a stream of
// server-sent events when the client asked for one. cancels says that the run
// is to be cancelled when the client goes away before the stream's end.
func (s *server) answer(c *call, cancels bool, body json.RawMessage, watch *runs.Watch, err error) error {
	if err != nil || watch == nil {
		return c.json(body, err)
	}
	defer watch.Close()
	from := watch.Start
	if c.keep != nil {
		if err := c.keep(nil, s.rewatch(c.project, from)); err != nil {
			return err
		}
	}
	err = c.stream(watch)
	if cancels && errors.Is(err, errClientGone) {
		s.Runs.Abandon(context.WithoutCancel(c.r.Context()), c.project, from)
	}
	return err
}

// cancelsOnDisconnect reads what is to become of a streamed run whose client
// goes away.
func (c *call) cancelsOnDisconnect() (bool, error) {
	switch value := c.r.Header.Get(onDisconnectHeader); value {
	case "", "continue":
		return false, nil
	case "cancel":
		return true, nil
	default:
		return false, wire.InvalidValue(onDisconnectHeader, "Invalid '%s': '%s'. Expected 'continue' or 'cancel'.", onDisconnectHeader, value)
	}
}

// watchRun streams a run that exists, from behind the event that the client has
// seen last. The header is newer than the URL, which a browser repeats as it was.
func (s *server) watchRun(c *call, query url.Values) error {
	param, seen := "starting_after", query.Get("starting_after")
	if id := c.r.Header.Get(lastEventIDHeader); id != "" {
		param, seen = lastEventIDHeader, id
	}
	after := 0
	if seen != "" {
		number, err := strconv.ParseUint(seen, 10, 31)
		if err != nil {
			return wire.InvalidValue(param, "Invalid '%s': '%s'. Expected the id of an event of this run's stream, a number from 0.", param, seen)
		}
		after = int(number)
	}
	include, err := c.include()
	if err != nil {
		return err
	}
	watch, err := s.Runs.Watch(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), after, include[searchContent])
	if beyond, ok := errors.AsType[*runs.BeyondEndError](err); ok {
		return wire.InvalidValue(param, "Invalid '%s': '%s'. The last event of this run so far has the id %d.", param, seen, beyond.Last)
	}
	if err != nil {
		return err
	}
	defer watch.Close()
	return c.stream(watch)
}

// wantsStream reads the query's stream, which the hosted API did not have.
func wantsStream(query url.Values) (bool, error) {
	switch value := query.Get("stream"); value {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, wire.InvalidValue("stream", "Invalid 'stream': '%s'. Expected 'true' or 'false'.", value)
	}
}

// stream sends what a watch tells until it ends or the client leaves, which
// does not stop the run.
func (c *call) stream(watch *runs.Watch) error {
	c.release()
	if err := c.hold(watch.Held()); err != nil {
		return err
	}
	out := c.openStream()
	defer context.AfterFunc(c.r.Context(), watch.Wake)()
	silence := newSilence(watch.Wake)
	defer silence.timer.Stop()
	for {
		events, ended := watch.Read()
		var err error
		switch {
		case len(events) > 0 || ended:
			err = c.tell(out, events, ended)
			silence.broken()
		case silence.tooLong():
			err = out.write([]byte(": keep-alive\n\n"))
			silence.broken()
		}
		if watch.Held() == 0 {
			c.release()
		}
		switch {
		case errors.Is(err, errCrowded) && !errors.Is(err, errClientGone):
			return nil
		case err != nil || !ended && c.r.Context().Err() != nil:
			return errClientGone
		case ended:
			return nil
		}
		<-watch.More()
	}
}

// tell sends events. Without memory for long ones it says that the stream ends
// here, with errCrowded.
func (c *call) tell(out *eventWriter, events []runs.Event, ended bool) error {
	size := int64(0)
	for _, e := range events {
		size += int64(len(e.Data))
	}
	if size > smallBody && c.memory != nil {
		if err := c.memory.hold(size); err != nil {
			return errors.Join(err, clientGone(out.send([]runs.Event{runs.Interrupted()}, true)))
		}
		defer c.memory.release(size)
	}
	return out.send(events, ended)
}

// silence tells when nothing was sent for keepAlive. It looks at the clock for
// each event, which costs less than setting a timer anew.
type silence struct {
	now   func() time.Time
	since time.Time
	timer *time.Timer
	over  atomic.Bool // the timer has gone off
}

func newSilence(wake func()) *silence {
	s := &silence{now: time.Now} //nolint:forbidigo // the timer goes by this clock
	s.since = s.now()
	s.timer = time.AfterFunc(keepAlive, func() {
		s.over.Store(true)
		wake()
	})
	return s
}

// broken begins the silence anew.
func (s *silence) broken() {
	s.since = s.now()
	if s.over.Swap(false) {
		s.timer.Reset(keepAlive)
	}
}

// tooLong reports whether it is time to say something.
func (s *silence) tooLong() bool {
	if !s.over.Load() {
		return false
	}
	left := keepAlive - s.now().Sub(s.since)
	if left > 0 {
		s.over.Store(false)
		s.timer.Reset(left)
	}
	return left <= 0
}

// eventWriter frames events and flushes what it was given at once.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	dialect wire.Dialect
}

// frames are buffers for events on their way; a stream that is idle has none.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// maxKeptFrame bounds the buffers that are kept, in bytes.
const maxKeptFrame = 64 << 10

// openStream begins an answer of server-sent events.
func (c *call) openStream() *eventWriter {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	return &eventWriter{w: c.w, control: http.NewResponseController(c.w), dialect: c.dialect}
}

// send writes events, and behind the last ones the mark of the end.
func (w *eventWriter) send(events []runs.Event, last bool) error {
	frame := frames.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	buf := (*frame)[:0]
	for _, e := range events {
		name, data := e.Name, e.Data
		if w.dialect == wire.V1 {
			var err error
			name = eventToV1(name)
			if data, err = toV1(data); err != nil {
				return err
			}
		}
		if e.Number != runs.Unnumbered {
			buf = append(buf, "id: "...)
			buf = strconv.AppendInt(buf, int64(e.Number), 10)
			buf = append(buf, '\n')
		}
		buf = append(buf, "event: "...)
		buf = append(buf, name...)
		buf = append(buf, "\ndata: "...)
		if len(data) > maxKeptFrame { // it is long enough to be sent by itself
			if err := w.sendLong(buf, data); err != nil {
				return err
			}
			buf = buf[:0]
		} else {
			buf = append(buf, data...)
		}
		buf = append(buf, "\n\n"...)
	}
	if last {
		buf = append(buf, "event: done\ndata: [DONE]\n\n"...)
	}
	err := w.write(buf)
	if cap(buf) <= maxKeptFrame {
		*frame = buf
		frames.Put(frame)
	}
	return err
}

func (w *eventWriter) sendLong(before, data []byte) error {
	if _, err := w.w.Write(before); err != nil {
		return err
	}
	_, err := w.w.Write(data)
	return err
}

func (w *eventWriter) write(p []byte) error {
	if _, err := w.w.Write(p); err != nil {
		return err
	}
	return w.control.Flush()
}
