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

// Models implements api.Models: the names of the models: map without those that
// hold a wildcard, or, when it has none, the one name that is sure to be answered.
func (m listedModels) Models(context.Context) ([]string, error) {
	var names []string
	for _, listed := range m.client.Models() {
		names = append(names, listed.Name)
	}
	return names, nil
}
