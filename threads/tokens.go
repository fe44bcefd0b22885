package threads

import (
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// Tokens an image costs a model, by detail: what OpenAI counts for one tile
// and for an image of usual size.
const (
	lowDetailTokens  = 85
	highDetailTokens = 765
	messageOverhead  = 4 // role and separators
)

// o200k is loaded at first use: 18 ms that a command without messages saves.
var o200k = sync.OnceValue(codec.NewO200kBase)

// CountTokens estimates how many tokens a model reads text as.
func CountTokens(text string) int {
	if text == "" {
		return 0
	}
	n, err := o200k().Count(text)
	if err != nil { // a text the codec cannot split: a token is at most a byte
		return len(text)
	}
	return n
}

// CountTokens estimates what the message costs in a prompt.
func (m *Message) CountTokens() int {
	n := messageOverhead + CountTokens(m.Text())
	for _, p := range m.Content {
		switch {
		case p.ImageFile != nil:
			n += imageTokens(p.ImageFile.Detail)
		case p.ImageURL != nil:
			n += imageTokens(p.ImageURL.Detail)
		}
	}
	return n
}

func imageTokens(detail string) int {
	if detail == "low" {
		return lowDetailTokens
	}
	return highDetailTokens
}
