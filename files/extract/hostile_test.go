package extract

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spaces is so many MiB of spaces, deflated one by one and put together: to deflate
// them as a whole takes long under the race detector.
func spaces(t testing.TB, size int) []byte {
	var one bytes.Buffer
	w, err := flate.NewWriter(&one, flate.DefaultCompression)
	require.NoError(t, err)
	_, err = w.Write(bytes.Repeat([]byte(" "), 1<<20))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	const lastBlock = "\x03\x00" // an empty one
	return append(bytes.Repeat(one.Bytes(), size), lastBlock...)
}

// claim is a part that says that it unpacks to so many bytes.
type claim int64

// archive zips parts, whose content is a string, a reader or a claim.
func archive(t testing.TB, parts map[string]any) []byte {
	var content bytes.Buffer
	w := zip.NewWriter(&content)
	for name, part := range parts {
		if size, is := part.(claim); is {
			_, err := w.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, UncompressedSize64: uint64(size)})
			require.NoError(t, err)
			continue
		}
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if part == "" {
			header.Method = zip.Store // a compressor for each of many parts takes long
		}
		f, err := w.CreateHeader(header)
		require.NoError(t, err)
		if text, ok := part.(string); ok {
			part = strings.NewReader(text)
		}
		_, err = io.Copy(f, part.(io.Reader))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return content.Bytes()
}

func word(body string) map[string]any {
	return map[string]any{"word/document.xml": `<w:document xmlns:w="w"><w:body>` + body + `</w:body></w:document>`}
}

// lying is an archive whose part unpacks to so many MiB and says that it does to 10 bytes.
func lying(t testing.TB, name string, size int) []byte {
	deflated := spaces(t, size)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	_, err := w.Create("xl/workbook.xml")
	require.NoError(t, err)
	liar, err := w.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Deflate, CompressedSize64: uint64(len(deflated)), UncompressedSize64: 10,
	})
	require.NoError(t, err)
	_, err = liar.Write(deflated)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// TestHostileOfficeDocuments: each fails alone, in little time and memory.
