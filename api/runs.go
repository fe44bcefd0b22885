package api

import (
	"understudy/api/wire"
	"understudy/runs"
)

func (s *server) createRun(c *call) error {
	return s.startRun(c, c.id("thread_id"), runs.ReadCreate)
}

func (s *server) createThreadAndRun(c *call) error {
	return s.startRun(c, "", runs.ReadCreateWithThread)
}

func (s *server) startRun(c *call, threadID string, decode func(*wire.Object, wire.Dialect) (runs.Create, error)) error {
	include, err := c.include()
	if err != nil {
		return err
	}
	cancels, err := c.cancelsOnDisconnect()
	if err != nil {
		return err
	}
	onBusy, err := c.onBusy()
	if err != nil {
		return err
	}
	dry, err := c.isDryRun()
	if err != nil {
		return err
	}
	create, err := read(c, decode)
	if err != nil {
		return err
	}
	create.OnBusy = onBusy
	if text := c.r.Header.Get(expiresInHeader); text != "" {
		if create.ExpiresIn, err = runs.ReadLifetime(expiresInHeader, text); err != nil {
			return err
		}
	}
	create.Texts, create.Quotes = include[searchContent], include[searchQuotes] || s.Quotes
	if create.Upstream, err = s.chosenUpstream(c.r); err != nil {
		return err
	}
	if create.Webhook, err = s.ownWebhook(c.r); err != nil {
		return err
	}
	if dry {
		c.keep = nil // it can be asked again, and the same key is still good for the run itself
		return c.json(s.Runs.DryRun(c.r.Context(), c.project, threadID, create))
	}
	if create.Stream && c.receipt != nil {
		c.receipt.Render = startOfStream(create.Texts, create.Thread != nil)
	}
	body, watch, err := s.Runs.Create(c.r.Context(), c.project, threadID, create)
	return s.answer(c, cancels, body, watch, err)
}

func (s *server) listRuns(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	return c.json(s.Runs.List(c.r.Context(), c.project, c.id("thread_id"), page))
}

// getRun answers at once, holds the answer for a client that is waiting for the
// run to get somewhere, or streams what happens to it.
func (s *server) getRun(c *call) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	switch stream, err := wantsStream(query); {
	case err != nil:
		return err
	case stream:
		return s.watchRun(c, query)
	}
	wait := c.held()
	if wait == 0 {
		return c.json(s.Runs.Get(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id")))
	}
	return c.json(s.Runs.Wait(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), wait))
}

func (s *server) modifyRun(c *call) error {
	metadata, err := read(c, readMetadata)
	if err != nil {
		return err
	}
	return c.json(s.Runs.Modify(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), metadata, c.dialect))
}

func (s *server) cancelRun(c *call) error {
	return c.json(s.Runs.Cancel(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id")))
}

func (s *server) submitToolOutputs(c *call) error {
	cancels, err := c.cancelsOnDisconnect()
	if err != nil {
		return err
	}
	o, err := c.body()
	if err != nil {
		return err
	}
	outputs, err := runs.ReadOutputs(o)
	if err != nil {
		return err
	}
	if outputs.Stream && c.receipt != nil {
		c.receipt.Render = nil // where it begins is not known yet; outputs are taken once anyhow
	}
	body, watch, err := s.Runs.Submit(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), outputs)
	return s.answer(c, cancels, body, watch, err)
}

func (s *server) listSteps(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	include, err := c.include()
	if err != nil {
		return err
	}
	return c.json(s.Runs.Steps(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), page, include[searchContent]))
}

func (s *server) getStep(c *call) error {
	include, err := c.include()
	if err != nil {
		return err
	}
	return c.json(s.Runs.Step(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), c.id("step_id"), include[searchContent]))
}

// getContext shows the tape of a run: each model call as it was sent and
// answered. The hosted API had no such route.
func (s *server) getContext(c *call) error {
	return c.json(s.Runs.Context(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id")))
}

// What can be included: the texts of file_search results, and in citations, as
// an addition, the passages they cite.
const (
	searchContent = "step_details.tool_calls[*].file_search.results[*].content"
	searchQuotes  = "x.quotes"
)

// include reads the include[] parameter.
func (c *call) include() (map[string]bool, error) {
	query, err := c.query()
	if err != nil {
		return nil, err
	}
	included := map[string]bool{}
	for _, value := range append(query["include[]"], query["include"]...) {
		if value != searchContent && value != searchQuotes {
			return nil, wire.NotInEnum("include", value, []string{searchContent})
		}
		included[value] = true
	}
	return included, nil
}
