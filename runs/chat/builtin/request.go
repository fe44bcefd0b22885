package builtin

import (
	"encoding/json"
	"fmt"
	"strings"
)

// chatRequest holds the members of a Chat Completions request that the model
// heeds.
type chatRequest struct {
	Model               string          `json:"model"`
	Messages            []message       `json:"messages"`
	Tools               []tool          `json:"tools"`
	ToolChoice          toolChoice      `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      *responseFormat `json:"response_format"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Stream              bool            `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type message struct {
	Role       string     `json:"role"`
	Content    content    `json:"content"`
	ToolCalls  []toolCall `json:"tool_calls"`
	ToolCallID string     `json:"tool_call_id"`
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// content is a message's content: a string, null, or an array of parts whose
// texts are joined by newlines.
type content struct {
	text   string
	images int
}

func (c *content) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		if err := json.Unmarshal(data, &c.text); err != nil {
			return badRequest("messages", "Invalid type for 'messages': content is a string or an array of parts.")
		}
		return nil
	}
	var parts []struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return badRequest("messages", "Invalid type for 'messages': every content part is an object with a type.")
	}
	var texts []string
	for _, part := range parts {
		switch part.Type {
		case "text":
			texts = append(texts, part.Text)
		case "refusal":
			texts = append(texts, part.Refusal)
		case "image_url":
			c.images++
		default:
			return badRequest("messages", "Invalid value: '%s'. Supported content parts are: 'text', 'image_url' and 'refusal'.", part.Type)
		}
	}
	c.text = strings.Join(texts, "\n")
	return nil
}

// toolChoice is none, auto, required, or function with its name.
type toolChoice struct {
	mode     string
	function string
}

func (t *toolChoice) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		if err := json.Unmarshal(data, &t.mode); err != nil {
			return err
		}
		switch t.mode {
		case "none", "auto", "required":
			return nil
		}
		return badRequest("tool_choice", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", t.mode)
	}
	if string(data) == "null" {
		return nil
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := json.Unmarshal(data, &named); err != nil || named.Type != "function" || named.Function.Name == "" {
		return badRequest("tool_choice", "Invalid value for 'tool_choice': expected a string or {\"type\": \"function\", \"function\": {\"name\": …}}.")
	}
	t.mode, t.function = "function", named.Function.Name
	return nil
}

func (r *chatRequest) validate() error {
	if r.Model == "" {
		return badRequest("", "you must provide a model parameter")
	}
	if len(r.Messages) == 0 {
		return badRequest("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	if err := validateMessages(r.Messages); err != nil {
		return err
	}
	if err := r.validateTools(); err != nil {
		return err
	}
	if r.ResponseFormat != nil {
		switch r.ResponseFormat.Type {
		case "text", "json_object":
		case "json_schema":
			if r.ResponseFormat.JSONSchema.Schema == nil {
				return badRequest("response_format.json_schema", "Missing required parameter: 'response_format.json_schema'.")
			}
		default:
			return badRequest("response_format.type", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", r.ResponseFormat.Type)
		}
	}
	if limit := r.tokenLimit(); limit != nil && *limit < 1 {
		return badRequest("max_tokens", "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got %d instead.", *limit)
	}
	return nil
}

func (r *chatRequest) validateTools() error {
	for i, t := range r.Tools {
		if t.Type == "function" && t.Function.Name == "" {
			param := fmt.Sprintf("tools[%d].function.name", i)
			return badRequest(param, "Missing required parameter: '%s'.", param)
		}
	}
	switch choice := r.ToolChoice; {
	case len(r.Tools) == 0 && choice.mode != "" && choice.mode != "none":
		return badRequest("tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	case choice.mode == "function" && r.tool(choice.function) == nil:
		return badRequest("tool_choice", "Tool choice '%s' not found in 'tools' parameter.", choice.function)
	}
	return nil
}

// validateMessages holds the conversation to the hosted API's rule: every
// call of an assistant turn is answered, directly behind it.
func validateMessages(messages []message) error {
	open := map[string]bool{}
	for i, m := range messages {
		param := fmt.Sprintf("messages[%d]", i)
		if m.Role != "tool" && len(open) > 0 {
			return unanswered(open)
		}
		switch m.Role {
		case "system", "developer", "user":
		case "assistant":
			for _, call := range m.ToolCalls {
				open[call.ID] = true
			}
		case "tool":
			if !open[m.ToolCallID] {
				return badRequest(param+".role", "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			delete(open, m.ToolCallID)
		default:
			return badRequest(param+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'.", m.Role)
		}
	}
	if len(open) > 0 {
		return unanswered(open)
	}
	return nil
}

func unanswered(open map[string]bool) error {
	return badRequest("messages", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(sortedKeys(open), ", "))
}

func (r *chatRequest) tool(name string) *tool {
	for i := range r.Tools {
		if r.Tools[i].Type == "function" && r.Tools[i].Function.Name == name {
			return &r.Tools[i]
		}
	}
	return nil
}

// tokenLimit is the most tokens the answer may have; nil means no limit.
func (r *chatRequest) tokenLimit() *int {
	if r.MaxCompletionTokens != nil {
		return r.MaxCompletionTokens
	}
	return r.MaxTokens
}
