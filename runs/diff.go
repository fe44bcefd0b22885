package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"understudy/api/wire"
)

// Diff compares two runs of a project: a, and b which may be its replay.
type Diff struct {
	Object string `json:"object"` // thread.run.diff
	// Same says that both made the same calls, said the same and came to the same end.
	Same bool    `json:"same"`
	A    DiffRun `json:"a"`
	B    DiffRun `json:"b"`
	// Settings are those members of the run objects that say how the model is asked
	// and are not the same.
	Settings        map[string]Sides[json.RawMessage] `json:"settings"`
	FirstDivergence *Divergence                       `json:"first_divergence"` // null = none
	ToolCalls       DiffCalls                         `json:"tool_calls"`
	JSON            DiffJSON                          `json:"json"`
	Text            DiffText                          `json:"text"`
	Steps           []DiffSteps                       `json:"steps"` // side by side, by their place
}

// Sides are what both runs have of something.
type Sides[T any] struct {
	A T `json:"a"`
	B T `json:"b"`
}

// DiffRun is one of the runs, in short.
type DiffRun struct {
	RunID             string             `json:"run_id"`
	ThreadID          string             `json:"thread_id"`
	ReplayOf          *string            `json:"replay_of"` // a run's id; null = it is no replay
	Model             string             `json:"model"`
	Status            Status             `json:"status"`
	IncompleteDetails *IncompleteDetails `json:"incomplete_details"`
	LastError         *LastError         `json:"last_error"`
	UnrecordedCall    *DiffCall          `json:"unrecorded_call"` // at which a replay stopped; null = it did not
	Usage             *Usage             `json:"usage"`
	Latency           *Latency           `json:"latency"` // null = nothing of it is on the tape
}

// Latency is how long the model took, by the tape; what tools and clients took is
// not in it.
type Latency struct {
	ModelCalls int         `json:"model_calls"`
	Retries    int         `json:"retries"`
	Seconds    wire.Float  `json:"seconds"`             // of all calls together
	FirstToken *wire.Float `json:"first_token_seconds"` // of the first call; null = its answer came as a whole
}

// Divergence is the first place at which two runs differ.
type Divergence struct {
	Step *int   `json:"step"` // counted from 0; null = only the ends of the runs differ
	Call *int   `json:"call"` // of the step, counted from 0; null = it is no matter of a call
	What string `json:"what"` // step, text, tool_call, arguments, output or status
	A    string `json:"a"`    // the beginning of what a has there; "" = nothing
	B    string `json:"b"`
}

// DiffCalls compares the calls of tools.
type DiffCalls struct {
	Same      bool       `json:"same"`       // the same tools in the same order with the same arguments
	SameNames bool       `json:"same_names"` // the same tools in the same order
	A         []DiffCall `json:"a"`
	B         []DiffCall `json:"b"`
}

// DiffCall is a call of a tool. A search has the name file_search, and its output
// names what was found.
type DiffCall struct {
	Type      string  `json:"type"` // function or file_search
	Name      string  `json:"name"`
	Arguments string  `json:"arguments"`
	Output    *string `json:"output"` // null = it was not answered
}

// DiffJSON says whether the last messages are JSON. It is expected where the
// response format of a asks for it, or where a's message is an object or a list.
type DiffJSON struct {
	Expected bool `json:"expected"`
	A        bool `json:"a"`
	B        bool `json:"b"`
}

// DiffText compares the last messages of the runs; one without has "".
type DiffText struct {
	Words
	A string `json:"a"`
	B string `json:"b"`
}

// DiffSteps are the steps at one place of both runs.
type DiffSteps struct {
	Same bool      `json:"same"`
	A    *DiffStep `json:"a"` // null = the run has fewer steps
	B    *DiffStep `json:"b"`
}

