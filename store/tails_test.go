package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// requireTold compares what is told of a thread with what the database has: every page of several sizes, and the steps
// of every stretch.
func requireTold(t require.TestingT, db *DB, threadID string) {
	ctx := context.Background()
	inJSON := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		if string(raw) == "null" {
			return "[]"
		}
		return strings.ReplaceAll(string(raw), `"metadata":null`, `"metadata":{}`) // as it is stored
	}
	for _, limit := range []int{5, db.tails.keep} {
		for before := int64(0); ; {
			want, err := db.readMessages(ctx, threadID, cmp.Or(before, math.MaxInt64), limit)
			require.NoError(t, err)
			got, err := db.RecentMessages(ctx, threadID, before, limit)
			require.NoError(t, err)
			require.Equal(t, inJSON(want), inJSON(got), "%d messages before %d", limit, before)
			since := int64(0)
			if len(want) == limit {
				since = want[limit-1].Seq
			}
			wantSteps, err := db.readToolSteps(ctx, threadID, since, cmp.Or(before, math.MaxInt64))
			require.NoError(t, err)
			gotSteps, err := db.ToolSteps(ctx, threadID, since, cmp.Or(before, math.MaxInt64))
			require.NoError(t, err)
			require.Equal(t, inJSON(wantSteps), inJSON(gotSteps), "steps from %d to %d", since, before)
			if since == 0 {
				break
			}
			before = since
		}
	}
	requireOutlook(t, db, threadID)
	stored, err := readItems(db.Read(ctx), "SELECT id, body FROM runs WHERE thread_id = $1 ORDER BY seq", threadID)
	require.NoError(t, err)
	for _, run := range stored {
		got, err := db.Run(ctx, "p", threadID, run.ID)
		require.NoError(t, err)
		require.Equal(t, string(run.JSON), string(got))
		_, err = db.Run(ctx, "another project", threadID, run.ID)
		require.ErrorContains(t, err, "No thread found")
		_, err = db.ChangeRun(ctx, "p", threadID, run.ID, func(r *runs.Record) (*runs.Change, error) {
			decided, err := wire.Marshal(r.Run)
			require.NoError(t, err)
			require.Equal(t, string(run.JSON), string(decided))
			return nil, nil
		})
		require.NoError(t, err)
	}
}

var errChanged = errors.New("the caller changed his mind")

// history makes changes of threads, by name and number.
type history struct {
	db      *DB
	threads []string
	serial  int
}

func (h *history) id(prefix string) string {
	h.serial++
	return fmt.Sprintf("%s%06d", prefix, h.serial)
}

func (h *history) message(thread string, size int) *threads.Message {
	text := strings.Repeat("x", size) + h.id("")
	return threads.NewMessage{Role: threads.User, Content: []threads.Part{threads.NewText(text)}}.Build(h.id("msg_"), thread, 1)
}

func (h *history) create(n int) (string, error) {
	id := h.id("thread_")
	var first []*threads.Message
	for range n {
		first = append(first, h.message(id, 10))
	}
	_, err := h.db.CreateThread(context.Background(), "p", &threads.Thread{ID: id}, first, nil)
	h.threads = append(h.threads, id)
	return id, err
}

// run makes a run that calls tools, gets their outputs and answers, as far as steps says.
func (h *history) run(thread string, steps int) (id string, err error) {
	ctx := context.Background()
	id = h.id("run_")
	run := &runs.Run{ID: id, Object: "thread.run", ThreadID: thread, Status: runs.Completed}
	if _, err := h.db.CreateRun(ctx, "p", runs.NewRun{Run: run, Messages: []*threads.Message{h.message(thread, 10)}}); err != nil {
		return id, err
	}
	found := []*filesearch.Search{{CallID: "call_s", Arguments: "{}", Done: true, Passages: []filesearch.Passage{{FileID: "file-a", Attributes: json.RawMessage("{}"), Text: id}}}}
	output, calls := "sunny", func(output *string) *runs.Step {
		return &runs.Step{ID: "step_" + id, RunID: id, ThreadID: thread, Type: runs.ToolCalls, Details: runs.StepDetails{Type: runs.ToolCalls, ToolCalls: []runs.ToolCall{
			{ID: "call_" + id, Type: "function", Function: &runs.CalledTool{Name: "weather", Arguments: "{}", Output: output}},
		}}}
	}
	said := h.message(thread, 10)
	said.Role, said.RunID = threads.Assistant, &id
	for _, change := range []runs.Change{
		{Steps: []*runs.StepRecord{{Step: calls(nil), Turn: 1, Tokens: 5, State: json.RawMessage(`{"a":1}`), Searches: []*filesearch.Search{{CallID: "call_s", Arguments: "{}"}}}}},
		{Steps: []*runs.StepRecord{{Step: calls(&output), Turn: 1, Tokens: 9, State: json.RawMessage(`{"a":1}`), Searches: found}}},
		{Messages: []*runs.MessageRecord{{Message: said, Turn: 2, Tokens: 7}}},
	}[:steps] {
		started := *run
		started.StartedAt = wire.Ptr(int64(len(change.Steps)))
		change.Run, change.Spent.Turns = &started, 1
		if _, err := h.db.ChangeRun(ctx, "p", thread, id, func(*runs.Record) (*runs.Change, error) { return &change, nil }); err != nil {
			return id, err
		}
	}
	return id, nil
}

