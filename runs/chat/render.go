package chat

import (
	"context"
	"errors"
)

// Render makes the request that Complete would send first, and asks no backend. Only images that must be sent inline
// are fetched. The error is an *Error, or the cause of the context's end.
func (c *Client) Render(ctx context.Context, req Request) (Exchange, error) {
	targets, err := c.targets(req)
	if err != nil {
		return Exchange{}, err
	}
	now := c.config.Now()
	x := Exchange{Upstream: targets[0].Upstream, Model: targets[0].Model, Started: now, Ended: now}
	t := &turn{client: c, target: targets[0], upstream: c.upstream(targets[0].Upstream), request: req}
	messages, f := c.images.prepared(ctx, req.Messages, t.upstream.Images)
	if f == nil {
		t.request.Messages = messages
		x.Request, err = marshal(buildRequest(t.request, t.target, c.profiles.of(t.target, t.upstream)))
		if err != nil {
			f = unwritable()
		}
	}
	switch {
	case f == nil:
		return x, nil
	case ctx.Err() != nil:
		return x, context.Cause(ctx)
	}
	return x, t.failed(f)
}

// targets are where a request goes, one after the other; there is at least one.
func (c *Client) targets(req Request) ([]Target, error) {
	targets, err := c.RouteTo(req.Upstream, req.Model)
	if unknown, ok := errors.AsType[*UnknownUpstreamError](err); ok { // taken from the configuration since the run was made
		return nil, &Error{Code: ServerError, Message: unknown.Error()}
	}
	if err == nil && len(targets) == 0 {
		return nil, &Error{Code: ServerError, Message: "The model has no upstream."}
	}
	return targets, err
}
