package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"understudy/runs"
)

// report is what a rehearsal comes to; --json prints it as it is.
type report struct {
	Object    string       `json:"object"` // rehearsal
	From      string       `json:"from"`
	To        string       `json:"to"`
	Seconds   float64      `json:"seconds"` // the whole rehearsal took
	Rehearsed int          `json:"rehearsed"`
	Held      int          `json:"held"`
	Summary   summary      `json:"summary"`
	Runs      []runReport  `json:"runs"`    // worst first
	Skipped   []skippedRun `json:"skipped"` // were deleted meanwhile

	tolerate float64
}

// summary counts and measures, of the old runs (from) and of the new (to).
type summary struct {
	Completed      sides[int]      `json:"completed"`
	SameCalls      int             `json:"same_tool_calls"`
	OtherArguments int             `json:"other_arguments"`  // the same tools in the same order
	OtherCalls     int             `json:"other_tool_calls"` // calls that stop a replay included
	Unrecorded     int             `json:"unrecorded_tool_calls"`
	JSONExpected   int             `json:"json_expected"`
	JSONValid      sides[int]      `json:"json_valid"` // of those
	SameText       int             `json:"same_text"`
	Words          sides[*float64] `json:"words_median"` // of the last messages; null = there are none
	Prompt         sides[int]      `json:"prompt_tokens"`
	Completion     sides[int]      `json:"completion_tokens"`
	Seconds        sides[*float64] `json:"model_seconds_median"` // null = nothing is on the tape
	SlowSeconds    sides[*float64] `json:"model_seconds_p95"`
	FirstToken     sides[*float64] `json:"first_token_seconds_median"`
}

type sides[T any] struct {
	From T `json:"from"`
	To   T `json:"to"`
}

// runReport is one run of a rehearsal.
type runReport struct {
	RunID    string   `json:"run_id"`
	ThreadID string   `json:"thread_id"`
	Held     bool     `json:"held"`
	Reasons  []string `json:"reasons"` // why it did not hold
	// Change is how much of the text is not the same: 0 nothing, 1 everything.
	Change float64    `json:"change"`
	Diff   *runs.Diff `json:"diff"`

	weight float64
}

type skippedRun struct {
	RunID  string `json:"run_id"`
	Reason string `json:"reason"`
}

func newReport(c *RehearseCmd, results []rehearsed, took time.Duration) *report {
	r := &report{
		Object: "rehearsal", From: c.From, To: c.To, Seconds: took.Round(time.Millisecond).Seconds(), tolerate: c.Tolerate,
		Runs: []runReport{}, Skipped: []skippedRun{},
	}
	for _, result := range results {
		if result.diff == nil {
			r.Skipped = append(r.Skipped, skippedRun{result.run.ID, result.skipped})
			continue
		}
		one := judge(result)
		r.Runs = append(r.Runs, one)
		r.Rehearsed++
		if one.Held {
			r.Held++
		}
	}
	slices.SortStableFunc(r.Runs, func(a, b runReport) int { return cmp.Compare(b.weight, a.weight) })
	r.Summary = summarize(r.Runs)
	return r
}

// worse reports whether more runs came out worse than is tolerated. A rehearsal
// of nothing proves nothing.
func (r *report) worse() bool {
	return r.Rehearsed == 0 || 100*float64(r.Rehearsed-r.Held)/float64(r.Rehearsed) > r.tolerate
}

// judge says whether a run holds, and how bad it is if not: what stops a program
// weighs more than what a person may not even notice.
func judge(result rehearsed) runReport {
	d := result.diff
	one := runReport{RunID: result.run.ID, ThreadID: result.run.ThreadID, Diff: d, Reasons: []string{}, Change: change(d.Text.Words)}
	worse := func(weight float64, format string, values ...any) {
		one.weight += weight
		one.Reasons = append(one.Reasons, fmt.Sprintf(format, values...))
	}
	switch call := d.B.UnrecordedCall; {
	case call != nil:
		worse(8, "stopped at a call that was never recorded: %s(%s)", call.Name, call.Arguments)
	case d.A.Status != d.B.Status && d.A.Status != runs.Failed:
		worse(16, "ended %s", endOf(d.B))
	}
	if d.JSON.Expected && d.JSON.A && !d.JSON.B && d.B.Status == runs.Completed {
		worse(8, "the answer is no valid JSON")
	}
	switch {
	case d.ToolCalls.Same || d.B.UnrecordedCall != nil:
	case d.ToolCalls.SameNames:
		worse(2, "other arguments: %s", callsOf(d.ToolCalls))
	default:
		worse(4, "other tool calls: %s", callsOf(d.ToolCalls))
	}
	one.Held = len(one.Reasons) == 0
	one.weight += one.Change
	return one
}

