package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"understudy/runs"
)

// RehearseCmd is "understudy rehearse".
type RehearseCmd struct {
	ServerFlags  `embed:""`
	From         string  `required:"" placeholder:"MODEL" help:"Model whose past runs are taken, as clients named it."`
	To           string  `required:"" placeholder:"MODEL" help:"Model that they are run again with."`
	Last         int     `placeholder:"N" default:"200" help:"How many runs, the newest first. The default is ${default}."`
	Instructions *string `placeholder:"FILE" help:"Instructions for the new runs, instead of those of each run."`
	Concurrency  int     `placeholder:"N" default:"4" help:"How many runs at a time. The default is ${default}."`
	Tolerate     float64 `placeholder:"PERCENT" default:"0" help:"How many of the runs may come out worse before the exit code is 1. The default is ${default}."`
	Worst        int     `placeholder:"N" default:"5" help:"How many of the worst differences to show. The default is ${default}."`
	Keep         bool    `help:"Leave the replays on the server, to be looked at; it deletes them after a day."`
	JSON         bool    `name:"json" help:"Print one JSON object."`
}

// Help implements kong.HelpProvider.
func (RehearseCmd) Help() string {
	return `Tries a change of the model on past runs: each is run again with the new model on a hidden copy of its thread, its tool calls are answered with the recorded outputs, and what comes out is compared: are the tool calls the same, is JSON still JSON, how long is the answer, how long did it take, how many tokens. Neither the threads nor anybody's tools see anything of it. The backend is asked, and charges for it.

    understudy rehearse --from gpt-4o --to gpt-5-mini
    understudy rehearse --from gpt-4o --to gpt-5-mini --last 20 --json | jq '.runs[] | select(.held | not)'
    UNDERSTUDY_KEY=... understudy rehearse --url https://understudy.example.com --from gpt-4o --to gpt-4o

Runs that a client cancelled or let expire are left out. A run holds when its replay ends as it did, makes the same tool calls with the same arguments, and answers with valid JSON where it did. The exit code is 0 when all runs hold, or all but --tolerate percent of them; 1 when more do not, or when something went wrong; 2 when the command line cannot be followed.
`
}

// ownEnds are the states of runs that a model brought to their end itself.
const ownEnds = "completed,incomplete,failed"

// errWorse is why a rehearsal ends with exit code 1.
var errWorse = errors.New("the new model does not hold")

// rehearsal is one run of the command.
type rehearsal struct {
	*RehearseCmd
	server       *remote
	instructions string
	notice       func(format string, values ...any)
}

// Run rehearses.
func (c *RehearseCmd) Run(ctx context.Context, sys System) error {
	for _, model := range [][2]string{{"--from", c.From}, {"--to", c.To}} {
		if model[1] == "" { // as a script's unset variable: it would take the runs of every model, or repeat them as they were
			return &usageError{fmt.Errorf("%s: the model has no name; write one that clients can ask for instead", model[0])}
		}
	}
	if c.Last < 1 || c.Concurrency < 1 || c.Worst < 0 || c.Tolerate < 0 || c.Tolerate > 100 {
		return &usageError{errors.New("--last and --concurrency are at least 1, --worst at least 0, and --tolerate is 0 to 100")}
	}
	find, key, err := c.server(sys)
	if err != nil {
		return err
	}
	base, err := find()
	if err != nil {
		return err
	}
	r := &rehearsal{RehearseCmd: c, server: newRemote(base, key), notice: func(format string, values ...any) { fmt.Fprintf(sys.Stderr, format+"\n", values...) }}
	if c.Instructions != nil {
		text, err := os.ReadFile(*c.Instructions)
		if err != nil {
			return &usageError{fmt.Errorf("--instructions: %w", err)}
		}
		r.instructions = string(text)
	}
	begun := time.Now()
	past, err := r.past(ctx)
	if err != nil {
		return err
	}
	results, err := r.all(ctx, past)
	if err != nil {
		return err
	}
	made := newReport(c, results, time.Since(begun))
	if c.JSON {
		err = made.writeJSON(sys.Stdout)
	} else {
		err = made.write(sys.Stdout, c.Worst)
	}
	if err == nil && made.worse() {
		err = fmt.Errorf("%w: %d of %d runs came out worse", errWorse, made.Rehearsed-made.Held, made.Rehearsed)
	}
	return err
}

