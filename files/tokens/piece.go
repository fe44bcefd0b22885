package tokens

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What o200k's regular expression asks of a character. Several may hold.
const (
	upper   = 1 << iota // Lu, Lt, Lm, Lo, M: may stand in the first part of a word
	lower               // Ll, Lm, Lo, M: may stand in the second part of a word
	letter              // L
	number              // N
	space               // white space, line ends among it
	newline             // CR or LF
)

const either = upper | lower

// plane holds the classes of the Basic Multilingual Plane.
var plane = func() (classes [1 << 16]uint8) {
	mark := func(table *unicode.RangeTable, class uint8) {
		for _, r := range table.R16 {
			for c := int(r.Lo); c <= int(r.Hi); c += int(r.Stride) {
				classes[c] |= class
			}
		}
	}
	for _, t := range classTables {
		mark(t.table, t.class)
	}
	return classes
}()

var classTables = []struct {
	table *unicode.RangeTable
	class uint8
}{
	{unicode.Lu, upper | letter},
	{unicode.Lt, upper | letter},
	{unicode.Ll, lower | letter},
	{unicode.Lm, either | letter},
	{unicode.Lo, either | letter},
	{unicode.M, either},
	{unicode.N, number},
	{unicode.White_Space, space},
	{&unicode.RangeTable{R16: []unicode.Range16{{Lo: '\n', Hi: '\r', Stride: '\r' - '\n'}}}, newline},
}

// classAt returns the class and the length of the first character of text,
// which is not empty.
func classAt(text string) (class uint8, size int) {
	if c := text[0]; c < utf8.RuneSelf {
		return plane[c], 1
	}
	r, size := utf8.DecodeRuneInString(text)
	if r < 1<<16 {
		return plane[r], size
	}
	for _, t := range classTables {
		if unicode.Is(t.table, r) {
			class |= t.class
		}
	}
	return class, size
}

// pieceEnd returns the length of what o200k's regular expression matches at the
// beginning of text, which is not empty:
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	|\p{N}{1,3}
//	| ?[^\s\p{L}\p{N}]+[\r\n/]*
//	|\s*[\r\n]+|\s+(?!\S)|\s+
//
// but never more than maxPiece.
func pieceEnd(text string) int {
	if len(text) > maxPiece {
		cut := maxPiece
		for cut > maxPiece-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	class, size := classAt(text)
	prefix := 0
	if class&(newline|letter|number) == 0 {
		prefix = size
	}
	if n := word(text, prefix); n > 0 {
		return n
	}
	switch {
	case class&number != 0:
		return digits(text)
	case class&space == 0:
		return marks(text, 0)
	case text[0] == ' ' && len(text) > 1:
		if next, _ := classAt(text[1:]); next&(space|letter|number) == 0 {
			return marks(text, 1)
		}
	}
	return blank(text)
}

// word matches the first two lines of the expression, 0 if neither does. The
// first prefix bytes may belong to the word or come before it.
func word(text string, prefix int) int {
	capitals := 0
	for _, start := range []int{prefix, 0} {
		end, only := letters(text, start)
		if end > 0 {
			return end + contraction(text[end:])
		}
		if capitals == 0 {
			capitals = only
		}
		if prefix == 0 {
			break
		}
	}
	if capitals == 0 {
		return 0
	}
	return capitals + contraction(text[capitals:])
}

// letters matches the two sets of the expression's first line from start on.
// When there is nothing for the second set, it returns the end of what the
// second line would match as capitals.
func letters(text string, start int) (end, capitals int) {
	i, both := start, 0 // both is the end of the last character in either set
	for i < len(text) {
		class, size := classAt(text[i:])
		if class&upper == 0 {
			break
		}
		i += size
		if class&lower != 0 {
			both = i
		}
	}
	first := i
	for i < len(text) {
		class, size := classAt(text[i:])
		if class&lower == 0 {
			break
		}
		i += size
	}
	switch {
	case i > first:
		return i, 0
	case both > 0:
		return both, 0
	case first > start:
		return 0, first
	}
	return 0, 0
}

// contraction returns the length of an English ending such as 's or 'll.
func contraction(text string) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	for _, ending := range []string{"s", "t", "re", "ve", "m", "ll", "d"} {
		if n := 1 + len(ending); len(text) >= n && strings.EqualFold(text[1:n], ending) {
			return n
		}
	}
	if strings.HasPrefix(text[1:], "ſ") { // a long s
		return 1 + len("ſ")
	}
	return 0
}

func digits(text string) int {
	end := 0
	for range 3 {
		if end == len(text) {
			break
		}
		class, size := classAt(text[end:])
		if class&number == 0 {
			break
		}
		end += size
	}
	return end
}

// marks matches punctuation from start on, and the line ends and slashes after it.
func marks(text string, start int) int {
	i := start
	for i < len(text) {
		class, size := classAt(text[i:])
		if class&(space|letter|number) != 0 {
			break
		}
		i += size
	}
	for i < len(text) && (text[i] == '\n' || text[i] == '\r' || text[i] == '/') {
		i++
	}
	return i
}

// blank matches white space: up to its last line end if there is one, else all
// but the character that goes with the next word.
func blank(text string) int {
	i, last, lineEnd := 0, 0, 0
	for i < len(text) {
		class, size := classAt(text[i:])
		if class&space == 0 {
			break
		}
		last = i
		i += size
		if class&newline != 0 {
			lineEnd = i
		}
	}
	switch {
	case lineEnd > 0:
		return lineEnd
	case i == len(text) || last == 0:
		return i
	}
	return last
}
