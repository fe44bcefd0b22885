package extract

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/klippa-app/go-pdfium/structs"
	"golang.org/x/text/unicode/norm"
)

// pdfLine is a line as PDFium finds it: several lines of print where words are
// hyphenated. Its place is that of its first and its last character, in points
// from the bottom left corner of the page.
type pdfLine struct {
	units       []uint16 // UTF-16
	at          int      // index of the first unit on the page
	placed      bool
	row         bool // of a table
	left, right float32
	base        float32 // the bottom of the first character
	bottom      float32 // and of the last
	size        float32 // height of the first character
}

func (l *pdfLine) extend(box structs.FPDF_FS_RECTF) {
	if !l.placed {
		l.left, l.right, l.base, l.bottom = box.Left, box.Right, box.Bottom, box.Bottom
		l.size = box.Top - box.Bottom
		l.placed = true
		return
	}
	l.left, l.right = min(l.left, box.Left), max(l.right, box.Right)
	l.bottom = box.Bottom
}

func (l *pdfLine) text() string { return string(utf16.Decode(l.units)) }

// marker is what an item of a list begins with. Word and LibreOffice draw its
// dots with characters of their own.
var marker = regexp.MustCompile(`^\s*([•▪◦‣●○■□–*\x{e000}-\x{f8ff}-]|\(?[0-9]{1,3}[.)]|\(?[a-z][.)])\s`)

// words are what a heading consists of; a formula may be as high.
var words = regexp.MustCompile(`^.{0,200}\p{L}{3}.{0,200}$`)

// item returns the marker of an item of a list, "" if the line begins none.
func (l *pdfLine) item() string { return marker.FindString(l.text()) }

// hyphen is what PDFium puts in place of a hyphen and the line end after it.
const hyphen = '\uFFFE'

// stretch is how wide a character of the line is on average, as a part of its
// height; 0 if that cannot be said.
func (l *pdfLine) stretch() float32 {
	if !l.placed || l.size <= 0 || slices.Contains(l.units, hyphen) {
		return 0
	}
	return (l.right - l.left) / l.size / float32(len(l.units))
}

// pdfPage is the lines of a page in the order in which they were drawn.
type pdfPage struct {
	lines   []pdfLine
	body    float32 // the usual height of a line
	stretch float32 // the usual width of a character
	pitch   float32 // the usual distance between lines
}

// measure finds out what is usual on the page.
func (p *pdfPage) measure() {
	var sizes, stretches, pitches []float32
	for i, l := range p.lines {
		if !l.placed {
			continue
		}
		if i > 0 && p.lines[i-1].placed {
			if pitch := p.lines[i-1].bottom - l.base; pitch > 0.3*l.size && pitch < 3*l.size {
				pitches = append(pitches, pitch)
			}
		}
		for range 1 + len(l.units)/10 {
			sizes = append(sizes, l.size)
		}
		if s := l.stretch(); s > 0 && len(l.units) >= 20 {
			stretches = append(stretches, s)
		}
	}
	p.body = quantile(sizes, 2)
	p.stretch = quantile(stretches, 2)
	p.pitch = quantile(pitches, 4) // paragraphs of one line are further apart
}

// maybeRow reports whether it is worth looking for the gaps of a row of a table
// in the line: it is short, or wider than its characters need.
func (p *pdfPage) maybeRow(l *pdfLine) bool {
	s := l.stretch()
	return s > 0 && slices.Contains(l.units, ' ') && (len(l.units) < 40 || s > 1.1*p.stretch)
}

// quantile returns the value below which one part of that many lies.
func quantile(values []float32, parts int) float32 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/parts]
}

// read adds the page's paragraphs, headings and tables.
func (p *pdfPage) read(out *builder) error {
	var block pdfBlock
	for i := range p.lines {
		l := &p.lines[i]
		if len(block.lines) > 0 && block.endsBefore(l, p.pitch) {
			if err := block.add(p, out); err != nil {
				return err
			}
			block.lines = block.lines[:0]
		}
		block.lines = append(block.lines, l)
	}
	return block.add(p, out)
}