// change is the share of words that are not in both texts.
func change(w runs.Words) float64 {
	all := w.Kept + max(w.Removed, w.Added)
	if all == 0 {
		return 0
	}
	return float64(max(w.Removed, w.Added)) / float64(all)
}

func endOf(r runs.DiffRun) string {
	switch {
	case r.LastError != nil:
		return string(r.Status) + ": " + r.LastError.Message
	case r.IncompleteDetails != nil:
		return string(r.Status) + ": " + r.IncompleteDetails.Reason
	default:
		return string(r.Status)
	}
}

// callsOf shows the first calls that are not the same.
func callsOf(calls runs.DiffCalls) string {
	show := func(list []runs.DiffCall, i int) string {
		if i >= len(list) {
			return "no call"
		}
		return list[i].Name + "(" + list[i].Arguments + ")"
	}
	for i := range max(len(calls.A), len(calls.B)) {
		a, b := show(calls.A, i), show(calls.B, i)
		if a != b {
			return a + " -> " + b
		}
	}
	return ""
}

func summarize(all []runReport) summary {
	var s summary
	var words, seconds, first sides[[]float64]
	for _, one := range all {
		d := one.Diff
		s.count(d)
		words.From, words.To = append(words.From, float64(d.Text.Kept+d.Text.Removed)), append(words.To, float64(d.Text.Kept+d.Text.Added))
		for _, side := range []struct {
			run             runs.DiffRun
			seconds, tokens *[]float64
			prompt, written *int
		}{{d.A, &seconds.From, &first.From, &s.Prompt.From, &s.Completion.From}, {d.B, &seconds.To, &first.To, &s.Prompt.To, &s.Completion.To}} {
			if u := side.run.Usage; u != nil {
				*side.prompt += u.PromptTokens
				*side.written += u.CompletionTokens
			}
			if l := side.run.Latency; l != nil {
				*side.seconds = append(*side.seconds, float64(l.Seconds))
				if l.FirstToken != nil {
					*side.tokens = append(*side.tokens, float64(*l.FirstToken))
				}
			}
		}
	}
	s.Words = quantiles(words, 0.5)
	s.Seconds, s.SlowSeconds, s.FirstToken = quantiles(seconds, 0.5), quantiles(seconds, 0.95), quantiles(first, 0.5)
	return s
}

func (s *summary) count(d *runs.Diff) {
	one := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	s.Completed.From += one(d.A.Status == runs.Completed)
	s.Completed.To += one(d.B.Status == runs.Completed)
	s.SameCalls += one(d.ToolCalls.Same)
	s.OtherArguments += one(!d.ToolCalls.Same && d.ToolCalls.SameNames)
	s.OtherCalls += one(!d.ToolCalls.SameNames)
	s.Unrecorded += one(d.B.UnrecordedCall != nil)
	s.JSONExpected += one(d.JSON.Expected)
	s.JSONValid.From += one(d.JSON.Expected && d.JSON.A)
	s.JSONValid.To += one(d.JSON.Expected && d.JSON.B)
	s.SameText += one(d.Text.Same)
}

// quantiles are those of both lists, nil for an empty one.
func quantiles(lists sides[[]float64], q float64) sides[*float64] {
	return sides[*float64]{quantile(lists.From, q), quantile(lists.To, q)}
}

func quantile(list []float64, q float64) *float64 {
	if len(list) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(list))
	return &sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func (r *report) writeJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// write prints the report for people.
