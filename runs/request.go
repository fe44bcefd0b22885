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
func (r *Record) request(messages []chat.Message, first bool) chat.Request {
	run := r.Run
	req := chat.Request{
		Model: run.Model, Upstream: r.Upstream, Messages: messages, Tools: offered(run.Tools),
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
		req.ToolChoice = chat.ToolChoice{Mode: choice.Type, Function: choice.Function}
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

// offered lists the functions among the tools: code_interpreter and
// file_search are accepted and echoed, but there is nothing to run them yet.
func offered(tools []assistants.Tool) []chat.Tool {
	var out []chat.Tool
	for _, t := range tools {
		if f := t.Function; f != nil {
			tool := chat.Tool{Name: f.Name, Parameters: f.Parameters, Strict: f.Strict}
			if f.Description != nil {
				tool.Description = *f.Description
			}
			out = append(out, tool)
		}
	}
	return out
}
