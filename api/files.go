package api

import (
	"io"
	"net/http"
	"strconv"

	"understudy/files"
)

func (s *server) createFile(c *call) error {
	upload, draft, err := readUpload(c.r, s.Files.Receive)
	if err != nil {
		return err
	}
	defer draft.Abort()
	id, err := c.chosenID(files.IDPrefix)
	if err != nil {
		return err
	}
	return c.json(s.Files.Upload(c.r.Context(), c.project, id, upload, draft))
}

func (s *server) listFiles(c *call) error {
	values, err := c.query()
	if err != nil {
		return err
	}
	query, err := files.ReadQuery(values)
	if err != nil {
		return err
	}
	return c.json(s.Files.List(c.r.Context(), c.project, query))
}

func (s *server) getFile(c *call) error {
	return c.json(s.Files.Get(c.r.Context(), c.project, c.id("file_id")))
}

// deleteFile answers in the files' own key order.
func (s *server) deleteFile(c *call) error {
	id := c.id("file_id")
	return c.json(struct {
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
		ID      string `json:"id"`
	}{"file", true, id}, s.Files.Delete(c.r.Context(), c.project, id))
}

// getFileContent sends the bytes as they were uploaded. Every purpose may be
// downloaded, which the hosted API did not allow.
func (s *server) getFileContent(c *call) error {
	file, content, err := s.Files.Content(c.r.Context(), c.project, c.id("file_id"))
	if err != nil {
		return err
	}
	defer content.Close()
	setDownload(c.w.Header(), file.Filename)
	c.w.Header().Set("Content-Length", strconv.FormatInt(file.Bytes, 10))
	c.w.WriteHeader(http.StatusOK)
	watched := &watchedReader{r: content}
	_, err = io.Copy(c.w, watched)
	if watched.err != nil { // the answer is cut off, which its length tells the client
		note(c.r.Context()).err = watched.err
	}
	return clientGone(err)
}
