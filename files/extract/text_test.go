package extract

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// extractBytes reads content with the options of a server.
func extractBytes(t testing.TB, name string, content []byte) (*Document, error) {
	return extractWith(t, Options{}, name, content)
}

func extractWith(t testing.TB, options Options, name string, content []byte) (*Document, error) {
	e := New(options)
	defer func() { require.NoError(t, e.Close()) }()
	return e.Extract(t.Context(), name, bytes.NewReader(content), int64(len(content)))
}

// refused checks that err is an Error and returns it.
func refused(t testing.TB, err error) *Error {
	var refusal *Error
	require.ErrorAs(t, err, &refusal)
	return refusal
}

func encodeUTF16(text string, order binary.AppendByteOrder) []byte {
	var content []byte
	for _, u := range utf16.Encode([]rune(text)) {
		content = order.AppendUint16(content, u)
	}
	return content
}

func TestEncodings(t *testing.T) {
	const text = "Größe 𝔄, naïve"
	for name, content := range map[string][]byte{
		"UTF-8":                   []byte(text),
		"UTF-8 with a mark":       []byte("\ufeff" + text),
		"UTF-16 little with mark": encodeUTF16("\ufeff"+text, binary.LittleEndian),
		"UTF-16 big with mark":    encodeUTF16("\ufeff"+text, binary.BigEndian),
		"UTF-16 little":           encodeUTF16(text, binary.LittleEndian),
		"UTF-16 big":              encodeUTF16(text, binary.BigEndian),
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := extractBytes(t, "a.txt", content)
			require.NoError(t, err)
			require.Equal(t, text, doc.Text())
		})
	}
}

func TestPlainTextIsParagraphs(t *testing.T) {
	doc, err := extractBytes(t, "A.TXT", []byte("\n\nOne\r\ngoes on. \t\r\n \r\n\r\n  Two\n"))
	require.NoError(t, err)
	require.Equal(t, []Block{{Text: "One\ngoes on."}, {Text: "  Two"}}, doc.Blocks)
}

func TestCodeKeepsItsIndentation(t *testing.T) {
	doc, err := extractBytes(t, "a.py", []byte("def f():\n\treturn 1\n\n\n    x = 2\n"))
	require.NoError(t, err)
	require.Equal(t, []Block{{Text: "def f():\n\treturn 1", Kind: Code}, {Text: "    x = 2", Kind: Code}}, doc.Blocks)
}

func TestMarkdown(t *testing.T) {
	doc, err := extractBytes(t, "a.md", []byte(`# One #
text
goes on
- still the paragraph

Two
===
* item
  more

| a | b |
|---|---|
| 1 | 2 |
after
~~~go
# no heading

code
~~~
1. first
### Three`))
	require.NoError(t, err)
	require.Equal(t, []Block{
		{Text: "# One #", Kind: Heading},
		{Text: "text\ngoes on\n- still the paragraph"},
		{Text: "Two\n===", Kind: Heading},
		{Text: "* item\n  more", Kind: List},
		{Text: "| a | b |\n|---|---|\n| 1 | 2 |", Kind: Table},
		{Text: "after"},
		{Text: "~~~go\n# no heading\n\ncode\n~~~", Kind: Code},
		{Text: "1. first", Kind: List},
		{Text: "### Three", Kind: Heading},
	}, doc.Blocks)
}

func TestRefusedFiles(t *testing.T) {
	for name, test := range map[string]struct {
		file, content, code, message string
	}{
		"no extension":      {"a", "x", UnsupportedFile, `The file type is not supported. Files that end in "" are not; these are: .c .cpp `},
		"legacy Word":       {"a.DOC", "x", UnsupportedFile, `The file type is not supported. `},
		"image":             {"a.png", "x", UnsupportedFile, `The file type is not supported. Files that end in ".png" are not`},
		"nothing":           {"a.txt", "", InvalidFile, "The file could not be parsed because it is empty: it has no content."},
		"blank":             {"a.txt", " \n\r\n", InvalidFile, "The file could not be parsed because it is empty: there is no text in it."},
		"ZIP":               {"a.txt", "PK\x03\x04....", InvalidFile, "The file could not be parsed. Its name says that it is text, but it is a ZIP archive"},
		"zero bytes":        {"a.go", "abc\x00d", InvalidFile, "The file could not be parsed. It is not text: there is a zero byte at offset 3."},
		"Latin-1":           {"a.md", "caf\xe9", InvalidFile, "The file could not be parsed. It is not UTF-8, UTF-16 or ASCII text: there is the byte 0xE9 at offset 3. Convert it"},
		"UTF-32":            {"a.txt", "\xff\xfe\x00\x00a\x00\x00\x00", InvalidFile, "The file could not be parsed. Its name says that it is text, but it is UTF-32"},
		"half a surrogate":  {"a.txt", "\xff\xfe\x00\xd8a\x00", InvalidFile, "The file could not be parsed. It begins as UTF-16 text, but is not valid UTF-16."},
		"other half":        {"a.txt", "\xff\xfe\x00\xdca\x00", InvalidFile, "The file could not be parsed. It begins as UTF-16 text"},
		"odd UTF-16":        {"a.txt", "\xff\xfea", InvalidFile, "The file could not be parsed. It begins as UTF-16 text"},
		"too much text":     {"a.txt", strings.Repeat("a", 3<<20), InvalidFile, "The file could not be parsed because it is too large: it holds more than 2 MB of text."},
		"far too much text": {"a.txt", strings.Repeat("a", 5<<20), InvalidFile, "The file could not be parsed because it is too large: .txt files may have 4 MB."},
		"too many bytes":    {"a.txt", strings.Repeat("a", 7<<20), InvalidFile, "The file could not be parsed because it is too large: it has 7340032 bytes, more than 6 MB."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := extractWith(t, Options{MaxBytes: 6 << 20, MaxText: 2 << 20}, test.file, []byte(test.content))
			refusal := refused(t, err)
			require.Equal(t, test.code, refusal.Code)
			require.True(t, strings.HasPrefix(refusal.Message, test.message), refusal.Message)
		})
	}
}
