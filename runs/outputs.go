package runs

import (
	"strings"

	"understudy/api/wire"
	"understudy/files/tokens"
)

// Outputs is the body of POST …/submit_tool_outputs.
type Outputs struct {
	Outputs []Output
	Stream  bool
}

// Output answers one function call. A missing or null output counts as "".
type Output struct {
	CallID string
	Output string
}

// ReadOutputs reads the body of POST …/submit_tool_outputs.
func ReadOutputs(o *wire.Object) (Outputs, error) {
	var out Outputs
	if o.Require("tool_outputs") {
		for _, obj := range o.Objects("tool_outputs", 0) {
			output := Output{CallID: obj.RequiredString("tool_call_id", 0)}
			if text := obj.String("output", 0); text != nil {
				output.Output = *text
			}
			_ = obj.Err()
			out.Outputs = append(out.Outputs, output)
		}
	}
	if stream := o.Bool("stream"); stream != nil {
		out.Stream = *stream
	}
	return out, o.Err()
}

// tokens estimates what the outputs cost in a prompt.
func (o Outputs) tokens() int {
	n := 0
	for _, output := range o.Outputs {
		n += tokens.Count(output.Output)
	}
	return n
}

// submission is the leg of a run that begins with its outputs.
type submission struct {
	rec   *Record
	steps []*StepRecord
	live  *live
	watch *Watch // nil when nobody streams the leg

	tokens int // of the outputs, counted before others have to wait
}

// answer takes the outputs into the run.
// since is when the run was seen in progress without the store knowing it.
func (l *submission) answer(r *Record, out Outputs, at, since int64) (*Change, error) {
	status := r.Run.showBegun(since).Status
	if err := r.Run.move(submit, at); err != nil {
		return nil, wire.Invalidf("Runs in status %q do not accept tool outputs.", status)
	}
	steps, err := r.Steps()
	if err != nil {
		return nil, err
	}
	answered := steps[len(steps)-1]
	step := answered.Step
	if err := step.answer(out.Outputs); err != nil {
		return nil, err
	}
	step.complete(at, answered.Used)
	answered.Tokens += l.tokens
	l.rec, l.steps = r, steps
	change := r.change()
	change.Steps = []*StepRecord{answered}
	return change, nil
}

// opening begins the leg's stream, nil when nobody wants one.
func (l *submission) opening(e *Engine, stream bool) func(*Log) {
	if !stream {
		return nil
	}
	run, answered := l.rec.Run, l.steps[len(l.steps)-1]
	before := numbered(l.steps, false) - 2 // the two events below
	l.watch = e.newWatch(Start{ThreadID: run.ThreadID, RunID: run.ID, After: before})
	return func(log *Log) {
		log.begin(before)
		l.watch.follow(log)
		log.closeStep(answered, run.ExpiresAt)
		log.run(run)
	}
}

// answer fills the outputs into the step. They must cover exactly the calls
// that wait for one.
func (s *Step) answer(outputs []Output) error {
	byID := map[string]string{}
	got := make([]string, len(outputs))
	for i, o := range outputs {
		got[i] = o.CallID
		byID[o.CallID] = o.Output
	}
	var expected []string
	covered := len(byID) == len(outputs)
	for _, c := range s.unanswered() {
		expected = append(expected, c.ID)
		output, ok := byID[c.ID]
		covered = covered && ok
		c.Function.Output = &output
	}
	if !covered || len(expected) != len(outputs) {
		return wire.Invalidf("Expected tool outputs for call_ids %s, got %s", pyList(expected), pyList(got))
	}
	return nil
}

// maxListed bounds how many ids an error sentence repeats.
const maxListed = 20

// pyList writes a list as the hosted API did, in Python.
func pyList(items []string) string {
	quoted := make([]string, min(len(items), maxListed))
	for i := range quoted {
		quoted[i] = "'" + wire.Shown(items[i]) + "'"
	}
	if len(items) > maxListed {
		quoted = append(quoted, "...")
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
