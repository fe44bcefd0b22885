package extract

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sentence = "The Commission's 2024 report — 312 pages, übersetzt — says that nothing in section 4.2 applies. "

// large makes documents of about a megabyte of text; the PDF has 100 pages.
func large(b *testing.B) map[string][]byte {
	paragraph := strings.Repeat(sentence, 5)
	paragraphs := strings.Repeat("<p>"+paragraph+"</p>\n", 2000)
	slides, related := &strings.Builder{}, &strings.Builder{}
	deck := map[string]any{}
	for i := range 200 {
		fmt.Fprintf(slides, `<sldId r:id="r%d"/>`, i)
		fmt.Fprintf(related, `<Relationship Id="r%d" Type="slide" Target="slides/slide%d.xml"/>`, i, i)
		deck[fmt.Sprintf("ppt/slides/slide%d.xml", i)] = "<sld><sp>" + strings.Repeat("<a:p><a:r><a:t>"+paragraph+"</a:t></a:r></a:p>", 10) + "</sp></sld>"
	}
	deck["ppt/presentation.xml"] = `<p xmlns:r="r">` + slides.String() + "</p>"
	deck["ppt/_rels/presentation.xml.rels"] = "<Relationships>" + related.String() + "</Relationships>"
	rows := strings.Repeat("<row>"+strings.Repeat(`<c t="inlineStr"><is><t>`+sentence[:40]+`</t></is></c>`, 5)+"</row>", 5000)
	return map[string][]byte{
		"a.txt":  []byte(strings.Repeat(paragraph+"\n\n", 2000)),
		"a.md":   []byte(strings.Repeat("# Title\n\n"+paragraph+"\n\n- item\n- item\n\n", 2000)),
		"a.go":   []byte(strings.Repeat("func f() {\n\treturn\n}\n\n", 40_000)),
		"a.csv":  []byte(strings.Repeat("Oslo,709037,\"454, about\",1048\n", 30_000)),
		"a.html": []byte("<html><body>" + paragraphs + "</body></html>"),
		"a.docx": archive(b, word(strings.Repeat("<w:p><w:r><w:t>"+paragraph+"</w:t></w:r></w:p>", 2000))),
		"a.pptx": archive(b, deck),
		"a.xlsx": archive(b, map[string]any{
			"[Content_Types].xml":        contentTypes,
			"_rels/.rels":                packageRelations,
			"xl/workbook.xml":            workbook,
			"xl/styles.xml":              sheetStyles,
			"xl/_rels/workbook.xml.rels": workbookRelations,
			"xl/worksheets/sheet1.xml":   `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>` + rows + "</sheetData></worksheet>",
		}),
		"a.pdf": book(100),
	}
}

// book is a PDF of so many pages of 45 lines.
func book(pages int) []byte {
	lines := strings.Repeat("0 -16 Td (The Commission's report of 2024 says that nothing in section 4.2 applies to it, at all.) Tj\n", 45)
	var kids strings.Builder
	objects := []string{catalog, "", font, stream("", "BT /F 11 Tf 50 780 Td\n"+lines+"ET")}
	for i := range pages {
		fmt.Fprintf(&kids, "%d 0 R ", i+5)
		objects = append(objects, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 3 0 R >> >> >>")
	}
	objects[1] = fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids.String(), pages)
	return pdfOf(objects...)
}

// BenchmarkExtract measures megabytes of text per second, whatever the size of
// the file it comes from.
func BenchmarkExtract(b *testing.B) {
	e := New(Options{CacheDir: cache})
	defer func() { require.NoError(b, e.Close()) }()
	for name, content := range large(b) {
		read := func(b *testing.B) *Document {
			doc, err := e.Extract(b.Context(), name, bytes.NewReader(content), int64(len(content)))
			require.NoError(b, err)
			return doc
		}
		b.Run(extension(name), func(b *testing.B) {
			doc := read(b)
			b.SetBytes(int64(len(doc.Text())))
			for b.Loop() {
				read(b)
			}
			if pages := doc.Blocks[len(doc.Blocks)-1].Page; pages > 0 {
				b.ReportMetric(float64(pages*b.N)/b.Elapsed().Seconds(), "pages/s")
			}
		})
	}
}
