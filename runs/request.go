package runs

import (
	"understudy/assistants"
	"understudy/runs/chat"
)

// answerReserve is the part of a model's window, in tokens, kept free for its
// answer; a small window keeps a quarter.
const answerReserve = 4096

// promptBudget is how many tokens the next prompt may have, and whether that is
// the client's cap, which holds over the whole run, rather than the model's
// window.
func (r *Record) promptBudget(window int) (budget int, hard bool) {
	budget = window - min(answerReserve, window/4)
	if limit := r.Run.MaxPromptTokens; limit != nil {
		if left := *limit - r.Spent.Usage.PromptTokens; left < budget {
			return left, true
		}
	}
	return budget, false
}

// capReached names the token cap that is used up, "" when none is.
func (r *Record) capReached() string {
	if limit := r.Run.MaxCompletionTokens; limit != nil && r.Spent.Usage.CompletionTokens >= *limit {
		return maxCompletionTokens
	}
	if limit := r.Run.MaxPromptTokens; limit != nil && r.Spent.Usage.PromptTokens >= *limit {
		return maxPromptTokens
	}
	return ""
}

// request is the run's next model call. A forced tool is forced in the first
// call only, or the run would never come to an answer.
func (r *Record) request(messages []chat.Message, steps []*StepRecord) chat.Request {
	run, first := r.Run, len(steps) == 0
	req := chat.Request{
		Model: run.Model, Upstream: r.Upstream, Messages: messages, Tools: run.offered(searchTurns(steps)),
		ResponseFormat: run.ResponseFormat.Object(),
		Temperature:    notDefault((*float64)(run.Temperature)),
		TopP:           notDefault((*float64)(run.TopP)),
	}
	if run.ReasoningEffort != nil {
		req.ReasoningEffort = *run.ReasoningEffort
	}
	if run.MaxCompletionTokens != nil {
		req.MaxCompletionTokens = *run.MaxCompletionTokens - r.Spent.Usage.CompletionTokens
	}
	if !run.ParallelToolCalls && len(req.Tools) > 0 {
		req.ParallelToolCalls = &run.ParallelToolCalls
	}
	switch choice := run.ToolChoice; {
	case choice.Type == choiceNone:
		req.ToolChoice.Mode = choiceNone
	case first && choice.Type != choiceAuto:
		req.ToolChoice = run.forced()
	}
	return req
}

// notDefault leaves out 1, which every assistant has unless it was set: a
// backend that refuses the parameter need not see it.
func notDefault(f *float64) *float64 {
	if f == nil || *f == 1 {
		return nil
	}
	return f
}

// forced is the tool choice as the model is told it: file_search is a function
// to it.
func (r *Run) forced() chat.ToolChoice {
	if r.ToolChoice.Type == assistants.FileSearch {
		return chat.ToolChoice{Mode: assistants.FunctionTool, Function: r.searchName()}
	}
	return chat.ToolChoice{Mode: r.ToolChoice.Type, Function: r.ToolChoice.Function}
}

// offered lists what the model may call: the functions, and file_search unless
// it has had its turns. code_interpreter is accepted and echoed, but there is
// nothing to run it yet.
func (r *Run) offered(searchTurns int) []chat.Tool {
	var out []chat.Tool
	for _, t := range r.Tools {
		if f := t.Function; f != nil {
			tool := chat.Tool{Name: f.Name, Parameters: f.Parameters, Strict: f.Strict}
			if f.Description != nil {
				tool.Description = *f.Description
			}
			out = append(out, tool)
		}
	}
	if r.searchTool() != nil && searchTurns < maxSearchTurns {
		out = append(out, r.searchDefinition())
	}
	return out
}

// searchTurns counts the turns in which the model searched.
func searchTurns(steps []*StepRecord) int {
	n := 0
	for _, s := range steps {
		if len(s.Searches) > 0 {
			n++
		}
	}
	return n
}
