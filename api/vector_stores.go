package api

import (
	"understudy/files/vectorstores"
)

func (s *server) createVectorStore(c *call) error {
	create, err := read(c, vectorstores.ReadCreate)
	if err != nil {
		return err
	}
	id, err := c.chosenID(vectorstores.IDPrefix)
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.Create(c.r.Context(), c.project, id, create))
}

func (s *server) listVectorStores(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.List(c.r.Context(), c.project, page))
}

func (s *server) getVectorStore(c *call) error {
	return c.json(s.VectorStores.Get(c.r.Context(), c.project, c.id("vector_store_id")))
}

func (s *server) modifyVectorStore(c *call) error {
	modify, err := read(c, vectorstores.ReadModify)
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.Modify(c.r.Context(), c.project, c.id("vector_store_id"), modify))
}

func (s *server) deleteVectorStore(c *call) error {
	id := c.id("vector_store_id")
	return c.deleted(id, "vector_store.deleted", s.VectorStores.Delete(c.r.Context(), c.project, id))
}

func (s *server) searchVectorStore(c *call) error {
	search, err := read(c, vectorstores.ReadSearch)
	if err != nil {
		return err
	}
	return c.json(s.VectorStores.Search(c.r.Context(), c.project, c.id("vector_store_id"), search))
}
