package api

import (
	"context"
	"slices"

	"understudy/api/wire"
)

// Models lists the models that clients may ask for by name.
type Models interface {
	Models(ctx context.Context) ([]string, error)
}

// model is the model object on the wire.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"` // unix seconds; when nobody knows, the API's launch
	OwnedBy string `json:"owned_by"`
}

const launch = 1699228800 // 2023-11-06

func newModel(id string) model {
	return model{ID: id, Object: "model", Created: launch, OwnedBy: "understudy"}
}

func (s *server) listModels(c *call) error {
	names, err := s.Models.Models(c.r.Context())
	list := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", make([]model, len(names))}
	for i, name := range names {
		list.Data[i] = newModel(name)
	}
	return c.json(list, err)
}

func (s *server) getModel(c *call) error {
	id := c.id("model")
	names, err := s.Models.Models(c.r.Context())
	if err == nil && !slices.Contains(names, id) {
		return modelNotFound(id)
	}
	return c.json(newModel(id), err)
}

func modelNotFound(id string) error {
	return &wire.Error{Kind: wire.NotFound, Message: "The model '" + id + "' does not exist", Param: "model", Code: "model_not_found"}
}
