package runs

import (
	"slices"
	"strings"
	"unicode"
)

// Words is a comparison of two texts, word by word.
type Words struct {
	Same    bool `json:"same"`
	Kept    int  `json:"kept"`    // words in both
	Removed int  `json:"removed"` // words of a that are not in b
	Added   int  `json:"added"`   // words of b that are not in a
	// Diff is a's text with b's changes in it, in the way of git's --word-diff:
	// [-removed-]{+added+}.
	Diff string `json:"diff"`
}

// maxEdits bounds the work of a comparison: texts that differ in more words have
// little in common that is worth to be found.
const maxEdits = 1500

// compareWords compares two texts.
func compareWords(a, b string) Words {
	pieces := diffWords(splitWords(a), splitWords(b))
	w := Words{Same: a == b}
	var diff strings.Builder
	for _, p := range pieces {
		switch n := countWords(p.words); p.op {
		case kept:
			w.Kept += n
			diff.WriteString(strings.Join(p.words, ""))
		case removed:
			w.Removed += n
			diff.WriteString("[-" + strings.Join(p.words, "") + "-]")
		case added:
			w.Added += n
			diff.WriteString("{+" + strings.Join(p.words, "") + "+}")
		}
	}
	w.Diff = diff.String()
	return w
}

// splitWords cuts a text into words, spaces and single other signs; together they
// are the text. Scripts without spaces are cut into their signs.
func splitWords(text string) []string {
	var words []string
	start, last := 0, -1
	for i, c := range text {
		kind := kindOf(c)
		if i > 0 && (kind != last || kind == sign) {
			words = append(words, text[start:i])
			start = i
		}
		last = kind
	}
	if start < len(text) {
		words = append(words, text[start:])
	}
	return words
}

const (
	space = iota
	letter
	sign
)

func kindOf(c rune) int {
	switch {
	case unicode.IsSpace(c):
		return space
	case unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer):
		return sign
	case unicode.IsLetter(c), unicode.IsDigit(c), unicode.IsMark(c), c == '_':
		return letter
	default:
		return sign
	}
}

// countWords counts what is not space.
func countWords(words []string) int {
	n := 0
	for _, w := range words {
		if strings.TrimSpace(w) != "" {
			n++
		}
	}
	return n
}

type wordOp int

const (
	kept wordOp = iota
	removed
	added
)

// piece is a stretch of words that share their fate.
type wordPiece struct {
	op    wordOp
	words []string
}

// diffWords finds what b keeps of a. Between two changes it does not keep mere
// spaces: what was rewritten reads as one change.
func diffWords(a, b []string) []wordPiece {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var pieces []wordPiece
	add := func(op wordOp, words []string) {
		if len(words) > 0 {
			pieces = append(pieces, wordPiece{op, words})
		}
	}
	add(kept, a[:head])
	middleA, middleB := a[head:len(a)-tail], b[head:len(b)-tail]
	var gone, come []string
	flush := func() {
		add(removed, gone)
		add(added, come)
		gone, come = nil, nil
	}
	i, j := 0, 0
	for _, m := range matches(middleA, middleB) {
		gone, come = append(gone, middleA[i:m.a]...), append(come, middleB[j:m.b]...)
		same := middleA[m.a : m.a+m.n]
		i, j = m.a+m.n, m.b+m.n
		if len(gone)+len(come) > 0 && countWords(same) == 0 && i < len(middleA) && j < len(middleB) {
			gone, come = append(gone, same...), append(come, same...)
			continue
		}
		flush()
		add(kept, same)
	}
	gone, come = append(gone, middleA[i:]...), append(come, middleB[j:]...)
	flush()
	add(kept, a[len(a)-tail:])
	return pieces
}

// match is a stretch of n words that two texts share.
type match struct{ a, b, n int }

// matches are the stretches of a shortest edit script (Myers, "An O(ND) Difference
// Algorithm and Its Variations"), none where that takes too many edits.
func matches(a, b []string) []match {
	var rows []frontier
	for edits := 0; edits <= min(len(a)+len(b), maxEdits); edits++ {
		row := make(frontier, 2*edits+1)
		for k := -edits; k <= edits; k += 2 {
			x := 0
			if edits > 0 {
				x = rows[edits-1].step(k)
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			row[k+edits] = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(rows, len(a), len(b))
			}
		}
		rows = append(rows, row)
	}
	return nil
}

// frontier is how far into a the diagonals have come after some edits: diagonal k,
// on which a's place less b's is k, is at k plus the number of edits.
type frontier []int

func (f frontier) at(k int) int { return f[k+len(f)/2] }

// adds reports whether the next edit comes to diagonal k by adding a word of b;
// otherwise it removes one of a.
func (f frontier) adds(k int) bool {
	edits := len(f)/2 + 1
	return k == -edits || k != edits && f.at(k-1) < f.at(k+1)
}

// step is where the next edit comes to on diagonal k.
func (f frontier) step(k int) int {
	if f.adds(k) {
		return f.at(k + 1)
	}
	return f.at(k-1) + 1
}

// backtrack walks the edit script from its end, which is at x in a and y in b.
func backtrack(rows []frontier, x, y int) []match {
	var found []match
	note := func(from, k int) {
		if x > from {
			found = append(found, match{from, from - k, x - from})
		}
	}
	for _, row := range slices.Backward(rows) {
		k := x - y
		note(row.step(k), k)
		if row.adds(k) {
			x, y = row.at(k+1), row.at(k+1)-k-1
		} else {
			x, y = row.at(k-1), row.at(k-1)-k+1
		}
	}
	note(0, 0)
	slices.Reverse(found)
	return found
}
