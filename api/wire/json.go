package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
)

// maxDepth bounds how deep a body is nested. What is stored is nested a little
// deeper when it is shown in a list, and every JSON decoder has its own limit.
const maxDepth = 256

var errTooDeep = Invalidf("The JSON body is nested more than %d levels deep.", maxDepth)

// checkShape refuses what is JSON but could not be stored and shown again as
// it is: nesting beyond maxDepth, and escapes of half a surrogate pair, which
// are no characters. The body has passed json.Valid.
func checkShape(body []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			n, ok := escapeLength(body[i:])
			if !ok {
				return ErrBadJSON
			}
			i += n - 1
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errTooDeep
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// escapeLength returns how many bytes the escape that s begins with takes, a
// surrogate pair as one, and whether it stands for a character.
func escapeLength(s []byte) (n int, ok bool) {
	const single, unit = 2, 6
	if s[1] != 'u' {
		return single, true
	}
	first := codeUnit(s)
	if !utf16.IsSurrogate(first) {
		return unit, true
	}
	if !bytes.HasPrefix(s[unit:], []byte(`\u`)) {
		return 0, false
	}
	const replacement = '\uFFFD'
	return 2 * unit, utf16.DecodeRune(first, codeUnit(s[unit:])) != replacement
}

// codeUnit reads the four hex digits of \uXXXX.
func codeUnit(s []byte) rune {
	n, _ := strconv.ParseUint(string(s[2:6]), 16, 16) // json.Valid has seen the digits
	return rune(n)
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func isNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// TypeName names the JSON type of a value with its article.
func TypeName(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || isNull(raw):
		return "null"
	case raw[0] == '"':
		return "a string"
	case raw[0] == '{':
		return "an object"
	case raw[0] == '[':
		return "an array"
	case raw[0] == 't' || raw[0] == 'f':
		return "a boolean"
	case strings.ContainsAny(string(raw), ".eE"):
		return "a decimal number"
	default:
		return "an integer"
	}
}
