package runs

import (
	"encoding/json"
	"slices"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// Step is the run step object on the wire (spec section 6). ExpiresAt is what
// hosted sent, ExpiredAt and Metadata what its SDKs are typed for: both are
// there. Usage is null until the step is completed.
type Step struct {
	ID          string        `json:"id"`
	Object      string        `json:"object"`
	CreatedAt   int64         `json:"created_at"`
	RunID       string        `json:"run_id"`
	AssistantID string        `json:"assistant_id"`
	ThreadID    string        `json:"thread_id"`
	Type        string        `json:"type"`
	Status      StepStatus    `json:"status"`
	CancelledAt *int64        `json:"cancelled_at"`
	CompletedAt *int64        `json:"completed_at"`
	ExpiresAt   *int64        `json:"expires_at"`
	ExpiredAt   *int64        `json:"expired_at"`
	FailedAt    *int64        `json:"failed_at"`
	LastError   *LastError    `json:"last_error"`
	Details     StepDetails   `json:"step_details"`
	Usage       *Usage        `json:"usage"`
	Metadata    wire.Metadata `json:"metadata"`
}

// The types of a step.
const (
	MessageCreation = "message_creation"
	ToolCalls       = "tool_calls"
)

// StepDetails holds the message a step made or the tools it called.
type StepDetails struct {
	Type            string
	MessageCreation *MessageRef
	ToolCalls       []ToolCall
}

// MessageRef names the message of a message_creation step.
type MessageRef struct {
	MessageID string `json:"message_id"`
}

// MarshalJSON writes the member that belongs to the type; tool_calls is []
// rather than null when there are none yet.
func (d StepDetails) MarshalJSON() ([]byte, error) {
	if d.Type == MessageCreation {
		return json.Marshal(struct {
			Type string      `json:"type"`
			Ref  *MessageRef `json:"message_creation"`
		}{d.Type, d.MessageCreation})
	}
	calls := d.ToolCalls
	if calls == nil {
		calls = []ToolCall{}
	}
	return json.Marshal(struct {
		Type  string     `json:"type"`
		Calls []ToolCall `json:"tool_calls"`
	}{d.Type, calls})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *StepDetails) UnmarshalJSON(raw []byte) error {
	var all struct {
		Type  string      `json:"type"`
		Ref   *MessageRef `json:"message_creation"`
		Calls []ToolCall  `json:"tool_calls"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	*d = StepDetails{Type: all.Type, MessageCreation: all.Ref, ToolCalls: all.Calls}
	return nil
}

// ToolCall is one call of a tool_calls step.
type ToolCall struct {
	ID       string      `json:"id"`
	Type     string      `json:"type"`
	Function *CalledTool `json:"function,omitempty"`
	Search   *SearchCall `json:"file_search,omitempty"`
}

// CalledTool is a function call with its output, null until it is submitted.
type CalledTool struct {
	Name      string  `json:"name"`
	Arguments string  `json:"arguments"`
	Output    *string `json:"output"`
}

// ofStep is the error as a step shows it: only a run has invalid_prompt.
func (e *LastError) ofStep() *LastError {
	if e == nil || e.Code != string(chat.InvalidPrompt) {
		return e
	}
	return &LastError{Code: string(chat.ServerError), Message: e.Message}
}

// callsClient reports whether a call of the step is the client's to answer.
func (s *Step) callsClient() bool {
	return slices.ContainsFunc(s.Details.ToolCalls, func(c ToolCall) bool { return c.Function != nil })
}

// unanswered lists the function calls that wait for an output.
func (s *Step) unanswered() []ToolCall {
	var calls []ToolCall
	for _, c := range s.Details.ToolCalls {
		if c.Function != nil && c.Function.Output == nil {
			calls = append(calls, c)
		}
	}
	return calls
}

// requiredAction asks the client for the outputs of calls.
func requiredAction(calls []ToolCall) *RequiredAction {
	action := &RequiredAction{Type: "submit_tool_outputs"}
	for _, c := range calls {
		action.SubmitToolOutputs.ToolCalls = append(action.SubmitToolOutputs.ToolCalls, PendingCall{
			ID: c.ID, Type: c.Type, Function: PendingFunction{Name: c.Function.Name, Arguments: c.Function.Arguments},
		})
	}
	return action
}
