package runs

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// Record is a run with what the server keeps beside the wire object.
type Record struct {
	Project  string
	Run      *Run
	Upstream string // asked whatever the model's route; "" = as it is routed
	Search   SearchSetup
	Trace    Trace
	ReplayOf *ReplayOf // nil = the run is none's replay
	Webhook  string    // URL that the run's events go to; "" = none of its own
	Spent    Spent
	Lease    Lease
	Enqueued bool // it waits for the run that holds its thread, and holds nothing itself

	// Steps reads the run's steps, oldest first. Only a record that is shown to
	// decide has it, and only until decide returns.
	Steps func() ([]*StepRecord, error)
}

// SearchSetup is how the run's file_search works; it stays as it was when the run
// was made.
type SearchSetup struct {
	Stores []string `json:"stores,omitempty"` // vector stores it looks into, beside the thread's
	Quotes bool     `json:"quotes,omitempty"` // citations carry the passage and its place
}

// Spent is what the run's model calls have used so far, failed ones included.
type Spent struct {
	Turns int   `json:"turns"` // model calls that ended, well or not
	Usage Usage `json:"usage"`
	// Starts is when each leg began that ended in calls for the client, in unix
	// seconds; the run itself names only the last start.
	Starts []int64 `json:"starts,omitempty"`
	// ExpiresAt is when the run expires, in unix seconds, which the run itself
	// forgets at its end; 0 = the usual time after its creation.
	ExpiresAt int64 `json:"expires_at,omitempty"`
}

// Lease says which process drives a run. Every write of the engine is fenced by
// the epoch: a run taken over by another process has a higher one.
type Lease struct {
	Owner string
	Until time.Time
	Epoch int64
}

func (l Lease) ended(now time.Time) bool { return !now.Before(l.Until) }

// StepRecord is a step with what the server keeps beside the wire object.
type StepRecord struct {
	Step   *Step
	Turn   int             // the model call it came from, counted from 1 within the run
	After  int64           // sequence number of the thread's newest message when it was made; set by the store
	Tokens int             // of its calls and outputs in a prompt
	Used   Usage           // what the step says it used once it is completed
	State  json.RawMessage // what the backend wants back with the turn; nil = nothing

	Searches []*filesearch.Search // of its calls of file_search, in their order
}

// MessageRecord is a message with what the server keeps beside the wire object.
type MessageRecord struct {
	Message *threads.Message
	Seq     int64 // order inside the thread; set by the store
	Turn    int   // the model call it came from; 0 = not from a run
	Tokens  int
	State   json.RawMessage
}

// Change is everything one advance of a run writes, in one transaction.
// Steps are inserted, or replaced when their id is known.
type Change struct {
	Run      *Run
	Spent    Spent
	Lease    Lease
	Enqueued bool // as in Record; with the run's end, what was enqueued with it goes
	Steps    []*StepRecord
	Messages []*MessageRecord
	Calls    []*ModelCall // that ended, oldest first
	Notices  []*Notice    // of the states that the change brings, oldest first

	// TakeTurn is called when the change ends the run that holds a thread and
	// another one waits for it, which holds the thread from then on. It may set when
	// that run expires.
	TakeTurn func(next *Record)
}

// Notice is an event of a run that an endpoint outside is to be told. It is
// stored along with what it tells of; package webhooks makes and delivers it.
type Notice struct {
	ID       string // of the event
	Type     string
	Endpoint string // names the receiver
	Lane     string // notices of one lane share what is sent at a time
	Origin   string // scheme, host and port of the receiver, to be shown
	Payload  json.RawMessage
	At       time.Time
}

// change starts a Change that writes the record back as it is.
func (r *Record) change() *Change {
	return &Change{Run: r.Run, Spent: r.Spent, Lease: r.Lease, Enqueued: r.Enqueued}
}

// NewRun is what POST …/runs inserts: the run, the messages that come with it,
// and for POST /threads/runs the thread.
type NewRun struct {
	Run      *Run
	Upstream string // as in Record
	Search   SearchSetup
	Trace    Trace
	ReplayOf *ReplayOf
	Webhook  string // as in Record
	Lease    Lease
	Notices  []*Notice       // that it was made
	Thread   *threads.Thread // nil = the thread exists
	Messages []*threads.Message
	// VectorStore is made along with Thread; nil = none.
	VectorStore *vectorstores.New
	// NeedsMessage asks for ErrNoInput unless the thread has a message of the user.
	NeedsMessage bool
	// Begin is called inside the transaction when the run was accepted, and only the
	// commit is to come; nil = nobody is to be told. It answers what it took the
	// thread's history for, nil when that did not matter.
	Begin func() *Outlook
	// Spent has the run's own lifetime, if any.
	Spent Spent
	// Enqueue lets the run wait while another one holds its thread. It is called
	// when it has to, before that is stored, with the runs ahead of it, newest
	// first. nil = it does not wait.
	Enqueue func(ahead []string)
}

// ErrNoInput says that a run would have neither instructions nor messages.
var ErrNoInput = errors.New("the thread has no message of the user")

// ErrLost says that another process has taken the run over: whoever is told
// stops silently.
var ErrLost = errors.New("the lease of the run was lost")

