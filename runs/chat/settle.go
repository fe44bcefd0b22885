package chat

import (
	"errors"
	"io"
	"slices"
	"strings"
)

// document takes in a whole answer. Choices with the same or no index are
// parts of one answer, choices with different ones are alternatives.
func (f *fold) document(raw []byte) {
	f.done = true
	if !isObject(raw) {
		f.frame(raw)
		return
	}
	c := readChunk(raw)
	f.named(c)
	f.countAll(c)
	for _, p := range keptChoices(c.choices) {
		b := readBody(p.message)
		if isEmpty(p.message) {
			b = readBody(p.delta)
		}
		f.take(b, f.calls.whole)
		f.end(p)
	}
	if f.failure == nil && (c.failed() || !f.choices) {
		f.failure = classify(0, nil, raw)
	}
}

// keptChoices returns the parts of the answer with the lowest index, unless
// only a later alternative makes calls.
func keptChoices(raw []byte) []choiceParts {
	groups := map[int][]choiceParts{}
	var nameless []choiceParts
	elements(raw, func(value []byte) {
		p := readChoice(value)
		if index, ok := intOf(p.index); ok {
			groups[index] = append(groups[index], p)
		} else {
			nameless = append(nameless, p)
		}
	})
	if len(nameless) > 0 && len(groups) == 0 {
		return nameless
	}
	var indexes []int
	for index := range groups {
		indexes = append(indexes, index)
	}
	slices.Sort(indexes)
	for i, index := range indexes {
		if i == 0 {
			groups[index] = append(groups[index], nameless...)
		}
		if slices.ContainsFunc(groups[index], choiceParts.makesCalls) {
			return groups[index]
		}
	}
	if len(indexes) == 0 {
		return nil
	}
	return groups[indexes[0]]
}

func (p choiceParts) makesCalls() bool {
	b := readBody(p.message)
	makes := !isEmpty(b.calls)
	members(b.function, func(key, value []byte) {
		makes = makes || string(key) == "name" && !isEmpty(value)
	})
	return makes
}

// whole tells whether the answer is whole, given why reading stopped. A clean
// end of the body alone proves nothing: proxies close idle streams cleanly.
func (f *fold) whole(ended error) bool {
	switch {
	case f.done:
		return true
	case errors.Is(ended, io.EOF):
		return f.finish != finishNone || f.closing && f.choices
	}
	return f.finish != finishNone && !f.unfinished && !f.calls.halfway()
}

// settle ends the answer. With a failure, the Answer is what there was of it.
func (f *fold) settle(ended error, tools []Tool) (*Answer, *failure) {
	if f.failure == nil && !f.whole(ended) {
		f.failure = cut(ended)
	}
	if f.failure == nil && !f.choices {
		f.failure = classify(0, nil, nil)
	}
	if f.failure == nil && f.finish == finishFailed {
		f.failure = &failure{
			code: ServerError, retry: true,
			message: "The backend broke off its answer with an error.",
		}
	}
	answer := &Answer{Usage: f.usage, Finish: FinishStop}
	switch f.finish {
	case finishLength:
		answer.Finish = FinishLength
	case finishFilter:
		answer.Finish = FinishContentFilter
	default:
	}
	if f.failure == nil {
		f.flush(answer.Finish)
		if answer.Finish == FinishStop {
			answer.Calls = f.settledCalls(tools)
		}
	}
	answer.Text = f.visible.String()
	answer.Refusal = f.refused.String()
	answer.Reasoning = f.thoughts()
	return answer, f.failure
}

// flush shows what was held back for want of its continuation.
func (f *fold) flush(finish Finish) {
	f.showRefusal(f.refusal.rest())
	f.show(f.think.add(f.text.rest()))
	brokeOff := finish != FinishStop || len(f.calls.settled()) > 0
	f.show(f.think.finish(brokeOff))
}

func (f *fold) thoughts() string {
	f.reasoning.text.WriteString(f.reasoning.join.rest())
	all := []string{f.reasoning.text.String(), f.think.thoughts()}
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "\n")
}

func (f *fold) settledCalls(tools []Tool) []Call {
	var calls []Call
	for _, c := range f.calls.settled() {
		calls = append(calls, Call{
			Name:      declaredName(c.name, tools),
			Arguments: settleArguments(c.fragments),
		})
	}
	return calls
}
