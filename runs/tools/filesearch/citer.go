package filesearch

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Piece is a piece of an answer as it is shown: text, or the marker of a passage
// with its place, in characters from the beginning of the answer, end exclusive.
type Piece struct {
	Text       string
	Passage    *Passage // nil = plain text
	Start, End int
}

// Citer finds the markers in an answer as it comes. It shows each that names a
// passage the way the API does, and drops those that name none: a model now and
// then makes one up. What has no dagger is a marker only when it names a
// passage: 【2024】 is how some languages write. All other text passes unchanged,
// and is held back only where it may be the beginning of a marker.
type Citer struct {
	passages map[key]*Passage
	last     int64 // Source of the newest search
	held     string
	shown    int // characters
}

type key struct {
	source int64
	number int
}

// NewCiter returns a Citer for what the searches found, oldest first.
func NewCiter(searches []*Search) *Citer {
	c := &Citer{passages: map[key]*Passage{}}
	for _, s := range searches {
		for i := range s.Passages {
			p := &s.Passages[i]
			c.passages[key{p.Source, p.Number}] = p
			c.last = p.Source
		}
	}
	return c
}

// Write takes the next part of the answer and returns what of it can be shown.
func (c *Citer) Write(text string) []Piece {
	c.held += text
	return c.release(false)
}

// Close returns what was held back.
func (c *Citer) Close() []Piece { return c.release(true) }

func (c *Citer) release(all bool) []Piece {
	var pieces []Piece
	plain := func(n int) {
		if n > 0 {
			pieces = c.show(pieces, c.held[:n], nil)
			c.held = c.held[n:]
		}
	}
	from := 0 // plain text up to here
	for {
		at := strings.IndexAny(c.held[from:], "【[")
		if at < 0 {
			if n := partialOpener(c.held); !all && n > 0 {
				plain(len(c.held) - n)
				return pieces
			}
			plain(len(c.held))
			return pieces
		}
		at += from
		m, verdict := readMarker(c.held[at:])
		p := c.find(m)
		switch {
		case verdict == unfinished && !all:
			plain(at)
			return pieces
		case verdict == complete && (m.dagger || p != nil):
			plain(at)
			c.held, from = c.held[m.length:], 0
			if p != nil {
				pieces = c.show(pieces, p.Marker(), p)
			}
		default:
			_, size := utf8.DecodeRuneInString(c.held[at:])
			from = at + size
		}
	}
}

// partialOpener is how many bytes at the end may begin 【 once more has come.
func partialOpener(s string) int {
	for n := min(len("【")-1, len(s)); n > 0; n-- {
		if strings.HasSuffix(s, "【"[:n]) {
			return n
		}
	}
	return 0
}

func (c *Citer) show(pieces []Piece, text string, p *Passage) []Piece {
	start := c.shown
	c.shown += utf8.RuneCountInString(text)
	if n := len(pieces); p == nil && n > 0 && pieces[n-1].Passage == nil {
		pieces[n-1].Text += text
		pieces[n-1].End = c.shown
		return pieces
	}
	return append(pieces, Piece{Text: text, Passage: p, Start: start, End: c.shown})
}

// find looks a marker up, nil when it names nothing. With one number, as version
// 1 had it, it means the newest search.
func (c *Citer) find(m marker) *Passage {
	switch {
	case !m.short:
		return c.passages[key{m.source, m.number}]
	case m.dagger:
		return c.passages[key{c.last, int(m.source)}]
	default:
		return nil
	}
}

// marker is what stands between the brackets: 4:0†name, or 4†name.
type marker struct {
	source int64
	number int
	short  bool // has one number, in source
	dagger bool
	length int // bytes, brackets included
}

type verdict int

const (
	noMarker verdict = iota
	unfinished
	complete
)

const (
	maxDigits = 9
	maxName   = 512 // bytes behind the dagger: a name, and maybe lines
)

// readMarker reads a marker at the beginning of s, which starts with a bracket.
// Plain brackets, as some models write them, count only around a dagger.
func readMarker(s string) (marker, verdict) {
	opener, closer := "【", "】"
	if s[0] == '[' {
		opener, closer = "[", "]"
	}
	r := scanner{rest: s[len(opener):]}
	source := r.number()
	m := marker{source: source, short: true}
	if r.take(":") {
		m.number, m.short = int(r.number()), false
	}
	m.dagger = r.take("†")
	if m.dagger {
		r.name(closer)
	}
	switch {
	case r.bad:
		return m, noMarker
	case begins(r.rest, closer), begins(r.rest, "†"):
		return m, unfinished
	case !strings.HasPrefix(r.rest, closer) || opener == "[" && !m.dagger:
		return m, noMarker
	}
	m.length = len(s) - len(r.rest) + len(closer)
	return m, complete
}

// begins reports whether s is a beginning of mark, but not all of it.
func begins(s, mark string) bool { return len(s) < len(mark) && strings.HasPrefix(mark, s) }

// scanner reads the inside of a marker. Where the text ends early it leaves
// nothing, which is no fault: more may come.
type scanner struct {
	rest string
	bad  bool
}

func (r *scanner) number() int64 {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	if n > maxDigits || n == 0 && r.rest != "" {
		r.bad = true
		return 0
	}
	value, _ := strconv.ParseInt(r.rest[:n], 10, 64) // nothing yet reads as 0
	r.rest = r.rest[n:]
	return value
}

func (r *scanner) take(mark string) bool {
	rest, ok := strings.CutPrefix(r.rest, mark)
	r.rest = rest
	return ok && !r.bad
}

// name skips what stands behind the dagger.
func (r *scanner) name(closer string) {
	end := strings.Index(r.rest, closer)
	line := strings.IndexByte(r.rest, '\n')
	switch {
	case line >= 0 && (end < 0 || line < end), end > maxName, end < 0 && len(r.rest) > maxName:
		r.bad = true
	case end < 0:
		r.rest = ""
	default:
		r.rest = r.rest[end:]
	}
}
