package store

import (
	"slices"

	"understudy/runs"
)

// keptRuns is how many runs of a thread are kept, the newest.
const keptRuns = 4

// keptRun is a run as it was last written: what a client polls, and what spares the engine the decoding of what this
// process has encoded. It never changes.
type keptRun struct {
	id, project string
	spent, body string
	run         runs.Run
	enqueued    bool // it does not hold its thread
	cost        runs.Spent
}

// keepRun makes what is kept of a run that is about to be written as body.
func keepRun(project string, r *runs.Run, cost runs.Spent, spent, body string) *keptRun {
	return &keptRun{id: r.ID, project: project, spent: spent, body: body, run: *r, cost: cost}
}

func (k *keptRun) size() int { return 2*(len(k.body)+len(k.spent)) + recordSize }

// wrote keeps a run instead of what it was before.
func (t *tails) wrote(k *keptRun) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	kept := t.changed(k.run.ThreadID)
	if kept == nil {
		return
	}
	replaced := slices.IndexFunc(kept.runs, func(old *keptRun) bool { return old.id == k.id })
	if replaced < 0 && len(kept.runs) == keptRuns {
		replaced = 0
	}
	kept.project = k.project
	switch {
	case k.enqueued:
	case k.run.Status.Active():
		kept.holder = k.id
	case kept.holder == k.id:
		kept.holder = ""
	}
	grown := k.size()
	if replaced >= 0 {
		grown -= kept.runs[replaced].size()
		kept.runs = slices.Delete(kept.runs, replaced, replaced+1)
	}
	kept.runs = append(kept.runs, k)
	t.grow(kept, grown)
}

// run returns what is kept of a run, nil when nothing is.
func (t *tails) run(thread, id string) *keptRun {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if kept := t.find(thread); kept != nil {
		for _, k := range kept.runs {
			if k.id == id {
				return k
			}
		}
	}
	return nil
}

// restore decodes a run, unless it is what was kept.
func (k *keptRun) restore(w witness, r *runs.Record, spent, body []byte) error {
	if k != nil && k.body == string(body) && k.spent == string(spent) {
		*r.Run, r.Spent = k.run, k.cost
		return nil
	}
	if err := decode(w, spent, &r.Spent); err != nil {
		return err
	}
	return decode(w, body, r.Run)
}
