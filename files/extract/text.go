package extract

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text makes a reader out of one that is handed the decoded text.
func text(read func(text string, out *builder) error) reader {
	return func(_ *Extractor, s *source, out *builder) error {
		content, err := s.all(2 * s.MaxText) // UTF-16 has two bytes for one
		if err != nil {
			return err
		}
		text, err := decode(content)
		if err != nil {
			return err
		}
		return read(text, out)
	}
}

// lineEnds turns the line ends of Windows and of old Macs into ours.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// decode returns the text of UTF-8, UTF-16 or ASCII content.
func decode(content []byte) (string, error) {
	if what := foreign(content); what != "" {
		return "", invalid("Its name says that it is text, but it is %s.", what)
	}
	var text string
	switch order := byteOrder(content); {
	case order != nil:
		decoded, ok := decodeUTF16(content, order)
		if !ok {
			return "", invalid("It begins as UTF-16 text, but is not valid UTF-16.")
		}
		text = decoded
	case bytes.IndexByte(content, 0) >= 0:
		return "", invalid("It is not text: there is a zero byte at offset %d. Text must be UTF-8, UTF-16 or ASCII.", bytes.IndexByte(content, 0))
	case !utf8.Valid(content):
		at := firstInvalid(content)
		return "", invalid("It is not UTF-8, UTF-16 or ASCII text: there is the byte 0x%02X at offset %d. Convert it to UTF-8, for example with iconv.", content[at], at)
	default:
		text = string(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")))
	}
	return lineEnds.Replace(text), nil
}

// signatures begin files that are certainly not text.
var signatures = []struct{ begin, what string }{
	{"PK\x03\x04", "a ZIP archive or an Office document"},
	{"PK\x05\x06", "an empty ZIP archive"},
	{"%PDF-", "a PDF document"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or encrypted Office document"},
	{"\x1f\x8b", "gzip-compressed"},
	{"BZh", "bzip2-compressed"},
	{"\xfd7zXZ\x00", "xz-compressed"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{"Rar!\x1a\x07", "a RAR archive"},
	{"\x89PNG\r\n", "a PNG image"},
	{"GIF8", "a GIF image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"\x7fELF", "a program"},
	{"MZ\x90\x00", "a program"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"{\\rtf", "a Rich Text document"},
	{"\xff\xfe\x00\x00", "UTF-32 text, which is not supported"},
	{"\x00\x00\xfe\xff", "UTF-32 text, which is not supported"},
}

// foreign names what content is if it certainly is not text.
func foreign(content []byte) string {
	for _, s := range signatures {
		if bytes.HasPrefix(content, []byte(s.begin)) {
			return s.what
		}
	}
	return ""
}

// byteOrder returns the order of UTF-16 content, nil if it is not UTF-16. Without
// a mark, text is UTF-16 if every other byte of its beginning is mostly zero.
func byteOrder(content []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		return binary.LittleEndian
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		return binary.BigEndian
	case len(content)%2 != 0:
		return nil
	}
	var zeros [2]int
	begin := content[:min(len(content), 512)]
	for i, b := range begin {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch most := len(begin) / 2 * 3 / 4; {
	case zeros[1] > most && zeros[0] == 0:
		return binary.LittleEndian
	case zeros[0] > most && zeros[1] == 0:
		return binary.BigEndian
	}
	return nil
}

func decodeUTF16(content []byte, order binary.ByteOrder) (text string, ok bool) {
	if len(content)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(content)/2)
	for i := range units {
		units[i] = order.Uint16(content[2*i:])
	}
	for i, u := range units { // surrogates come in pairs, high before low
		switch {
		case u >= 0xd800 && u < 0xdc00 && (i+1 == len(units) || units[i+1]&0xfc00 != 0xdc00):
			return "", false
		case u&0xfc00 == 0xdc00 && (i == 0 || units[i-1]&0xfc00 != 0xd800):
			return "", false
		}
	}
	runes := utf16.Decode(units)
	if len(runes) > 0 && runes[0] == '\ufeff' {
		runes = runes[1:]
	}
	return string(runes), true
}

func firstInvalid(content []byte) int {
	for i := 0; i < len(content); {
		r, size := utf8.DecodeRune(content[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(content)
}

// plain reads paragraphs, which blank lines separate.
func plain(text string, out *builder) error { return stanzas(Paragraph, text, out) }

// code reads the parts of a program that blank lines separate.
func code(text string, out *builder) error { return stanzas(Code, text, out) }

func stanzas(kind Kind, text string, out *builder) error {
	var stanza []string
	for line := range strings.SplitSeq(text+"\n\n", "\n") {
		if strings.TrimSpace(line) != "" {
			stanza = append(stanza, line)
			continue
		}
		if err := out.add(kind, strings.Join(stanza, "\n")); err != nil {
			return err
		}
		stanza = stanza[:0]
	}
	return nil
}
