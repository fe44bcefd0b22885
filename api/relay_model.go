package api

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"understudy/api/wire"
)

// modelSearch looks for the model in a body that comes piece by piece.
type modelSearch interface {
	// look is given all that was read so far; more is false when nothing of
	// what follows is needed.
	look(read []byte) (more bool)
	// least is how much is read in any case, in bytes.
	least() int
	// optional reports whether the body may go on without its model.
	optional() bool
	// watch looks on while the rest is sent.
	watch(rest io.Reader) io.Reader
	model() string
	// rename returns what gives the body another model; nothing when it cannot
	// be done.
	rename(read []byte, model string) []edit
}

// noModel is the search in a body that is left alone.
type noModel struct{}

func (noModel) look([]byte) bool               { return false }
func (noModel) least() int                     { return 0 }
func (noModel) optional() bool                 { return true }
func (noModel) watch(rest io.Reader) io.Reader { return rest }
func (noModel) model() string                  { return "" }
func (noModel) rename([]byte, string) []edit   { return nil }

// maxModel bounds the name of a model, and of a member that may be "model", in
// bytes as they are written.
const maxModel = 1 << 10

// jsonModel finds the member "model" of a JSON object. Of several the last
// counts, as it does for those who decode them, and all are renamed. Whatever
// is wrong with the JSON is for the upstream to say.
type jsonModel struct {
	at      int // offset of what comes next
	depth   int
	open    int  // offset behind the object's brace
	members bool // the object has some
	over    bool // the object has ended, or it is none

	quoted, escaped bool // inside a string
	from            int  // where it begins
	text            []byte
	collected       bool // text has it all

	naming bool // a string is the name of a member
	ours   bool // the value that follows is the model
	values []edit
	name   string
}

func (s *jsonModel) look(read []byte) bool {
	s.feed(read[s.at:])
	return !s.over && len(s.values) == 0
}

func (s *jsonModel) least() int {
	if s.over && s.open == 0 {
		return 0 // it is no object and can be anything, endless audio, too
	}
	return replayable
}

func (s *jsonModel) optional() bool { return false }

func (s *jsonModel) model() string { return s.name }

func (s *jsonModel) feed(p []byte) {
	for i := 0; i < len(p) && !s.over; i++ {
		if s.quoted && !s.collected && !s.escaped { // an image, perhaps
			skipped := plainLength(p[i:])
			if skipped == len(p)-i {
				s.at += skipped
				return
			}
			s.at += skipped
			i += skipped
		}
		c := p[i]
		switch {
		case s.quoted:
			s.string(c)
		case s.depth == 0:
			s.begin(c)
		case c == '"':
			s.quoted, s.from, s.text = true, s.at, s.text[:0]
			s.collected = s.depth == 1 && (s.naming || s.ours)
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
			s.over = s.depth == 0
		case s.depth == 1 && c == ',':
			s.naming, s.ours = true, false
		case s.depth == 1 && c == ':':
			s.naming = false
		}
		s.at++
	}
}

// plainLength is how many bytes of a string come before a quote or a backslash.
func plainLength(p []byte) int {
	if quote := bytes.IndexByte(p, '"'); quote >= 0 {
		p = p[:quote]
	}
	if backslash := bytes.IndexByte(p, '\\'); backslash >= 0 {
		return backslash
	}
	return len(p)
}

// begin takes what stands before the object.
func (s *jsonModel) begin(c byte) {
	switch c {
	case ' ', '\t', '\r', '\n':
	case '{':
		s.depth, s.open, s.naming = 1, s.at+1, true
	default:
		s.over = true
	}
}

// string takes a byte of a string.
func (s *jsonModel) string(c byte) {
	if c == '"' && !s.escaped {
		s.quoted = false
		s.stringEnds()
		return
	}
	s.escaped = c == '\\' && !s.escaped
	if s.collected {
		s.text = append(s.text, c)
		s.collected = len(s.text) < maxModel
	}
}

