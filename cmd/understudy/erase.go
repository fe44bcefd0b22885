package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"understudy/api/wire"
	"understudy/store"
	"understudy/threads"
)

// EraseCmd is "understudy erase".
type EraseCmd struct {
	StoreFlags `embed:""`
	Thread     []string `placeholder:"ID" help:"Threads with these ids."`
	User       *string  `placeholder:"NAME" help:"Threads whose metadata has this as \"user\"."`
	OlderThan  *string  `name:"older-than" placeholder:"AGE" help:"Threads without a message for so long: 90d, 36h."`
	Project    *string  `placeholder:"NAME" help:"Only threads of this project."`
	DryRun     bool     `name:"dry-run" help:"Print the receipt, and erase nothing."`
}

// Help implements kong.HelpProvider.
func (EraseCmd) Help() string {
	return `Removes threads with their messages, runs, steps and what was sent to models for them, so that nothing of them is left in the database's files, and prints a receipt in JSON. Of several conditions all must hold. Files and vector stores stay; the receipt names those that the threads named. So do forks of a thread, which hold copies of its messages; the receipt names those it knows of in copies_in. The server must be stopped: while it runs, DELETE /v1/threads/{thread_id} removes a thread.

    understudy erase --thread thread_abc --thread thread_def
    understudy erase --user alice --dry-run
    understudy erase --older-than 90d > receipt.json
`
}

// receipt says what was erased.
type receipt struct {
	Erased    bool                 `json:"erased"` // false for a dry run
	At        time.Time            `json:"at"`
	Threads   []store.ErasedThread `json:"threads"`
	NotFound  []string             `json:"not_found"` // ids that were asked for
	Elsewhere string               `json:"elsewhere"` // what is not erased
}

// elsewhere reminds of what this command cannot reach.
const elsewhere = "exports, backups, logs, and what backends keep are not touched, nor are forks: copies_in names the threads that share an answer with an erased one, but not a fork made before the first answer"

// Run erases.
func (c *EraseCmd) Run(ctx context.Context, sys System) (err error) {
	now := time.Now()
	matches, err := c.condition(now)
	if err != nil {
		return &usageError{err}
	}
	dir, err := existingData(c.StoreFlags, sys)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	made := receipt{Erased: !c.DryRun, At: now.UTC().Truncate(time.Second), Threads: []store.ErasedThread{}, NotFound: []string{}, Elsewhere: elsewhere}
	found, err := db.ThreadsToErase(ctx, matches)
	if err == nil && !c.DryRun {
		err = db.EraseThreads(ctx, found)
	}
	if err = errors.Join(err, db.Close()); err != nil { // only now the log is empty
		return err
	}
	made.Threads = append(made.Threads, found...)
	for _, id := range c.Thread {
		if !slices.ContainsFunc(found, func(e store.ErasedThread) bool { return e.ID == id }) {
			made.NotFound = append(made.NotFound, id)
		}
	}
	out := json.NewEncoder(sys.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(made); err != nil {
		return err
	}
	if len(made.NotFound) > 0 {
		return fmt.Errorf("%d of the threads do not exist, or do not meet the other conditions", len(made.NotFound))
	}
	return nil
}

// condition is what the flags ask of a thread.
func (c *EraseCmd) condition(now time.Time) (func(string, *threads.Thread, int64) bool, error) {
	if len(c.Thread) == 0 && c.User == nil && c.OlderThan == nil {
		return nil, errors.New("say which threads: --thread, --user or --older-than")
	}
	before := now
	if c.OlderThan != nil {
		age, err := parseAge(*c.OlderThan)
		if err != nil {
			return nil, err
		}
		before = now.Add(-age)
	}
	return func(project string, t *threads.Thread, lastActive int64) bool {
		user, has := t.Metadata["user"]
		return (len(c.Thread) == 0 || slices.Contains(c.Thread, t.ID)) &&
			(c.User == nil || has && user == *c.User) &&
			(c.OlderThan == nil || lastActive < before.Unix()) &&
			(c.Project == nil || project == *c.Project)
	}, nil
}

// parseAge reads days (90d) or a Go duration.
func parseAge(text string) (time.Duration, error) {
	age, err := wire.ParseDuration(text)
	if err != nil || age <= 0 {
		return 0, fmt.Errorf("--older-than %q is no age; write 90d or 36h", text)
	}
	return age, nil
}
