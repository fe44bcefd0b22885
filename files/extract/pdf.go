package extract

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/structs"
)

// pdf reads the text of a PDF in the order in which it was drawn, which
// producers make the order of reading: column by column, page by page.
func pdf(e *Extractor, s *source, out *builder) error {
	begin, err := s.part(0, 1024)
	if err != nil {
		return err
	}
	if !bytes.Contains(begin, []byte("%PDF-")) {
		return invalid("Its name says that it is a PDF document, but it is not one.")
	}
	instance, done, err := e.engines.instance(s)
	if err != nil {
		return err
	}
	defer done()
	doc, err := openPDF(instance, s)
	if err != nil {
		return err
	}
	defer doc.forget()
	for i := range doc.pages {
		if s.Err() != nil {
			return s.Err()
		}
		page, err := doc.page(i)
		if err != nil {
			return invalid("Page %d is damaged, or reading it takes more than %d MB of memory.", i+1, s.MaxMemory>>20)
		}
		out.page = i + 1
		if err := page.read(out); err != nil {
			return err
		}
	}
	if len(out.blocks) == 0 {
		return empty("none of its %d pages holds text. If they are scanned, add a text layer (OCR) and upload it again", doc.pages)
	}
	return nil
}

func pdfError(err error) error {
	if errors.Is(err, pdfiumerrors.ErrPassword) || errors.Is(err, pdfiumerrors.ErrSecurity) {
		return invalid("It is encrypted. Save it without a password and upload it again.")
	}
	return invalid("It is not a PDF document, or it is damaged.")
}

// wholeReads fills the buffer it is given: PDFium reads once and takes less for
// an error.
type wholeReads struct{ io.ReadSeeker }

func (r *wholeReads) Read(p []byte) (int, error) { return io.ReadFull(r.ReadSeeker, p) }

type pdfDocument struct {
	pdfium.Pdfium
	content  *wholeReads
	document references.FPDF_DOCUMENT
	pages    int
}

func openPDF(instance pdfium.Pdfium, s *source) (*pdfDocument, error) {
	d := &pdfDocument{Pdfium: instance, content: &wholeReads{s.content}}
	opened, err := d.OpenDocument(&requests.OpenDocument{FileReader: d.content, FileReaderSize: s.size})
	if err != nil {
		d.forget()
		return nil, pdfError(err)
	}
	d.document = opened.Document
	return d, d.check(s)
}

// forget lets go of the file: go-pdfium keeps every reader that it was given.
func (d *pdfDocument) forget() { d.content.ReadSeeker = nil }

// check counts the pages and refuses documents that are cut off: PDFium repairs
// them as well as it can and would hide that text is missing.
func (d *pdfDocument) check(s *source) error {
	count, err := d.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d.document})
	if err != nil {
		return pdfError(err)
	}
	d.pages = count.PageCount
	if d.pages > s.MaxPages {
		return tooLarge("it has %d pages, more than %d", d.pages, s.MaxPages)
	}
	table, err := d.FPDF_DocumentHasValidCrossReferenceTable(&requests.FPDF_DocumentHasValidCrossReferenceTable{Document: d.document})
	if err != nil {
		return pdfError(err)
	}
	if table.DocumentHasValidCrossReferenceTable {
		return nil
	}
	end, err := s.part(max(0, s.size-4096), 4096)
	if err == nil && !bytes.Contains(end, []byte("%%EOF")) {
		err = invalid("It is cut off: its end is missing.")
	}
	return err
}

// page reads the lines of a page and where they stand.
func (d *pdfDocument) page(index int) (*pdfPage, error) {
	loaded, err := d.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.document, Index: index})
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = d.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: loaded.Page}) }()
	text, err := d.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: requests.Page{ByReference: &loaded.Page}})
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = d.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: text.TextPage}) }()
	count, err := d.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: text.TextPage})
	if err != nil || count.Count == 0 {
		return &pdfPage{}, err
	}
	all, err := d.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: text.TextPage, StartIndex: 0, Count: count.Count})
	if err != nil {
		return nil, err
	}
	page := &pdfPage{}
	at := 0
	for line := range strings.SplitSeq(all.Text, "\r\n") {
		units := utf16.Encode([]rune(line))
		page.lines = append(page.lines, d.line(text.TextPage, units, at))
		at += len(units) + len("\r\n")
	}
	page.measure()
	if strings.ContainsAny(all.Text, alefs) {
		d.turnLigatures(text.TextPage, page)
	}
	for i := range page.lines {
		if page.maybeRow(&page.lines[i]) {
			d.cells(text.TextPage, &page.lines[i])
		}
	}
	return page, nil
}

// line measures the line whose first character has the index at.
func (d *pdfDocument) line(page references.FPDF_TEXTPAGE, units []uint16, at int) pdfLine {
	line := pdfLine{units: units, at: at}
	first, last := 0, len(units)-1
	for first < last && units[first] == ' ' {
		first++
	}
	for last > first && units[last] == ' ' {
		last--
	}
	for _, i := range []int{first, last} {
		if i > last {
			break
		}
		if box, ok := d.box(page, at+i); ok {
			line.extend(box)
		}
	}
	return line
}

// box returns where a character is. Those that PDFium has added are nowhere.
func (d *pdfDocument) box(page references.FPDF_TEXTPAGE, index int) (structs.FPDF_FS_RECTF, bool) {
	box, err := d.FPDFText_GetLooseCharBox(&requests.FPDFText_GetLooseCharBox{TextPage: page, Index: index})
	if err != nil || box.Rect.Right <= box.Rect.Left {
		return structs.FPDF_FS_RECTF{}, false
	}
	return box.Rect, true
}

// cells puts tabs where a row of a table has wide gaps, and says that it is one.
func (d *pdfDocument) cells(page references.FPDF_TEXTPAGE, row *pdfLine) {
	begin := max(1, len(utf16.Encode([]rune(row.item())))) // the gap after a marker is none
	for i := begin; i < len(row.units)-1; i++ {
		if row.units[i] != ' ' {
			continue
		}
		before, ok := d.box(page, row.at+i-1)
		after, also := d.box(page, row.at+i+1)
		if ok && also && max(after.Left-before.Right, before.Left-after.Right) > row.size*0.7 {
			row.units[i] = '\t'
			row.row = true
		}
	}
}

// alefs are the letters that Arabic writes as one with a lam before them.
const alefs = "اأإآ"

// turnLigatures puts the two letters of such a sign in the right order: PDFium
// turns the line, which was drawn from right to left, and with it their order.
func (d *pdfDocument) turnLigatures(text references.FPDF_TEXTPAGE, page *pdfPage) {
	for _, l := range page.lines {
		for i := range len(l.units) - 1 {
			if !strings.ContainsRune(alefs, rune(l.units[i])) || l.units[i+1] != 'ل' {
				continue
			}
			alef, ok := d.box(text, l.at+i)
			lam, also := d.box(text, l.at+i+1)
			if ok && also && alef == lam {
				l.units[i], l.units[i+1] = l.units[i+1], l.units[i]
			}
		}
	}
}
