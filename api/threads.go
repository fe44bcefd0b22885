package api

import (
	"understudy/threads"
)

func (s *server) createThread(c *call) error {
	o, err := c.body()
	if err != nil {
		return err
	}
	create, err := threads.ReadCreate(o, c.dialect)
	if err != nil {
		return err
	}
	return c.json(s.Threads.Create(c.r.Context(), c.project, "", create))
}

func (s *server) getThread(c *call) error {
	return c.json(s.Threads.Get(c.r.Context(), c.project, c.id("thread_id")))
}

func (s *server) modifyThread(c *call) error {
	o, err := c.body()
	if err != nil {
		return err
	}
	modify, err := threads.ReadModify(o, c.dialect)
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

func (s *server) createMessage(c *call) error {
	o, err := c.body()
	if err != nil {
		return err
	}
	message, err := threads.ReadMessage(o, c.dialect)
	if err != nil {
		return err
	}
	return c.json(s.Threads.AddMessage(c.r.Context(), c.project, c.id("thread_id"), message))
}

func (s *server) listMessages(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	return c.json(s.Threads.Messages(c.r.Context(), c.project, c.id("thread_id"), c.r.URL.Query().Get("run_id"), page))
}

func (s *server) getMessage(c *call) error {
	return c.json(s.Threads.Message(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id")))
}

func (s *server) modifyMessage(c *call) error {
	metadata, err := c.metadata()
	if err != nil {
		return err
	}
	return c.json(s.Threads.ModifyMessage(c.r.Context(), c.project, c.id("thread_id"), c.id("message_id"), metadata))
}

func (s *server) deleteMessage(c *call) error {
	id := c.id("message_id")
	return c.deleted(id, "thread.message.deleted", s.Threads.DeleteMessage(c.r.Context(), c.project, c.id("thread_id"), id))
}