func (r *report) write(out io.Writer, worst int) error {
	s := r.Summary
	fmt.Fprintf(out, "%d of %d runs of %s hold with %s\n\n", r.Held, r.Rehearsed, r.From, r.To)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\t%s\t%s\n", printable(r.From), printable(r.To))
	fmt.Fprintf(table, "completed\t%d\t%d\n", s.Completed.From, s.Completed.To)
	fmt.Fprintf(table, "same tool calls\t\t%d of %d\n", s.SameCalls, r.Rehearsed)
	fmt.Fprintf(table, "  other arguments\t\t%d\n", s.OtherArguments)
	fmt.Fprintf(table, "  other calls\t\t%d, of which %d stopped at one that was never recorded\n", s.OtherCalls, s.Unrecorded)
	fmt.Fprintf(table, "valid JSON, of %d\t%d\t%d\n", s.JSONExpected, s.JSONValid.From, s.JSONValid.To)
	fmt.Fprintf(table, "the same text\t\t%d\n", s.SameText)
	fmt.Fprintf(table, "words, median\t%s\t%s\n", figure(s.Words.From, "%.0f"), figure(s.Words.To, "%.0f"))
	fmt.Fprintf(table, "prompt tokens\t%d\t%d\n", s.Prompt.From, s.Prompt.To)
	fmt.Fprintf(table, "completion tokens\t%d\t%d\n", s.Completion.From, s.Completion.To)
	for _, line := range []struct {
		name  string
		value sides[*float64]
	}{{"seconds of the model, median", s.Seconds}, {"seconds of the model, 95 of 100", s.SlowSeconds}, {"seconds to the first token, median", s.FirstToken}} {
		fmt.Fprintf(table, "%s\t%s\t%s\n", line.name, figure(line.value.From, "%.2f"), figure(line.value.To, "%.2f"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintf(out, "\n%d runs were left out: their threads were deleted meanwhile.\n", len(r.Skipped))
	}
	r.writeWorst(out, worst)
	return nil
}

func figure(value *float64, format string) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprintf(format, *value)
}

// writeWorst prints the runs that differ most.
func (r *report) writeWorst(out io.Writer, most int) {
	shown := 0
	for _, one := range r.Runs {
		if shown == most || one.weight == 0 {
			break
		}
		if shown++; shown == 1 {
			fmt.Fprint(out, "\nThe greatest differences:\n")
		}
		fmt.Fprintf(out, "\n%d. %s on %s\n", shown, one.RunID, one.ThreadID)
		for _, reason := range one.Reasons {
			fmt.Fprintf(out, "   %s\n", printable(reason))
		}
		if !one.Diff.Text.Same {
			fmt.Fprintf(out, "   %s\n", printable(excerpt(one.Diff.Text.Diff)))
		}
	}
}

// around is how many characters are shown about each change of a text.
const around = 40

// excerpt shortens what did not change in a comparison of words.
func excerpt(diff string) string {
	var out strings.Builder
	for rest := diff; rest != ""; {
		from := strings.Index(rest, "[-")
		if plus := strings.Index(rest, "{+"); from < 0 || plus >= 0 && plus < from {
			from = plus
		}
		if from < 0 {
			out.WriteString(middle(rest, out.Len() == 0, true))
			break
		}
		closing := map[byte]string{'[': "-]", '{': "+}"}[rest[from]]
		to := strings.Index(rest[from:], closing)
		if to < 0 { // a text that has such signs of its own
			to = len(rest) - from - len(closing)
		}
		out.WriteString(middle(rest[:from], out.Len() == 0, false))
		to += from + len(closing)
		out.WriteString(rest[from:to])
		rest = rest[to:]
	}
	return out.String()
}

// middle keeps the ends of a stretch that did not change, where they meet a change.
func middle(text string, first, last bool) string {
	runes := []rune(text)
	switch {
	case first && last || len(runes) <= 2*around:
		return text
	case first:
		return "…" + string(runes[len(runes)-around:])
	case last:
		return string(runes[:around]) + "…"
	default:
		return string(runes[:around]) + " … " + string(runes[len(runes)-around:])
	}
}
