// Package storetest is the suite that every database must pass. A package that
// implements the stores runs it in one test:
//
//	func TestConformance(t *testing.T) {
//		storetest.Exercise(t, func(t *testing.T) storetest.Store { return open(t) })
//	}
//
// It knows the stores by their interfaces only: what a database must be asked
// in its own language, such as query plans, is tested beside it.
package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/keys"
	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/uploads"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/runs/webhooks"
	"understudy/threads"
)

// Store is everything the server keeps.
type Store interface {
	assistants.Store
	threads.Store
	runs.Store
	files.Store
	uploads.Store
	vectorstores.Store
	keys.Store
	webhooks.Store
	ChunkStore
}

// Exercise runs the suite; open returns an empty store and closes it with the test.
func Exercise(t *testing.T, open func(t *testing.T) Store) {
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"objects are read, changed and deleted", (*suite).objects},
		{"projects do not see each other", (*suite).isolation},
		{"ids are taken once", (*suite).taken},
		{"lists page in every direction", (*suite).paging},
		{"threads are found by metadata", (*suite).threadsByMetadata},
		{"messages keep their order", (*suite).messageOrder},
		{"messages of one run", (*suite).messagesOfRun},
		{"a deleted thread takes everything with it", (*suite).threadDeletion},
		{"threads are forked", (*suite).forks},
		{"forks that cannot be", (*suite).forksRefused},
		{"threads are edited and rewound", (*suite).revisions},
		{"threads are searched", (*suite).search},
		{"unknown threads are adopted", (*suite).adoption},
		{"hidden forks", (*suite).hiddenForks},
		{"runs are replayed", (*suite).replays},
		{"runs of all threads", (*suite).pastRuns},
		{"a run is created with what comes with it", (*suite).createRun},
		{"a thread has one active run", (*suite).threadLock},
		{"messages and runs wait for a run", (*suite).queue},
		{"what waits is cancelled or deleted", (*suite).dequeue},
		{"a decision is written whole or not at all", (*suite).decisions},
		{"steps", (*suite).steps},
		{"Advance is fenced by the lease", (*suite).fence},
		{"Claim", (*suite).claim},
		{"Extend, Release and ReleaseDead", (*suite).leases},
		{"history is read newest first", (*suite).history},
		{"the tape comes back byte for byte", (*suite).tape},
		{"files", (*suite).files},
		{"uploads", (*suite).uploads},
		{"vector stores", (*suite).vectorStores},
		{"files and batches of vector stores", (*suite).vectorStoreFiles},
		{"files of vector stores are indexed once", (*suite).indexing},
		{"vector stores expire", (*suite).vectorStoreExpiry},
		{"vector stores are made along", (*suite).storesAlong},
		{"webhooks are sent in order", (*suite).webhooks},
		{"runs of hidden forks are not told of", (*suite).untoldForks},
		{"keys", (*suite).keys},
		{"chunks are found by terms and vectors", (*suite).chunks},
		{"chunks tell what changed", (*suite).chunkStates},
		{"dropped chunks are removed", (*suite).chunkPurge},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(&suite{TB: t, Store: open(t)}) })
	}
}

// suite is one part's test and store, with the short ways of filling it.
type suite struct {
	testing.TB
	Store
}

// The projects of the suite; everything is made in ours.
const (
	ours   = "project_ours"
	theirs = "project_theirs"
)

// made is when everything was made: lists must not depend on the time.
var made = time.Unix(1_700_000_000, 0)

func (s *suite) assistant() *assistants.Assistant {
	a := &assistants.Assistant{ID: wire.NewID(assistants.IDPrefix, made), Object: "assistant", CreatedAt: made.Unix(), Model: "m"}
	return created(s, a)(s.CreateAssistant(s.Context(), ours, a, nil))
}

func (s *suite) thread() *threads.Thread {
	t := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made), Object: "thread", CreatedAt: made.Unix()}
	return created(s, t)(s.CreateThread(s.Context(), ours, t, nil, nil))
}

// newMessage is a message that is not stored yet.
func newMessage(threadID, role, text string) *threads.Message {
	return threads.NewMessage{Role: role, Content: []threads.Part{threads.NewText(text)}, Metadata: wire.Metadata{}}.
		Build(wire.NewID(threads.MessagePrefix, made), threadID, made.Unix())
}

