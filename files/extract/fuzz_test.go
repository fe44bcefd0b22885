package extract

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// fuzz reads content and checks what every answer promises.
func fuzz(t *testing.T, e *Extractor, name string, content []byte) {
	doc, err := e.Extract(t.Context(), name, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		var refusal *Error
		require.ErrorAs(t, err, &refusal)
		require.True(t, strings.HasPrefix(refusal.Message, "The file could not be parsed"), refusal.Message)
		return
	}
	require.NotEmpty(t, doc.Blocks)
	for _, b := range doc.Blocks {
		require.True(t, utf8.ValidString(b.Text))
		require.NotEmpty(t, b.Text)
		require.Equal(t, strings.Trim(b.Text, "\n"), b.Text)
	}
}

func seed(f *testing.F, name string) []byte {
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(f, err)
	return content
}

var bounds = Options{Timeout: 20 * time.Second, MaxText: 8 << 20, MaxMemory: 128 << 20}

func FuzzText(f *testing.F) {
	for _, name := range []string{"page.html", "report.html", "sources/report.md"} {
		f.Add(seed(f, name))
	}
	f.Add([]byte("a;b\n\"1\n2\";3\n"))
	f.Add(encodeMarked("Größe"))
	e := New(bounds)
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, name := range []string{"a.md", "a.html", "a.csv", "a.go"} {
			fuzz(t, e, name, content)
		}
	})
}

func encodeMarked(text string) []byte { return encodeUTF16("\ufeff"+text, binary.LittleEndian) }

// A workbook with one sheet, xl/worksheets/sheet1.xml.
const (
	workbook = `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">` +
		`<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>`
	packageRelations = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`
	sheetStyles       = `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>`
	contentTypes      = `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`
	workbookRelations = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`
)

// FuzzOffice changes the parts of documents rather than their compressed bytes.
func FuzzOffice(f *testing.F) {
	for _, name := range []string{"report.docx", "letter.docx", "slides.pptx", "accounts.xlsx"} {
		archive, err := zip.NewReader(bytes.NewReader(seed(f, name)), int64(len(seed(f, name))))
		require.NoError(f, err)
		for _, part := range archive.File {
			if strings.HasSuffix(part.Name, "document.xml") || strings.Contains(part.Name, "slide1.xml") || strings.HasSuffix(part.Name, "sheet1.xml") {
				content, err := part.Open()
				require.NoError(f, err)
				var text bytes.Buffer
				_, err = text.ReadFrom(content)
				require.NoError(f, err)
				f.Add(text.Bytes())
			}
		}
	}
	e := New(bounds)
	slides := `<p xmlns:r="r"><sldId r:id="rId1"/></p>`
	slide := `<Relationships><Relationship Id="rId1" Type="slide" Target="slides/slide1.xml"/></Relationships>`
	f.Fuzz(func(t *testing.T, part []byte) {
		text := string(part)
		fuzz(t, e, "a.docx", archive(t, map[string]any{"word/document.xml": text, "word/styles.xml": text, "word/footnotes.xml": text}))
		fuzz(t, e, "a.pptx", archive(t, map[string]any{"ppt/presentation.xml": slides, "ppt/_rels/presentation.xml.rels": slide, "ppt/slides/slide1.xml": text}))
		fuzz(t, e, "a.xlsx", archive(t, map[string]any{
			"[Content_Types].xml": contentTypes, "_rels/.rels": packageRelations, "xl/workbook.xml": workbook, "xl/_rels/workbook.xml.rels": workbookRelations, "xl/worksheets/sheet1.xml": text, "xl/styles.xml": sheetStyles, "xl/sharedStrings.xml": text,
		}))
	})
}

func FuzzPDF(f *testing.F) {
	for _, name := range []string{"letter.pdf", "rtl.pdf"} {
		f.Add(seed(f, name))
	}
	f.Add(onePage("", stream("", "BT /F 12 Tf 50 700 Td (Hello) Tj ET")))
	options := bounds
	options.CacheDir = cache
	e := New(options)
	f.Cleanup(func() { require.NoError(f, e.Close()) })
	f.Fuzz(func(t *testing.T, content []byte) { fuzz(t, e, "a.pdf", content) })
}
