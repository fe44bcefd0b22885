package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what a block is.
type Kind int

// The kinds of blocks. A Table holds one row per line, Code its own line ends
// and indentation; in the others a line end means nothing.
const (
	Paragraph Kind = iota
	Heading
	List
	Table
	Code
)

// Separator stands between two blocks in the text of a document.
const Separator = "\n\n"

// Block is a part of a document that stays together if it can. Text is valid
// UTF-8, not empty, and neither begins nor ends with a line end. Page counts
// from 1 and is 0 where the format has no pages; a slide is a page.
type Block struct {
	Text string
	Kind Kind
	Page int
}

// Document is the text of a file in reading order.
type Document struct{ Blocks []Block }

// Text returns the blocks joined by Separator. Offsets into a document are
// counted in the characters of this text.
func (d *Document) Text() string {
	texts := make([]string, len(d.Blocks))
	for i, b := range d.Blocks {
		texts[i] = b.Text
	}
	return strings.Join(texts, Separator)
}

// builder collects the blocks of a document that may hold limit bytes of text.
type builder struct {
	blocks []Block
	page   int // of the blocks added next
	size   int
	limit  int
}

// add appends a block unless text is blank.
func (b *builder) add(kind Kind, text string) error {
	text = clean(text)
	if text == "" {
		return nil
	}
	if b.size += len(text); b.size > b.limit {
		return tooLarge("it holds more than %d MB of text", b.limit>>20)
	}
	b.blocks = append(b.blocks, Block{Text: text, Kind: kind, Page: b.page})
	return nil
}

// clean removes what no reader sees: control characters and soft hyphens, the
// spaces before a line end, and blank lines around the text. Spaces of every
// width become the usual one.
func clean(text string) string {
	text = strings.Map(visible, strings.ToValidUTF8(text, string(utf8.RuneError)))
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029':
		return '\n'
	case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u00ad' || r == '\ufeff':
		return -1
	case r > 0x7f && unicode.Is(unicode.Zs, r):
		return ' '
	}
	return r
}
