package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"understudy/api/wire"
	"understudy/files/tokens"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
)

// ReplayOf names the run that a replay repeats. A replay asks the model anew; its
// calls of tools are answered from the recorded run, and neither a client nor a
// tool of the server is asked.
type ReplayOf struct {
	ThreadID string `json:"thread_id"`
	RunID    string `json:"run_id"`
}

// recall answers the newest step's calls from the recorded run, and lets the
// replay go on; one that the recording cannot answer ends it there.
func (d *driver) recall(ctx context.Context) error {
	if err := d.start(); err != nil {
		return err
	}
	of := d.rec.ReplayOf
	recording, err := d.engine.store.Recording(ctx, d.rec.Project, of.ThreadID, of.RunID)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return d.interrupted(context.Cause(ctx), nil)
	case isNotFound(err): // deleted meanwhile: nothing is recorded any more
		recording = &Recording{}
	default:
		return err
	}
	last := d.steps[len(d.steps)-1]
	source, err := d.source(ctx, last)
	if err != nil {
		return err
	}
	outputs := newRecordedOutputs(recording.Steps)
	for _, s := range d.steps[:len(d.steps)-1] { // what they took is taken, also after a crash
		outputs.take(s)
	}
	answered, missing := last.filled(outputs.take(last), source)
	if len(missing) > 0 {
		d.steps[len(d.steps)-1] = answered
		return d.conclude(endUnrecorded(missing[0], of.RunID), nil)
	}
	return d.recalled(last, answered)
}

func isNotFound(err error) bool {
	refusal, refused := errors.AsType[*wire.Error](err)
	return errors.Is(err, wire.ErrNotFound) || refused && refusal.Kind == wire.NotFound
}

// recalled stores a step with the outputs of all its calls.
func (d *driver) recalled(last, answered *StepRecord) error {
	at := d.engine.now().Unix()
	answered.Step.complete(at, last.Used)
	d.steps = d.steps[:len(d.steps)-1] // commit adds it again, as it is stored now
	err := d.commit(&Change{Steps: []*StepRecord{answered}}, func(r *Record) error { return r.settle(outcome{verb: proceed}, at) })
	if err != nil {
		d.steps = append(d.steps, last)
		return d.overruled(err, nil)
	}
	d.live.log.closeStep(answered, d.rec.Run.ExpiresAt)
	return nil
}

// endUnrecorded ends a replay at a call that was not recorded.
func endUnrecorded(call ToolCall, runID string) ending {
	what := "a search of files"
	if f := call.Function; f != nil {
		what = fmt.Sprintf("%s(%s)", f.Name, wire.Shown(f.Arguments))
	}
	message := fmt.Sprintf("The replay stops at an unrecorded tool call: %s has no output left for %s.", runID, what)
	e := endFailed
	e.lastError = &LastError{Code: string(chat.ServerError), Message: message}
	return e
}

// recordedOutputs are the outputs of a recorded run, to be handed out to the
// calls of its replay.
type recordedOutputs struct{ calls []*recordedCall }

// recordedCall is a call that was answered. A search's name is empty.
type recordedCall struct {
	name, arguments string
	output          string
	search          *filesearch.Search // nil = a function's
	taken           bool
}

func newRecordedOutputs(steps []*StepRecord) *recordedOutputs {
	o := &recordedOutputs{}
	for _, s := range steps {
		for _, c := range s.Step.Details.ToolCalls {
			search := s.search(c.ID)
			switch {
			case search != nil && search.Done:
				o.calls = append(o.calls, &recordedCall{arguments: searchedFor(search), search: search})
			case c.Function != nil && c.Function.Output != nil:
				o.calls = append(o.calls, &recordedCall{name: c.Function.Name, arguments: canonical(c.Function.Arguments), output: *c.Function.Output})
			}
		}
	}
	return o
}

// searchedFor is what makes two searches the same.
func searchedFor(s *filesearch.Search) string {
	return strings.ToLower(strings.Join(strings.Fields(filesearch.Query(s.Arguments)), " "))
}

// canonical writes arguments so that those which mean the same are the same text.
func canonical(arguments string) string {
	var value any
	decoder := json.NewDecoder(strings.NewReader(arguments))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil || decoder.More() {
		return strings.TrimSpace(arguments)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil { // what was decoded encodes
		return strings.TrimSpace(arguments)
	}
	return strings.TrimSpace(out.String())
}

// same finds the recorded call with the same arguments: one that is not taken, or
// else one that is, as the same question has the same answer.
func (o *recordedOutputs) same(name, arguments string, search bool) *recordedCall {
	var again *recordedCall
	for _, c := range o.calls {
		if c.name != name || c.arguments != arguments || (c.search != nil) != search {
			continue
		}
		if !c.taken {
			return c
		}
		again = c
	}
	return again
}

// next finds the next recorded call of the tool whatever its arguments.
func (o *recordedOutputs) next(name string, search bool) *recordedCall {
	i := slices.IndexFunc(o.calls, func(c *recordedCall) bool { return !c.taken && c.name == name && (c.search != nil) == search })
	if i < 0 {
		return nil
	}
	return o.calls[i]
}

// take hands out what is recorded for each of the step's calls, nil for nothing.
// Calls with the same arguments as recorded ones are served first; the others get
// what is left of their tool, in its order.
func (o *recordedOutputs) take(s *StepRecord) []*recordedCall {
	calls := s.Step.Details.ToolCalls
	found := make([]*recordedCall, len(calls))
	for i, c := range calls {
		if found[i] = o.same(s.asked(c)); found[i] != nil {
			found[i].taken = true
		}
	}
	for i, c := range calls {
		if found[i] != nil {
			continue
		}
		name, _, search := s.asked(c)
		if found[i] = o.next(name, search); found[i] != nil {
			found[i].taken = true
		}
	}
	return found
}

// asked is what a call asks for, in canonical form.
func (r *StepRecord) asked(c ToolCall) (name, arguments string, search bool) {
	if s := r.search(c.ID); s != nil {
		return "", searchedFor(s), true
	}
	if c.Function == nil { // a search without its record
		return "", "", true
	}
	return c.Function.Name, canonical(c.Function.Arguments), false
}

// filled is a copy of the step with what was found for its calls, and the calls
// for which nothing was. source is the first number of the markers of passages.
func (r *StepRecord) filled(found []*recordedCall, source int64) (answered *StepRecord, missing []ToolCall) {
	record := *r
	step := *r.Step
	step.Details.ToolCalls = slices.Clone(step.Details.ToolCalls)
	record.Searches = slices.Clone(record.Searches)
	number := 0
	for i, c := range step.Details.ToolCalls {
		switch at := record.searchIndex(c.ID); {
		case found[i] == nil:
			missing = append(missing, c)
		case at >= 0:
			done := *found[i].search
			done.CallID, done.Arguments = c.ID, record.Searches[at].Arguments
			done.Passages = slices.Clone(done.Passages)
			for j := range done.Passages {
				done.Passages[j].Source, done.Passages[j].Number = source, number
				number++
			}
			record.Searches[at] = &done
		default:
			function := *c.Function
			function.Output = &found[i].output
			step.Details.ToolCalls[i].Function = &function
			record.Tokens += tokens.Count(found[i].output)
		}
	}
	record.Step = step.withResults(record.Searches, false)
	return &record, missing
}

func (r *StepRecord) searchIndex(callID string) int {
	return slices.IndexFunc(r.Searches, func(s *filesearch.Search) bool { return s.CallID == callID })
}
