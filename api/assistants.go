package api

import (
	"understudy/assistants"
)

func (s *server) createAssistant(c *call) error {
	create, err := read(c, assistants.ReadCreate)
	if err != nil {
		return err
	}
	id, err := c.chosenID(assistants.IDPrefix)
	if err != nil {
		return err
	}
	return c.json(s.Assistants.Create(c.r.Context(), c.project, id, create))
}

func (s *server) listAssistants(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	return c.json(s.Assistants.List(c.r.Context(), c.project, page))
}

func (s *server) getAssistant(c *call) error {
	return c.json(s.Assistants.Get(c.r.Context(), c.project, c.id("assistant_id")))
}

func (s *server) modifyAssistant(c *call) error {
	modify, err := read(c, assistants.ReadModify)
	if err != nil {
		return err
	}
	return c.json(s.Assistants.Modify(c.r.Context(), c.project, c.id("assistant_id"), modify))
}

func (s *server) deleteAssistant(c *call) error {
	id := c.id("assistant_id")
	return c.deleted(id, "assistant.deleted", s.Assistants.Delete(c.r.Context(), c.project, id))
}

func (s *server) attachAssistantFile(c *call) error {
	o, err := c.body()
	if err != nil {
		return err
	}
	fileID, err := assistants.ReadFileID(o)
	if err != nil {
		return err
	}
	if c.receipt != nil {
		c.receipt.Render = nil // the answer is not the object that changes
	}
	return c.json(s.Assistants.AttachFile(c.r.Context(), c.project, c.id("assistant_id"), fileID))
}

func (s *server) listAssistantFiles(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	return c.json(s.Assistants.Files(c.r.Context(), c.project, c.id("assistant_id"), page))
}

func (s *server) getAssistantFile(c *call) error {
	return c.json(s.Assistants.File(c.r.Context(), c.project, c.id("assistant_id"), c.id("file_id")))
}

func (s *server) detachAssistantFile(c *call) error {
	fileID := c.id("file_id")
	return c.deleted(fileID, "assistant.file.deleted", s.Assistants.DetachFile(c.r.Context(), c.project, c.id("assistant_id"), fileID))
}
