package chunking

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"understudy/files/tokens"
)

// window holds the units that the next chunk may be made of.
type window struct {
	text   string // of the document
	source *units
	units  []unit
	tokens int // of all units
	start  int // where the first unit begins, in bytes
	runes  int // and in characters
}

// fill reads units until there are more than size tokens or the text ends.
func (w *window) fill(size int) {
	for w.tokens <= size && !w.source.ended() {
		u := w.source.next()
		w.units = append(w.units, u)
		w.tokens += u.tokens
	}
}

// end returns how many units the next chunk should be made of.
func (w *window) end(size, overlap int) int {
	if w.tokens <= size {
		return len(w.units)
	}
	least := overlap + (size-overlap)/2 // so that each chunk adds enough that is new
	sum, best, depth := 0, 1, joined
	for i := 1; i < len(w.units); i++ {
		if sum += w.units[i-1].tokens; sum > size {
			break
		}
		if before := w.units[i].before; sum < least || before >= depth {
			best = i
			if sum >= least {
				depth = before
			}
		}
	}
	return best
}

// next returns with which unit the chunk after one of end units begins.
func (w *window) next(end, overlap int) int {
	least := overlap * 3 / 4
	sum, best, depth := 0, end, joined
	for i := end - 1; i > 0; i-- {
		if sum += w.units[i].tokens; sum > overlap {
			break
		}
		if before := w.units[i].before; sum < least || before >= depth {
			best = i
			if sum >= least {
				depth = before
			}
		}
	}
	return best
}

// chunk makes one of the first units, of fewer than end if that many have more
// than size tokens together.
func (w *window) chunk(end, size int) (Chunk, int) {
	bytes := 0
	for _, u := range w.units[:end] {
		bytes += u.bytes
	}
	for ; ; end-- {
		whole := w.text[w.start : w.start+bytes]
		text := strings.TrimLeftFunc(whole, unicode.IsSpace)
		skipped := len(whole) - len(text)
		text = strings.TrimRightFunc(text, unicode.IsSpace)
		if n := tokens.Count(text); n <= size || end == 1 {
			start := w.runes + utf8.RuneCountInString(whole[:skipped])
			return Chunk{
				Text: text, Tokens: n, Page: w.page(skipped),
				Start: start, End: start + utf8.RuneCountInString(text),
			}, end
		}
		bytes -= w.units[end-1].bytes
	}
}

// page returns the page of the byte at offset.
func (w *window) page(offset int) int {
	for _, u := range w.units {
		if offset -= u.bytes; offset < 0 {
			return u.page
		}
	}
	return w.units[len(w.units)-1].page
}

// advance drops the first n units.
func (w *window) advance(n int) {
	for _, u := range w.units[:n] {
		w.runes += utf8.RuneCountInString(w.text[w.start : w.start+u.bytes])
		w.start += u.bytes
		w.tokens -= u.tokens
	}
	w.units = append(w.units[:0], w.units[n:]...)
}
