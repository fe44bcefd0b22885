package extract

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// Bounds on what an Office document may unpack to, and on how deep its elements
// may nest.
const (
	maxUnpacked = 256 << 20 // bytes of one part
	maxParts    = 20_000
	maxDepth    = 256
)

// office is an Office document: a ZIP archive of XML parts.
type office struct {
	*source
	parts map[string]*zip.File
}

// openOffice opens the archive, which must have the part main.
func openOffice(s *source, main, what string) (*office, error) {
	begin, err := s.part(0, 8)
	switch {
	case err != nil:
		return nil, err
	case string(begin) == "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
		return nil, invalid("It is encrypted, or a document of Office 97. Save it as %s without a password and upload it again.", s.name)
	case !bytes.HasPrefix(begin, []byte("PK")):
		return nil, invalid("Its name says that it is %s, but it is not.", what)
	}
	archive, err := zip.NewReader(&readerAt{s.content}, s.size)
	if err != nil {
		return nil, invalid("The archive is damaged or cut off.")
	}
	if len(archive.File) > maxParts {
		return nil, tooLarge("it has more than %d parts", maxParts)
	}
	o := &office{source: s, parts: make(map[string]*zip.File)}
	for _, f := range archive.File {
		o.parts[strings.TrimPrefix(f.Name, "/")] = f
	}
	if o.parts[main] == nil {
		return nil, invalid("Its name says that it is %s, but it is not: %s is missing in it.", what, main)
	}
	return o, nil
}

// unpacks checks what the parts unpack to, all together and each, for a reader
// that trusts the archive's own word on that.
func (o *office) unpacks(total int64, limit func(name string) int64) error {
	for name, part := range o.parts {
		most := limit(name)
		content, err := part.Open()
		if err != nil {
			return invalid("The part %s cannot be unpacked.", name)
		}
		n, err := io.Copy(io.Discard, &bounded{source: o.source, Reader: content, left: most})
		_ = content.Close()
		switch total -= n; {
		case err != nil && (errors.As(err, new(*Error)) || o.Err() != nil):
			return err
		case err != nil:
			return invalid("The part %s is damaged.", name)
		case total < 0:
			return unpackedTooLarge()
		}
	}
	return nil
}

func unpackedTooLarge() error { return tooLarge("it unpacks to more than %d MB", maxUnpacked>>20) }

// readerAt reads anywhere in a file. One goroutine uses it.
type readerAt struct{ io.ReadSeeker }

func (r *readerAt) ReadAt(p []byte, offset int64) (int, error) {
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r.ReadSeeker, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// bounded reads a part, but no more than it may have, and stops when the time is up.
type bounded struct {
	*source
	io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.Err(); err != nil {
		return 0, err
	}
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, unpackedTooLarge()
	}
	return n, err
}

// visitor is told what is in a part, without the prefixes of namespaces. What is
// inside an element is left out if start says so, and then end is not called.
type visitor interface {
	start(name string, attributes attributes) (leaveOut bool)
	text(text string)
	end(name string) error
}

type attributes []xml.Attr

// get returns the value of an attribute, "" if there is none.
func (a attributes) get(name string) string {
	for _, attribute := range a {
		if attribute.Name.Local == name {
			return attribute.Value
		}
	}
	return ""
}

// walk shows a part to v. A part that does not exist is empty. Entities that a
// document defines itself are errors, so none can grow.
func (o *office) walk(name string, v visitor) error {
	part := o.parts[name]
	if part == nil {
		return nil
	}
	content, err := part.Open()
	if err != nil {
		return invalid("The part %s cannot be unpacked.", name)
	}
	defer content.Close()
	err = visit(xml.NewDecoder(&bounded{source: o.source, Reader: content, left: maxUnpacked}), v)
	if err != nil && !errors.As(err, new(*Error)) && o.Err() == nil {
		err = invalid("The part %s is damaged: %v.", name, err)
	}
	return err
}

func visit(decoder *xml.Decoder, v visitor) error {
	for depth := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return invalid("Its elements nest deeper than %d.", maxDepth)
			}
			if v.start(t.Name.Local, t.Attr) {
				depth--
				if err := decoder.Skip(); err != nil {
					return err
				}
			}
		case xml.EndElement:
			depth--
			if err := v.end(t.Name.Local); err != nil {
				return err
			}
		case xml.CharData:
			v.text(string(t))
		}
	}
}

// relations finds what a part refers to by id.
type relations map[string]string

func (o *office) relations(part string) (relations, error) {
	r := &relationsPart{folder: path.Dir(part), targets: relations{}}
	return r.targets, o.walk(path.Join(r.folder, "_rels", path.Base(part)+".rels"), r)
}

type relationsPart struct {
	folder  string
	targets relations
}

func (r *relationsPart) start(name string, attributes attributes) bool {
	if name == "Relationship" && attributes.get("TargetMode") != "External" {
		target := attributes.get("Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(r.folder, target)
		}
		r.targets[attributes.get("Id")] = strings.TrimPrefix(target, "/")
		r.targets[path.Base(attributes.get("Type"))] = r.targets[attributes.get("Id")] // the only one of its type
	}
	return false
}

func (*relationsPart) text(string) {}

func (*relationsPart) end(string) error { return nil }
