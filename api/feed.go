package api

import (
	"context"
	"net/http"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// lostProgress says that a reader was too slow for so many.
type lostProgress struct {
	Object string `json:"object"`
	Count  int    `json:"count"`
}

// followRuns lists the project's runs that have not ended or, as a stream, goes
// on with what becomes of all its runs. The hosted API had no such route.
func (s *server) followRuns(c *call) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	stream, err := wantsStream(query)
	if err != nil {
		return err
	}
	if !stream || c.r.Method == http.MethodHead {
		active, err := s.Runs.Active(c.r.Context(), c.project)
		return c.json(struct {
			Object string          `json:"object"`
			Data   []runs.Progress `json:"data"`
		}{"list", active}, err)
	}
	follower, leave := s.Runs.Follow(c.project) // before it is listed what there is, so that nothing is between
	defer leave()
	active, err := s.Runs.Active(c.r.Context(), c.project)
	if err != nil {
		return err
	}
	return c.feed(active, follower)
}

// feed sends what there is, then what comes, until the server stops or the
// client leaves.
func (c *call) feed(active []runs.Progress, follower *runs.Follower) error {
	c.release()
	out := c.openStream()
	if err := out.write([]byte(": " + c.project + "\n\n")); err != nil { // the client knows that it is connected
		return errClientGone
	}
	for _, p := range active {
		if err := out.object(p); err != nil {
			return errClientGone
		}
	}
	silence := time.NewTicker(keepAlive)
	defer silence.Stop()
	for {
		var err error
		select {
		case p, more := <-follower.More():
			if !more {
				return nil
			}
			if lost := follower.Lost(); lost > 0 {
				err = out.object(lostProgress{"thread.run.progress.lost", lost})
			}
			if err == nil {
				err = out.object(p)
			}
			silence.Reset(keepAlive)
		case <-silence.C:
			err = out.write([]byte(": keep-alive\n\n"))
		case <-c.r.Context().Done():
			err = context.Cause(c.r.Context())
		}
		if err != nil {
			return errClientGone
		}
	}
}

// object writes an object as an event without a name.
func (w *eventWriter) object(o any) error {
	data, err := wire.Marshal(o)
	if err != nil {
		return err
	}
	return w.write(append(append([]byte("data: "), data...), "\n\n"...))
}
