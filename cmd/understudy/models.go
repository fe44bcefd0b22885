package main

import (
	"context"

	"understudy/api/wire"
)

// modelCheck refuses models that no upstream takes.
type modelCheck struct{ backends *backends }

// CheckModel implements assistants.Models.
func (m modelCheck) CheckModel(model string) error {
	client, end := m.backends.begin()
	defer end()
	if _, err := client.Route(model); err != nil {
		return &wire.Error{
			Message: "The requested model '" + model + "' does not exist. No entry of the models: map in the server's configuration matches it.",
			Param:   "model", Code: "model_not_found",
		}
	}
	return nil
}

// listedModels lists the models clients may ask for.
type listedModels struct{ backends *backends }

// Models implements api.Models.
func (m listedModels) Models(ctx context.Context) ([]string, error) {
	client, end := m.backends.begin()
	defer end()
	return client.ListModels(ctx), nil
}
