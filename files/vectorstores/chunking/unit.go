package chunking

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"understudy/files/extract"
	"understudy/files/tokens"
)

// border says how good a place to cut is.
type border int

// From where no cut may be to the best place for one.
const (
	joined border = iota
	inWord
	betweenWords
	betweenSentences
	betweenLines
	betweenParagraphs
	beforeHeading
)

// unit is what chunks are made of: a word with the space or the sign beside
// it, or a part of a long word. A chunk is not cut inside it.
type unit struct {
	bytes, tokens int
	before        border
	page          int
}

// maxJoined is how many tokens are kept together at most because a reader sees
// them as one character.
const maxJoined = 32

// units reads a document.
type units struct {
	blocks  []extract.Block
	block   int // which one we are in
	rest    string
	scanner *tokens.Scanner             // of rest
	later   struct{ bytes, tokens int } // what scan keeps for its next call
	before  trail
	ahead   unit
	tokens  int // read so far
}

func newUnits(doc *extract.Document) *units {
	u := &units{blocks: doc.Blocks, block: -1}
	u.ahead = u.step()
	return u
}

// ended reports whether all was read, or more than MaxTokens.
func (u *units) ended() bool { return u.ahead.bytes == 0 || u.tokens > MaxTokens }

// next returns the next unit, of which there is one.
func (u *units) next() unit {
	next := u.ahead
	for u.ahead = u.step(); u.ahead.bytes > 0 && u.ahead.before == joined && next.tokens < maxJoined; u.ahead = u.step() {
		next.bytes += u.ahead.bytes
		next.tokens += u.ahead.tokens
	}
	u.tokens += next.tokens
	return next
}

// step returns what may become a unit, with no bytes at the end.
func (u *units) step() unit {
	var before border
	if u.rest != "" {
		before = u.before.border(u.rest, u.blocks[u.block].Kind)
	} else {
		if u.block++; u.block >= len(u.blocks) {
			return unit{}
		}
		before = u.beforeBlock()
		u.rest = u.blocks[u.block].Text
		if u.block < len(u.blocks)-1 {
			u.rest += extract.Separator
		}
		u.scanner = tokens.NewScanner(u.rest)
	}
	size, count := u.scan()
	u.before.read(u.rest[:size])
	u.rest = u.rest[size:]
	return unit{bytes: size, tokens: count, before: before, page: u.blocks[u.block].Page}
}

// scan returns the length of the next word in bytes and tokens. In Chinese and
// Japanese the end of a sentence is one token with what follows it: scan takes
// them apart.
func (u *units) scan() (size, count int) {
	if size, count = u.later.bytes, u.later.tokens; size > 0 {
		u.later.bytes = 0
		return size, count
	}
	size, count = u.scanner.Next()
	end := strings.IndexAny(u.rest[:size], wideStops) + len("。")
	if end >= len("。") && end < size {
		u.later.bytes, u.later.tokens = size-end, max(count-1, 1)
		return end, 1
	}
	return size, count
}

// wideStops end sentences that no space follows.
const wideStops = "。！？"

// beforeBlock returns the border before the block that begins: a heading stays
// with what it is the heading of.
func (u *units) beforeBlock() border {
	heading := u.blocks[u.block].Kind == extract.Heading
	switch {
	case u.block > 0 && u.blocks[u.block-1].Kind == extract.Heading:
		return betweenWords
	case heading:
		return beforeHeading
	}
	return betweenParagraphs
}

// trail is what of the text already read decides about the next border.
type trail struct {
	last  rune
	mark  rune // the last that is not white space and closes nothing
	flags int  // how many halves of flags are last
}

func (t *trail) read(text string) {
	for _, r := range text {
		t.last = r
		if !unicode.IsSpace(r) && !unicode.In(r, unicode.Pe, unicode.Pf) && r != '"' && r != '\'' {
			t.mark = r
		}
		if isFlag(r) {
			t.flags++
		} else {
			t.flags = 0
		}
	}
}

func isFlag(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

// border returns what is between the trail and the rest of a block.
func (t *trail) border(rest string, kind extract.Kind) border {
	first, _ := utf8.DecodeRuneInString(rest)
	switch {
	case t.joins(first) || strings.HasSuffix(extract.Separator, rest):
		return joined
	case t.last == '\n' && kind != extract.Paragraph:
		return betweenLines
	case unicode.IsSpace(first) || unicode.IsSpace(t.last):
		if strings.ContainsRune(".!?…", t.mark) {
			return betweenSentences
		}
		return betweenWords
	case strings.ContainsRune(wideStops, t.mark) && !unicode.IsPunct(first):
		return betweenSentences
	case strings.ContainsRune("、，；：", t.last):
		return betweenWords
	}
	return inWord
}

// joins reports whether first is shown as one character with what is before it:
// accents, parts of an emoji, of a flag or of a Korean syllable.
func (t *trail) joins(first rune) bool {
	const joiner = '\u200d'
	switch {
	case first < 0x300:
		return false
	case first == joiner || t.last == joiner:
		return true
	case isFlag(first):
		return t.flags%2 == 1
	case first >= 0x1160 && first <= 0x11ff: // a Korean vowel or final consonant
		return true
	}
	return unicode.Is(unicode.M, first) ||
		first >= 0x1F3FB && first <= 0x1F3FF || // the colour of a skin
		first >= 0xE0020 && first <= 0xE007F // a tag of a flag
}
