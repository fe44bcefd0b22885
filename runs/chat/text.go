package chat

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Backends cut text anywhere: inside a surrogate pair, inside the bytes of one
// character. Text therefore travels as WTF-8 (a lone surrogate is three bytes)
// until its neighbours are known; only repair turns what stays broken into
// U+FFFD.

// appendText appends the content of the JSON string v to dst, raw bytes kept
// and lone surrogates encoded as three bytes.
func appendText(dst, v []byte) []byte {
	if len(v) < 2 || v[0] != '"' {
		return dst
	}
	v = v[1 : len(v)-1]
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 >= len(v) {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		c := v[i+1]
		v = v[i+2:]
		if c != 'u' {
			dst = append(dst, unescape(c))
			continue
		}
		r, ok := hex4(v)
		if !ok {
			continue
		}
		v = v[4:]
		if len(v) >= 6 && v[0] == '\\' && v[1] == 'u' {
			if low, ok := hex4(v[2:]); ok {
				if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
					dst = utf8.AppendRune(dst, full)
					v = v[6:]
					continue
				}
			}
		}
		dst = appendSurrogate(dst, r)
	}
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return c
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}

// appendSurrogate appends r, also when it is a lone surrogate.
func appendSurrogate(dst []byte, r rune) []byte {
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r)
	}
	return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0xBF, 0x80|byte(r)&0xBF) //nolint:gosec // a surrogate has 16 bits
}

// surrogateAt returns the surrogate encoded at the start of b, or 0.
func surrogateAt(b []byte) rune {
	if len(b) < 3 || b[0] != 0xED || b[1] < 0xA0 || b[1] > 0xBF || b[2]&0xC0 != 0x80 {
		return 0
	}
	return 0xD000 | rune(b[1]&0x3F)<<6 | rune(b[2]&0x3F)
}

// repair turns WTF-8 into UTF-8: surrogate pairs become their character,
// whatever is still broken becomes U+FFFD.
func repair(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		if high := surrogateAt(b); high != 0 {
			r := utf16.DecodeRune(high, surrogateAt(b[3:]))
			out.WriteRune(r)
			b = b[3:]
			if r != utf8.RuneError {
				b = b[3:]
			}
			continue
		}
		r, size := utf8.DecodeRune(b)
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}

// joiner repairs a text that arrives in pieces: the end of a piece that only
// the next one can complete is held back.
type joiner struct {
	held    []byte
	scratch []byte
}

// add takes the JSON string v and returns what may be shown now.
func (j *joiner) add(v []byte) string {
	j.scratch = appendText(append(j.scratch[:0], j.held...), v)
	cut := len(j.scratch) - unfinished(j.scratch)
	j.held = append(j.held[:0], j.scratch[cut:]...)
	return repair(j.scratch[:cut])
}

// rest returns what was still held back.
func (j *joiner) rest() string {
	s := repair(j.held)
	j.held = nil
	return s
}

// unfinished counts the bytes at the end of b that later bytes may complete:
// the start of a character, a high surrogate, or both in that order.
func unfinished(b []byte) int {
	n := unfinishedBytes(b)
	if rest := b[:len(b)-n]; len(rest) >= 3 {
		if r := surrogateAt(rest[len(rest)-3:]); r >= 0xD800 && r < 0xDC00 && (n == 0 || b[len(rest)] == 0xED) {
			n += 3
		}
	}
	return n
}

func unfinishedBytes(b []byte) int {
	for i := 1; i <= 3 && i <= len(b); i++ {
		c := b[len(b)-i]
		need := 1
		switch {
		case c >= 0x80 && c < 0xC0:
			continue
		case c >= 0xC2 && c < 0xE0:
			need = 2
		case c >= 0xE0 && c < 0xF0:
			need = 3
		case c >= 0xF0 && c < 0xF5:
			need = 4
		}
		if i < need {
			return i
		}
		return 0
	}
	return 0
}
