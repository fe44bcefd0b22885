package api

import "understudy/files/uploads"

func (s *server) createUpload(c *call) error {
	create, err := read(c, uploads.ReadCreate)
	if err != nil {
		return err
	}
	id, err := c.chosenID(uploads.IDPrefix)
	if err != nil {
		return err
	}
	return c.json(s.Uploads.Create(c.r.Context(), c.project, id, create))
}

// addUploadPart asks before it reads: a part may be 64 MB of which nothing is
// wanted any more.
func (s *server) addUploadPart(c *call) error {
	id := c.id("upload_id")
	if err := s.Uploads.Pending(c.r.Context(), c.project, id); err != nil {
		return err
	}
	draft, err := readUploadPart(c.r, s.Uploads.Receive)
	if err != nil {
		return err
	}
	defer draft.Abort()
	return c.json(s.Uploads.AddPart(c.r.Context(), c.project, id, draft))
}

func (s *server) completeUpload(c *call) error {
	complete, err := read(c, uploads.ReadComplete)
	if err != nil {
		return err
	}
	return c.json(s.Uploads.Complete(c.r.Context(), c.project, c.id("upload_id"), complete))
}

func (s *server) cancelUpload(c *call) error {
	return c.json(s.Uploads.Cancel(c.r.Context(), c.project, c.id("upload_id")))
}
