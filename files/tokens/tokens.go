// Package tokens counts text in tokens of o200k, the vocabulary that OpenAI's
// recent models read.
//
// The counts are those of the vocabulary's own regular expression and byte-pair
// merges, found in one pass: time grows with the length of the text whatever it
// holds. One bound departs from the original: a word, or a run of one sort of
// characters, of more than 16 KB is read as several.
package tokens

import (
	"sync"
	"unicode/utf8"
)

// maxPiece is how many bytes are merged at once, so that a text which is one
// endless word needs no memory to match.
const maxPiece = 16 << 10

// loaded is the vocabulary, read at first use: about 50 ms that a command which
// counts nothing saves.
var loaded = sync.OnceValue(load)

// Count returns how many tokens a model reads text as.
func Count(text string) int {
	count := 0
	var m merger
	for len(text) > 0 {
		piece := text[:pieceEnd(text)]
		count += m.count(piece)
		text = text[len(piece):]
	}
	return count
}

// Cut returns the first n tokens of text, or all of it when it has no more. The
// last token may end inside a character.
func Cut(text string, n int) string {
	var m merger
	var lengths []int
	size := 0
	for size < len(text) {
		piece := text[size:]
		piece = piece[:pieceEnd(piece)]
		lengths = m.lengths(lengths[:0], piece)
		for _, length := range lengths {
			if n--; n < 0 {
				return text[:size]
			}
			size += length
		}
	}
	return text
}

// Scanner walks over a text in steps of at most a few tokens: words, and parts
// of words that are longer than that.
type Scanner struct {
	rest   string
	merger merger
	parts  []int // lengths in bytes of tokens of a long word, not yet returned
}

// maxStep is how many tokens a word may have to be one step of a Scanner.
const maxStep = 8

// NewScanner returns a Scanner at the beginning of text.
func NewScanner(text string) *Scanner { return &Scanner{rest: text} }

// Next returns the length of the next step in bytes and in tokens, 0 and 0 at
// the end. A step never ends inside a character. The tokens of all steps add up
// to Count of the text.
func (s *Scanner) Next() (size, tokens int) {
	if len(s.parts) > 0 {
		return s.part()
	}
	if s.rest == "" {
		return 0, 0
	}
	piece := s.rest[:pieceEnd(s.rest)]
	if tokens = s.merger.count(piece); tokens <= maxStep {
		s.rest = s.rest[len(piece):]
		return len(piece), tokens
	}
	s.parts = s.merger.lengths(s.parts[:0], piece)
	return s.part()
}

// part returns the next tokens of a long word up to the end of a character.
func (s *Scanner) part() (size, tokens int) {
	for len(s.parts) > 0 {
		size += s.parts[0]
		tokens++
		s.parts = s.parts[1:]
		if size == len(s.rest) || utf8.RuneStart(s.rest[size]) {
			break
		}
	}
	s.rest = s.rest[size:]
	return size, tokens
}