func (s *suite) message(threadID, text string) *threads.Message {
	m := newMessage(threadID, threads.User, text)
	return created(s, m)(s.AddMessage(s.Context(), ours, m))
}

// newRun is a run that is not stored yet.
func newRun(threadID string, status runs.Status) *runs.Run {
	r := &runs.Run{
		ID: wire.NewID(runs.IDPrefix, made), Object: "thread.run", CreatedAt: made.Unix(), ThreadID: threadID,
		AssistantID: "asst_a", Status: status, Model: "m", Metadata: wire.Metadata{}, ToolChoice: runs.ToolChoice{Type: "auto"},
	}
	if status.Active() {
		r.ExpiresAt = wire.Ptr(made.Unix() + 600)
	}
	return r
}

func (s *suite) run(threadID string, status runs.Status) *runs.Run {
	r := newRun(threadID, status)
	return created(s, r)(s.CreateRun(s.Context(), ours, runs.NewRun{Run: r}))
}

// leased stores a queued run of its own thread with a lease until a minute after made.
func (s *suite) leased(owner string, epoch int64) (*runs.Run, runs.Lease) {
	s.Helper()
	lease := runs.Lease{Owner: owner, Until: made.Add(time.Minute), Epoch: epoch}
	r := newRun(s.thread().ID, runs.Queued)
	_, err := s.CreateRun(s.Context(), ours, runs.NewRun{Run: r, Lease: lease})
	require.NoError(s, err)
	return r, lease
}

func newStep(r *runs.Run, details runs.StepDetails) *runs.Step {
	return &runs.Step{
		ID: wire.NewID(runs.StepPrefix, made), Object: "thread.run.step", CreatedAt: made.Unix(), RunID: r.ID,
		AssistantID: r.AssistantID, ThreadID: r.ThreadID, Type: details.Type, Status: runs.StepInProgress, Details: details,
		Metadata: wire.Metadata{},
	}
}

func callStep(r *runs.Run, name string) *runs.Step {
	call := runs.ToolCall{ID: "call_" + name, Type: "function", Function: &runs.CalledTool{Name: name, Arguments: "{}"}}
	return newStep(r, runs.StepDetails{Type: runs.ToolCalls, ToolCalls: []runs.ToolCall{call}})
}

// change writes a change of a run, which keeps its lease.
func (s *suite) change(r *runs.Run, c runs.Change) {
	s.Helper()
	_, err := s.ChangeRun(s.Context(), ours, r.ThreadID, r.ID, func(rec *runs.Record) (*runs.Change, error) {
		c.Run, c.Spent, c.Lease = r, rec.Spent, rec.Lease
		return &c, nil
	})
	require.NoError(s, err)
}

// created checks that a creation answers the object as it is shown.
func created[T any](s *suite, object *T) func(json.RawMessage, error) *T {
	return func(body json.RawMessage, err error) *T {
		s.Helper()
		require.NoError(s, err)
		want, err := wire.Marshal(object)
		require.NoError(s, err)
		require.JSONEq(s, string(want), string(body))
		return object
	}
}

// same checks that a read answers exactly the object.
func same(s *suite, object any) func(json.RawMessage, error) {
	return func(body json.RawMessage, err error) {
		s.Helper()
		require.NoError(s, err)
		want, err := wire.Marshal(object)
		require.NoError(s, err)
		require.Equal(s, string(want), string(body))
	}
}

// missing checks that a call answers that there is nothing, or no such thread.
func missing(s *suite) func(any, error) {
	return func(_ any, err error) {
		s.Helper()
		s.missing(err)
	}
}

func (s *suite) missing(err error) {
	s.Helper()
	if apiErr, ok := err.(*wire.Error); ok { //nolint:errorlint // the stores answer it unwrapped
		require.Equal(s, wire.NotFound, apiErr.Kind, apiErr.Message)
		return
	}
	require.ErrorIs(s, err, wire.ErrNotFound)
}

func idsOf(list wire.List) []string {
	ids := []string{}
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	return ids
}
