package builtin

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// words splits a text or an identifier (snake_case, kebab-case, camelCase)
// into lower-case words, without a plural s.
func words(text string) []string {
	var list []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			list = append(list, singular(strings.ToLower(string(word))))
			word = word[:0]
		}
	}
	previous := ' '
	for _, r := range text {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
		if !letter || unicode.IsUpper(r) && unicode.IsLower(previous) {
			flush()
		}
		if letter {
			word = append(word, r)
		}
		previous = r
	}
	flush()
	return list
}

func singular(word string) string {
	if len(word) > 3 && strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss") {
		return word[:len(word)-1]
	}
	return word
}

// genericWords occur in many function names and many sentences, so they do not
// tell which function is meant.
var genericWords = []string{
	"a", "an", "and", "at", "by", "do", "for", "from", "get", "in", "is", "it",
	"of", "on", "or", "set", "the", "to", "with",
}

// nameWords are the words of a function's name that tell it from others.
func nameWords(name string) []string {
	all := words(name)
	telling := slices.DeleteFunc(slices.Clone(all), func(w string) bool {
		return slices.Contains(genericWords, w)
	})
	if len(telling) == 0 {
		return all
	}
	return telling
}

// namedTools returns the tools whose names' words occur in the text, in the
// order they were offered. Without several it is the best match alone; with
// it, a further tool must account for a word that no better match has.
func namedTools(tools []tool, text string, several bool) []tool {
	present := map[string]bool{}
	for _, w := range words(text) {
		present[w] = true
	}
	type match struct {
		index, missing int
		found          []string
	}
	var matches []match
	for i, t := range tools {
		m := match{index: i}
		for _, w := range nameWords(t.Function.Name) {
			if present[w] {
				m.found = append(m.found, w)
			} else {
				m.missing++
			}
		}
		if len(m.found) > 0 {
			matches = append(matches, m)
		}
	}
	slices.SortStableFunc(matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(len(b.found), len(a.found)), cmp.Compare(a.missing, b.missing))
	})
	var chosen []int
	for _, m := range matches {
		news := slices.ContainsFunc(m.found, func(w string) bool { return present[w] })
		if !news || len(chosen) > 0 && !several {
			continue
		}
		chosen = append(chosen, m.index)
		for _, w := range m.found {
			present[w] = false
		}
	}
	slices.Sort(chosen)
	var named []tool
	for _, i := range chosen {
		named = append(named, tools[i])
	}
	return named
}
