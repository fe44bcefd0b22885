package runs

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// turn is one model call becoming steps and messages. While the model answers
// it shows text as it comes; nothing of it is stored before the answer is
// settled, so a crash leaves no half a message.
type turn struct {
	run    *Run
	number int
	log    *Log
	now    func() time.Time
	ids    *wire.Minter

	citer  *filesearch.Citer // nil = the run has no file_search, and markers are mere text
	quotes bool              // citations carry the passage

	text, refusal strings.Builder // what is shown
	unresolved    strings.Builder // what the model said, where the citer makes another text of it
	annotations   []json.RawMessage
	message       *threads.Message // nil until there is something to show
	step          *Step            // the message's

	overflowed []*ModelCall // calls of this turn whose prompt was too long
}

// newTurn is the run's next model call.
func (d *driver) newTurn() *turn {
	number := d.rec.Spent.Turns + 1
	return &turn{
		run: d.rec.Run, number: number, log: d.live.log, now: d.engine.now, quotes: d.rec.Search.Quotes,
		ids: d.engine.seeds.Minter("turn", d.rec.Run.ID, strconv.Itoa(number)),
	}
}

// prompted is told what the model is sent.
func (t *turn) prompted(p prompt) { t.citer = t.run.citer(p.searches) }

// Text shows a piece of the answer (chat.Sink).
func (t *turn) Text(delta string) {
	if delta == "" {
		return
	}
	if t.citer == nil {
		t.show(filesearch.Piece{Text: delta})
		return
	}
	t.unresolved.WriteString(delta)
	for _, piece := range t.citer.Write(delta) {
		t.show(piece)
	}
}

// show appends a piece to the message.
func (t *turn) show(piece filesearch.Piece) {
	t.open()
	from := t.text.Len()
	t.text.WriteString(piece.Text)
	if piece.Passage == nil {
		t.log.text(t.message.ID, 0, false, t.text.String(), from)
		return
	}
	c := newCitation(piece, t.quotes)
	t.log.citation(t.message.ID, piece.Text, c.streamed(len(t.annotations)))
	t.annotations = append(t.annotations, c.encoded())
}

// flush shows what was held back of the text.
func (t *turn) flush() {
	if t.citer == nil {
		return
	}
	for _, piece := range t.citer.Close() {
		t.show(piece)
	}
}

// Refusal shows a piece of a refusal (chat.Sink). It is the part after the text.
func (t *turn) Refusal(delta string) {
	if delta == "" {
		return
	}
	t.flush()
	t.open()
	index := 0
	if t.text.Len() > 0 {
		index = 1
	}
	from := t.refusal.Len()
	t.refusal.WriteString(delta)
	t.log.text(t.message.ID, index, true, t.refusal.String(), from)
}

// open begins the message step.
func (t *turn) open() {
	if t.message != nil {
		return
	}
	at := t.now()
	t.message = &threads.Message{
		ID: t.ids.ID(threads.MessagePrefix, at), Object: "thread.message", CreatedAt: at.Unix(),
		AssistantID: &t.run.AssistantID, ThreadID: t.run.ThreadID, RunID: &t.run.ID,
		Status: threads.InProgress, Role: threads.Assistant,
		Content: []threads.Part{}, Attachments: []threads.Attachment{},
	}
	t.step = t.newStep(StepDetails{Type: MessageCreation, MessageCreation: &MessageRef{t.message.ID}}, at)
	t.log.openStep(t.step)
	t.log.openMessage(t.message)
}

func (t *turn) newStep(details StepDetails, at time.Time) *Step {
	return &Step{
		ID: t.ids.ID(StepPrefix, at), Object: "thread.run.step", CreatedAt: at.Unix(),
		RunID: t.run.ID, AssistantID: t.run.AssistantID, ThreadID: t.run.ThreadID,
		Type: details.Type, Status: StepInProgress, ExpiresAt: t.run.ExpiresAt, Details: details,
	}
}

// said is what the model said so far.
func (t *turn) said() string {
	if t.citer == nil {
		return t.text.String()
	}
	return t.unresolved.String()
}

