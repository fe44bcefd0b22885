package chat

import "encoding/json"

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
	Parts         []json.RawMessage `json:"parts,omitempty"` // thoughts among the parts of the content
	Blocks        []json.RawMessage `json:"thinking_blocks,omitempty"`
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
	s.Details = joinBlocks(f.reasoning.details, sameIndex)
	s.Parts = signedOnes(joinBlocks(f.reasoning.parts, f.goesOn))
	s.Blocks = signedOnes(joinBlocks(f.reasoning.blocks, f.goesOn))
	extras := false
	for _, c := range f.calls.settled()[:n] {
		s.IDs = append(s.IDs, c.id)
		s.Extras = append(s.Extras, c.extra)
		extras = extras || len(c.extra) > 0
	}
	if !extras {
		s.Extras = nil
	}
	if n == 0 && s.Reasoning == "" && s.Details == nil && s.Parts == nil && s.Blocks == nil && s.Extra == nil {
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