// DiffStep is a step with what its message says, or its calls.
type DiffStep struct {
	Type      string     `json:"type"`
	Status    StepStatus `json:"status"`
	Text      *string    `json:"text"`       // null = it made no message, or one that was deleted
	ToolCalls []DiffCall `json:"tool_calls"` // empty for a message
	Usage     *Usage     `json:"usage"`
}

// Diff compares two runs of the project, of whatever threads.
func (s *Service) Diff(ctx context.Context, project, a, b string) (*Diff, error) {
	sideA, err := s.diffSide(ctx, project, a)
	if err != nil {
		return nil, err
	}
	sideB, err := s.diffSide(ctx, project, b)
	if err != nil {
		return nil, err
	}
	return compare(sideA, sideB)
}

// diffSide is what a comparison needs of a run.
type diffSide struct {
	*Recording
	calls []*ModelCall
	steps []*DiffStep
}

func (s *Service) diffSide(ctx context.Context, project, id string) (*diffSide, error) {
	threadID, err := s.store.ThreadOfRun(ctx, project, id)
	if err != nil {
		return nil, wire.OrNoSuch(err, noun, id)
	}
	side, since := &diffSide{}, s.engine.begun(id)
	if side.Recording, err = s.store.Recording(ctx, project, threadID, id); err != nil {
		return nil, wire.OrNoSuch(err, noun, id)
	}
	side.Run = side.Run.showBegun(since)
	if side.calls, err = s.store.ModelCalls(ctx, project, threadID, id); err != nil {
		return nil, wire.OrNoSuch(err, noun, id)
	}
	for _, step := range side.Steps {
		side.steps = append(side.steps, side.step(step))
	}
	return side, nil
}

// step is a step in short.
func (d *diffSide) step(r *StepRecord) *DiffStep {
	step := &DiffStep{Type: r.Step.Type, Status: r.Step.Status, Usage: r.Step.Usage, ToolCalls: []DiffCall{}}
	if ref := r.Step.Details.MessageCreation; ref != nil {
		if m := d.Messages[ref.MessageID]; m != nil {
			step.Text = wire.Ptr(m.Text())
		}
	}
	for _, c := range r.Step.Details.ToolCalls {
		call := DiffCall{Type: c.Type, Name: c.Type}
		if c.Function != nil {
			call.Name, call.Arguments, call.Output = c.Function.Name, c.Function.Arguments, c.Function.Output
		}
		if search := r.search(c.ID); search != nil {
			call.Arguments = search.Arguments
			if search.Done {
				call.Output = wire.Ptr(foundFiles(search.Problem, results(search.Passages, false)))
			}
		}
		step.ToolCalls = append(step.ToolCalls, call)
	}
	return step
}

// foundFiles says what a search found.
func foundFiles(problem string, found []SearchResult) string {
	if problem != "" {
		return problem
	}
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = fmt.Sprintf("%s (%.2f)", r.FileName, float64(r.Score))
	}
	return strings.Join(names, ", ")
}

// toolCalls lists the calls of all steps.
func (d *diffSide) toolCalls() []DiffCall {
	calls := []DiffCall{}
	for _, s := range d.steps {
		calls = append(calls, s.ToolCalls...)
	}
	return calls
}

// text is the run's last message.
func (d *diffSide) text() string {
	for _, s := range slices.Backward(d.steps) {
		if s.Text != nil {
			return *s.Text
		}
	}
	return ""
}

// run is the run in short.
func (d *diffSide) run() DiffRun {
	r := d.Run
	short := DiffRun{
		RunID: r.ID, ThreadID: r.ThreadID, Model: r.Model, Status: r.Status, IncompleteDetails: r.IncompleteDetails,
		LastError: r.LastError, Usage: r.Usage, Latency: latencyOf(d.calls),
	}
	if d.ReplayOf != nil {
		short.ReplayOf = &d.ReplayOf.RunID
		short.UnrecordedCall = d.unrecorded()
	}
	return short
}