// Store keeps runs, steps and the tape. Methods that take a project see that
// project only and answer wire.ErrNotFound for what it does not have.
type Store interface {
	// CreateRun answers a *threads.BusyError while another run holds the thread,
	// unless the run may wait, and threads.ErrQueueFull when too much waits already.
	CreateRun(ctx context.Context, project string, n NewRun) (json.RawMessage, error)
	// Outlook answers at once, with nil unless it knows that the thread is the
	// project's and that no run holds it.
	Outlook(project, threadID string) *Outlook
	Run(ctx context.Context, project, threadID, id string) (json.RawMessage, error)
	Runs(ctx context.Context, project, threadID string, page wire.Page) (wire.List, error)
	// ChangeRun shows decide the run inside a transaction and writes what it
	// answers; a nil Change writes nothing.
	ChangeRun(ctx context.Context, project, threadID, id string, decide func(*Record) (*Change, error)) (json.RawMessage, error)
	Step(ctx context.Context, project, threadID, runID, id string) (json.RawMessage, error)
	Steps(ctx context.Context, project, threadID, runID string, page wire.Page) (wire.List, error)
	// Searches reads what the steps' calls of file_search found, by the step's id.
	Searches(ctx context.Context, stepIDs []string) (map[string][]*filesearch.Search, error)
	ModelCalls(ctx context.Context, project, threadID, runID string) ([]*ModelCall, error)
	// Recording reads the run, its steps and its messages as of one moment.
	Recording(ctx context.Context, project, threadID, id string) (*Recording, error)
	// Original reads a run that is to be replayed.
	Original(ctx context.Context, project, threadID, id string) (*Original, error)
	// PastRuns reads one page of the project's runs, of all threads, newest first
	// and without replays.
	PastRuns(ctx context.Context, project string, q PastRuns) (wire.List, error)
	ThreadOfRun(ctx context.Context, project, id string) (threadID string, err error)
	// ActiveRuns reads up to limit runs of the project that have not ended, oldest first.
	ActiveRuns(ctx context.Context, project string, limit int) ([]*Record, error)
	// ActiveOn answers the runs that are enqueued for the thread's lock, newest
	// first, and last the one that holds it.
	ActiveOn(ctx context.Context, project, threadID string) ([]string, error)
	// Enqueued reads the messages that are enqueued for the thread, in their order;
	// ofRuns says whether those that come with runs are among them.
	Enqueued(ctx context.Context, project, threadID string, ofRuns bool) ([]*threads.Message, error)

	EngineStore
	History
	Past
}

// EngineStore is what the engine needs; it sees all projects.
type EngineStore interface {
	// Due finds the runs that nobody drives: those that have something to do,
	// without the ones that are known, and the ids of those whose time is up, be
	// it while they wait for the client. Both come oldest first.
	Due(ctx context.Context, now time.Time, known func(runID string) bool) (runnable []Due, expired []string, err error)
	// Claim leases those of the runs that nobody drives and that have something
	// to do or whose time is up, and raises their epoch.
	Claim(ctx context.Context, lease Lease, now time.Time, runIDs []string) ([]*Record, error)
	// Advance is ChangeRun for the owner of a lease; ErrLost when it no longer is,
	// or when the thread was deleted.
	Advance(ctx context.Context, runID string, lease Lease, decide func(*Record) (*Change, error)) error
	// SearchedSteps counts the steps of a thread that have calls of file_search.
	SearchedSteps(ctx context.Context, threadID string) (int, error)
	// Thread reads the thread of a run.
	Thread(ctx context.Context, project, id string) (json.RawMessage, error)
	// Seal does what can be done beforehand about putting a call on the tape of a
	// thread, which Advance would otherwise do while everybody waits.
	Seal(threadID string, call *ModelCall)
	// Extend moves the end of the owner's leases of these runs.
	Extend(ctx context.Context, owner string, runIDs []string, until time.Time) error
	// Release frees every lease of the owner.
	Release(ctx context.Context, owner string) error
	// ReleaseDead frees the leases of processes that cannot be alive because
	// this one holds the data directory; where several processes share the
	// database it does nothing and their leases run out.
	ReleaseDead(ctx context.Context) error
}

// Due is a run that has something to do and that nobody drives.
type Due struct {
	ID       string
	Project  string
	Upstream string // as in Record
	Model    string
}

// History reads a thread for a prompt, newest first.
type History interface {
	// RecentMessages reads up to limit messages with a sequence number below
	// before (0 = from the newest).
	RecentMessages(ctx context.Context, threadID string, before int64, limit int) ([]*MessageRecord, error)
	// ToolSteps reads the tool_calls steps of the thread whose After is at
	// least since and below before, oldest first.
	ToolSteps(ctx context.Context, threadID string, since, before int64) ([]*StepRecord, error)
}

// Past tells of messages that a prompt left out.
type Past interface {
	// MessagesBefore counts the messages of a thread that are older than the named
	// one, "" for all there are, and names the oldest and the newest of them.
	MessagesBefore(ctx context.Context, threadID, messageID string) (n int, first, last string, err error)
}
