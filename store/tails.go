package store

import (
	"cmp"
	"container/list"
	"slices"
	"sort"
	"sync"

	"understudy/runs"
)

const (
	// tailMessages is how many messages of a thread are kept after a trim: as many as a prompt reads at once. A tail is
	// trimmed at twice as many.
	tailMessages = 64

	// maxTails bounds what is kept of all threads together, in bytes; one may have tailShare of it.
	maxTails  = 16 << 20
	tailShare = 16

	// recordSize is what a record costs beside its texts, in bytes, about.
	recordSize = 600
)

// tails keep the newest part of the threads that are at work, so that a prompt is made without reading back what this
// process has just written. They change with what was committed and nothing else, in the order of the commits and
// before anybody is told of one: what they show is what the database would. Their records are shared and never change.
//
// A process that does not hold the data directory for itself keeps none: others write beside it.
type tails struct {
	limit int // of size, in bytes; 0 = nothing is kept
	keep  int // messages of a thread after a trim

	mutex    sync.Mutex
	byThread map[string]*list.Element // of *tail
	recent   *list.List               // used most recently first
	loading  map[string]*loading      // by thread
	size     int
	changes  int64 // of all threads, ever
}

// tail is the newest part of one thread: all there is from a sequence number on.
type tail struct {
	thread   string
	project  string                // "" = not known
	version  int64                 // is another one after each change
	holder   string                // the run that is active on the thread, "" = none; unknown after a load
	from     int64                 // 0 = the whole thread
	messages []*runs.MessageRecord // oldest first
	steps    []*runs.StepRecord    // of tool calls, ordered as ToolSteps orders them
	sent     []byte                // hashes of parts of the newest model call, which are all stored
	runs     []*keptRun            // the newest that were written, oldest first
	size     int
}

// loading is a tail being read; something that is committed meanwhile makes what was read doubtful.
type loading struct{ stale bool }

func newTails(limit int) *tails {
	return &tails{limit: limit, keep: tailMessages, byThread: map[string]*list.Element{}, recent: list.New(), loading: map[string]*loading{}}
}

// find returns the tail of a thread, nil when there is none; t.mutex is held.
func (t *tails) find(thread string) *tail {
	element := t.byThread[thread]
	if element == nil {
		return nil
	}
	t.recent.MoveToFront(element)
	return element.Value.(*tail)
}

// messages answers RecentMessages, if the thread's tail reaches back far enough.
func (t *tails) messages(thread string, before int64, limit int) ([]*runs.MessageRecord, bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	kept := t.find(thread)
	if kept == nil {
		return nil, false
	}
	return kept.recent(before, limit)
}

// recent answers RecentMessages, if the tail reaches back far enough.
func (kept *tail) recent(before int64, limit int) ([]*runs.MessageRecord, bool) {
	end := sort.Search(len(kept.messages), func(i int) bool { return kept.messages[i].Seq >= before })
	if kept.from > 0 && end < limit {
		return nil, false
	}
	newest := slices.Clone(kept.messages[max(0, end-limit):end])
	slices.Reverse(newest)
	return newest, true
}

// toolSteps answers ToolSteps, if the thread's tail reaches back far enough.
func (t *tails) toolSteps(thread string, since, before int64) ([]*runs.StepRecord, bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	kept := t.find(thread)
	if kept == nil {
		return nil, false
	}
	return kept.toolSteps(since, before)
}

// toolSteps answers ToolSteps, if the tail reaches back far enough.
func (kept *tail) toolSteps(since, before int64) ([]*runs.StepRecord, bool) {
	if kept.from > since {
		return nil, false
	}
	within := func(s *runs.StepRecord) bool { return s.After >= since && s.After < before }
	var steps []*runs.StepRecord
	for _, s := range kept.steps {
		if within(s) {
			steps = append(steps, s)
		}
	}
	return steps, true
}

// sent returns the hashes of parts of the thread's newest model call, as far as it is known.
func (t *tails) sent(thread string) []byte {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if kept := t.find(thread); kept != nil {
		return kept.sent
	}
	return nil
}

// load reads a tail and keeps it, unless the thread changed meanwhile.
func (t *tails) load(thread string, read func() (*tail, error)) error {
	l := &loading{}
	t.mutex.Lock()
	t.loading[thread] = l
	t.mutex.Unlock()
	fresh, err := read()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.loading[thread] == l { // else somebody began later, and knows better
		delete(t.loading, thread)
		if err == nil && !l.stale {
			t.put(fresh)
		}
	}
	return err
}

// put keeps a tail instead of the one there was; t.mutex is held.
func (t *tails) put(fresh *tail) {
	t.drop(fresh.thread)
	fresh.size = recordSize
	for _, m := range fresh.messages {
		fresh.size += sizeOfMessage(m)
	}
	for _, s := range fresh.steps {
		fresh.size += sizeOfStep(s)
	}
	t.changes++
	fresh.version = t.changes
	t.byThread[fresh.thread] = t.recent.PushFront(fresh)
	t.size += fresh.size
	t.bound(fresh)
}

// drop forgets a thread; t.mutex is held.
func (t *tails) drop(thread string) {
	if element := t.byThread[thread]; element != nil {
		t.recent.Remove(element)
		delete(t.byThread, thread)
		t.size -= element.Value.(*tail).size
	}
}

