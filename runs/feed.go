package runs

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Progress is what a feed says of a run whenever its status changes.
type Progress struct {
	Object      string     `json:"object"` // thread.run.progress
	At          float64    `json:"at"`     // unix seconds, with milliseconds
	ID          string     `json:"id"`
	ThreadID    string     `json:"thread_id"`
	AssistantID string     `json:"assistant_id"`
	Status      Status     `json:"status"`
	Model       string     `json:"model"`
	ModelCalls  int        `json:"model_calls"` // that ended, well or not
	Usage       Usage      `json:"usage"`       // of the model calls so far
	Seconds     float64    `json:"seconds"`     // since the run was created
	WaitsFor    []string   `json:"waits_for"`   // the functions whose outputs the client is to submit; [] = none
	LastError   *LastError `json:"last_error"`
	Incomplete  *string    `json:"incomplete_reason"`
}

// progressOf is what there is to say of a run. Created is when that was, to the
// millisecond if it is known.
func progressOf(rec *Record, status Status, created, at time.Time) Progress {
	r := rec.Run
	p := Progress{
		Object: "thread.run.progress", At: inMillis(float64(at.UnixMilli()) / 1000), ID: r.ID, ThreadID: r.ThreadID, AssistantID: r.AssistantID,
		Status: status, Model: r.Model, ModelCalls: rec.Spent.Turns, Usage: rec.Spent.Usage, Seconds: inMillis(max(0, at.Sub(created).Seconds())),
		WaitsFor: []string{}, LastError: r.LastError,
	}
	if r.RequiredAction != nil {
		for _, call := range r.RequiredAction.SubmitToolOutputs.ToolCalls {
			p.WaitsFor = append(p.WaitsFor, call.Function.Name)
		}
	}
	if r.IncompleteDetails != nil {
		p.Incomplete = &r.IncompleteDetails.Reason
	}
	return p
}

func inMillis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// maxFollowed is how many Progresses wait for a reader; what it cannot take is
// left out, and counted.
const maxFollowed = 256

// Follower is a reader of a project's feed.
type Follower struct {
	project string
	more    chan Progress

	mu   sync.Mutex
	lost int
}

// More has what came, in its order. It is closed when the engine has stopped.
func (f *Follower) More() <-chan Progress { return f.more }

// Lost returns how many were left out since it was last asked.
func (f *Follower) Lost() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := f.lost
	f.lost = 0
	return lost
}

// feed passes on what an observer is told to those that follow the runs. With
// nobody there it costs one lock for each state of a run.
type feed struct {
	Observer
	now func() time.Time

	mu        sync.Mutex
	followers []*Follower
	created   map[string]time.Time // of runs that have not ended, while somebody follows
	closed    bool
}

func newFeed(next Observer, now func() time.Time) *feed {
	return &feed{Observer: next, now: now, created: map[string]time.Time{}}
}

// Asked implements Observer.
func (f *feed) Asked(ctx context.Context, rec *Record, answered *Step) {
	f.Observer.Asked(ctx, rec, answered)
	f.tell(rec, Queued, answered == nil)
}

// Driven implements Observer.
func (f *feed) Driven(rec *Record) {
	f.Observer.Driven(rec)
	if begun := rec.Run.showBegun(f.now().Unix()); begun != rec.Run { // else it is only ended
		f.tell(rec, begun.Status, false)
	}
}

// Rested implements Observer.
func (f *feed) Rested(rec *Record) {
	f.Observer.Rested(rec)
	f.tell(rec, rec.Run.Status, false)
}

func (f *feed) tell(rec *Record, status Status, isNew bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.followers) == 0 {
		return
	}
	at := f.now()
	created, known := f.created[rec.Run.ID]
	switch {
	case isNew:
		created = at
		f.created[rec.Run.ID] = at
	case !known:
		created = time.Unix(rec.Run.CreatedAt, 0)
	}
	if status.Terminal() {
		delete(f.created, rec.Run.ID)
	}
	p := progressOf(rec, status, created, at)
	for _, to := range f.followers {
		if to.project != rec.Project {
			continue
		}
		select {
		case to.more <- p:
		default:
			to.mu.Lock()
			to.lost++
			to.mu.Unlock()
		}
	}
}

// follow begins to tell a reader; leave ends it.
func (f *feed) follow(project string) (_ *Follower, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	follower := &Follower{project: project, more: make(chan Progress, maxFollowed)}
	if f.closed {
		close(follower.more)
		return follower, func() {}
	}
	f.followers = append(f.followers, follower)
	return follower, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.followers = slices.DeleteFunc(f.followers, func(other *Follower) bool { return other == follower })
		if len(f.followers) == 0 {
			clear(f.created)
		}
	}
}

// close tells all readers that there is no more.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		for _, follower := range f.followers {
			close(follower.more)
		}
		f.followers = nil
	}
}

// maxActive bounds how many active runs are listed at once.
const maxActive = 200

// Active tells how the project's runs that have not ended get on, oldest first,
// up to 200 of them.
func (s *Service) Active(ctx context.Context, project string) ([]Progress, error) {
	begun, at := s.engine.allBegun(), s.now()
	records, err := s.store.ActiveRuns(ctx, project, maxActive)
	active := make([]Progress, len(records))
	for i, rec := range records {
		active[i] = progressOf(rec, rec.Run.showBegun(begun[rec.Run.ID]).Status, time.Unix(rec.Run.CreatedAt, 0), at)
	}
	return active, err
}

// Follow tells how the project's runs get on from now on, until leave is called.
func (s *Service) Follow(project string) (_ *Follower, leave func()) {
	return s.engine.feed.follow(project)
}
