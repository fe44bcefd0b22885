package chat

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/sashabaranov/go-openai"
)

const (
	noOutput        = "(no output)"
	unanswered      = "(the call was not answered)"
	emptyUser       = "(empty message)"
	beginning       = "(the conversation begins)"
	acknowledgement = "OK."

	// unsignedCall is what Gemini documents for calls that it did not make.
	unsignedCall = `{"google":{"thought_signature":"skip_thought_signature_validator"}}`
)

// conversation orders the messages as every backend takes them: one system
// message first, every call answered directly behind its turn and in order, no
// empty turns. orders are appended to the system message.
func conversation(messages []Message, orders []string, p profile) []Message {
	var system []string
	var rest []Message
	for _, m := range messages {
		if m.Role != System {
			rest = append(rest, m)
		} else if text := textOf(m.Content); strings.TrimSpace(text) != "" {
			system = append(system, text)
		}
	}
	rest = answered(rest)
	rest = withoutEmpty(rest)
	if p.mergeRoles {
		rest = alternating(rest)
	}
	if p.assistantAfterTool {
		rest = acknowledged(rest)
	}
	text := strings.Join(append(system, orders...), "\n\n")
	if text == "" && len(rest) == 0 { // version 1 of the API runs an empty thread
		return []Message{{Role: User, Content: []Part{{Text: emptyUser}}}}
	}
	if text == "" {
		return rest
	}
	if p.noSystem {
		return instructed(rest, text)
	}
	return append([]Message{{Role: System, Content: []Part{{Text: text}}}}, rest...)
}

// answered puts the outputs directly behind the turn that made the calls, in
// call order. A call without an output, as cancelled runs leave them, gets one
// that says so; an output without a call is dropped.
func answered(messages []Message) []Message {
	var out []Message
	for i, m := range messages {
		if m.Role == ToolRole {
			continue
		}
		out = append(out, m)
		for _, call := range m.Calls {
			answer := Message{Role: ToolRole, CallID: call.ID, Content: []Part{{Text: unanswered}}}
			for _, later := range messages[i+1:] {
				if later.Role == ToolRole && later.CallID == call.ID {
					answer = later
					break
				}
			}
			out = append(out, answer)
		}
	}
	return out
}

// withoutEmpty drops the turns that say nothing. A conversation of nothing but
// such turns keeps its last one, as a request needs one.
func withoutEmpty(messages []Message) []Message {
	var out []Message
	for _, m := range messages {
		if m.Role == ToolRole || len(m.Calls) > 0 || hasImage(m.Content) || strings.TrimSpace(textOf(m.Content)) != "" {
			out = append(out, m)
		}
	}
	if len(out) == 0 && len(messages) > 0 {
		return []Message{{Role: User, Content: []Part{{Text: emptyUser}}}}
	}
	return out
}

// alternating joins neighbours of the same role and begins with the user, for
// chat templates that insist.
func alternating(messages []Message) []Message {
	var out []Message
	if len(messages) > 0 && messages[0].Role == Assistant {
		out = append(out, Message{Role: User, Content: []Part{{Text: beginning}}})
	}
	for _, m := range messages {
		last := len(out) - 1
		if last < 0 || out[last].Role != m.Role || m.Role == ToolRole || len(out[last].Calls) > 0 {
			out = append(out, m)
			continue
		}
		joined := m
		joined.Content = append(append([]Part(nil), out[last].Content...), m.Content...)
		out[last] = joined
	}
	return out
}

// acknowledged puts a short assistant turn between tool outputs and a user.
func acknowledged(messages []Message) []Message {
	var out []Message
	for i, m := range messages {
		if m.Role == User && i > 0 && messages[i-1].Role == ToolRole {
			out = append(out, Message{Role: Assistant, Content: []Part{{Text: acknowledgement}}})
		}
		out = append(out, m)
	}
	return out
}

// instructed puts the instructions into the first user turn.
func instructed(messages []Message, text string) []Message {
	first := Message{Role: User, Content: []Part{{Text: text}}}
	if len(messages) == 0 || messages[0].Role != User {
		return append([]Message{first}, messages...)
	}
	out := append([]Message(nil), messages...)
	out[0].Content = slices.Concat(first.Content, messages[0].Content)
	return out
}

func hasImage(parts []Part) bool {
	for _, p := range parts {
		if p.ImageURL != "" {
			return true
		}
	}
	return false
}

