package runs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"understudy/api/wire"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// Images turns an uploaded image into a data URL for a backend.
type Images interface {
	DataURL(ctx context.Context, project, fileID string) (string, error)
}

// prompt is what the model is sent of a thread.
type prompt struct {
	messages   []chat.Message
	tokens     int // estimated
	truncated  Truncated
	shrinkable bool // a smaller budget would leave out more

	searches []*filesearch.Search // in it, and of the runs before; oldest first
}

// errPromptTooLong says that not even the newest message fits max_prompt_tokens.
var errPromptTooLong = errors.New("the prompt exceeds max_prompt_tokens")

// historyPage is how many messages are read at a time.
const historyPage = 64

// unansweredOutput stands in for an output that never came because its run was
// cancelled or expired: backends refuse a call without an answer.
const unansweredOutput = "No output was submitted for this call."

// entry is one place in a thread's timeline: a message, or a turn of tool calls.
type entry struct {
	message *MessageRecord
	step    *StepRecord
}

// tokens is what the entry costs in a prompt of a run.
func (e entry) tokens(of *Run) int {
	switch {
	case e.message != nil:
		return e.message.Tokens
	case e.runID() == of.ID:
		return e.step.Tokens + e.step.searchTokens()
	default:
		return e.step.Tokens
	}
}

func (e entry) runID() string {
	switch {
	case e.step != nil:
		return e.step.Step.RunID
	case e.message.Message.RunID != nil:
		return *e.message.Message.RunID
	default:
		return ""
	}
}

func (e entry) turn() int {
	if e.message != nil {
		return e.message.Turn
	}
	return e.step.Turn
}

// window collects the newest entries of a thread that a prompt has room for.
type window struct {
	run     *Run
	budget  int // tokens left for entries
	newest  []entry
	kept    int  // messages of other runs and users kept so far
	full    bool // something had to be left out
	last    bool // because of last_messages
	dropped int
}

// must reports whether an entry is sent whatever it costs: what this run has
// done, and the newest message before it.
func (w *window) must(e entry) bool { return e.runID() == w.run.ID || w.kept == 0 }

// offer takes an entry if there is room; entries come newest first.
func (w *window) offer(e entry) {
	must := w.must(e)
	if w.full || !must && (w.budget < e.tokens(w.run) || w.limited()) {
		if !w.full {
			w.full, w.last = true, w.limited()
		}
		if e.message != nil {
			w.dropped++
		}
		return
	}
	w.budget -= e.tokens(w.run)
	w.newest = append(w.newest, e)
	if e.message != nil && e.runID() != w.run.ID {
		w.kept++
	}
}

// limited reports whether last_messages leaves no room.
func (w *window) limited() bool {
	n := w.run.Truncation.LastMessages
	return w.run.Truncation.Type == lastMessages && n != nil && w.kept >= *n
}

// collect reads the thread newest first until the window is full, so that a
// long thread costs no more than what is sent of it.
func (w *window) collect(ctx context.Context, history History) error {
	for before, stepsBefore := int64(0), int64(math.MaxInt64); !w.full; {
		messages, err := history.RecentMessages(ctx, w.run.ThreadID, before, historyPage)
		if err != nil {
			return err
		}
		var since int64
		if len(messages) == historyPage {
			since = messages[len(messages)-1].Seq
		}
		steps, err := history.ToolSteps(ctx, w.run.ThreadID, since, stepsBefore)
		if err != nil {
			return err
		}
		w.offerMerged(messages, steps)
		if since == 0 {
			return nil
		}
		before, stepsBefore = since, since
	}
	return nil
}

// offerMerged offers messages (newest first) and steps (oldest first) as one
// timeline, newest first: a step comes after the message it names.
func (w *window) offerMerged(messages []*MessageRecord, steps []*StepRecord) {
	for _, m := range messages {
		for len(steps) > 0 && steps[len(steps)-1].After >= m.Seq {
			w.offer(entry{step: steps[len(steps)-1]})
			steps = steps[:len(steps)-1]
		}
		w.offer(entry{message: m})
	}
	for _, s := range slices.Backward(steps) {
		w.offer(entry{step: s})
	}
}

// timeline returns what was kept, oldest first. Where it was cut is our choice
// under truncation auto: it then begins with a message of the user, as many
// backends want it.
func (w *window) timeline() []entry {
	entries := slices.Clone(w.newest)
	slices.Reverse(entries)
	if !w.full || w.run.Truncation.Type != truncateAuto {
		return entries
	}
	for i, e := range entries {
		if e.runID() == w.run.ID {
			break
		}
		if e.message != nil && e.message.Message.Role == threads.User {
			return entries[i:]
		}
	}
	return entries
}

// prompter builds prompts.
type prompter struct {
	history History
	images  Images
}

