package api

import (
	"net/url"
	"strings"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/webhooks"
)

// replayRun runs a thread again as it was when a run was made.
func (s *server) replayRun(c *call) error {
	include, err := c.include()
	if err != nil {
		return err
	}
	cancels, err := c.cancelsOnDisconnect()
	if err != nil {
		return err
	}
	if c.r.Header.Get(webhooks.Header) != "" {
		return wire.InvalidValue(webhooks.Header, "Invalid '%s': no endpoint is told of a replay.", webhooks.Header)
	}
	create, err := read(c, runs.ReadReplay)
	if err != nil {
		return err
	}
	create.Texts, create.Quotes = include[searchContent], include[searchQuotes]
	if create.Upstream, err = s.chosenUpstream(c.r); err != nil {
		return err
	}
	if create.Stream && c.receipt != nil {
		c.receipt.Render = startOfStream(create.Texts, false)
	}
	body, watch, err := s.Runs.Replay(c.r.Context(), c.project, c.id("thread_id"), c.id("run_id"), create)
	return s.answer(c, cancels, body, watch, err)
}

// diffRuns compares the runs a and b of the query.
func (s *server) diffRuns(c *call) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	for _, name := range []string{"a", "b"} {
		if query.Get(name) == "" {
			return wire.MissingParam(name)
		}
		if err := wire.CheckID(name, query.Get(name), "run"); err != nil {
			return err
		}
	}
	return c.json(s.Runs.Diff(c.r.Context(), c.project, query.Get("a"), query.Get("b")))
}

// listPastRuns lists runs of all threads, newest first.
func (s *server) listPastRuns(c *call) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	past, err := readPastRuns(query)
	if err != nil {
		return err
	}
	return c.json(s.Runs.Past(c.r.Context(), c.project, past))
}

func readPastRuns(query url.Values) (runs.PastRuns, error) {
	page, err := wire.ParsePage(query, wire.ListLimits)
	if err != nil {
		return runs.PastRuns{}, err
	}
	if err := newestFirst(page); err != nil {
		return runs.PastRuns{}, err
	}
	past := runs.PastRuns{Limit: page.Limit, After: page.After, Model: query.Get("model")}
	var names []string
	for _, value := range query["status"] {
		names = append(names, strings.Split(value, ",")...)
	}
	past.Statuses, err = runs.ParseStatuses(names)
	return past, err
}