func (s *jsonModel) stringEnds() {
	if s.depth != 1 {
		return
	}
	var text string
	ok := s.collected && json.Unmarshal([]byte(`"`+string(s.text)+`"`), &text) == nil
	switch {
	case s.naming:
		s.members, s.ours = true, ok && text == "model"
	case s.ours && ok:
		s.name = text
		s.values = append(s.values, edit{from: s.from, to: s.at + 1})
	}
}

func (s *jsonModel) rename(_ []byte, model string) []edit {
	name, err := wire.Marshal(model)
	if err != nil {
		return nil
	}
	if len(s.values) == 0 {
		switch {
		case s.open == 0:
			return nil
		case s.members:
			return []edit{{s.open, s.open, `"model":` + string(name) + `,`}}
		}
		return []edit{{s.open, s.open, `"model":` + string(name)}}
	}
	var edits []edit
	for _, v := range s.values {
		edits = append(edits, edit{v.from, v.to, string(name)})
	}
	return edits
}

// errModelAgain is the answer to a body that names its model twice, too far
// apart for both to be seen before it is sent.
var errModelAgain = &wire.Error{Message: "The request body has the member 'model' more than once.", Param: "model", Code: "invalid_value"}

// watch refuses a second model, which the first was to be mistaken for.
func (s *jsonModel) watch(rest io.Reader) io.Reader {
	if s.over {
		return rest
	}
	known := len(s.values)
	return readerFunc(func(p []byte) (int, error) {
		n, err := rest.Read(p)
		if s.feed(p[:n]); len(s.values) > known {
			return 0, &bodyError{errModelAgain}
		}
		return n, err
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// formModel finds the field "model" of a multipart form. Forms carry files,
// and the field may come behind a large one.
type formModel struct {
	delimiter []byte
	at        int // offset up to which nothing was found
	over      bool
	value     *edit
	name      string
}

func (s *formModel) look(read []byte) bool {
	for !s.over && s.value == nil && s.part(read) {
		continue
	}
	return !s.over && s.value == nil
}

// part takes in the next part, whose content may not have come yet; false when
// it needs more than was read.
func (s *formModel) part(read []byte) bool {
	between := append([]byte("\r\n"), s.delimiter...)
	headers := len(s.delimiter)
	if s.at > 0 || !bytes.HasPrefix(read, s.delimiter) {
		i := bytes.Index(read[s.at:], between)
		if i < 0 {
			s.at = max(s.at, len(read)-len(between))
			return false
		}
		s.at += i
		headers = s.at + len(between)
	}
	if bytes.HasPrefix(read[headers:], []byte("--")) {
		s.over = true
		return false
	}
	length := bytes.Index(read[headers:], []byte("\r\n\r\n"))
	if length < 0 || length > maxHeaders {
		s.over = len(read)-headers > maxHeaders+len("\r\n\r\n")
		return false
	}
	content := headers + length + len("\r\n\r\n")
	if !isModelField(string(read[headers : headers+length])) {
		s.at = content - len("\r\n") // an empty part's delimiter begins there
		return true
	}
	end := bytes.Index(read[content:], between)
	if end < 0 || end > maxModel {
		s.over = len(read)-content > maxModel+len(between)
		return false
	}
	s.name = string(read[content : content+end])
	s.value = &edit{from: content, to: content + end}
	return true
}

// isModelField reads the headers of a part.
func isModelField(headers string) bool {
	for line := range strings.SplitSeq(headers, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.TrimSpace(name), "Content-Disposition") {
			_, params := headerParams(strings.TrimSpace(value))
			_, file := params["filename"]
			return params["name"] == "model" && !file
		}
	}
	return false
}

func (s *formModel) least() int                     { return replayable }
func (s *formModel) optional() bool                 { return true }
func (s *formModel) watch(rest io.Reader) io.Reader { return rest }
func (s *formModel) model() string                  { return s.name }

func (s *formModel) rename(read []byte, model string) []edit {
	switch {
	case strings.ContainsAny(model, "\r\n"):
		return nil
	case s.value != nil:
		return []edit{{s.value.from, s.value.to, model}}
	case !bytes.HasPrefix(read, s.delimiter):
		return nil
	}
	return []edit{{0, 0, string(s.delimiter) + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + model + "\r\n"}}
}
