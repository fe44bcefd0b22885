package api

import (
	"understudy/files/vectorstores"
)

func (s *server) attachFile(c *call) error {
	file, err := read(c, vectorstores.ReadAttach)
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.Attach(c.r.Context(), c.project, c.id("vector_store_id"), file))
}

func (s *server) listStoreFiles(c *call) error {
	return s.listFilesOf(c, "")
}

// listFilesOf lists the files of a store, or of one of its batches.
func (s *server) listFilesOf(c *call, batchID string) error {
	values, err := c.query()
	if err != nil {
		return err
	}
	query, err := vectorstores.ReadFileQuery(values)
	if err != nil {
		return err
	}
	query.BatchID = batchID
	return c.json(s.VectorStores.ListFiles(c.r.Context(), c.project, c.id("vector_store_id"), query))
}

// getStoreFile answers at once, or holds the answer for a client that is
// waiting for the file to be indexed.
func (s *server) getStoreFile(c *call) error {
	storeID, fileID := c.id("vector_store_id"), c.id("file_id")
	if wait := c.held(); wait > 0 {
		return c.json(s.VectorStores.WaitFile(c.r.Context(), c.project, storeID, fileID, wait))
	}
	return c.json(s.VectorStores.File(c.r.Context(), c.project, storeID, fileID))
}

func (s *server) modifyStoreFile(c *call) error {
	attributes, err := read(c, vectorstores.ReadAttributes)
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.SetAttributes(c.r.Context(), c.project, c.id("vector_store_id"), c.id("file_id"), attributes))
}

func (s *server) detachFile(c *call) error {
	fileID := c.id("file_id")
	return c.deleted(fileID, "vector_store.file.deleted", s.VectorStores.Detach(c.r.Context(), c.project, c.id("vector_store_id"), fileID))
}

func (s *server) getStoreFileContent(c *call) error {
	return c.json(s.VectorStores.Content(c.r.Context(), c.project, c.id("vector_store_id"), c.id("file_id")))
}

func (s *server) createFileBatch(c *call) error {
	list, err := read(c, vectorstores.ReadBatch)
	if err != nil {
		return err
	}
	id, err := c.chosenID(vectorstores.BatchPrefix)
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.AttachBatch(c.r.Context(), c.project, c.id("vector_store_id"), id, list))
}

// getFileBatch is getStoreFile for a batch.
func (s *server) getFileBatch(c *call) error {
	storeID, id := c.id("vector_store_id"), c.id("batch_id")
	if wait := c.held(); wait > 0 {
		return c.json(s.VectorStores.WaitBatch(c.r.Context(), c.project, storeID, id, wait))
	}
	return c.json(s.VectorStores.Batch(c.r.Context(), c.project, storeID, id))
}

func (s *server) cancelFileBatch(c *call) error {
	return c.json(s.VectorStores.CancelBatch(c.r.Context(), c.project, c.id("vector_store_id"), c.id("batch_id")))
}

func (s *server) listBatchFiles(c *call) error {
	return s.listFilesOf(c, c.id("batch_id"))
}
