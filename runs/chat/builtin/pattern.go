package builtin

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxExpansion bounds the strings made for patterns, in bytes.
const maxExpansion = 4096

// matching makes a short string for a regular expression, with every open
// repetition taken `extra` times beyond its minimum. It is empty for patterns
// that Go cannot read, such as ones with look-ahead.
func matching(pattern string, extra int) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	expand(&b, tree, extra)
	return b.String()
}

func expand(b *strings.Builder, node *syntax.Regexp, extra int) {
	if b.Len() > maxExpansion {
		return
	}
	repeat := func(times int) {
		for range times {
			expand(b, node.Sub[0], extra)
		}
	}
	switch node.Op {
	case syntax.OpLiteral:
		b.WriteString(string(node.Rune))
	case syntax.OpCharClass:
		b.WriteRune(likeable(node.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpStar:
		repeat(extra)
	case syntax.OpQuest:
		repeat(min(extra, 1))
	case syntax.OpPlus:
		repeat(1 + extra)
	case syntax.OpRepeat:
		times := node.Min + extra
		if node.Max >= 0 {
			times = min(times, node.Max)
		}
		repeat(times)
	case syntax.OpCapture:
		repeat(1)
	case syntax.OpConcat:
		for _, part := range node.Sub {
			expand(b, part, extra)
		}
	case syntax.OpAlternate:
		expand(b, node.Sub[0], extra)
	}
}

// likeable picks a character of a class (pairs of first and last) that reads
// well, if it has one.
func likeable(class []rune) rune {
	for _, r := range "aA1x-_ " {
		for i := 0; i+1 < len(class); i += 2 {
			if class[i] <= r && r <= class[i+1] {
				return r
			}
		}
	}
	if len(class) == 0 {
		return 'a'
	}
	return class[0]
}

// form is a string format: how it looks inside a text, all of it, and an
// example of it.
type form struct {
	inside, full *regexp.Regexp
	example      string
}

func newForm(expression, example string) form {
	return form{
		inside:  regexp.MustCompile(expression),
		full:    regexp.MustCompile(`^(?:` + expression + `)$`),
		example: example,
	}
}

const (
	datePattern = `\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`
	timePattern = `(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`
)

// formats are the formats strict function schemas may name.
var formats = map[string]form{
	"date":      newForm(datePattern, "2026-01-31"),
	"time":      newForm(timePattern, "12:00:00Z"),
	"date-time": newForm(datePattern+`T`+timePattern, "2026-01-31T12:00:00Z"),
	"duration":  newForm(`P(?:\d+[YMWD])+(?:T(?:\d+[HMS])+)?|PT(?:\d+[HMS])+`, "P1D"),
	"email":     newForm(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`, "someone@example.com"),
	"hostname":  newForm(`(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z]{2,}`, "example.com"),
	"ipv4":      newForm(`(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)`, "192.0.2.1"),
	"ipv6":      newForm(`[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}`, "2001:db8::1"),
	"uri":       newForm(`[a-z][a-z0-9+.-]*://[^\s"'<>]*[^\s"'<>.,;:!?)]`, "https://example.com/"),
	"url":       newForm(`https?://[^\s"'<>]*[^\s"'<>.,;:!?)]`, "https://example.com/"),
	"uuid":      newForm(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`, "123e4567-e89b-42d3-a456-426614174000"),
}