// newest is the id of the nth newest message, "" when there are fewer.
func (h *history) newest(thread string, n int) (string, error) {
	list, err := h.db.Messages(context.Background(), "p", thread, "", wire.Page{Limit: n + 1})
	if err != nil || len(list.Items) <= n {
		return "", err
	}
	return list.Items[n].ID, nil
}

// abandoned writes to a thread and takes it back.
func (h *history) abandoned(thread string) error {
	err := h.db.Write(context.Background(), func(_ context.Context, tx *Tx) error {
		_, err := insertMessages(tx, "p", []*threads.Message{h.message(thread, 10)}, []int{1})
		return errors.Join(err, errChanged)
	})
	if errors.Is(err, errChanged) {
		return nil
	}
	return fmt.Errorf("a write that failed answered %w", err)
}

// recreate deletes a thread and makes another one under its id.
func (h *history) recreate(thread string) error {
	run, err := h.run(thread, 3)
	if err != nil {
		return err
	}
	if _, err := h.db.Run(context.Background(), "p", thread, run); err != nil {
		return fmt.Errorf("the run that was just made: %w", err)
	}
	if err := h.db.DeleteThread(context.Background(), "p", thread); err != nil {
		return err
	}
	if _, err := h.db.Run(context.Background(), "p", thread, run); err == nil {
		return errors.New("a run of a deleted thread was found")
	}
	_, err = h.db.CreateThread(context.Background(), "p", &threads.Thread{ID: thread}, nil, nil)
	if _, found := h.db.Run(context.Background(), "p", thread, run); !errors.Is(found, wire.ErrNotFound) {
		return fmt.Errorf("a run of the thread before answered %w", found)
	}
	return err
}

// TestTailsTellTheTruth changes threads in every way there is, with tails of every size: what is told from memory is
// what the database has.
func TestTailsTellTheTruth(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	h := &history{db: db}
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		db.tails = newTails(rapid.SampledFrom([]int{0, 10_000, 100_000, maxTails}).Draw(t, "limit"))
		db.tails.keep = 8
		h.threads = nil
		_, err := h.create(rapid.SampledFrom([]int{0, 3, 14}).Draw(t, "first"))
		require.NoError(t, err)
		pick := func() string { return rapid.SampledFrom(h.threads).Draw(t, "thread") }
		changes := map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				if len(h.threads) < 3 {
					_, err := h.create(rapid.IntRange(0, 2).Draw(t, "first"))
					require.NoError(t, err)
				}
			},
			"message": func(t *rapid.T) {
				thread := pick()
				_, err := db.AddMessage(ctx, "p", h.message(thread, rapid.SampledFrom([]int{1, 1000}).Draw(t, "size")))
				require.NoError(t, err)
			},
			"run": func(t *rapid.T) {
				_, err := h.run(pick(), rapid.IntRange(0, 3).Draw(t, "steps"))
				require.NoError(t, err)
			},
			"abandoned": func(t *rapid.T) { require.NoError(t, h.abandoned(pick())) },
			"recreate":  func(*rapid.T) { require.NoError(t, h.recreate(pick())) },
			"restart":   func(*rapid.T) { db.tails.clear() },
			"delete": func(t *rapid.T) {
				thread := pick()
				id, err := h.newest(thread, rapid.IntRange(0, 4).Draw(t, "nth"))
				require.NoError(t, err)
				if id != "" {
					require.NoError(t, db.DeleteMessage(ctx, "p", thread, id))
				}
			},
			"modify": func(t *rapid.T) {
				thread := pick()
				id, err := h.newest(thread, rapid.IntRange(0, 4).Draw(t, "nth"))
				require.NoError(t, err)
				if id != "" {
					_, err := db.UpdateMessage(ctx, "p", thread, id, func(m *threads.Message) { m.Metadata = wire.Metadata{"at": id} })
					require.NoError(t, err)
				}
			},
		}
		names := slices.Sorted(maps.Keys(changes))
		for range rapid.IntRange(1, 15).Draw(t, "changes") {
			changes[rapid.SampledFrom(names).Draw(t, "change")](t)
			requireTold(t, db, pick())
			require.LessOrEqual(t, db.tails.size, db.tails.limit)
		}
	})
}

