package main

import (
	"context"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// modelCheck refuses models that no upstream takes.
type modelCheck struct{ client *chat.Client }

// CheckModel implements assistants.Models.
func (m modelCheck) CheckModel(model string) error {
	if _, err := m.client.Route(model); err != nil {
		return &wire.Error{
			Message: "The requested model '" + model + "' does not exist. No entry of the models: map in the server's configuration matches it.",
			Param:   "model", Code: "model_not_found",
		}
	}
	return nil
}

// listedModels lists the models clients may ask for.
type listedModels struct{ client *chat.Client }

// Models implements api.Models.
func (m listedModels) Models(ctx context.Context) ([]string, error) {
	return m.client.ListModels(ctx), nil
}
