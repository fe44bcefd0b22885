package extract

import (
	"strings"
)

// pptx reads a presentation slide by slide, in the order of the presentation:
// title, text, tables, and the speaker's notes. A slide is a page.
func pptx(_ *Extractor, s *source, out *builder) error {
	const main = "ppt/presentation.xml"
	o, err := openOffice(s, main, "a PowerPoint presentation (.pptx)")
	if err != nil {
		return err
	}
	parts, err := o.relations(main)
	if err != nil {
		return err
	}
	order := &slides{}
	if err := o.walk(main, order); err != nil {
		return err
	}
	if len(order.ids) > s.MaxPages {
		return tooLarge("it has %d slides, more than %d", len(order.ids), s.MaxPages)
	}
	for i, id := range order.ids {
		out.page = i + 1
		slide := parts[id]
		if err := o.walk(slide, &slideReader{out: out}); err != nil {
			return err
		}
		related, err := o.relations(slide)
		if err != nil {
			return err
		}
		if err := o.walk(related["notesSlide"], &slideReader{out: out, notes: true}); err != nil {
			return err
		}
	}
	return nil
}

// slides collects the ids of the slides.
type slides struct{ ids []string }

func (s *slides) start(name string, attributes attributes) bool {
	if name == "sldId" {
		for _, a := range attributes {
			if a.Name.Local == "id" && a.Name.Space != "" { // r:id; the other is a number
				s.ids = append(s.ids, a.Value)
			}
		}
	}
	return false
}

func (*slides) text(string) {}

func (*slides) end(string) error { return nil }

// slideReader reads the shapes of a slide, or of the notes on one.
type slideReader struct {
	out   *builder
	notes bool

	runs  runs
	shape string   // its place on the layout: title, body, sldNum …
	lines []string // its paragraphs
	table table
}

func (r *slideReader) start(name string, attributes attributes) bool {
	switch name {
	case "sp", "graphicFrame":
		r.shape, r.lines = "", nil
	case "ph":
		r.shape = attributes.get("type")
	case "p":
		r.runs.reset()
	}
	return r.runs.start(name)
}

func (r *slideReader) text(text string) { r.runs.text(text) }

func (r *slideReader) end(name string) error {
	switch name {
	case "p":
		if text := r.runs.take(); text != "" {
			r.lines = append(r.lines, text)
		}
	case "tc":
		r.table.cell(strings.Join(r.lines, " "))
		r.lines = nil
	case "tr":
		r.table.row()
	case "tbl":
		err := r.out.add(Table, r.table.text())
		r.table = table{}
		return err
	case "sp":
		return r.endShape()
	}
	r.runs.end(name)
	return nil
}

func (r *slideReader) endShape() error {
	text := strings.Join(r.lines, "\n")
	r.lines = nil
	switch {
	case r.shape == "sldNum" || r.shape == "dt" || r.shape == "ftr" || r.shape == "hdr" || text == "":
		return nil
	case r.notes && r.shape == "body":
		return r.out.add(Paragraph, "Notes: "+text)
	case r.notes: // the picture of the slide
		return nil
	case r.shape == "title" || r.shape == "ctrTitle":
		return r.out.add(Heading, text)
	}
	return r.out.add(List, text)
}
