package runs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// Searcher finds passages in vector stores; *vectorstores.Service is one.
type Searcher interface {
	// Find leaves out stores that do not exist any more; one that has expired is
	// an error of the API.
	Find(ctx context.Context, project string, f vectorstores.Find) ([]vectorstores.Found, error)
	// Use notes that the stores were used by a run.
	Use(ctx context.Context, project string, stores []string) error
	// AwaitIndexed waits until no file of the stores is being read in, or ctx ends.
	AwaitIndexed(ctx context.Context, project string, stores []string) error
}

// indexingPatience is how long a run waits for files that are being read in.
const indexingPatience = 60 * time.Second

// search carries out what the newest step's calls of file_search ask for, and
// lets the run go on: to the model, or to the client when the step has calls of
// functions beside them.
func (d *driver) search(ctx context.Context) error {
	if err := d.start(); err != nil {
		return err
	}
	last := d.steps[len(d.steps)-1]
	searched, err := d.carryOut(ctx, last)
	switch {
	case err == nil:
		return d.searched(last, searched)
	case ctx.Err() != nil:
		return d.interrupted(context.Cause(ctx), nil)
	}
	if refusal, refused := errors.AsType[*wire.Error](err); refused && refusal.Kind != wire.Unavailable {
		return d.conclude(endFailed, &ModelCall{Error: &LastError{Code: string(chat.ServerError), Message: refusal.Message}})
	}
	return err
}

// carryOut searches for every call that is still open.
func (d *driver) carryOut(ctx context.Context, last *StepRecord) ([]*filesearch.Search, error) {
	ofThread, err := d.threadStores(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.awaitIndexed(ctx, ofThread); err != nil {
		return nil, err
	}
	stores := slices.Clone(d.rec.Search.Stores)
	for _, id := range ofThread {
		if !slices.Contains(stores, id) {
			stores = append(stores, id)
		}
	}
	source, err := d.source(ctx, last)
	if err != nil {
		return nil, err
	}
	number := 0
	searches := make([]*filesearch.Search, len(last.Searches))
	for i, s := range last.Searches {
		if searches[i] = s; s.Done {
			continue
		}
		done := &filesearch.Search{CallID: s.CallID, Arguments: s.Arguments, Done: true}
		if done.Passages, done.Problem, err = d.find(withCall(ctx, s.CallID), stores, filesearch.Query(s.Arguments)); err != nil {
			return nil, err
		}
		for j := range done.Passages {
			done.Passages[j].Source, done.Passages[j].Number = source, number
			number++
		}
		searches[i] = done
	}
	if len(stores) > 0 {
		err = d.engine.searcher.Use(ctx, d.rec.Project, stores)
	}
	return searches, err
}

// threadStores lists the vector stores of the thread as they are now; those of
// the assistant are as they were when the run was made.
func (d *driver) threadStores(ctx context.Context) ([]string, error) {
	body, err := d.engine.store.Thread(ctx, d.rec.Project, d.rec.Run.ThreadID)
	if err != nil {
		return nil, err
	}
	var thread threads.Thread
	if err := wire.Decode(body, &thread); err != nil {
		return nil, err
	}
	return thread.ToolResources.StoreIDs(), nil
}

// awaitIndexed gives files that were just attached to the thread the time to be
// read in, once in a run. The assistant's are not waited for (spec section 7).
func (d *driver) awaitIndexed(ctx context.Context, stores []string) error {
	if searchTurns(d.steps) > 1 {
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, indexingPatience)
	defer cancel()
	err := d.engine.searcher.AwaitIndexed(patience, d.rec.Project, stores)
	if err != nil && ctx.Err() == nil && patience.Err() != nil { // it searches what there is
		return nil
	}
	return err
}

// find answers the passages for a query, or what the model is told instead.
func (d *driver) find(ctx context.Context, stores []string, query string) ([]filesearch.Passage, string, error) {
	switch {
	case len(stores) == 0:
		return nil, "There are no uploaded files to search.", nil
	case query == "":
		return nil, "The call has no query: say in the argument query what to look for.", nil
	}
	limit, budget := d.searchBounds()
	options := d.rec.Run.searchTool()
	found, err := d.engine.searcher.Find(ctx, d.rec.Project, vectorstores.Find{
		Stores: stores, Queries: []string{query}, MaxResults: limit, Threshold: float64(options.RankingOptions.ScoreThreshold),
	})
	if err != nil {
		return nil, "", err
	}
	passages := make([]filesearch.Passage, len(found))
	for i, f := range found {
		attributes, err := wire.Marshal(f.Attributes)
		if err != nil {
			return nil, "", err
		}
		passages[i] = filesearch.Passage{
			FileID: f.FileID, FileName: f.Filename, Score: f.Score, Attributes: attributes,
			Text: f.Text, Tokens: f.Tokens, Page: f.Page, Start: f.Start, End: f.End,
		}
	}
	return filesearch.Fit(passages, budget), "", nil
}

// searchBounds are how many results a search has at most, and how many tokens
// they may have together: half of a small model's window.
func (d *driver) searchBounds() (limit, budget int) {
	run := d.rec.Run
	limit, budget = maxResults, resultBudget
	if strings.HasPrefix(run.Model, "gpt-3.5") {
		limit, budget = maxResultsOld, resultBudgetOld
	}
	if n := run.searchTool().MaxNumResults; n != nil {
		limit = *n
	}
	return limit, min(budget, d.engine.model.ContextWindow(run.Model)/2)
}

// source is the first number of the markers of a step's passages. The hosted API
// numbered the messages of a conversation, its own instructions, calls of tools
// and their results included, and this comes to the same: 4 for the first
// question that is searched for, 8 for the second. No two steps of a thread have
// the same.
func (d *driver) source(ctx context.Context, step *StepRecord) (int64, error) {
	searched, err := d.engine.store.SearchedSteps(ctx, d.rec.Run.ThreadID)
	return step.After + 1 + 2*int64(searched), err
}

// searched stores what was found. The step is complete with it, unless the
// client has calls of its own to answer.
func (d *driver) searched(last *StepRecord, searches []*filesearch.Search) error {
	at := d.engine.now().Unix()
	record := *last
	record.Searches = searches
	record.Step = last.Step.withResults(searches, false)
	o := outcome{verb: proceed, waiting: record.Step.unanswered()}
	if len(o.waiting) > 0 {
		o.verb = requireAction
	} else {
		record.Step.complete(at, last.Used)
	}
	d.steps = d.steps[:len(d.steps)-1] // commit adds it again, as it is stored now
	err := d.commit(&Change{Steps: []*StepRecord{&record}}, func(r *Record) error { return r.settle(o, at) })
	if err != nil {
		d.steps = append(d.steps, last)
		return d.overruled(err, nil)
	}
	if o.verb == requireAction {
		d.done()
		return nil
	}
	d.live.log.closeStep(&record, d.rec.Run.ExpiresAt)
	return nil
}