// changed is called with every change of a thread; t.mutex is held.
func (t *tails) changed(thread string) *tail {
	if l := t.loading[thread]; l != nil {
		l.stale = true
	}
	kept := t.find(thread)
	if kept != nil {
		t.changes++
		kept.version = t.changes
	}
	return kept
}

// created keeps a thread from its beginning.
func (t *tails) created(project, thread string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.changed(thread)
	t.put(&tail{thread: thread, project: project})
}

// added puts a message at the end of its thread.
func (t *tails) added(m *runs.MessageRecord) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if kept := t.changed(m.Message.ThreadID); kept != nil {
		kept.messages = append(kept.messages, m)
		t.grow(kept, sizeOfMessage(m))
	}
}

// stepped inserts a step of tool calls, or replaces what an update changes of the one with its id.
func (t *tails) stepped(s *runs.StepRecord) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	kept := t.changed(s.Step.ThreadID)
	if kept == nil || s.After < kept.from {
		return
	}
	same := func(old *runs.StepRecord) bool { return old.Step.ID == s.Step.ID }
	if i := slices.IndexFunc(kept.steps, same); i >= 0 {
		updated := *kept.steps[i]
		updated.Step, updated.Tokens, updated.Searches = s.Step, s.Tokens, s.Searches
		more := sizeOfStep(&updated) - sizeOfStep(kept.steps[i])
		kept.steps[i] = &updated
		t.grow(kept, more)
		return
	}
	kept.steps = append(kept.steps, s)
	slices.SortStableFunc(kept.steps, func(a, b *runs.StepRecord) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Step.RunID, b.Step.RunID))
	})
	t.grow(kept, sizeOfStep(s))
}

// called notes which parts a model call has stored.
func (t *tails) called(thread string, hashes []byte) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if kept := t.find(thread); kept != nil {
		t.grow(kept, len(hashes)-len(kept.sent))
		kept.sent = hashes
	}
}

// uncalled is called when parts of the newest model call may be about to go: to know of fewer does no harm.
func (t *tails) uncalled(thread string) { t.called(thread, nil) }

// forget is called with a change that a tail does not follow.
func (t *tails) forget(thread string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.changed(thread)
	t.drop(thread)
}

// clear forgets everything.
func (t *tails) clear() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, l := range t.loading {
		l.stale = true
	}
	t.byThread, t.size = map[string]*list.Element{}, 0
	t.recent.Init()
}

// grow accounts for what a tail has more or less than before; t.mutex is held.
func (t *tails) grow(kept *tail, by int) {
	kept.size += by
	t.size += by
	t.bound(kept)
}

// bound trims a tail that has become too long and forgets the threads that were not used for longest; t.mutex is held.
func (t *tails) bound(kept *tail) {
	if len(kept.messages) >= 2*t.keep {
		t.trim(kept, len(kept.messages)-t.keep)
	}
	for kept.size > t.limit/tailShare && len(kept.messages) > 1 {
		t.trim(kept, len(kept.messages)/2)
	}
	if kept.size > t.limit/tailShare { // be it of one message, or of all that is not messages
		t.drop(kept.thread)
	}
	for t.size > t.limit {
		t.drop(t.recent.Back().Value.(*tail).thread)
	}
}

// trim forgets the oldest n messages of a tail, which has more, and the steps before the rest; t.mutex is held.
func (t *tails) trim(kept *tail, n int) {
	before := kept.size
	for _, m := range kept.messages[:n] {
		kept.size -= sizeOfMessage(m)
	}
	kept.messages = slices.Clone(kept.messages[n:])
	kept.from = kept.messages[0].Seq
	kept.steps = slices.DeleteFunc(slices.Clone(kept.steps), func(s *runs.StepRecord) bool {
		if s.After >= kept.from {
			return false
		}
		kept.size -= sizeOfStep(s)
		return true
	})
	t.size += kept.size - before
}

// sizeOfMessage is what a message occupies, in bytes, about.
func sizeOfMessage(r *runs.MessageRecord) int {
	size := recordSize + len(r.State) + recordSize*len(r.Message.Attachments)
	for _, part := range r.Message.Content {
		switch {
		case part.Text != nil:
			size += len(part.Text.Value)
		case part.Refusal != nil:
			size += len(*part.Refusal)
		case part.ImageURL != nil:
			size += len(part.ImageURL.URL)
		}
	}
	for key, value := range r.Message.Metadata {
		size += len(key) + len(value)
	}
	return size
}

// sizeOfStep is what a step of tool calls occupies, in bytes, about.
func sizeOfStep(r *runs.StepRecord) int {
	size := recordSize + len(r.State)
	for _, s := range r.Searches {
		size += recordSize + len(s.Arguments)
		for _, p := range s.Passages {
			size += recordSize + len(p.Text)
		}
	}
	for _, call := range r.Step.Details.ToolCalls {
		size += recordSize
		if f := call.Function; f != nil {
			size += len(f.Name) + len(f.Arguments)
			if f.Output != nil {
				size += len(*f.Output)
			}
		}
	}
	return size
}
