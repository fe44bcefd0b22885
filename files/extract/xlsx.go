package extract

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Bounds on a workbook: what is neither a sheet nor text is read whole, and a
// row may say that it has 16,384 cells.
const (
	maxWorkbookPart = 16 << 20 // bytes
	maxCells        = 20_000_000
)

// xlsx reads the sheets of a workbook: numbers and dates as Excel shows them.
func xlsx(_ *Extractor, s *source, out *builder) error {
	o, err := openOffice(s, "xl/workbook.xml", "an Excel workbook (.xlsx)")
	if err != nil {
		return err
	}
	err = o.check(func(name string) uint64 {
		if rowByRow(name) {
			return maxUnpacked
		}
		return maxWorkbookPart
	})
	if err != nil {
		return err
	}
	if err := o.checkCells(); err != nil {
		return err
	}
	if _, err := s.content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	book, err := excelize.OpenReader(s.content, excelize.Options{
		UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxWorkbookPart, ShortDatePattern: "yyyy-mm-dd",
	})
	if book != nil {
		defer func() { _ = book.Close() }() // temporary files
	}
	if err != nil {
		return invalid("The workbook is damaged: %v.", err)
	}
	cells := maxCells
	for _, name := range book.GetSheetList() {
		if err := sheet(s, book, name, &cells, out); err != nil {
			return err
		}
	}
	return nil
}

// rowByRow reports whether a part is one that is read row by row.
func rowByRow(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "xl/worksheets/sheet") || strings.EqualFold(name, "xl/sharedStrings.xml")
}

// maxCell bounds the text of a cell, in bytes. Excel stops at 32,767 characters;
// the library holds a cell several times over.
const maxCell = 1 << 20

// checkCells refuses a workbook with a longer cell, or tag, before it is taken
// apart.
func (o *office) checkCells() error {
	buffer := make([]byte, 64<<10)
	for name, part := range o.parts {
		if !rowByRow(name) || part.UncompressedSize64 <= maxCell {
			continue
		}
		if err := o.checkPart(name, part, buffer); err != nil {
			return err
		}
	}
	return nil
}

func (o *office) checkPart(name string, part *zip.File, buffer []byte) error {
	content, err := part.Open()
	if err != nil {
		return invalid("The part %s cannot be unpacked.", name)
	}
	defer content.Close()
	reader := &timed{Context: o.Context, ReadCloser: content}
	for run := 0; ; {
		n, err := reader.Read(buffer)
		for rest := buffer[:n]; ; {
			end := bytes.IndexByte(rest, '<')
			if end < 0 {
				run += len(rest)
				break
			}
			if run+end > maxCell {
				return tooLarge("a cell has more than %d MB", maxCell>>20)
			}
			run, rest = 0, rest[end+1:]
		}
		switch {
		case run > maxCell:
			return tooLarge("a cell has more than %d MB", maxCell>>20)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return o.damaged(name, err)
		}
	}
}

// sheet reads one sheet. cells is how many the workbook may still have.
func sheet(s *source, book *excelize.File, name string, cells *int, out *builder) error {
	rows, err := book.Rows(name)
	if err != nil {
		return invalid("The sheet %q cannot be read: %v.", name, err)
	}
	defer func() { _ = rows.Close() }()
	var t table
	heading := name
	for rows.Next() {
		values, err := rows.Columns()
		if err != nil {
			return invalid("The sheet %q is damaged: %v.", name, err)
		}
		if *cells -= len(values) + 1; *cells < 0 {
			return tooLarge("it has more than %d cells", maxCells)
		}
		if s.Err() != nil {
			return s.Err()
		}
		for _, value := range values {
			t.cell(value)
		}
		if t.row(); len(t.rows) > 0 { // a sheet without rows is not mentioned
			if err := out.add(Heading, heading); err != nil {
				return err
			}
			heading = ""
		}
		if err := t.flush(out, false); err != nil {
			return err
		}
	}
	if err := rows.Error(); err != nil {
		return invalid("The sheet %q is damaged: %v.", name, err)
	}
	return t.flush(out, true)
}
