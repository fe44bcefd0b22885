package runs

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"sync"

	"understudy/runs/chat"
	"understudy/threads"
)

// ahead is the first model call of a run, which begins while the run's row is
// being committed: when the transaction has accepted it, and only the disk is
// waited for. What the model says is kept here until the driver joins, and
// that comes after the commit: nothing of it is told or stored before. A run
// that is refused, or that is taken up after a crash, was never called for.
type ahead struct {
	stop   context.CancelFunc
	memory *chat.Share   // of the answer; released by the driver, or by drop
	done   chan struct{} // closed when all else is final

	answer *chat.Answer
	err    error

	mu     sync.Mutex
	prompt prompt
	sent   bool     // prompt is what the model is sent
	pieces []piece  // said before the driver joined
	joined listener // the driver's, nil before
}

// piece is a piece of an answer's text, or of its refusal.
type piece struct {
	text    string
	refusal bool
}

// listener hears a model call: what it is sent, and what it says.
type listener interface {
	chat.Sink
	prompted(p prompt)
}

func (a *ahead) prompted(p prompt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.prompt, a.sent = p, true
	if a.joined != nil {
		a.joined.prompted(p)
	}
}

// Text keeps a piece of the answer, or passes it on (chat.Sink).
func (a *ahead) Text(delta string) { a.hear(piece{text: delta}) }

// Refusal keeps a piece of a refusal, or passes it on (chat.Sink).
func (a *ahead) Refusal(delta string) { a.hear(piece{text: delta, refusal: true}) }

func (a *ahead) hear(p piece) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.joined == nil {
		a.pieces = append(a.pieces, p)
		return
	}
	p.tell(a.joined)
}

func (p piece) tell(to chat.Sink) {
	if p.refusal {
		to.Refusal(p.text)
	} else {
		to.Text(p.text)
	}
}

// join tells l what was heard so far and what is still to come, and answers
// when the call has ended.
func (a *ahead) join(l listener) (prompt, *chat.Answer, error) {
	a.mu.Lock()
	if a.sent {
		l.prompted(a.prompt)
	}
	for _, p := range a.pieces {
		p.tell(l)
	}
	a.pieces, a.joined = nil, l
	a.mu.Unlock()
	<-a.done
	return a.prompt, a.answer, a.err
}

// callAhead begins the first model call of a run that is about to be committed,
// with messages that come with the run. It ends with the run's live state at the
// latest.
func (e *Engine) callAhead(l *live, rec *Record, history *upcoming, messages []*threads.Message) *ahead {
	ctx, stop := context.WithCancel(e.under(l.ctx, rec))
	a := &ahead{stop: stop, memory: e.memory.Share(), done: make(chan struct{}), answer: &chat.Answer{}}
	e.wg.Add(1) // l is counted, so nobody has waited to the end
	go func() {
		defer e.wg.Done()
		defer close(a.done)
		defer stop()
		a.err = e.guard(l.runID, func() (err error) {
			history.add(messages) // here, as it counts their tokens and everybody waits for the transaction
			budget, hard := rec.promptBudget(e.model.ContextWindow(rec.Run.Model))
			_, a.answer, err = e.send(ctx, callOf{rec: rec, history: history, budget: budget, hard: hard, memory: a.memory}, a)
			return err
		})
	}()
	return a
}

// drop ends a call that no driver joins; nil is none.
func (e *Engine) drop(a *ahead) {
	if a == nil {
		return
	}
	a.stop()
	e.wg.Go(func() { // the run's live state is counted still
		<-a.done
		a.memory.Release()
	})
}

// Outlook is the history of an idle thread as it was before the transaction that
// creates a run on it, as far as it is known without waiting for anything.
type Outlook struct {
	History
	Version int64 // of the thread
	Changed bool  // set by CreateRun: others changed the thread in the same transaction
}

// insert stores a new run, whose first model call is begun meanwhile if it has
// the place of l.
func (s *Service) insert(ctx context.Context, rec *Record, n NewRun, l *live) (json.RawMessage, *ahead, error) {
	var begun *ahead
	var seen *Outlook
	if l != nil {
		n.Begin = func() *Outlook {
			begun, seen = s.callFirst(rec, &n, l)
			return seen
		}
	}
	body, err := s.store.CreateRun(ctx, rec.Project, n)
	if err != nil || seen != nil && seen.Changed {
		s.engine.drop(begun)
		begun = nil
	}
	return body, begun, err
}

// callFirst begins the first model call of a run that is being created in the place
// of l, if what the thread holds is known: nil means that it has to wait for the
// commit. The outlook is nil when nothing that was stored had to be known.
func (s *Service) callFirst(rec *Record, n *NewRun, l *live) (*ahead, *Outlook) {
	history := &upcoming{}
	var seen *Outlook
	if n.Thread == nil {
		if seen = s.store.Outlook(rec.Project, n.Run.ThreadID); seen == nil {
			return nil, nil
		}
		history.stored = seen
	}
	own := *rec // the run goes on to be changed while the model is called
	own.Run = shallow(n.Run)
	return s.engine.callAhead(l, &own, history, n.Messages), seen
}

// firstUpcoming is the sequence number of the first message that comes with a
// run: behind all there are.
const firstUpcoming = math.MaxInt64 / 2

// upcoming is the history of a thread as it will be once a run is created.
type upcoming struct {
	stored   History          // nil = the thread comes with the run
	messages []*MessageRecord // that come with the run, oldest first
}

// add puts the messages that come with the run behind those that are stored.
func (u *upcoming) add(messages []*threads.Message) {
	for i, m := range messages {
		u.messages = append(u.messages, &MessageRecord{Message: m, Seq: firstUpcoming + int64(i), Tokens: m.CountTokens()})
	}
}

// RecentMessages implements History.
func (u *upcoming) RecentMessages(ctx context.Context, threadID string, before int64, limit int) ([]*MessageRecord, error) {
	end := len(u.messages)
	if before > 0 {
		end = int(min(int64(end), max(0, before-firstUpcoming)))
	}
	newest := slices.Clone(u.messages[max(0, end-limit):end])
	slices.Reverse(newest)
	if u.stored == nil || len(newest) == limit {
		return newest, nil
	}
	if before >= firstUpcoming {
		before = 0
	}
	older, err := u.stored.RecentMessages(ctx, threadID, before, limit-len(newest))
	return append(newest, older...), err
}

// ToolSteps implements History.
func (u *upcoming) ToolSteps(ctx context.Context, threadID string, since, before int64) ([]*StepRecord, error) {
	if u.stored == nil || since >= firstUpcoming {
		return nil, nil
	}
	return u.stored.ToolSteps(ctx, threadID, since, before)
}