func TestHostileOfficeDocuments(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "report.docx"))
	require.NoError(t, err)
	damaged := bytes.Clone(whole)
	parts, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	require.NoError(t, err)
	for _, part := range parts.File {
		if part.Name == "word/document.xml" {
			at, err := part.DataOffset()
			require.NoError(t, err)
			damaged[at+200] ^= 0x55
		}
	}
	many := map[string]any{}
	for i := range maxParts + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for name, test := range map[string]struct {
		file    string
		content []byte
		message string
	}{
		"spaces in a document": {
			"a.docx", archive(t, map[string]any{"word/document.xml": claim(65 << 20)}),
			"The file could not be parsed because it is too large: a part of it unpacks to more than 64 MB.",
		},
		"a picture that unpacks to much": {
			"a.xlsx", archive(t, map[string]any{"xl/workbook.xml": "<w/>", "xl/media/a.png": claim(17 << 20)}),
			"The file could not be parsed because it is too large: a part of it unpacks to more than 16 MB.",
		},
		"a document that lies": {
			"a.docx", lying(t, "word/document.xml", 100),
			"The file could not be parsed. The part word/document.xml is damaged: zip: not a valid zip file.",
		},
		"a sheet that lies": {
			"a.xlsx", lying(t, "xl/worksheets/sheet1.xml", 100),
			"The file could not be parsed. The workbook is damaged: ",
		},
		"a cell without end": {
			"a.xlsx", archive(t, map[string]any{
				"xl/workbook.xml":          "<w/>",
				"xl/worksheets/sheet1.xml": "<sheetData><row><c t='inlineStr'><is><t>" + strings.Repeat("A", 2<<20) + "</t></is></c></row></sheetData>",
			}),
			"The file could not be parsed because it is too large: a cell has more than 1 MB.",
		},
		"a workbook that unpacks to much": {"a.xlsx", archive(t, map[string]any{
			"xl/workbook.xml": "<w/>", "xl/worksheets/sheet1.xml": claim(200 << 20), "xl/worksheets/sheet2.xml": claim(57 << 20),
		}), "The file could not be parsed because it is too large: it unpacks to more than 256 MB."},
		"many parts": {
			"a.pptx", archive(t, many),
			"The file could not be parsed because it is too large: it has more than 20000 parts.",
		},
		"depth": {
			"a.docx", archive(t, word(strings.Repeat("<w:tbl><w:tr><w:tc>", 100_000))),
			"The file could not be parsed. Its elements nest deeper than 256.",
		},
		"depth in what is left out": {
			"a.docx", archive(t, word("<w:p><w:rPr>"+strings.Repeat("<a>", 1_000_000))),
			"The file could not be parsed. The part word/document.xml is damaged: XML syntax error",
		},
		"billion laughs": {
			"a.docx", archive(t, map[string]any{"word/document.xml": `<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><d><p><t>&b;</t></p></d>`}),
			"The file could not be parsed. The part word/document.xml is damaged: XML syntax error on line 1: invalid character entity &b;.",
		},
		"itself inside": {
			"a.docx", archive(t, map[string]any{"word/document.xml": `<d><altChunk id="1"/></d>`, "word/a.docx": string(whole)}),
			"The file could not be parsed because it is empty: there is no text in it.",
		},
		"cut off": {
			"a.docx", whole[:len(whole)/2],
			"The file could not be parsed. The archive is damaged or cut off.",
		},
		"damaged": {
			"a.docx", damaged,
			"The file could not be parsed. ",
		},
		"another document": {
			"a.pptx", whole,
			"The file could not be parsed. Its name says that it is a PowerPoint presentation (.pptx), but it is not: ppt/presentation.xml is missing in it.",
		},
		"text": {
			"a.xlsx", []byte("a,b\n1,2\n"),
			"The file could not be parsed. Its name says that it is an Excel workbook (.xlsx), but it is not.",
		},
		"encrypted": {
			"a.xlsx", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00"),
			"The file could not be parsed. It is encrypted, or a document of Office 97.",
		},
		"many slides": {
			"a.pptx", archive(t, map[string]any{"ppt/presentation.xml": `<p xmlns:r="r">` + strings.Repeat(`<sldId r:id="r1"/>`, 5001) + `</p>`}),
			"The file could not be parsed because it is too large: it has 5001 slides, more than 5000.",
		},
		"a workbook of nothing": {
			"a.xlsx", archive(t, map[string]any{"xl/workbook.xml": "<workbook/>"}),
			"The file could not be parsed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			peak := allocated(func() {
				_, err := extractBytes(t, test.file, test.content)
				refusal := refused(t, err)
				require.Equal(t, InvalidFile, refusal.Code)
				require.True(t, strings.HasPrefix(refusal.Message, test.message), refusal.Message)
			})
			require.Less(t, peak, uint64(300<<20), "bytes allocated")
		})
	}
}

// allocated returns how many bytes f allocates all in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// pdfOf makes a PDF of objects, the first being the catalog.
func pdfOf(objects ...string) []byte {
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&out, "trailer\n<< /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table)
	return out.Bytes()
}

func stream(dictionary, content string) string {
	return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dictionary, len(content), content)
}

// zlibOf makes a zlib stream of spaces of so many MiB.
func zlibOf(deflated []byte, size uint64) string {
	const modulus = 65521 // RFC 1950, of Adler-32
	n := size << 20
	checksum := uint32(((n+' '*(n*(n+1)/2))%modulus)<<16 | (1+' '*n)%modulus)
	return string(binary.BigEndian.AppendUint32(append([]byte("\x78\x9c"), deflated...), checksum))
}

const (
	catalog = "<< /Type /Catalog /Pages 2 0 R >>"
	font    = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
)

// onePage is a PDF whose page draws content; more are objects from 6 on.
func onePage(resources, content string, more ...string) []byte {
	return pdfOf(append([]string{
		catalog, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R /Resources << /Font << /F 4 0 R >> " + resources + " >> >>",
		font, content,
	}, more...)...)
}

