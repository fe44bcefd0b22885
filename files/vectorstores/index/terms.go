package index

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Terms splits a text into the terms it is found by, in their order and in lower case. A term consists of letters, digits
// and marks, so it can be no syntax in any query language.
//
// Accents and other ways of writing a letter make no difference: see fold.
//
// Identifiers are found whole and by their parts: of "foo_bar" and "FooBar" alike come foobar, foo and bar; of "HTTP2"
// come http2 and http. Scripts that put no spaces between words come as pairs of neighbouring characters.
func Terms(text string) []string {
	var terms []string
	var s splitter
	for _, r := range fold(text) {
		switch {
		case unicode.In(r, unspaced...):
			terms = s.flushName(terms)
			s.pair = append(s.pair, r)
			continue
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r):
			s.add(r)
		case r == '_':
			s.endPart()
		default:
			terms = s.flushName(terms)
		}
		terms = s.flushPairs(terms)
	}
	return s.flushPairs(s.flushName(terms))
}

// fold makes one of the ways to write a letter: composed or not, full width or
// not, with its accents or vowel points or without them.
func fold(text string) string {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < utf8.RuneSelf
	}
	if ascii {
		return text
	}
	bare := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(accents, r):
			return -1
		case r == 'ς':
			return 'σ'
		}
		return r
	}, norm.NFKD.String(text))
	return norm.NFC.String(bare) // Hangul comes together again
}

// accents are the marks that a word is found without. Those of other scripts,
// such as the vowels of Devanagari, make other words.
var accents = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0300, Hi: 0x036f, Stride: 1}, // of Latin, Greek and Cyrillic letters
	{Lo: 0x0591, Hi: 0x05bd, Stride: 1}, // Hebrew points
	{Lo: 0x0610, Hi: 0x061a, Stride: 1}, // Arabic signs
	{Lo: 0x064b, Hi: 0x065f, Stride: 1}, // Arabic vowels
	{Lo: 0x0670, Hi: 0x0670, Stride: 1},
}}

// unspaced are scripts whose words are not separated.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// splitter collects the parts of a name, and the characters of an unspaced run.
type splitter struct {
	parts []string
	part  []rune
	pair  []rune
}

// add continues the name, with a new part where the case or the kind of character says so.
func (s *splitter) add(r rune) {
	if n := len(s.part); n > 0 {
		last := s.part[n-1]
		switch {
		case unicode.IsUpper(r) && !unicode.IsUpper(last):
			s.endPart()
		case unicode.IsLower(r) && unicode.IsUpper(last) && n > 1: // the P of "HTTPServer" ended before the S
			s.part = s.part[:n-1]
			s.endPart()
			s.part = append(s.part, last)
		case unicode.IsDigit(r) != unicode.IsDigit(last) && !unicode.Is(unicode.M, r):
			s.endPart()
		}
	}
	s.part = append(s.part, r)
}

func (s *splitter) endPart() {
	if len(s.part) > 0 {
		s.parts = append(s.parts, strings.ToLower(string(s.part)))
		s.part = s.part[:0]
	}
}

// flushName ends a name. Numbers inside one are no terms of their own: they would be found in everything.
func (s *splitter) flushName(terms []string) []string {
	s.endPart()
	if len(s.parts) > 0 {
		terms = append(terms, singular(strings.Join(s.parts, "")))
	}
	if len(s.parts) > 1 {
		for _, part := range s.parts {
			if len(part) > 1 && !unicode.IsDigit(rune(part[0])) {
				terms = append(terms, singular(part))
			}
		}
	}
	s.parts = s.parts[:0]
	return terms
}

func (s *splitter) flushPairs(terms []string) []string {
	if len(s.pair) == 1 {
		terms = append(terms, string(s.pair))
	}
	for i := 1; i < len(s.pair); i++ {
		terms = append(terms, string(s.pair[i-1:i+1]))
	}
	s.pair = s.pair[:0]
	return terms
}

// singular takes the plural s off a word, so that "file" and "files" find each other.
func singular(word string) string {
	n := len(word)
	if n > 3 && word[n-1] == 's' && !strings.ContainsRune("sui", rune(word[n-2])) {
		return word[:n-1]
	}
	return word
}
