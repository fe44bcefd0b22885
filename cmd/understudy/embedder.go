package main

import (
	"context"
	"errors"
	"fmt"

	"understudy/files/vectorstores"
	"understudy/runs/chat"
)

// embedder lets vector stores embed with the chat client in use.
type embedder struct{ backends *backends }

// Embed implements vectorstores.Embedder.
func (e embedder) Embed(ctx context.Context, model string, texts []string) ([][]float32, string, error) {
	client, end := e.backends.begin()
	defer end()
	vectors, of, err := client.Embed(ctx, model, texts)
	failed, answered := errors.AsType[*chat.Error](err)
	switch {
	case errors.Is(err, chat.ErrNoEmbedding):
		err = fmt.Errorf("%w: %w", vectorstores.ErrNoEmbedding, err)
	case answered && !failed.Passing:
		err = fmt.Errorf("%w: %w", vectorstores.ErrRefused, err)
	}
	return vectors, of, err
}