// build makes the prompt of the run's next model call from at most budget
// tokens. The budget is soft where it comes from the model's window, which the
// backend knows better, and hard where it is max_prompt_tokens.
func (p prompter) build(ctx context.Context, project string, run *Run, budget int, hard bool) (prompt, error) {
	var out prompt
	if run.Instructions != nil && *run.Instructions != "" {
		out.messages = append(out.messages, chat.Message{Role: chat.System, Content: []chat.Part{{Text: *run.Instructions}}})
		out.tokens += roughTokens(*run.Instructions)
	}
	for _, t := range run.offered(0) {
		out.tokens += roughTokens(t.Name) + roughTokens(string(t.Parameters))
	}
	w := &window{run: run, budget: budget - out.tokens}
	if err := w.collect(ctx, p.history); err != nil {
		return prompt{}, err
	}
	if hard && w.budget < 0 {
		return prompt{}, errPromptTooLong
	}
	out.tokens += budget - out.tokens - w.budget
	sent := w.timeline()
	out.truncated, out.shrinkable = w.truncated(sent, budget, out.tokens, hard), w.kept > 1
	for _, e := range sent {
		var err error
		if out.messages, err = p.add(ctx, project, run, out.messages, e); err != nil {
			return prompt{}, err
		}
		if e.step != nil {
			out.searches = append(out.searches, e.step.Searches...)
		}
	}
	return out, nil
}

// roughTokens estimates a text that is not worth counting; English has four
// bytes to a token, three keeps on the safe side.
func roughTokens(text string) int { return len(text) / 3 }

// add appends an entry. Text and calls of one turn are one message again. What
// earlier runs found is left out: it served their answers, and is searched for
// again when it is needed.
func (p prompter) add(ctx context.Context, project string, run *Run, messages []chat.Message, e entry) ([]chat.Message, error) {
	if e.message != nil {
		m, err := p.message(ctx, project, e.message)
		return append(messages, m), err
	}
	calls, outputs := e.step.exchanged(run)
	if len(calls) == 0 {
		return messages, nil
	}
	turn := chat.Message{Role: chat.Assistant}
	if n := len(messages); n > 0 && e.joins(messages[n-1]) {
		turn, messages = messages[n-1], messages[:n-1]
	}
	turn.State = e.step.State
	turn.Turn = e.key()
	turn.Calls = calls
	return append(append(messages, turn), outputs...), nil
}

// exchanged are the step's calls and their outputs as a run's model is told them.
func (r *StepRecord) exchanged(run *Run) (calls []chat.Call, outputs []chat.Message) {
	for _, c := range r.Step.Details.ToolCalls {
		call, output := chat.Call{ID: c.ID}, unansweredOutput
		switch search := r.search(c.ID); {
		case search != nil && r.Step.RunID == run.ID:
			call.Name, call.Arguments, output = run.searchName(), search.Arguments, search.Output()
		case c.Function == nil:
			continue
		default:
			call.Name, call.Arguments = c.Function.Name, c.Function.Arguments
			if c.Function.Output != nil {
				output = *c.Function.Output
			}
		}
		calls = append(calls, call)
		outputs = append(outputs, chat.Message{Role: chat.ToolRole, CallID: c.ID, Content: []chat.Part{{Text: output}}})
	}
	return calls, outputs
}

// key names the model call an entry came from.
func (e entry) key() string { return fmt.Sprintf("%s/%d", e.runID(), e.turn()) }

// joins reports whether m is the text of the same turn.
func (e entry) joins(m chat.Message) bool {
	return m.Role == chat.Assistant && len(m.Calls) == 0 && m.Turn == e.key()
}

func (p prompter) message(ctx context.Context, project string, r *MessageRecord) (chat.Message, error) {
	m := chat.Message{Role: chat.User, State: r.State}
	if r.Message.Role == threads.Assistant {
		m.Role = chat.Assistant
	}
	if r.Turn > 0 {
		m.Turn = entry{message: r}.key()
	}
	for _, part := range r.Message.Content {
		content, err := p.part(ctx, project, part)
		if err != nil {
			return chat.Message{}, err
		}
		m.Content = append(m.Content, content)
	}
	return m, nil
}

// part renders a part. An image that was deleted since, or that is none, leaves a
// note: the rest of the thread is still worth an answer.
func (p prompter) part(ctx context.Context, project string, part threads.Part) (chat.Part, error) {
	switch {
	case part.Text != nil:
		return chat.Part{Text: part.Text.Value}, nil
	case part.Refusal != nil:
		return chat.Part{Text: *part.Refusal}, nil
	case part.ImageURL != nil:
		return chat.Part{ImageURL: part.ImageURL.URL, Detail: part.ImageURL.Detail}, nil
	case part.ImageFile != nil:
		url, err := p.images.DataURL(ctx, project, part.ImageFile.FileID)
		if errors.Is(err, wire.ErrUnavailable) || ctx.Err() != nil {
			return chat.Part{}, cmp.Or(err, ctx.Err())
		}
		if err != nil {
			return chat.Part{Text: "[image " + part.ImageFile.FileID + " is not available]"}, nil
		}
		return chat.Part{ImageURL: url, Detail: part.ImageFile.Detail}, nil
	}
	return chat.Part{}, nil
}