// pastRun is what is needed of a run to replay it.
type pastRun struct {
	ID       string `json:"id"`
	ThreadID string `json:"thread_id"`
	Model    string `json:"model"`
}

// past lists the runs to be rehearsed, newest first.
func (r *rehearsal) past(ctx context.Context) ([]pastRun, error) {
	var found []pastRun
	for after := ""; len(found) < r.Last; {
		page, err := r.server.pastRuns(ctx, r.From, after, min(100, r.Last-len(found)))
		if err != nil {
			return nil, err
		}
		found = append(found, page.Data...)
		if !page.HasMore {
			break
		}
		after = page.Data[len(page.Data)-1].ID
	}
	if len(found) > 0 {
		return found, nil
	}
	recent, err := r.server.pastRuns(ctx, "", "", 100)
	if err != nil {
		return nil, err
	}
	if len(recent.Data) == 0 {
		return nil, errors.New("the server has no runs yet that could be rehearsed")
	}
	var models []string
	for _, run := range recent.Data {
		models = append(models, run.Model)
	}
	slices.Sort(models)
	return nil, fmt.Errorf("no run of the model %q has ended by itself; the last runs asked for %s", r.From, strings.Join(slices.Compact(models), ", "))
}

// rehearsed is what came of one run.
type rehearsed struct {
	run     pastRun
	diff    *runs.Diff
	skipped string // why there is no diff; "" = there is one
}

// all replays the runs, some at a time. The first thing that would go wrong with
// every run ends it.
func (r *rehearsal) all(ctx context.Context, past []pastRun) ([]rehearsed, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]rehearsed, len(past))
	places := make(chan struct{}, r.Concurrency)
	progress := newProgress(len(past), r.notice)
	var all sync.WaitGroup
	for i, run := range past {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			diff, err := r.one(ctx, run)
			results[i] = rehearsed{run: run, diff: diff}
			var refused *refusal
			switch {
			case err == nil:
			case errors.As(err, &refused) && refused.status == notFound:
				results[i].skipped = refused.Error() // its thread was deleted meanwhile
			default:
				cancel(err)
			}
			progress.add()
		})
	}
	all.Wait()
	return results, context.Cause(ctx)
}

// one replays a run and compares it with what it was.
func (r *rehearsal) one(ctx context.Context, run pastRun) (diff *runs.Diff, err error) {
	replay, err := r.server.replay(ctx, run, r.To, r.instructions)
	if err != nil {
		return nil, fmt.Errorf("replaying %s: %w", run.ID, err)
	}
	if !r.Keep {
		defer func() {
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
			defer cancel()
			if failed := r.server.deleteThread(late, replay.ThreadID); failed != nil && err == nil {
				r.notice("%s stays on the server, for a day: %v", replay.ThreadID, failed)
			}
		}()
	}
	if err := r.server.await(ctx, replay); err != nil {
		return nil, fmt.Errorf("waiting for the replay of %s: %w", run.ID, err)
	}
	if diff, err = r.server.diff(ctx, run.ID, replay.ID); err != nil {
		return nil, fmt.Errorf("comparing %s with its replay: %w", run.ID, err)
	}
	return diff, nil
}

// cleanupTime is how long an interrupted rehearsal takes to tidy up, for each replay.
const cleanupTime = 10 * time.Second

// progress tells how far a rehearsal is, each time a tenth is done.
type progress struct {
	mu          sync.Mutex
	done, total int
	notice      func(format string, values ...any)
}

func newProgress(total int, notice func(string, ...any)) *progress {
	return &progress{total: total, notice: notice}
}

func (p *progress) add() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.done*10/p.total > (p.done-1)*10/p.total {
		p.notice("rehearsed %d of %d runs", p.done, p.total)
	}
}
