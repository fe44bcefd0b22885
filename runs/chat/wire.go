package chat

import (
	"bytes"
	"encoding/json"

	"github.com/sashabaranov/go-openai"
)

// wireRequest is the body of a request. It is our own type where go-openai's
// would lose what was asked for: a temperature of 0, content of "".
type wireRequest struct {
	Model               string                `json:"model"`
	Messages            []wireMessage         `json:"messages"`
	Tools               []openai.Tool         `json:"tools,omitempty"`
	ToolChoice          any                   `json:"tool_choice,omitempty"`
	ParallelToolCalls   *bool                 `json:"parallel_tool_calls,omitempty"`
	Temperature         *float64              `json:"temperature,omitempty"`
	TopP                *float64              `json:"top_p,omitempty"`
	ReasoningEffort     string                `json:"reasoning_effort,omitempty"`
	MaxTokens           int                   `json:"max_tokens,omitempty"`
	MaxCompletionTokens int                   `json:"max_completion_tokens,omitempty"`
	ResponseFormat      json.RawMessage       `json:"response_format,omitempty"`
	Stream              bool                  `json:"stream"`
	StreamOptions       *openai.StreamOptions `json:"stream_options,omitempty"`
}

// wireMessage always has a content: a string, parts, or null beside calls.
type wireMessage struct {
	Role       string
	Content    json.RawMessage
	ToolCalls  []wireCall
	ToolCallID string
	More       map[string]json.RawMessage // what the backend wants back
}

// MarshalJSON writes the message with its additional members.
func (m wireMessage) MarshalJSON() ([]byte, error) {
	return marshalWith(struct {
		Role       string          `json:"role"`
		Content    json.RawMessage `json:"content"`
		ToolCalls  []wireCall      `json:"tool_calls,omitempty"`
		ToolCallID string          `json:"tool_call_id,omitempty"`
	}{m.Role, m.Content, m.ToolCalls, m.ToolCallID}, m.More)
}

// wireCall always has arguments.
type wireCall struct {
	ID        string
	Name      string
	Arguments string
	More      map[string]json.RawMessage
}

// MarshalJSON writes the call with its additional members.
func (c wireCall) MarshalJSON() ([]byte, error) {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	return marshalWith(struct {
		ID       string          `json:"id"`
		Type     openai.ToolType `json:"type"`
		Function function        `json:"function"`
	}{c.ID, openai.ToolTypeFunction, function{c.Name, c.Arguments}}, c.More)
}

// marshalWith appends the members of more to the object v.
func marshalWith(v any, more map[string]json.RawMessage) ([]byte, error) {
	raw, err := marshal(v)
	if err != nil || len(more) == 0 {
		return raw, err
	}
	rest, err := marshal(more)
	if err != nil {
		return nil, err
	}
	raw[len(raw)-1] = ','
	return append(raw, rest[1:]...), nil
}

// marshal encodes v without escaping HTML: the bytes are for models and for
// people who read the tape.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// quoted returns s as a JSON string.
func quoted(s string) json.RawMessage {
	raw, err := marshal(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return raw
}
