package chat

import (
	"encoding/json"
	"strings"
)

// block is a piece of structured thoughts: of reasoning_details, of
// thinking_blocks, or a thinking part of the content.
type block map[string]json.RawMessage

// joinBlocks puts the pieces of streamed blocks together. continues tells
// whether a piece belongs to the same block as the one before it.
func joinBlocks(pieces []json.RawMessage, continues func(last, next block) bool) []json.RawMessage {
	return joinBlocksAt(pieces, continues, 0)
}

func joinBlocksAt(pieces []json.RawMessage, continues func(last, next block) bool, depth int) []json.RawMessage {
	var groups [][]block
	for _, piece := range pieces {
		var b block
		if json.Unmarshal(piece, &b) != nil || b == nil {
			continue
		}
		if n := len(groups); n > 0 && continues(groups[n-1][len(groups[n-1])-1], b) {
			groups[n-1] = append(groups[n-1], b)
		} else {
			groups = append(groups, []block{b})
		}
	}
	var out []json.RawMessage
	for _, group := range groups {
		if raw, err := marshal(joined(group, continues, depth)); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

// joined returns the block that the pieces are parts of. Texts and lists grow,
// of anything else the last word counts.
func joined(pieces []block, continues func(last, next block) bool, depth int) block {
	if len(pieces) == 1 {
		return pieces[0]
	}
	out := block{}
	texts := map[string]*strings.Builder{}
	lists := map[string][]json.RawMessage{}
	for _, piece := range pieces {
		for name, value := range piece {
			switch {
			case isNothing(value):
			case growing[name] && isString(value):
				if texts[name] == nil {
					texts[name] = &strings.Builder{}
				}
				texts[name].WriteString(stringOf(value))
			case growing[name] && isArray(value) && depth < maxThoughtDepth:
				elements(value, func(entry []byte) { lists[name] = append(lists[name], entry) })
			default:
				out[name] = value
			}
		}
	}
	for name, text := range texts {
		out[name] = quoted(text.String())
	}
	for name, list := range lists {
		if raw, err := marshal(joinBlocksAt(list, continues, depth+1)); err == nil {
			out[name] = raw
		}
	}
	return out
}

// growing are the members whose pieces are parts of one text or list.
var growing = map[string]bool{"text": true, "thinking": true, "summary": true, "data": true}

// sameIndex is how pieces of reasoning_details belong together.
func sameIndex(last, next block) bool {
	return len(next["index"]) > 0 && string(last["index"]) == string(next["index"]) &&
		string(last["type"]) == string(next["type"])
}

// goesOn is how streamed thoughts belong together that have no index: a block
// ends with its signature. In a whole document every block is whole.
func (f *fold) goesOn(last, next block) bool {
	return f.streamed && string(last["type"]) == string(next["type"]) &&
		string(last["index"]) == string(next["index"]) && !last.signed(0)
}

// signed tells whether the backend will know the block for its own. Redacted
// thoughts are nothing but their signature.
func (b block) signed(depth int) bool {
	if isString(b["signature"]) && !isEmpty(b["signature"]) {
		return true
	}
	if stringOf(b["type"]) == "redacted_thinking" {
		return !isEmpty(b["data"])
	}
	found := false
	for name, value := range b {
		if !growing[name] || !isArray(value) || depth >= maxThoughtDepth {
			continue
		}
		elements(value, func(entry []byte) {
			var inner block
			found = found || json.Unmarshal(entry, &inner) == nil && inner.signed(depth+1)
		})
	}
	return found
}

// signedOnes leaves out the thoughts that no backend wants back.
func signedOnes(blocks []json.RawMessage) []json.RawMessage {
	var out []json.RawMessage
	for _, raw := range blocks {
		var b block
		if json.Unmarshal(raw, &b) == nil && b.signed(0) {
			out = append(out, raw)
		}
	}
	return out
}
