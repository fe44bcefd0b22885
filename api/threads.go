package api

import (
	"context"
	"strings"

	"understudy/api/wire"
	"understudy/threads"
)

func (s *server) createThread(c *call) error {
	create, err := read(c, threads.ReadCreate)
	if err != nil {
		return err
	}
	id, err := c.chosenID(threads.IDPrefix)
	if err != nil {
		return err
	}
	return c.json(s.Threads.Create(c.r.Context(), c.project, id, create))
}

// adopt makes the thread that a path names, if it is unknown and the server is to
// know the threads of another one.
func (s *server) adopt(ctx context.Context, c *call) error {
	if id := c.id("thread_id"); s.Adopt && id != "" {
		return s.Threads.Adopt(ctx, c.project, id)
	}
	return nil
}

// listThreads is what the hosted API never had: threads, newest first, those
// that carry every metadata[key]=value of the query.
func (s *server) listThreads(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	metadata, err := c.metadataFilter()
	if err != nil {
		return err
	}
	query, err := c.query()
	if err != nil {
		return err
	}
	wanted := threads.Query{Page: page, Metadata: metadata}
	if text := strings.TrimSpace(query.Get("q")); text != "" {
		return c.json(s.Threads.Search(c.r.Context(), c.project, text, wanted))
	}
	return c.json(s.Threads.List(c.r.Context(), c.project, wanted))
}

// metadataFilter reads metadata[key]=value from the query.
func (c *call) metadataFilter() (wire.Metadata, error) {
	query, err := c.query()
	if err != nil {
		return nil, err
	}
	filter := wire.Metadata{}
	for name, values := range query {
		rest, ok := strings.CutPrefix(name, "metadata")
		if !ok {
			continue
		}
		if !strings.HasPrefix(rest, "[") || !strings.HasSuffix(rest, "]") || len(values) > 1 {
			return nil, wire.InvalidValue(name, "Invalid '%s': write metadata[key]=value, once for each key.", name)
		}
		filter[rest[1:len(rest)-1]] = values[0]
	}
	return filter, nil
}

func (s *server) getThread(c *call) error {
	return c.json(s.Threads.Get(c.r.Context(), c.project, c.id("thread_id")))
}

func (s *server) modifyThread(c *call) error {
	modify, err := read(c, threads.ReadModify)
	if err != nil {
		return err
	}
	return c.json(s.Threads.Modify(c.r.Context(), c.project, c.id("thread_id"), modify))
}

// deleteThread goes to the runs: one that is active is cancelled first.
func (s *server) deleteThread(c *call) error {
	id := c.id("thread_id")
	return c.deleted(id, "thread.deleted", s.Runs.DeleteThread(c.r.Context(), c.project, id))
}

// forkThread copies a thread, up to a message if one is named.
func (s *server) forkThread(c *call) error {
	after, err := read(c, threads.ReadFork)
	if err != nil {
		return err
	}
	return c.json(s.Threads.Fork(c.r.Context(), c.project, c.id("thread_id"), after))
}

// rewindThread takes everything behind a message out of a thread; listHistory
// shows it.
func (s *server) rewindThread(c *call) error {
	to, err := read(c, threads.ReadRewind)
	if err != nil {
		return err
	}
	return c.json(s.Threads.Rewind(c.r.Context(), c.project, c.id("thread_id"), to))
}

func (s *server) editMessage(c *call) error {
	edit, err := read(c, threads.ReadEdit)
	if err != nil {
		return err
	}
	return c.json(s.Threads.EditMessage(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id"), edit))
}

func (s *server) listHistory(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	query, err := c.query()
	if err != nil {
		return err
	}
	const of = "message_id"
	if query.Has(of) {
		if err := wire.CheckID(of, query.Get(of), idPrefixes[of]); err != nil {
			return err
		}
	}
	return c.json(s.Threads.History(c.r.Context(), c.project, c.id("thread_id"), query.Get(of), page))
}

func (s *server) createMessage(c *call) error {
	onBusy, err := c.onBusy()
	if err != nil {
		return err
	}
	message, err := read(c, threads.ReadMessage)
	if err != nil {
		return err
	}
	if onBusy.Waits() {
		body, ahead, err := s.Threads.EnqueueMessage(c.r.Context(), c.project, c.id("thread_id"), message)
		if err == nil && onBusy == threads.Interrupt {
			s.Runs.CancelAll(c.r.Context(), c.project, c.id("thread_id"), ahead)
		}
		return c.json(body, err)
	}
	return c.json(s.Threads.AddMessage(c.r.Context(), c.project, c.id("thread_id"), message))
}

func (s *server) listMessages(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	query, err := c.query()
	if err != nil {
		return err
	}
	return c.json(s.Threads.Messages(c.r.Context(), c.project, c.id("thread_id"), query.Get("run_id"), page))
}

func (s *server) getMessage(c *call) error {
	return c.json(s.Threads.Message(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id")))
}

func (s *server) modifyMessage(c *call) error {
	metadata, err := read(c, readMetadata)
	if err != nil {
		return err
	}
	return c.json(s.Threads.ModifyMessage(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id"), metadata))
}

func (s *server) deleteMessage(c *call) error {
	id := c.id("message_id")
	return c.deleted(id, "thread.message.deleted", s.Threads.DeleteMessage(c.r.Context(), c.project, c.id("thread_id"), id))
}

func (s *server) listMessageFiles(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	return c.json(s.Threads.MessageFiles(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id"), page))
}

func (s *server) getMessageFile(c *call) error {
	return c.json(s.Threads.MessageFile(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id"), c.id("file_id")))
}
