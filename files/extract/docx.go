package extract

import (
	"fmt"
	"strings"
)

// docx reads a Word document: paragraphs, headings, lists, tables, and footnotes
// after the paragraph that refers to them. What tracked changes have deleted is
// left out.
func docx(_ *Extractor, s *source, out *builder) error {
	const main = "word/document.xml"
	o, err := openOffice(s, main, "a Word document (.docx)")
	if err != nil {
		return err
	}
	headings := &styles{headings: map[string]bool{}}
	if err := o.walk("word/styles.xml", headings); err != nil {
		return err
	}
	notes := &footnotes{texts: map[string]string{}, limit: s.MaxText}
	for _, part := range []string{"word/footnotes.xml", "word/endnotes.xml"} {
		notes.kind = strings.TrimSuffix(strings.TrimPrefix(part, "word/"), "s.xml")
		if err := o.walk(part, notes); err != nil {
			return err
		}
	}
	d := &docxReader{out: out, headings: headings.headings, notes: notes.texts}
	return o.walk(main, d)
}

// bodyLevel is the outline level of what is no heading.
const bodyLevel = "9"

// styles finds the styles of headings, whose ids depend on Word's language.
type styles struct {
	headings map[string]bool
	id       string
}

func (s *styles) start(name string, attributes attributes) bool {
	switch name {
	case "style":
		s.id = attributes.get("styleId")
	case "name":
		style := strings.ToLower(attributes.get("val"))
		if strings.HasPrefix(style, "heading ") || style == "title" || style == "subtitle" {
			s.headings[s.id] = true
		}
	case "outlineLvl":
		s.headings[s.id] = attributes.get("val") != bodyLevel
	}
	return false
}

func (*styles) text(string) {}

func (*styles) end(string) error { return nil }

// footnotes collects the notes by kind and id.
type footnotes struct {
	texts map[string]string
	kind  string // footnote or endnote
	id    string
	runs  runs
	limit int
}

func (f *footnotes) start(name string, attributes attributes) bool {
	if name == f.kind {
		f.id = attributes.get("id")
		f.runs.reset()
		return attributes.get("type") != "" // the line above the notes
	}
	return f.runs.start(name)
}

func (f *footnotes) text(text string) { f.runs.text(text) }

func (f *footnotes) end(name string) error {
	switch name {
	case "p":
		f.runs.write(" ")
	case f.kind:
		text := f.runs.take()
		if f.limit -= len(text); f.limit < 0 {
			return tooLarge("its notes are longer than its text may be")
		}
		f.texts[f.kind+f.id] = text
	}
	f.runs.end(name)
	return nil
}

// docxReader reads the body.
type docxReader struct {
	out        *builder
	headings   map[string]bool
	notes      map[string]string
	paragraphs []*docxParagraph // a text box is a paragraph within one
	nested     int              // tables we are in; the inner ones are text in a cell of the outermost
	table      table
	cell       []string // its paragraphs
	cited      []string // notes that follow the next paragraph or table
	citations  int
}

type docxParagraph struct {
	runs
	kind Kind
}

func (d *docxReader) start(name string, attributes attributes) bool {
	switch name {
	case "p":
		d.paragraphs = append(d.paragraphs, &docxParagraph{})
		return false
	case "tbl":
		d.nested++
		return false
	}
	if len(d.paragraphs) == 0 {
		return false
	}
	p := d.paragraphs[len(d.paragraphs)-1]
	switch name {
	case "pPr": // what kind of paragraph it is
		return false
	case "tabs":
		return true
	case "pStyle":
		if d.headings[attributes.get("val")] {
			p.kind = Heading
		}
	case "outlineLvl":
		if attributes.get("val") != bodyLevel {
			p.kind = Heading
		}
	case "numPr":
		if p.kind == Paragraph {
			p.kind = List
		}
	case "footnoteReference", "endnoteReference":
		d.citations++
		p.write(fmt.Sprintf("[%d]", d.citations))
		note := d.notes[strings.TrimSuffix(name, "Reference")+attributes.get("id")]
		d.cited = append(d.cited, fmt.Sprintf("[%d] %s", d.citations, note))
	default:
		return p.start(name)
	}
	return false
}

func (d *docxReader) text(text string) {
	if n := len(d.paragraphs); n > 0 {
		d.paragraphs[n-1].text(text)
	}
}

func (d *docxReader) end(name string) error {
	switch {
	case name == "p" && len(d.paragraphs) > 0:
		return d.endParagraph()
	case name == "tc" && d.nested == 1:
		d.table.cell(strings.Join(d.cell, " "))
		d.cell = d.cell[:0]
	case name == "tr" && d.nested == 1:
		d.table.row()
	case name == "tbl":
		if d.nested--; d.nested == 0 {
			return d.endTable()
		}
	case len(d.paragraphs) > 0:
		d.paragraphs[len(d.paragraphs)-1].end(name)
	}
	return nil
}

func (d *docxReader) endParagraph() error {
	last := len(d.paragraphs) - 1
	p := d.paragraphs[last]
	d.paragraphs = d.paragraphs[:last]
	text := p.take()
	if d.nested > 0 {
		d.cell = append(d.cell, text)
		return nil
	}
	if p.kind == List && text != "" {
		text = "- " + text
	}
	if err := d.out.add(p.kind, text); err != nil {
		return err
	}
	return d.addNotes()
}

func (d *docxReader) endTable() error {
	err := d.out.add(Table, d.table.text())
	d.table = table{}
	if err != nil {
		return err
	}
	return d.addNotes()
}

func (d *docxReader) addNotes() error {
	for _, note := range d.cited {
		if err := d.out.add(Paragraph, note); err != nil {
			return err
		}
	}
	d.cited = d.cited[:0]
	return nil
}
