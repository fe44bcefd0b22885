package chat

import "math"

// readUsage reads a usage object under the names backends use. ok is false
// when it counts nothing, as in the chunks that only carry a place for it.
func readUsage(raw []byte) (u Usage, ok bool) {
	total := 0
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			u.PromptTokens = tokenCount(value, u.PromptTokens)
		case "completion_tokens", "output_tokens":
			u.CompletionTokens = tokenCount(value, u.CompletionTokens)
		case "total_tokens":
			total = tokenCount(value, 0)
		case "cached_tokens", "prompt_cache_hit_tokens":
			u.CachedTokens = tokenCount(value, u.CachedTokens)
		case "reasoning_tokens":
			u.ReasoningTokens = tokenCount(value, u.ReasoningTokens)
		case "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details":
			u.details(value)
		}
	})
	if u.CompletionTokens == 0 && total > u.PromptTokens {
		u.CompletionTokens = total - u.PromptTokens
	}
	return u, u.PromptTokens > 0 || u.CompletionTokens > 0
}

func (u *Usage) details(raw []byte) {
	members(raw, func(key, value []byte) {
		switch string(key) {
		case "cached_tokens":
			u.CachedTokens = tokenCount(value, u.CachedTokens)
		case "reasoning_tokens":
			u.ReasoningTokens = tokenCount(value, u.ReasoningTokens)
		}
	})
}

// tokenCount reads a count that may be a float or a string; a null leaves what
// another name already said.
func tokenCount(value []byte, before int) int {
	n, ok := numberOf(value)
	if !ok {
		return before
	}
	return int(max(0, min(n, math.MaxInt32)))
}
