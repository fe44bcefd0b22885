package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// mended returns raw as valid JSON, when it is JSON but for what sloppy
// encoders write: NaN and Infinity, and control characters inside strings. A
// chunk that were skipped for one of these would be text lost without a word.
func mended(raw []byte) ([]byte, bool) {
	if json.Valid(raw) {
		return raw, true
	}
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return nil, false
	}
	out := make([]byte, 0, len(raw)+16)
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			end := stringEnd(raw, i)
			out = appendEscaped(out, raw[i:end])
			i = end
		case 'N', 'I', '-':
			n := notANumber(raw[i:])
			if n > 0 {
				out = append(out, "null"...)
			} else {
				out = append(out, raw[i])
			}
			i += max(n, 1)
		default:
			out = append(out, raw[i])
			i++
		}
	}
	return out, json.Valid(out)
}

// appendEscaped appends a quoted string with its control characters escaped.
func appendEscaped(dst, quoted []byte) []byte {
	for _, c := range quoted {
		if c < ' ' {
			dst = fmt.Appendf(dst, `\u%04x`, c)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// notANumber returns the length of the word at the start of b that stands for
// no number, or 0.
func notANumber(b []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity", "-NaN"} {
		if bytes.HasPrefix(b, []byte(word)) {
			return len(word)
		}
	}
	return 0
}
