package threads

import (
	"sync"
	"unicode/utf8"

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

// maxStretch is how many bytes are counted at once: the codec's time grows with
// the square of a run of mixed white space, and a message may be nothing else.
const maxStretch = 512

// CountTokens estimates how many tokens a model reads text as.
func CountTokens(text string) int {
	tokens := 0
	for len(text) > 0 {
		n := stretch(text)
		tokens += countStretch(text[:n])
		text = text[n:]
	}
	return tokens
}

// stretch returns how many bytes to count next. It cuts before a space that
// begins a word, where tokens begin as well, and otherwise before a character.
func stretch(text string) int {
	if len(text) <= maxStretch {
		return len(text)
	}
	for i := maxStretch; i > maxStretch/2; i-- {
		if text[i] == ' ' && isLetter(text[i-1]) && i+1 < len(text) && isLetter(text[i+1]) {
			return i
		}
	}
	cut := maxStretch
	for cut > maxStretch-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return cut
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func countStretch(text string) int {
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