// TestTailsOfManyWriters writes to a few threads from many sides while they are read and forgotten.
func TestTailsOfManyWriters(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	h := &history{db: db}
	for range 3 {
		_, err := h.create(2)
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		mine := &history{db: db, serial: (i + 1) * 100_000}
		wg.Go(func() {
			for n := range 30 {
				thread := h.threads[(i+n)%len(h.threads)]
				var err error
				switch n % 5 {
				case 0:
					_, err = mine.run(thread, 3)
				case 1:
					err = mine.abandoned(thread)
				case 2:
					var id string
					if id, err = mine.newest(thread, n%7); err == nil {
						if err = db.DeleteMessage(t.Context(), "p", thread, id); errors.Is(err, wire.ErrNotFound) { // somebody else did
							err = nil
						}
					}
				case 3:
					_, err = db.RecentMessages(t.Context(), thread, 0, tailMessages)
				default:
					_, err = db.AddMessage(t.Context(), "p", mine.message(thread, 100))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, thread := range h.threads {
		requireTold(t, db, thread)
	}
}

// TestTailsForgetWhatWasNotCommitted has the commit itself fail.
func TestTailsForgetWhatWasNotCommitted(t *testing.T) {
	db := openTest(t, Normal)
	h := &history{db: db}
	thread, err := h.create(2)
	require.NoError(t, err)
	err = db.Write(t.Context(), func(_ context.Context, tx *Tx) error {
		if _, err := tx.Exec("PRAGMA defer_foreign_keys = ON"); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO items (id, parent) VALUES ('i', 'none')"); err != nil {
			return err
		}
		_, err := insertMessages(tx, "p", []*threads.Message{h.message(thread, 10)}, []int{1})
		return err
	})
	require.ErrorContains(t, err, "FOREIGN KEY")
	_, kept := db.tails.messages(thread, math.MaxInt64, 1)
	require.False(t, kept)
	requireTold(t, db, thread)
}

// TestAThreadThatChangesWhileItIsReadIsNotKept has a message come between the reading of a tail and its keeping.
func TestAThreadThatChangesWhileItIsReadIsNotKept(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	h := &history{db: db}
	thread, err := h.create(2)
	require.NoError(t, err)
	db.tails.clear()
	err = db.tails.load(thread, func() (*tail, error) {
		_, err := db.AddMessage(t.Context(), "p", h.message(thread, 10))
		return &tail{thread: thread}, err
	})
	require.NoError(t, err)
	requireTold(t, db, thread)

	err = db.tails.load(thread, func() (*tail, error) { return nil, errChanged })
	require.ErrorIs(t, err, errChanged)
	require.Empty(t, db.tails.loading)
}

// TestRepeatedPromptsAreStoredOnce has calls repeat messages, with and without memory of the call before.
func TestRepeatedPromptsAreStoredOnce(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	h := &history{db: db}
	thread, err := h.create(1)
	require.NoError(t, err)
	run := &runs.Run{ID: "run_1", ThreadID: thread, Status: runs.Completed}
	_, err = db.CreateRun(t.Context(), "p", runs.NewRun{Run: run})
	require.NoError(t, err)
	requests := []string{`{"messages":["a"]}`, `{"messages":["a","b"]}`, `{"messages":["b","c","b"]}`, `{"messages":["a","c"]}`}
	for i, request := range requests {
		if i == 2 {
			db.tails.clear()
		}
		_, err := db.ChangeRun(t.Context(), "p", thread, run.ID, func(*runs.Record) (*runs.Change, error) {
			return &runs.Change{Run: run, Calls: []*runs.ModelCall{{Request: json.RawMessage(request)}}}, nil
		})
		require.NoError(t, err)
	}
	calls, err := db.ModelCalls(t.Context(), "p", thread, run.ID)
	require.NoError(t, err)
	for i, call := range calls {
		require.Equal(t, requests[i], string(call.Request))
	}
	require.Equal(t, 3, rowsOf(t, db, thread)["prompt_messages"])
}