// catchUp shows what the answer has beyond what was streamed.
func (t *turn) catchUp(answer *chat.Answer) {
	if rest, ok := strings.CutPrefix(answer.Text, t.said()); ok {
		t.Text(rest)
	}
	t.flush()
	if rest, ok := strings.CutPrefix(answer.Refusal, t.refusal.String()); ok {
		t.Refusal(rest)
	}
}

// content is the message's content as far as it has come.
func (t *turn) content() []threads.Part {
	var parts []threads.Part
	if t.text.Len() > 0 || t.refusal.Len() == 0 {
		text := threads.NewText(t.text.String())
		text.Text.Annotations = append(text.Text.Annotations, t.annotations...)
		parts = append(parts, text)
	}
	if t.refusal.Len() > 0 {
		parts = append(parts, threads.NewRefusal(t.refusal.String()))
	}
	return parts
}

// closeMessage ends the open message; reason "" completes it.
func (t *turn) closeMessage(at int64, reason string) {
	t.message.Content = t.content()
	if reason == "" {
		t.message.Status, t.message.CompletedAt = threads.Completed, &at
		return
	}
	t.message.Status, t.message.IncompleteAt = threads.Incomplete, &at
	t.message.IncompleteDetails = &threads.IncompleteDetails{Reason: reason}
}

// reopen undoes closeMessage and the step's completion after a commit that was
// refused.
func (t *turn) reopen() {
	t.message.Status, t.message.CompletedAt, t.message.IncompleteAt, t.message.IncompleteDetails = threads.InProgress, nil, nil, nil
	t.step.Status, t.step.CompletedAt, t.step.Usage = StepInProgress, nil, nil
}

// messageRecord is the closed message as it is stored.
func (t *turn) messageRecord(answer *chat.Answer) *MessageRecord {
	return &MessageRecord{Message: t.message, Turn: t.number, Tokens: t.message.CountTokens(), State: answer.State}
}

// publishMessage announces the closed message and its step.
func (t *turn) publishMessage() {
	t.log.closeMessage(t.message)
	t.log.closeStep(&StepRecord{Step: t.step}, t.run.ExpiresAt)
}

// toolCalls gives the answer's calls ids of our own, and tells those of
// file_search from functions. Calls of an answer that was cut short are dropped,
// and so are calls that the run forbade: all of them under tool_choice none, all
// but the first without parallel_tool_calls, and searches once there were
// enough turns of them, since not every backend obeys.
func (r *Run) toolCalls(answer *chat.Answer, searchTurns int, ids *wire.Minter, at time.Time) ([]ToolCall, []*filesearch.Search) {
	searches := func(c chat.Call) bool { return r.searchTool() != nil && c.Name == r.searchName() }
	calls := answer.Calls
	if searchTurns >= maxSearchTurns {
		calls = slices.DeleteFunc(slices.Clone(calls), searches)
	}
	if r.ToolChoice.Type == choiceNone || answer.Finish != chat.FinishStop {
		calls = nil
	}
	if !r.ParallelToolCalls && len(calls) > 1 {
		calls = calls[:1]
	}
	out := make([]ToolCall, len(calls))
	var found []*filesearch.Search
	for i, c := range calls {
		id := ids.ID(CallPrefix, at)
		if searches(c) {
			out[i] = r.searchCall(id)
			found = append(found, &filesearch.Search{CallID: id, Arguments: c.Arguments})
			continue
		}
		out[i] = ToolCall{ID: id, Type: assistants.FunctionTool, Function: &CalledTool{Name: c.Name, Arguments: c.Arguments}}
	}
	return out, found
}

// callTokens estimates what a turn of calls costs in a prompt, its outputs' texts
// aside.
func callTokens(calls []ToolCall) int {
	n := 0
	for _, c := range calls {
		if c.Function == nil {
			continue
		}
		n += roughTokens(c.Function.Name+c.Function.Arguments) + 2*callOverhead
	}
	return n
}

const callOverhead = 8 // ids, roles and separators of a call or its output
