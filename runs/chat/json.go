package chat

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// The functions in this file read JSON that json.Valid has accepted, one level
// at a time and without a schema: a backend that sends a float where a string
// belongs must cost nothing but that one value.

// members calls visit for every member of the object raw, in order. Anything
// but an object has no members.
func members(raw []byte, visit func(key, value []byte)) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return
	}
	for i = skipSpace(raw, i+1); i < len(raw) && raw[i] == '"'; i = skipSpace(raw, i+1) {
		end := valueEnd(raw, i)
		key := raw[i:end]
		i = skipSpace(raw, end)
		if i >= len(raw) || raw[i] != ':' {
			return
		}
		i = skipSpace(raw, i+1)
		end = valueEnd(raw, i)
		visit(memberName(key), raw[i:end])
		i = skipSpace(raw, end)
		if i >= len(raw) || raw[i] != ',' {
			return
		}
	}
}

// elements calls visit for every element of the array raw; a lone object is
// taken for an array of one, as some backends forget the brackets.
func elements(raw []byte, visit func(value []byte)) {
	i := skipSpace(raw, 0)
	if i >= len(raw) {
		return
	}
	if raw[i] == '{' {
		visit(raw[i:])
		return
	}
	if raw[i] != '[' {
		return
	}
	for i = skipSpace(raw, i+1); i < len(raw) && raw[i] != ']'; i = skipSpace(raw, i+1) {
		end := valueEnd(raw, i)
		visit(raw[i:end])
		i = skipSpace(raw, end)
		if i >= len(raw) || raw[i] != ',' {
			return
		}
	}
}

// memberName takes the quotes off a key.
func memberName(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 && len(quoted) >= 2 {
		return quoted[1 : len(quoted)-1]
	}
	return appendText(nil, quoted)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns the offset behind the value that starts at i.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = stringEnd(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\r', '\t':
			return i
		}
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// isNothing tells an absent or null value.
func isNothing(v []byte) bool { return len(v) == 0 || v[0] == 'n' }

func isObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }
func isArray(v []byte) bool  { return len(v) > 0 && v[0] == '[' }
func isString(v []byte) bool { return len(v) > 0 && v[0] == '"' }

// isEmpty tells the values that say nothing: null, "", {}, [], false and 0.
func isEmpty(v []byte) bool {
	if isNothing(v) {
		return true
	}
	switch v[0] {
	case '"':
		return len(v) == 2
	case '{', '[':
		return skipSpace(v, 1) == len(v)-1
	case 'f':
		return true
	}
	n, ok := numberOf(v)
	return ok && n == 0
}

// stringOf returns the text of a string, the digits of a number and "" for
// everything else. The result is valid UTF-8.
func stringOf(v []byte) string {
	if isNothing(v) {
		return ""
	}
	switch v[0] {
	case '"':
		return repair(appendText(nil, v))
	case '{', '[', 't', 'f':
		return ""
	}
	return string(v)
}

// numberOf reads a number, also one in quotes.
func numberOf(v []byte) (float64, bool) {
	s := stringOf(v)
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, false
	}
	return n, true
}

// intOf reads an integer; fractions are cut off, the size is bounded.
func intOf(v []byte) (int, bool) {
	n, ok := numberOf(v)
	if !ok || math.Abs(n) > math.MaxInt32 {
		return 0, false
	}
	return int(n), true
}

// compact returns raw without insignificant white space.
func compact(raw []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}
