// Package runs advances threads: a run asks the model, hands function calls to
// the client, and goes on when their outputs are submitted.
//
// Read it in this order: transitions.go (the state machine), service.go (the
// API's verbs), engine.go (who drives which run), ahead.go (the model call that
// begins before the commit), loop.go (what happens next),
// turn.go (one model call becoming steps and messages), prompt.go (what the
// model is sent). A run is driven by one loop; a fresh run, a run whose
// outputs just came and a run found after a crash enter it at the same place.
package runs

import (
	"bytes"
	"encoding/json"

	"understudy/api/wire"
	"understudy/assistants"
)

// The prefixes of this package's ids.
const (
	IDPrefix   = "run_"
	StepPrefix = "step_"
	CallPrefix = "call_"
)

// Run is the run object on the wire, in the hosted API's key order (spec
// sections 6 and 7). Times are unix seconds and null until they happen;
// ExpiresAt is null in every terminal state. Usage is null until then.
type Run struct {
	ID                  string                    `json:"id"`
	Object              string                    `json:"object"`
	CreatedAt           int64                     `json:"created_at"`
	AssistantID         string                    `json:"assistant_id"`
	ThreadID            string                    `json:"thread_id"`
	Status              Status                    `json:"status"`
	StartedAt           *int64                    `json:"started_at"`
	ExpiresAt           *int64                    `json:"expires_at"`
	CancelledAt         *int64                    `json:"cancelled_at"`
	FailedAt            *int64                    `json:"failed_at"`
	CompletedAt         *int64                    `json:"completed_at"`
	RequiredAction      *RequiredAction           `json:"required_action"`
	LastError           *LastError                `json:"last_error"`
	Model               string                    `json:"model"`
	Instructions        *string                   `json:"instructions"`
	Tools               []assistants.Tool         `json:"tools"`
	ToolResources       assistants.ToolResources  `json:"tool_resources"`
	Metadata            wire.Metadata             `json:"metadata"`
	Temperature         *wire.Float               `json:"temperature"`
	TopP                *wire.Float               `json:"top_p"`
	ReasoningEffort     *string                   `json:"reasoning_effort"`
	MaxCompletionTokens *int                      `json:"max_completion_tokens"`
	MaxPromptTokens     *int                      `json:"max_prompt_tokens"`
	Truncation          Truncation                `json:"truncation_strategy"`
	IncompleteDetails   *IncompleteDetails        `json:"incomplete_details"`
	Usage               *Usage                    `json:"usage"`
	ResponseFormat      assistants.ResponseFormat `json:"response_format"`
	ToolChoice          ToolChoice                `json:"tool_choice"`
	ParallelToolCalls   bool                      `json:"parallel_tool_calls"`
}

// RequiredAction lists the calls whose outputs the run waits for.
type RequiredAction struct {
	Type              string      `json:"type"` // submit_tool_outputs
	SubmitToolOutputs SubmitCalls `json:"submit_tool_outputs"`
}

// SubmitCalls is the list inside RequiredAction.
type SubmitCalls struct {
	ToolCalls []PendingCall `json:"tool_calls"`
}

// PendingCall is a function call as the client is asked to execute it.
type PendingCall struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Function PendingFunction `json:"function"`
}

// PendingFunction names the function and its arguments, as the model wrote them.
type PendingFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// LastError says why a run or step failed. Code is server_error,
// rate_limit_exceeded or invalid_prompt.
type LastError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// IncompleteDetails says why a run ended early: max_completion_tokens,
// max_prompt_tokens or content_filter.
type IncompleteDetails struct {
	Reason string `json:"reason"`
}

// The reasons a run ends incomplete.
const (
	maxCompletionTokens = "max_completion_tokens"
	maxPromptTokens     = "max_prompt_tokens"
	contentFilter       = "content_filter"
)

// Usage counts tokens. The singular prompt_token_details is the hosted API's.
type Usage struct {
	PromptTokens       int               `json:"prompt_tokens"`
	CompletionTokens   int               `json:"completion_tokens"`
	TotalTokens        int               `json:"total_tokens"`
	PromptDetails      PromptDetails     `json:"prompt_token_details"`
	CompletionsDetails CompletionDetails `json:"completion_tokens_details"`
}

// PromptDetails is a part of Usage.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// CompletionDetails is a part of Usage.
type CompletionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

func (u Usage) plus(v Usage) Usage {
	u.PromptTokens += v.PromptTokens
	u.CompletionTokens += v.CompletionTokens
	u.TotalTokens += v.TotalTokens
	u.PromptDetails.CachedTokens += v.PromptDetails.CachedTokens
	u.CompletionsDetails.ReasoningTokens += v.CompletionsDetails.ReasoningTokens
	return u
}

// Truncation says what a prompt keeps of the thread: as much as fits (auto),
// or the newest LastMessages messages.
type Truncation struct {
	Type         string `json:"type"`
	LastMessages *int   `json:"last_messages"`
}

// The truncation strategies.
const (
	truncateAuto = "auto"
	lastMessages = "last_messages"
)

// ToolChoice is "none", "auto", "required" or an object naming a tool; it is
// echoed as it was sent.
type ToolChoice struct {
	Type     string // none, auto, required, function, file_search or code_interpreter
	Function string // only for type function
}

type namedChoice struct {
	Type     string        `json:"type"`
	Function *functionName `json:"function,omitempty"`
}

type functionName struct {
	Name string `json:"name"`
}

// MarshalJSON writes a string for the modes and an object for a named tool.
func (c ToolChoice) MarshalJSON() ([]byte, error) {
	switch c.Type {
	case "":
		return []byte(`"auto"`), nil
	case choiceNone, choiceAuto, choiceRequired:
		return json.Marshal(c.Type)
	}
	named := namedChoice{Type: c.Type}
	if c.Function != "" {
		named.Function = &functionName{c.Function}
	}
	return json.Marshal(named)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *ToolChoice) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		return json.Unmarshal(raw, &c.Type)
	}
	var named namedChoice
	if err := json.Unmarshal(raw, &named); err != nil {
		return err
	}
	c.Type = named.Type
	if named.Function != nil {
		c.Function = named.Function.Name
	}
	return nil
}

// The tool choices that are not a named tool.
const (
	choiceNone     = "none"
	choiceAuto     = "auto"
	choiceRequired = "required"
)
