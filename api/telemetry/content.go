package telemetry

import (
	"encoding/json"
	"strings"

	"understudy/runs/chat"
)

// spoken is a message as the convention's JSON schema has it.
type spoken struct {
	Role   string `json:"role"`
	Parts  []part `json:"parts"`
	Finish string `json:"finish_reason,omitempty"`
}

// part is a piece of a message: text, uri, tool_call or tool_call_response.
type part struct {
	Type      string          `json:"type"`
	Content   string          `json:"content,omitempty"`
	URI       string          `json:"uri,omitempty"`
	Modality  string          `json:"modality,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	Response  *string         `json:"response,omitempty"`
}

// inputMessages is a prompt as a span shows it. Images that come as data are
// named, not repeated.
func inputMessages(messages []chat.Message) string {
	all := make([]spoken, len(messages))
	for i, m := range messages {
		all[i] = spoken{Role: string(m.Role), Parts: callParts(m.Calls)}
		var text strings.Builder
		for _, p := range m.Content {
			switch {
			case p.ImageURL == "":
				text.WriteString(p.Text)
			case strings.HasPrefix(p.ImageURL, "data:"):
				all[i].Parts = append(all[i].Parts, part{Type: "blob", Modality: "image"})
			default:
				all[i].Parts = append(all[i].Parts, part{Type: "uri", Modality: "image", URI: p.ImageURL})
			}
		}
		said := text.String()
		switch {
		case m.Role == chat.ToolRole:
			all[i].Parts = append(all[i].Parts, part{Type: "tool_call_response", ID: m.CallID, Response: &said})
		case said != "":
			all[i].Parts = append([]part{{Type: "text", Content: said}}, all[i].Parts...)
		}
	}
	return encode(all)
}

// outputMessages is an answer as a span shows it.
func outputMessages(answer *chat.Answer) string {
	said := spoken{Role: string(chat.Assistant), Finish: finishReason(answer), Parts: callParts(answer.Calls)}
	if text := answer.Text + answer.Refusal; text != "" {
		said.Parts = append([]part{{Type: "text", Content: text}}, said.Parts...)
	}
	return encode([]spoken{said})
}

func callParts(calls []chat.Call) []part {
	parts := make([]part, len(calls))
	for i, c := range calls {
		parts[i] = part{Type: "tool_call", ID: c.ID, Name: c.Name, Arguments: json.RawMessage(c.Arguments)}
		if !json.Valid(parts[i].Arguments) { // the model wrote it
			parts[i].Arguments = json.RawMessage(encode(c.Arguments))
		}
	}
	return parts
}

// encode writes JSON of what is made of text.
func encode(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil { // text encodes
		panic(err)
	}
	return string(encoded)
}
