package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"understudy/assistants"
	"understudy/files"
	"understudy/runs"
	"understudy/store"
	"understudy/threads"
)

// entering says how the objects of a dump become rows, by kind. Vector stores are
// not among them: the hosted API never gave out the text they were made of.
var entering = map[string]func(*conversion, *dumped) (store.Entry, error){
	"assistant":       (*conversion).assistant,
	"thread":          (*conversion).thread,
	"thread.message":  (*conversion).message,
	"thread.run":      (*conversion).run,
	"thread.run.step": (*conversion).step,
}

func init() { entering[store.FileKind] = (*conversion).file }

// enteringOrder has what others belong to first.
var enteringOrder = []string{store.FileKind, "assistant", "thread", "thread.message", "thread.run", "thread.run.step"}

// conversion makes rows of objects.
type conversion struct {
	places   map[string]int64           // the newest place in a list, by the list
	timeline map[string][]threadMessage // of each thread, in its order
	runs     map[string]int64           // when each run was created, unix seconds
	turns    map[string]int64           // of the message a step made
	unknown  unknown
}

// threadMessage is where a message stands.
type threadMessage struct {
	seq, createdAt int64
	runID          string
}

// enter adds the whole dump.
func (d *dump) enter(ctx context.Context, i *importing) error {
	c := &conversion{places: map[string]int64{}, timeline: map[string][]threadMessage{}, runs: map[string]int64{}, turns: d.turns(), unknown: unknown{}}
	lost, parts := d.lost(), map[string]int{}
	for _, kind := range enteringOrder {
		for _, o := range d.inOrder(kind) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if o.belongsTo(lost) {
				parts[kind]++
				continue
			}
			if err := d.enterOne(c, i, o); err != nil {
				return fmt.Errorf("%s: %s %s: %w", o.where, kind, o.known.ID, err)
			}
		}
	}
	d.noteUnread(&i.report)
	c.unknown.note(&i.report)
	for kind, n := range parts {
		i.report.note("Left out: %d objects of the kind %s, which belong to what was left out.", n, kind)
	}
	for kind, n := range d.left {
		i.report.note("Left out: %d objects of the kind %s, which cannot be imported.", n, kind)
	}
	if d.failed > 0 {
		i.report.note("The exporter itself could not read %d objects; they are not in the dump.", d.failed)
	}
	slices.Sort(i.report.Notes)
	return nil
}

func (d *dump) enterOne(c *conversion, i *importing, o *dumped) error {
	e, err := entering[o.known.Object](c, o)
	if err != nil {
		return err
	}
	e.Kind, e.Project, e.Row["id"] = o.known.Object, i.options.Project, o.known.ID
	if e.Kind != store.FileKind {
		return i.add(e)
	}
	path := d.content[o.known.ID]
	if path == "" {
		i.report.note("Left out: files without their bytes, as the hosted API did not give out those of the purpose assistants; the first is %s.", o.known.ID)
		return nil
	}
	content, err := os.Open(path) //nolint:gosec // found below the directory that the operator has named
	if err != nil {
		return err
	}
	return errors.Join(i.file(e, content), content.Close())
}

// turns tells which turn of its run made a message: its step's place.
func (d *dump) turns() map[string]int64 {
	turns, place := map[string]int64{}, map[string]int64{}
	for _, o := range d.inOrder("thread.run.step") {
		place[o.known.RunID]++
		var step runs.Step
		if json.Unmarshal(o.raw, &step) == nil && step.Details.MessageCreation != nil {
			turns[step.Details.MessageCreation.MessageID] = place[o.known.RunID]
		}
	}
	return turns
}

// next is the next place in a list.
func (c *conversion) next(list string) int64 {
	c.places[list]++
	return c.places[list]
}

func (c *conversion) assistant(o *dumped) (store.Entry, error) {
	a := assistants.Assistant{Tools: []assistants.Tool{}}
	if err := o.decode(&a); err != nil {
		return store.Entry{}, err
	}
	a.Tools, a.ToolResources = assistants.CompleteTools(a.Tools), a.ToolResources.Complete()
	object, err := c.shown(o, a)
	return store.Entry{Object: object, Row: store.Columns{}}, err
}

func (c *conversion) thread(o *dumped) (store.Entry, error) {
	var t threads.Thread
	if err := o.decode(&t); err != nil {
		return store.Entry{}, err
	}
	t.ToolResources = t.ToolResources.Complete()
	object, err := c.shown(o, t)
	return store.Entry{Object: object, Row: store.Columns{"purged": int64(0)}}, err
}