func textOf(parts []Part) string {
	var texts []string
	for _, p := range parts {
		if p.Text != "" {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// wireMessages encodes the conversation for target.
func wireMessages(messages []Message, target Target, p profile) []wireMessage {
	ids := callIDs{wire: map[string]string{}, used: map[string]bool{}, short: p.shortIDs}
	out := make([]wireMessage, 0, len(messages))
	for _, m := range messages {
		w := wireMessage{Role: string(m.Role)}
		switch m.Role {
		case ToolRole:
			w.ToolCallID = ids.wire[m.CallID]
			w.Content = toolContent(m.Content, p)
		case Assistant:
			w.turn(m, readState(m.State, target), &ids, p)
		case User:
			w.Content = userContent(m.Content)
		default:
			w.Content = quoted(textOf(m.Content))
		}
		out = append(out, w)
	}
	return out
}

// turn writes an assistant turn, with what its own backend wants back.
func (w *wireMessage) turn(m Message, state turnState, ids *callIDs, p profile) {
	w.Content = turnContent(m, p)
	for i, call := range m.Calls {
		native := ""
		if len(state.IDs) == len(m.Calls) {
			native = state.IDs[i]
		}
		wire := wireCall{ID: ids.mint(call.ID, native), Name: call.Name, Arguments: wireArguments(call.Arguments)}
		if len(state.Extras) == len(m.Calls) && !p.noExtras {
			wire.More = state.Extras[i]
		}
		if p.unsigned && len(wire.More) == 0 {
			wire.More = map[string]json.RawMessage{"extra_content": json.RawMessage(unsignedCall)}
		}
		w.ToolCalls = append(w.ToolCalls, wire)
	}
	w.More = map[string]json.RawMessage{}
	if len(m.Calls) > 0 && !p.noReasoning {
		// Thoughts are wanted back only where the turn goes on behind its calls.
		if state.ReasoningName != "" {
			w.More[state.ReasoningName] = quoted(state.Reasoning)
		}
		if details, err := marshal(state.Details); err == nil && len(state.Details) > 0 {
			w.More["reasoning_details"] = details
		}
		if blocks, err := marshal(state.Blocks); err == nil && len(state.Blocks) > 0 {
			w.More["thinking_blocks"] = blocks
		}
		if len(state.Parts) > 0 {
			w.Content = withThoughts(state.Parts, textOf(m.Content), w.Content)
		}
		if p.fillReasoning && state.ReasoningName == "" {
			w.More["reasoning_content"] = json.RawMessage(`""`)
		}
	}
	if len(state.Extra) > 0 && !p.noExtras {
		w.More["extra_content"] = state.Extra
	}
}

// withThoughts returns the parts of a content that begins with thoughts, and
// content when it cannot be written.
func withThoughts(thoughts []json.RawMessage, text string, content json.RawMessage) json.RawMessage {
	parts := slices.Clone(thoughts)
	if text != "" {
		raw, err := marshal(openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: text})
		if err != nil {
			return content
		}
		parts = append(parts, raw)
	}
	raw, err := marshal(parts)
	if err != nil {
		return content
	}
	return raw
}

func turnContent(m Message, p profile) json.RawMessage {
	if text := textOf(m.Content); text != "" {
		return quoted(text)
	}
	switch p.emptyContent {
	case emptyAsString:
		return json.RawMessage(`""`)
	case emptyAsBlank:
		return json.RawMessage(`" "`)
	default:
		return json.RawMessage(`null`)
	}
}

func toolContent(parts []Part, p profile) json.RawMessage {
	text := textOf(parts)
	if p.emptyContent == emptyAsBlank && strings.TrimSpace(text) == "" {
		text = noOutput
	}
	return quoted(text)
}

// userContent is a string unless there are images: several backends take
// parts only for those.
func userContent(parts []Part) json.RawMessage {
	if !hasImage(parts) {
		return quoted(textOf(parts))
	}
	var wire []openai.ChatMessagePart
	for _, part := range parts {
		switch {
		case part.ImageURL != "":
			wire = append(wire, openai.ChatMessagePart{
				Type: openai.ChatMessagePartTypeImageURL,
				ImageURL: &openai.ChatMessageImageURL{
					URL: part.ImageURL, Detail: openai.ImageURLDetail(part.Detail),
				},
			})
		case strings.TrimSpace(part.Text) != "":
			wire = append(wire, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: part.Text})
		}
	}
	raw, err := marshal(wire)
	if err != nil {
		return quoted(textOf(parts))
	}
	return raw
}

// callIDs maps our call ids to those on the wire.
type callIDs struct {
	wire  map[string]string
	used  map[string]bool
	short bool
}

// mint returns the id under which a call goes out: the backend's own one when
// no other call of the conversation has it, else ours.
func (c *callIDs) mint(ours, native string) string {
	id := native
	if id == "" || c.used[id] {
		id = ours
		if c.short {
			id = c.shortID()
		}
	}
	c.used[id] = true
	c.wire[ours] = id
	return id
}

// shortID returns nine letters and digits, the only form that Mistral takes.
func (c *callIDs) shortID() string {
	for n := len(c.wire); ; n++ {
		id := strconv.FormatInt(int64(n), 36)
		id = "call00000"[:9-len(id)] + id
		if !c.used[id] {
			return id
		}
	}
}