// pdfBlock is lines that belong together.
type pdfBlock struct{ lines []*pdfLine }

// endsBefore reports whether l begins another block: after a gap, in another
// size, in the next column, indented, or as a row after what is none.
func (b *pdfBlock) endsBefore(l *pdfLine, pitch float32) bool {
	last := b.lines[len(b.lines)-1]
	if !last.placed || !l.placed {
		return false
	}
	size := max(last.size, l.size)
	switch {
	case last.row != l.row:
		return true
	case min(last.size, l.size) < 0.88*size:
		return true
	case l.base > last.bottom+size: // further up
		return !continues(last.text(), l.text())
	case last.bottom-l.base > max(1.3*pitch, 0.6*size):
		return true
	case last.item() != "" && l.item() == "" && l.left < last.left+0.3*size: // after a list
		return true
	}
	indent := l.left - last.left
	return !l.row && l.item() == "" && indent > 0.6*size && indent < 4*size && ends(last.text())
}

// ends reports whether a sentence ends with the line.
func ends(text string) bool {
	text = strings.TrimRight(text, " \"'’”)]")
	return text != "" && strings.ContainsRune(".!?:。！？؟", []rune(text)[len([]rune(text))-1])
}

// continues reports whether next goes on with the sentence of text.
func continues(text, next string) bool {
	next = strings.TrimLeft(next, " ")
	return !ends(text) && next != "" && unicode.IsLower([]rune(next)[0])
}

func (b *pdfBlock) add(p *pdfPage, out *builder) error {
	if len(b.lines) == 0 {
		return nil
	}
	var text strings.Builder
	for i, l := range b.lines {
		if i > 0 {
			text.WriteString(b.glue(b.lines[i-1], l))
		}
		text.WriteString(strings.TrimSpace(l.text()))
	}
	first := b.lines[0]
	kind := Paragraph
	switch {
	case first.row && len(b.lines) > 1:
		kind = Table
	case first.item() != "":
		kind = List
	case first.placed && first.size > 1.12*p.body && len(b.lines) <= 3 && words.MatchString(text.String()):
		kind = Heading
	}
	read := legible(text.String())
	if kind != Table {
		read = strings.ReplaceAll(read, "\t", " ")
	}
	return out.add(kind, read)
}

// glue returns what stands between two lines of a block: a line that does not
// reach the right border was ended on purpose.
func (b *pdfBlock) glue(l, next *pdfLine) string {
	if l.row || !l.placed || !next.placed || next.item() != "" {
		return "\n"
	}
	left, right := l.left, l.right
	for _, other := range b.lines {
		left, right = min(left, other.left), max(right, other.right)
	}
	short := 0.15 * (right - left)
	if l.right < right-short && l.left < left+short || l.left > left+short && l.right > right-short && rightToLeft(l.text()) {
		return "\n"
	}
	return " "
}

func rightToLeft(text string) bool {
	for _, r := range text {
		if unicode.In(r, unicode.Hebrew, unicode.Arabic) {
			return true
		}
		if unicode.IsLetter(r) {
			return false
		}
	}
	return false
}

// legible joins hyphenated words, takes ligatures and the shapes of Arabic
// letters apart into letters, and composes accents.
func legible(text string) string {
	runes := []rune(text)
	var out strings.Builder
	for i, r := range runes {
		switch {
		case r == hyphen && i > 0 && i < len(runes)-1 && unicode.IsLetter(runes[i-1]) && unicode.IsLower(runes[i+1]):
		case r == hyphen:
			out.WriteByte('-')
		case r >= 0xe000 && r <= 0xf8ff:
			out.WriteRune('•')
		case r >= 0xfb00 && r <= 0xfdff || r >= 0xfe70 && r <= 0xfefc:
			out.WriteString(norm.NFKC.String(string(r)))
		default:
			out.WriteRune(r)
		}
	}
	return norm.NFC.String(out.String())
}
