package runs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/store"
)

// aheadStore says what happens between the beginning of a first model call and
// the commit of its run.
type aheadStore struct {
	*store.DB
	blind   atomic.Bool // nothing is known ahead
	between func()      // before the commit; nil = nothing
	broken  bool        // the commit fails
	changed bool        // others change the thread in the same transaction

	looked chan struct{} // closed when active runs were looked for; nil = nobody wants to know
}

func (s *aheadStore) ActiveOn(ctx context.Context, project, threadID string) ([]string, error) {
	active, err := s.DB.ActiveOn(ctx, project, threadID)
	if s.looked != nil {
		close(s.looked)
	}
	return active, err
}

func (s *aheadStore) Outlook(project, threadID string) *runs.Outlook {
	if s.blind.Load() {
		return nil
	}
	return s.DB.Outlook(project, threadID)
}

func (s *aheadStore) CreateRun(ctx context.Context, project string, n runs.NewRun) (json.RawMessage, error) {
	begin := n.Begin
	var seen *runs.Outlook
	n.Begin = func() *runs.Outlook {
		seen = begin()
		if s.between != nil {
			s.between()
		}
		return seen
	}
	if s.broken {
		n.Begin()
		return nil, wire.ErrUnavailable
	}
	body, err := s.DB.CreateRun(ctx, project, n)
	if s.changed {
		seen.Changed = true
	}
	return body, err
}

func openAhead(t *testing.T, turns ...turn) (*world, *aheadStore) {
	s := &aheadStore{}
	w := open(t, worldOptions{stored: func(db *store.DB) runs.Store {
		s.DB = db
		return s
	}}, turns...)
	return w, s
}

// broken plays hangs and says when its context ended.
func broken(ended chan<- struct{}, pieces ...string) turn {
	return func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
		defer close(ended)
		return hangs(pieces...)(ctx, req, sink)
	}
}

// TestModelIsCalledAhead has the model answer before the run is committed:
// nobody sees anything of it until it is, and then everything in its order.
func TestModelIsCalledAhead(t *testing.T) {
	said, gate := make(chan struct{}), make(chan struct{})
	for name, answer := range map[string]turn{
		"whole": func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
			defer close(said)
			return says("Hel", "lo")(ctx, req, sink)
		},
		"half": func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
			sink.Text("Hel")
			close(said)
			<-gate
			sink.Text("lo")
			return &chat.Answer{Text: "Hello", Finish: chat.FinishStop, Usage: perTurn}, nil
		},
	} {
		said, gate = make(chan struct{}), make(chan struct{})
		t.Run(name, func(t *testing.T) {
			w, s := openAhead(t, answer)
			thread := w.thread("Hi")
			s.between = func() {
				<-said
				require.Empty(t, w.runIDs(thread))
				require.Equal(t, []string{"user: Hi"}, w.texts(thread))
			}
			r, log := w.stream(thread)
			require.Contains(t, []runs.Status{runs.Queued, runs.InProgress, runs.Completed}, w.get(r).Status)
			close(gate)
			require.Equal(t, concat(opening, spoken("Hel", "lo"), []string{"run.completed usage=15"}), story(t, read(log)))
			require.Len(t, w.model.sent(), 1)
			require.Equal(t, []string{"user: Hi", "assistant: Hello"}, w.texts(thread))
		})
	}
}

// TestRefusedAhead has the commit fail when the model has answered, or answers.
func TestRefusedAhead(t *testing.T) {
	for _, whole := range []bool{true, false} {
		ended := make(chan struct{})
		w, s := openAhead(t)
		if whole {
			close(ended)
			w.model.add(says("lost"))
		} else {
			w.model.add(broken(ended, "lost"))
		}
		thread := w.thread("Hi")
		s.between, s.broken = func() { <-w.model.called }, true
		_, _, err := w.create(thread, `"stream":true,"additional_messages":[{"role":"user","content":"And?"}]`)
		require.ErrorIs(t, err, wire.ErrUnavailable)
		<-ended
		require.Empty(t, w.runIDs(thread))
		require.Equal(t, []string{"user: Hi"}, w.texts(thread))

		s.between, s.broken = nil, false
		w.model.add(says("Hello"))
		require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status)
		require.Equal(t, []string{"user: Hi", "assistant: Hello"}, w.texts(thread))
		driven, waiting := w.engine.Driven()
		require.LessOrEqual(t, driven, 1) // the second may not have left yet
		require.Zero(t, waiting)
	}
}

// TestThreadChangesAhead has others change the thread in the transaction that
// creates the run: the model is asked again, and told.
func TestThreadChangesAhead(t *testing.T) {
	ended := make(chan struct{})
	w, s := openAhead(t, broken(ended, "void"), says("Hello"))
	thread := w.thread("Hi", "Ho")
	s.between, s.changed = func() { <-w.model.called }, true
	_, log := w.stream(thread)
	require.Equal(t, concat(opening, spoken("Hello"), []string{"run.completed usage=15"}), story(t, read(log)))
	<-ended
	require.Len(t, w.model.sent(), 2)
	require.Equal(t, []string{"user: Hi", "assistant: Ho", "assistant: Hello"}, w.texts(thread))
}

