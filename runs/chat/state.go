package chat

import (
	"encoding/json"
	"strings"
)

// turnState is Answer.State: what the backend that made a turn wants back with
// it. Other backends refuse these members, so it names its origin and goes
// back only there.
type turnState struct {
	Upstream string `json:"upstream"`
	Model    string `json:"model"`

	// IDs and Extras belong to the calls, in their order. An id may be empty,
	// extras hold the unknown members of a call.
	IDs    []string                     `json:"ids,omitempty"`
	Extras []map[string]json.RawMessage `json:"extras,omitempty"`

	ReasoningName string            `json:"reasoning_name,omitempty"`
	Reasoning     string            `json:"reasoning,omitempty"`
	Details       []json.RawMessage `json:"reasoning_details,omitempty"`
	Extra         json.RawMessage   `json:"extra_content,omitempty"`
}

// state returns the turn's state for its first n calls, nil when there is
// nothing to send back.
func (f *fold) state(target Target, n int) json.RawMessage {
	s := turnState{Upstream: target.Upstream, Model: target.Model, Extra: f.extra}
	if f.reasoning.name != "" {
		s.ReasoningName = f.reasoning.name
		s.Reasoning = f.reasoning.text.String()
	}
	s.Details = joinDetails(f.reasoning.details)
	extras := false
	for _, c := range f.calls.settled()[:n] {
		s.IDs = append(s.IDs, c.id)
		s.Extras = append(s.Extras, c.extra)
		extras = extras || len(c.extra) > 0
	}
	if !extras {
		s.Extras = nil
	}
	if n == 0 && s.Reasoning == "" && s.Details == nil && s.Extra == nil {
		return nil
	}
	raw, err := marshal(s)
	if err != nil {
		return nil
	}
	return raw
}

// readState returns the state of a turn that target made itself, and nothing
// for turns of another backend.
func readState(raw json.RawMessage, target Target) turnState {
	var s turnState
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || (Target{s.Upstream, s.Model}) != target {
		return turnState{}
	}
	return s
}

// detail is one entry of reasoning_details while its pieces are joined.
type detail struct {
	members map[string]json.RawMessage
	texts   map[string]*strings.Builder
}

// joinDetails puts the pieces of streamed reasoning details together: a piece
// continues the last one when index and type are the same.
func joinDetails(pieces []json.RawMessage) []json.RawMessage {
	var joined []detail
	for _, piece := range pieces {
		var m map[string]json.RawMessage
		if json.Unmarshal(piece, &m) != nil || m == nil {
			continue
		}
		if n := len(joined); n == 0 || !joined[n-1].continuedBy(m) {
			joined = append(joined, detail{map[string]json.RawMessage{}, map[string]*strings.Builder{}})
		}
		joined[len(joined)-1].add(m)
	}
	var out []json.RawMessage
	for _, d := range joined {
		for name, text := range d.texts {
			d.members[name] = quoted(text.String())
		}
		if raw, err := marshal(d.members); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

func (d detail) continuedBy(m map[string]json.RawMessage) bool {
	return len(m["index"]) > 0 && string(d.members["index"]) == string(m["index"]) &&
		string(d.members["type"]) == string(m["type"])
}

func (d detail) add(m map[string]json.RawMessage) {
	for name, value := range m {
		grows := name == "text" || name == "summary" || name == "data"
		switch {
		case grows && isString(value):
			if d.texts[name] == nil {
				d.texts[name] = &strings.Builder{}
			}
			d.texts[name].WriteString(stringOf(value))
		case !isNothing(value):
			d.members[name] = value
		}
	}
}