func manyPages(n int) []byte {
	kids := strings.Repeat("3 0 R ", n)
	return pdfOf(catalog, fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids, n),
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>")
}

// laughs draws a form that draws another ten times, and so on.
func laughs() []byte {
	const levels = 24
	forms := make([]string, 0, levels)
	for i := range levels {
		next := "BT /F 9 Tf (lol) Tj ET"
		resources := "/Font << /F 4 0 R >>"
		if i < levels-1 {
			next = strings.Repeat("/X Do ", 10)
			resources = fmt.Sprintf("/XObject << /X %d 0 R >>", 7+i)
		}
		forms = append(forms, stream("/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << "+resources+" >>", next))
	}
	return onePage("/XObject << /X 6 0 R >>", stream("", "/X Do"), forms...)
}

// warm compiles the PDF engine, which may take longer than a test allows a file.
func warm(t testing.TB) {
	e := New(Options{CacheDir: cache})
	_, done, err := e.engines.instance(t.Context())
	require.NoError(t, err)
	done()
	require.NoError(t, e.Close())
}

func TestHostilePDFs(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "paper.pdf"))
	require.NoError(t, err)
	encrypted, err := os.ReadFile(filepath.Join("testdata", "encrypted.pdf"))
	require.NoError(t, err)
	cycle := pdfOf(catalog, "<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 >>", "<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>")
	for name, test := range map[string]struct {
		content []byte
		message string
	}{
		"encrypted":           {encrypted, "The file could not be parsed. It is encrypted. Save it without a password and upload it again."},
		"no PDF":              {[]byte("PK\x03\x04 something else"), "The file could not be parsed. Its name says that it is a PDF document, but it is not one."},
		"only the beginning":  {[]byte("%PDF-1.7\n"), "The file could not be parsed. It is not a PDF document, or it is damaged."},
		"cut off":             {whole[:len(whole)*9/10], "The file could not be parsed. "},
		"10,000 pages":        {manyPages(10_000), "The file could not be parsed because it is too large: it has 10000 pages, more than 5000."},
		"pages in a circle":   {cycle, "The file could not be parsed"},
		"pictures only":       {onePage("", stream("", "0 0 10 10 re f")), "The file could not be parsed because it is empty: none of its 1 pages holds text."},
		"a stream of 256 MB":  {onePage("", stream("/Filter /FlateDecode", zlibOf(spaces(t, 256), 256))), "The file could not be parsed"},
		"forms within forms":  {laughs(), "The file could not be parsed"},
		"brackets in content": {onePage("", stream("", strings.Repeat("[", 1<<20))), "The file could not be parsed"},
	} {
		t.Run(name, func(t *testing.T) {
			warm(t)
			began := time.Now()
			_, err := extractWith(t, Options{CacheDir: cache, MaxMemory: 128 << 20, Timeout: 2 * time.Second}, "a.pdf", test.content)
			refusal := refused(t, err)
			require.Equal(t, InvalidFile, refusal.Code)
			require.True(t, strings.HasPrefix(refusal.Message, test.message), refusal.Message)
			require.Less(t, time.Since(began), time.Minute)
		})
	}
}

// TestAPDFIsGivenUpInTime reads one that keeps PDFium busy for ages.
func TestAPDFIsGivenUpInTime(t *testing.T) {
	warm(t)
	_, err := extractWith(t, Options{CacheDir: cache, Timeout: time.Second}, "a.pdf", laughs())
	require.Contains(t, refused(t, err).Message, "The file could not be parsed because it is too large: reading it takes more than 1s.")

	e := New(Options{CacheDir: cache})
	defer func() { require.NoError(t, e.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	content := &cancelling{Reader: bytes.NewReader(laughs()), cancel: cancel}
	_, err = e.Extract(ctx, "a.pdf", content, content.Size())
	require.ErrorIs(t, err, context.Canceled)
}

// cancelling cancels while its second half is read.
type cancelling struct {
	*bytes.Reader
	cancel context.CancelFunc
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.Len() < int(c.Size())/2 {
		c.cancel()
	}
	return c.Reader.Read(p)
}
