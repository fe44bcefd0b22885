package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
)

// Bounds on what an Office document may unpack to, and on how deep its elements
// may nest.
const (
	maxUnpacked = 256 << 20 // bytes of all parts that are read
	maxPart     = 64 << 20  // bytes of one part, except the sheets of a workbook
	maxParts    = 20_000
	maxDepth    = 256
)

// office is an Office document: a ZIP archive of XML parts.
type office struct {
	*source
	parts map[string]*zip.File
	left  int64 // bytes that its parts may still unpack to
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
	o := &office{source: s, left: maxUnpacked, parts: make(map[string]*zip.File)}
	for _, f := range archive.File {
		o.parts[strings.TrimPrefix(f.Name, "/")] = f
	}
	if o.parts[main] == nil {
		return nil, invalid("Its name says that it is %s, but it is not: %s is missing in it.", what, main)
	}
	return o, nil
}

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

// open unpacks a part. archive/zip ends one that has more than it says.
func (o *office) open(name string) (io.ReadCloser, error) {
	part := o.parts[name]
	if part.UncompressedSize64 > maxPart {
		return nil, tooLarge("a part of it unpacks to more than %d MB", maxPart>>20)
	}
	if o.left -= int64(part.UncompressedSize64); o.left < 0 {
		return nil, tooLarge("it unpacks to more than %d MB", maxUnpacked>>20)
	}
	content, err := part.Open()
	if err != nil {
		return nil, invalid("The part %s cannot be unpacked.", name)
	}
	return &timed{Context: o.Context, ReadCloser: content}, nil
}

// timed ends when the time is up.
type timed struct {
	context.Context
	io.ReadCloser
}

func (t *timed) Read(b []byte) (int, error) {
	if err := t.Err(); err != nil {
		return 0, err
	}
	return t.ReadCloser.Read(b)
}

// damaged turns an error of unpacking or of XML into one of the file.
func (o *office) damaged(name string, err error) error {
	if err == nil || errors.As(err, new(*Error)) || o.Err() != nil {
		return err
	}
	return invalid("The part %s is damaged: %v.", name, err)
}

// check bounds what the parts unpack to for a reader that opens them itself.
func (o *office) check(limit func(name string) uint64) error {
	total := uint64(0)
	for name, part := range o.parts {
		if most := limit(name); part.UncompressedSize64 > most {
			return tooLarge("a part of it unpacks to more than %d MB", most>>20)
		}
		total += part.UncompressedSize64
	}
	if total > maxUnpacked {
		return tooLarge("it unpacks to more than %d MB", maxUnpacked>>20)
	}
	return nil
}
