package index

import (
	"strings"
	"unicode"
)

// Terms splits a text into the terms it is found by, in their order and in lower case. A term consists of letters, digits
// and marks, so it can be no syntax in any query language.
//
// Identifiers are found whole and by their parts: of "foo_bar" and "FooBar" alike come foobar, foo and bar; of "HTTP2"
// come http2 and http. Scripts that put no spaces between words come as pairs of neighbouring characters.
func Terms(text string) []string {
	var terms []string
	var s splitter
	for _, r := range text {
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