// TestThreadIsDeletedAhead deletes the thread when it has no run yet, and does so
// right behind the commit of one: its model call is broken off.
func TestThreadIsDeletedAhead(t *testing.T) {
	ended, deleted := make(chan struct{}), make(chan error, 1)
	w, s := openAhead(t, broken(ended, "void"))
	s.looked = make(chan struct{})
	thread := w.thread("Hi")
	s.between = func() {
		<-w.model.called
		go func() { deleted <- w.runs.DeleteThread(w.ctx, project, thread) }()
		<-s.looked
	}
	_, log := w.stream(thread)
	require.NoError(t, <-deleted)
	<-ended
	read(log)
}

// TestOneOfTwoAhead creates two runs of one thread at a time: the model is called for one.
func TestOneOfTwoAhead(t *testing.T) {
	gate := make(chan struct{})
	w, s := openAhead(t, waits(gate, says("Hello")))
	thread := w.thread("Hi")
	var first sync.Once
	s.between = func() { first.Do(func() { <-w.model.called }) }
	var refused atomic.Int32
	var both sync.WaitGroup
	for i := range 2 {
		both.Go(func() {
			_, _, err := w.create(thread, fmt.Sprintf(`"additional_messages":[{"role":"user","content":"%d"}]`, i))
			if err != nil && strings.Contains(err.Error(), "already has an active run") {
				refused.Add(1)
			}
		})
	}
	both.Wait()
	close(gate)
	require.Equal(t, int32(1), refused.Load())
	list := w.runIDs(thread)
	require.Len(t, list, 1)
	require.Equal(t, runs.Completed, w.settled(&runs.Run{ID: list[0], ThreadID: thread}).Status)
	require.Len(t, w.model.sent(), 1)
	require.Len(t, w.messages(thread), 3)
}

// TestForeignThreadAhead asks no model about what is another project's.
func TestForeignThreadAhead(t *testing.T) {
	w, _ := openAhead(t)
	thread := w.thread("Hi")
	create, err := assistants.ReadCreate(object(t, `{"model":"m"}`), wire.V2)
	require.NoError(t, err)
	other, err := w.assistants.Create(w.ctx, "another", "", create)
	require.NoError(t, err)
	_, _, err = w.runs.Create(w.ctx, "another", thread, runs.Create{AssistantID: idOf(t, other), Instructions: wire.Ptr("Be brief.")})
	require.EqualError(t, err, "No thread found with id '"+thread+"'.")
	require.Empty(t, w.model.sent())
}

// TestCrashAhead dies when the model has answered and the run is not committed.
func TestCrashAhead(t *testing.T) {
	ended := make(chan struct{})
	w, s := openAhead(t, broken(ended, "lost"), says("Hello"))
	thread := w.thread("Hi")
	var dying sync.WaitGroup
	s.between, s.broken = func() {
		<-w.model.called
		dying.Go(w.engine.Crash)
		<-ended
	}, true
	_, _, err := w.create(thread)
	require.ErrorIs(t, err, wire.ErrUnavailable)
	dying.Wait()
	s.between, s.broken = nil, false
	require.NoError(t, w.db.Close())
	w.start()
	require.Empty(t, w.runIDs(thread))
	require.Equal(t, runs.Completed, w.settled(w.run(thread)).Status)
	require.Equal(t, []string{"user: Hi", "assistant: Hello"}, w.texts(thread))
}

// TestPromptAhead compares what the model is sent ahead with what it is sent
// after the commit.
func TestPromptAhead(t *testing.T) {
	w, s := openAhead(t)
	w.model.choose = func(req chat.Request) turn {
		if len(req.Messages)%3 == 0 {
			return saysAndCalls("Let me see.", "add")
		}
		return says("Yes.")
	}
	for _, stored := range []int{0, 1, 64, 70} {
		for _, coming := range []int{0, 1, 32} {
			for _, truncation := range []string{`{"type":"auto"}`, `{"type":"last_messages","last_messages":40}`} {
				var sent [2][]chat.Message
				for i := range sent {
					s.blind.Store(i == 1)
					w.model.play()
					thread := w.thread(numbered("stored", stored)...)
					var more []string
					for _, text := range numbered("coming", coming) {
						more = append(more, `{"role":"user","content":"`+text+`"}`)
					}
					r := w.settled(w.run(thread, `"truncation_strategy":`+truncation, `"additional_messages":[`+strings.Join(more, ",")+`]`))
					if len(pending(r)) > 0 {
						_, err := w.cancel(r)
						require.NoError(t, err)
						w.settled(r)
					}
					w.settled(w.run(thread, `"truncation_strategy":`+truncation, `"additional_messages":[{"role":"user","content":"last"}]`))
					for _, req := range w.model.sent() {
						sent[i] = append(sent[i], req.Messages...)
					}
				}
				require.Equal(t, texts(sent[1]), texts(sent[0]), "%d stored, %d coming, %s", stored, coming, truncation)
			}
		}
	}
}

func numbered(name string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s %d", name, i))
	}
	return all
}

func texts(messages []chat.Message) (all []string) {
	for _, m := range messages {
		line := string(m.Role) + ":"
		for _, part := range m.Content {
			line += " " + part.Text
		}
		for _, call := range m.Calls {
			line += " " + call.Name + call.Arguments
		}
		all = append(all, line)
	}
	return all
}
