package builtin

import (
	"unicode/utf8"

	"understudy/files/tokens"
)

// exactBytes is the longest text whose tokens are counted; longer ones are
// estimated, so that a huge prompt costs nothing.
const (
	exactBytes    = 64 << 10
	bytesPerToken = 4
)

func countTokens(text string) int {
	if len(text) <= exactBytes {
		return tokens.Count(text)
	}
	return (len(text) + bytesPerToken - 1) / bytesPerToken
}

// cutTokens returns the first n tokens of a text, never half a character, and
// whether that was less than all of it.
func cutTokens(text string, n int) (string, bool) {
	// No token is empty, so that many bytes cannot hold more than n tokens.
	if len(text) <= n || countTokens(text) <= n {
		return text, false
	}
	if len(text) > exactBytes {
		return dropHalfRune(text[:min(len(text), n*bytesPerToken)]), true
	}
	return dropHalfRune(tokens.Cut(text, n)), true
}

func dropHalfRune(text string) string {
	for len(text) > 0 {
		r, size := utf8.DecodeLastRuneInString(text)
		if r != utf8.RuneError || size != 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}

// The overhead of the chat format, as OpenAI's cookbook counts it.
const (
	tokensPerMessage = 3
	tokensPerCall    = 8
	tokensOfReply    = 3
)

// promptTokens counts what a request costs. The total is estimated when the
// whole conversation is huge, even if no single message is.
func promptTokens(r *chatRequest) int {
	var texts []string
	total, bytes := tokensOfReply, 0
	add := func(text string) {
		texts = append(texts, text)
		bytes += len(text)
	}
	for _, m := range r.Messages {
		total += tokensPerMessage
		add(m.Role)
		add(m.Content.text)
		for _, call := range m.ToolCalls {
			total += tokensPerCall
			add(call.Function.Name)
			add(call.Function.Arguments)
		}
	}
	for _, t := range r.Tools {
		total += tokensPerCall
		add(t.Function.Name)
		add(t.Function.Description)
		add(string(t.Function.Parameters))
	}
	if bytes > exactBytes {
		return total + bytes/bytesPerToken
	}
	for _, text := range texts {
		total += countTokens(text)
	}
	return total
}