func (c *conversion) message(o *dumped) (store.Entry, error) {
	m := threads.Message{Status: threads.Completed, Content: []threads.Part{}, Attachments: []threads.Attachment{}}
	if err := o.decode(&m); err != nil {
		return store.Entry{}, err
	}
	m.Complete()
	object, err := c.shown(o, m)
	if err != nil {
		return store.Entry{}, err
	}
	row := store.Columns{
		"thread_id": m.ThreadID, "seq": c.next(m.ThreadID), "by_user": truth(m.Role == threads.User),
		"run_id": nil, "turn": c.turns[m.ID], "tokens": int64(m.CountTokens()), "state": nil,
	}
	if m.RunID != nil {
		row["run_id"] = *m.RunID
	}
	c.timeline[m.ThreadID] = append(c.timeline[m.ThreadID], threadMessage{c.places[m.ThreadID], m.CreatedAt, o.known.RunID})
	return store.Entry{Object: object, Row: row}, nil
}

func (c *conversion) run(o *dumped) (store.Entry, error) {
	r := runs.Run{Tools: []assistants.Tool{}, ParallelToolCalls: true}
	if err := o.decode(&r); err != nil {
		return store.Entry{}, err
	}
	r.Tools, r.ToolResources = assistants.CompleteTools(r.Tools), r.ToolResources.Complete()
	object, err := c.shown(o, r)
	if err != nil {
		return store.Entry{}, err
	}
	c.runs[r.ID] = r.CreatedAt
	spent := runs.Spent{}
	if r.Usage != nil {
		spent.Usage = *r.Usage
	}
	encoded, err := json.Marshal(spent)
	if err != nil {
		return store.Entry{}, err
	}
	row := store.Columns{
		"thread_id": r.ThreadID, "seq": c.next("runs of " + r.ThreadID), "active": truth(r.Status.Active()), "runnable": truth(r.Status.Runnable()),
		"expires_at": nil, "lease_owner": "", "lease_until": int64(0), "epoch": int64(0), "upstream": "", "spent": string(encoded),
	}
	if r.ExpiresAt != nil {
		row["expires_at"] = *r.ExpiresAt
	}
	return store.Entry{Object: object, Row: row}, nil
}

func (c *conversion) step(o *dumped) (store.Entry, error) {
	var s runs.Step
	if err := o.decode(&s); err != nil {
		return store.Entry{}, err
	}
	s.Complete()
	object, err := c.shown(o, s)
	if err != nil {
		return store.Entry{}, err
	}
	used := runs.Usage{}
	if s.Usage != nil {
		used = *s.Usage
	}
	encoded, err := json.Marshal(used)
	if err != nil {
		return store.Entry{}, err
	}
	seq := c.next("steps of " + s.RunID)
	return store.Entry{Object: object, Row: store.Columns{
		"run_id": s.RunID, "seq": seq, "thread_id": s.ThreadID, "calls": truth(s.Type == runs.ToolCalls), "turn": seq,
		"after": c.after(&s), "tokens": int64(len(object) / bytesPerToken), "used": string(encoded), "state": nil,
	}}, nil
}

// bytesPerToken is a cautious guess at JSON.
const bytesPerToken = 3

// after is the place of the thread's newest message before a step: of those that
// were there when its run was created, and of those the run has made since.
func (c *conversion) after(s *runs.Step) int64 {
	after := int64(0)
	for _, m := range c.timeline[s.ThreadID] {
		if own := m.runID == s.RunID; own && m.createdAt < s.CreatedAt || !own && m.createdAt <= c.runs[s.RunID] {
			after = m.seq
		}
	}
	return after
}

func (c *conversion) file(o *dumped) (store.Entry, error) {
	f := files.File{Status: "processed"}
	if err := o.decode(&f); err != nil {
		return store.Entry{}, err
	}
	object, err := c.shown(o, f)
	if err != nil {
		return store.Entry{}, err
	}
	row := store.Columns{"purpose": f.Purpose, "expires_at": nil, "blob": ""}
	if f.ExpiresAt != nil {
		row["expires_at"] = *f.ExpiresAt
	}
	return store.Entry{Object: object, Row: row}, nil
}

// truth is a flag as it is stored.
func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
