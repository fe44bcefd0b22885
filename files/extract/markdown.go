package extract

import (
	"regexp"
	"strings"
)

// markdown reads Markdown as it is written: the marks stay, since models read
// them, and tell headings, lists, tables and code apart.
func markdown(text string, out *builder) error {
	m := &markdownReader{out: out}
	for line := range strings.SplitSeq(text, "\n") {
		if err := m.line(line); err != nil {
			return err
		}
	}
	return m.end()
}

// markdownReader collects the lines of a block until the next one begins.
type markdownReader struct {
	out   *builder
	kind  Kind
	lines []string
	fence string // what closes the code block we are in
}

var (
	listItem  = regexp.MustCompile(`^\s*([-*+]|\d{1,9}[.)])\s`)
	underline = regexp.MustCompile(`^ {0,3}(=+|-{2,})\s*$`)
	hashes    = regexp.MustCompile(`^ {0,3}#{1,6}(\s|$)`)
	rule      = regexp.MustCompile(`^ {0,3}([-*_] *){3,}$`)
	fence     = regexp.MustCompile("^ {0,3}(```+|~~~+)")
)

func (m *markdownReader) line(line string) error {
	if m.fence != "" {
		m.lines = append(m.lines, line)
		if strings.HasPrefix(strings.TrimSpace(line), m.fence) && strings.Trim(line, " `~") == "" {
			m.fence = ""
			return m.end()
		}
		return nil
	}
	switch opening := fence.FindStringSubmatch(line); {
	case opening != nil:
		if err := m.begin(Code, line); err != nil {
			return err
		}
		m.fence = opening[1]
		return nil
	case strings.TrimSpace(line) == "":
		return m.end()
	case hashes.MatchString(line):
		if err := m.begin(Heading, line); err != nil {
			return err
		}
		return m.end()
	case len(m.lines) == 1 && m.kind == Paragraph && underline.MatchString(line):
		m.kind = Heading
		m.lines = append(m.lines, line)
		return m.end()
	case rule.MatchString(line):
		return m.end()
	case len(m.lines) > 0 && m.kind != Table: // the block goes on
		m.lines = append(m.lines, line)
		return nil
	case len(m.lines) > 0 && strings.Contains(line, "|"):
		m.lines = append(m.lines, line)
		return nil
	case strings.HasPrefix(strings.TrimSpace(line), "|"):
		return m.begin(Table, line)
	case listItem.MatchString(line):
		return m.begin(List, line)
	}
	return m.begin(Paragraph, line)
}

// begin ends the block we are in and starts the next one.
func (m *markdownReader) begin(kind Kind, line string) error {
	if err := m.end(); err != nil {
		return err
	}
	m.kind, m.lines = kind, append(m.lines, line)
	return nil
}

func (m *markdownReader) end() error {
	err := m.out.add(m.kind, strings.Join(m.lines, "\n"))
	m.lines = m.lines[:0]
	return err
}
