package chat

import (
	"encoding/json"
	"strings"

	"github.com/sashabaranov/go-openai"
)

// buildRequest writes what req asks for, and nothing else, in the form that
// the upstream is known to take.
func buildRequest(req Request, target Target, p profile) wireRequest {
	r := wireRequest{Model: target.Model, Stream: p.stream}
	if p.stream && !p.noStreamOptions {
		r.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	}
	if !p.noTemperature {
		r.Temperature = req.Temperature
	}
	if !p.noTopP {
		r.TopP = req.TopP
	}
	if !p.noEffort {
		r.ReasoningEffort = req.ReasoningEffort
	}
	if p.maxCompletionTokens {
		r.MaxCompletionTokens = req.MaxCompletionTokens
	} else {
		r.MaxTokens = req.MaxCompletionTokens
	}
	orders := r.setTools(req, p)
	orders = append(orders, r.setFormat(req, p)...)
	r.Messages = wireMessages(conversation(req.Messages, orders, p), target, p)
	return r
}

// setTools writes the tools and how they are to be used. It returns what must
// be said in words because the backend has no parameter for it.
func (r *wireRequest) setTools(req Request, p profile) (orders []string) {
	tools := req.Tools
	if p.noToolChoice {
		switch req.ToolChoice.Mode {
		case "none":
			tools = nil
		case "required":
			orders = append(orders, "You must answer by calling at least one of the functions.")
		case "function":
			tools = only(tools, req.ToolChoice.Function)
			orders = append(orders, "You must answer by calling the function "+req.ToolChoice.Function+".")
		}
	}
	if len(tools) == 0 {
		if p.declareTools {
			r.Tools = historyTools(req.Messages)
		}
		return orders
	}
	for _, t := range tools {
		r.Tools = append(r.Tools, wireTool(t, p))
	}
	if !p.noParallel {
		r.ParallelToolCalls = req.ParallelToolCalls
	}
	if p.noToolChoice {
		return orders
	}
	switch req.ToolChoice.Mode {
	case "none", "required":
		r.ToolChoice = req.ToolChoice.Mode
	case "function":
		r.ToolChoice = openai.ToolChoice{
			Type:     openai.ToolTypeFunction,
			Function: openai.ToolFunction{Name: req.ToolChoice.Function},
		}
	}
	return orders
}

func only(tools []Tool, name string) []Tool {
	for _, t := range tools {
		if t.Name == name {
			return []Tool{t}
		}
	}
	return tools
}

func wireTool(t Tool, p profile) openai.Tool {
	parameters := parametersOf(t.Parameters)
	if p.plainSchemas {
		parameters = plainSchema(parameters)
	}
	return openai.Tool{
		Type: openai.ToolTypeFunction,
		Function: &openai.FunctionDefinition{
			Name:        t.Name,
			Description: t.Description,
			Strict:      t.Strict && !p.noStrict,
			Parameters:  parameters,
		},
	}
}

// parametersOf completes a schema to the object that every backend accepts:
// some crash without a type, some refuse an object without properties.
func parametersOf(schema json.RawMessage) json.RawMessage {
	var m map[string]json.RawMessage
	if len(schema) == 0 || json.Unmarshal(schema, &m) != nil || m == nil {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	missing := map[string]json.RawMessage{}
	if _, ok := m["type"]; !ok {
		missing["type"] = json.RawMessage(`"object"`)
	}
	if _, ok := m["properties"]; !ok {
		missing["properties"] = json.RawMessage(`{}`)
	}
	if len(m) == 0 {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	full, err := marshalWith(schema, missing)
	if err != nil {
		return schema
	}
	return full
}

// plainSchema leaves out the schema keywords that Gemini refuses. They say
// nothing about the values that are allowed.
func plainSchema(schema json.RawMessage) json.RawMessage {
	switch {
	case isObject(schema):
		var m map[string]json.RawMessage
		if json.Unmarshal(schema, &m) != nil {
			return schema
		}
		delete(m, "$schema")
		delete(m, "additionalProperties")
		for name, value := range m {
			m[name] = plainSchema(value)
		}
		if raw, err := marshal(m); err == nil {
			return raw
		}
	case isArray(schema):
		var list []json.RawMessage
		if json.Unmarshal(schema, &list) != nil {
			return schema
		}
		for i, value := range list {
			list[i] = plainSchema(value)
		}
		if raw, err := marshal(list); err == nil {
			return raw
		}
	}
	return schema
}

// historyTools declares the functions that earlier calls name, for backends
// that refuse calls in the history of a request without tools.
func historyTools(messages []Message) []openai.Tool {
	var tools []openai.Tool
	seen := map[string]bool{}
	for _, m := range messages {
		for _, call := range m.Calls {
			if !seen[call.Name] {
				seen[call.Name] = true
				tools = append(tools, wireTool(Tool{Name: call.Name}, profile{}))
			}
		}
	}
	return tools
}

// The ways to ask for JSON, from the strictest on. A backend that refuses one
// is asked by the next; the last is in words, and its answer is checked.
type jsonMode int

const (
	jsonAsAsked jsonMode = iota
	jsonObject
	jsonInWords
)

// formatOf returns the type of the response format that was asked for, "" for
// text.
func formatOf(req Request) string {
	kind := ""
	members(compactObject(req.ResponseFormat), func(key, value []byte) {
		if string(key) == "type" {
			kind = stringOf(value)
		}
	})
	if kind == "text" {
		return ""
	}
	return kind
}

func compactObject(raw json.RawMessage) []byte {
	if !json.Valid(raw) {
		return nil
	}
	return compact(raw)
}

// setFormat writes the response format and returns what must be said in words.
func (r *wireRequest) setFormat(req Request, p profile) (orders []string) {
	kind := formatOf(req)
	switch {
	case kind == "":
		return nil
	case p.json == jsonAsAsked, p.json == jsonObject && kind == "json_object":
		r.ResponseFormat = req.ResponseFormat
		return nil
	case p.json == jsonObject:
		r.ResponseFormat = json.RawMessage(`{"type":"json_object"}`)
	}
	order := "Answer with one JSON object and nothing else: no text around it, no code fence."
	if schema := schemaOf(req.ResponseFormat); schema != "" {
		order = "Answer with one JSON object that matches this JSON schema, and nothing else: no text around it, no code fence.\n" + schema
	}
	return []string{order}
}

func schemaOf(format json.RawMessage) string {
	schema := ""
	members(compactObject(format), func(key, value []byte) {
		if string(key) == "json_schema" {
			members(value, func(key, value []byte) {
				if string(key) == "schema" {
					schema = string(value)
				}
			})
		}
	})
	return schema
}

// bareJSON returns the JSON object in text, which may have a code fence around
// it all the same.
func bareJSON(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "```"); ok {
		inner = strings.TrimPrefix(inner, "json")
		text = strings.TrimSpace(strings.TrimSuffix(inner, "```"))
	}
	return text, strings.HasPrefix(text, "{") && json.Valid([]byte(text))
}