// unrecorded is the call at which a replay stopped because nothing is recorded for
// it, nil when it did not.
func (d *diffSide) unrecorded() *DiffCall {
	if len(d.steps) == 0 || d.Run.LastError == nil {
		return nil
	}
	for _, c := range d.steps[len(d.steps)-1].ToolCalls {
		if c.Output == nil {
			return &c
		}
	}
	return nil
}

// latencyOf sums up the calls of a run, nil for none.
func latencyOf(calls []*ModelCall) *Latency {
	if len(calls) == 0 {
		return nil
	}
	l := &Latency{ModelCalls: len(calls)}
	for _, c := range calls {
		l.Retries += len(c.Retries)
		l.Seconds += wire.Float(c.EndedAt.Sub(c.StartedAt).Seconds())
	}
	if first := calls[0]; first.FirstToken != nil {
		l.FirstToken = wire.Ptr(wire.Float(first.FirstToken.Sub(first.StartedAt).Seconds()))
	}
	return l
}

// compare makes the comparison.
func compare(a, b *diffSide) (*Diff, error) {
	d := &Diff{
		Object: "thread.run.diff", A: a.run(), B: b.run(),
		ToolCalls: compareCalls(a.toolCalls(), b.toolCalls()),
		JSON:      compareJSON(a, b),
		Text:      DiffText{Words: compareWords(a.text(), b.text()), A: a.text(), B: b.text()},
		Steps:     compareSteps(a.steps, b.steps),
	}
	d.FirstDivergence = divergence(d.Steps, a.Run, b.Run)
	d.Same = d.FirstDivergence == nil
	var err error
	d.Settings, err = compareSettings(a.Run, b.Run)
	return d, err
}

// settings are the members of a run that say how the model is asked.
var settings = []string{
	"model", "instructions", "tools", "temperature", "top_p", "reasoning_effort", "max_completion_tokens", "max_prompt_tokens",
	"truncation_strategy", "response_format", "tool_choice", "parallel_tool_calls",
}

func compareSettings(a, b *Run) (map[string]Sides[json.RawMessage], error) {
	membersA, err := members(a)
	if err != nil {
		return nil, err
	}
	membersB, err := members(b)
	if err != nil {
		return nil, err
	}
	differ := map[string]Sides[json.RawMessage]{}
	for _, name := range settings {
		if !bytes.Equal(membersA[name], membersB[name]) {
			differ[name] = Sides[json.RawMessage]{membersA[name], membersB[name]}
		}
	}
	return differ, nil
}

func members(r *Run) (map[string]json.RawMessage, error) {
	raw, err := wire.Marshal(r)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	return all, json.Unmarshal(raw, &all)
}

func compareCalls(a, b []DiffCall) DiffCalls {
	d := DiffCalls{A: a, B: b}
	d.SameNames = slices.EqualFunc(a, b, func(a, b DiffCall) bool { return a.Name == b.Name && a.Type == b.Type })
	d.Same = d.SameNames && slices.EqualFunc(a, b, func(a, b DiffCall) bool { return canonical(a.Arguments) == canonical(b.Arguments) })
	return d
}

func compareJSON(a, b *diffSide) DiffJSON {
	textA, textB := strings.TrimSpace(a.text()), strings.TrimSpace(b.text())
	d := DiffJSON{A: textA != "" && json.Valid([]byte(textA)), B: textB != "" && json.Valid([]byte(textB))}
	var format struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(a.Run.ResponseFormat.Object(), &format) // auto is no object
	d.Expected = strings.HasPrefix(format.Type, "json") || d.A && strings.ContainsAny(textA[:1], "{[")
	return d
}

func compareSteps(a, b []*DiffStep) []DiffSteps {
	steps := make([]DiffSteps, max(len(a), len(b)))
	for i := range steps {
		if i < len(a) {
			steps[i].A = a[i]
		}
		if i < len(b) {
			steps[i].B = b[i]
		}
		steps[i].Same = steps[i].differ() == nil
	}
	return steps
}
