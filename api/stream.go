package api

import (
	"encoding/json"
	"net/http"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

const (
	// keepAlive is how long a stream is silent at most: proxies close idle
	// connections.
	keepAlive = 15 * time.Second
	// streamPatience is how long a reader may take nothing before it is let go.
	streamPatience = 60 * time.Second
)

// answer renders a run as an object, or its log as a stream of server-sent
// events when the client asked for one.
func (c *call) answer(body json.RawMessage, log *runs.Log, err error) error {
	if err != nil || log == nil {
		return c.json(body, err)
	}
	if c.keep != nil {
		if err := c.keep(nil, log); err != nil {
			return err
		}
	}
	return c.stream(log)
}

// stream sends a log until it ends or the client leaves, which does not stop
// the run.
func (c *call) stream(log *runs.Log) error {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	silence := time.NewTicker(keepAlive)
	defer silence.Stop()
	out := &eventWriter{w: c.w, control: http.NewResponseController(c.w), dialect: c.dialect}
	for sent := 0; ; {
		events, ended, more := log.Since(sent)
		switch {
		case len(events) > 0:
			if err := out.send(events); err != nil {
				return errClientGone
			}
			sent += len(events)
			silence.Reset(keepAlive)
			continue
		case ended:
			return clientGone(out.write([]byte("event: done\ndata: [DONE]\n\n")))
		}
		select {
		case <-more:
		case <-silence.C:
			if err := out.write([]byte(": keep-alive\n\n")); err != nil {
				return errClientGone
			}
		case <-c.r.Context().Done():
			return errClientGone
		}
	}
}

// eventWriter frames events and flushes what it was given at once.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	dialect wire.Dialect
	buf     []byte
}

func (w *eventWriter) send(events []runs.Event) error {
	w.buf = w.buf[:0]
	for _, e := range events {
		name, data := e.Name, e.Data
		if w.dialect == wire.V1 {
			var err error
			name = eventToV1(name)
			if data, err = toV1(data); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, "event: "...)
		w.buf = append(w.buf, name...)
		w.buf = append(w.buf, "\ndata: "...)
		w.buf = append(w.buf, data...)
		w.buf = append(w.buf, "\n\n"...)
	}
	return w.write(w.buf)
}

func (w *eventWriter) write(p []byte) error {
	_ = w.control.SetWriteDeadline(time.Now().Add(streamPatience)) // not every transport has deadlines
	if _, err := w.w.Write(p); err != nil {
		return err
	}
	return w.control.Flush()
}
