// Package extract reads the text of files: PDF, Word, PowerPoint, Excel, HTML,
// Markdown, CSV, source code and plain text.
//
// Files come from strangers. What one of them may cost in time and memory is
// bounded by Options, and a file that is broken, hostile, or not what its name
// says fails alone, with an Error that says what is wrong.
package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// Options bound what one file may cost. A zero value means the default.
type Options struct {
	CacheDir  string        // where the compiled PDF engine is kept; none means it is compiled in each process
	MaxBytes  int64         // size of the file; 512 MB
	MaxText   int           // bytes of text in it; 64 MB
	MaxPages  int           // pages of a PDF, slides of a presentation; 5,000
	MaxMemory int64         // bytes the PDF engine may use; 512 MB
	Timeout   time.Duration // 2 minutes
	IdleAfter time.Duration // how long the PDF engine stays in memory after its last use; 1 minute
}

func (o Options) withDefaults() Options {
	o.MaxBytes = orDefault(o.MaxBytes, 512<<20)
	o.MaxText = orDefault(o.MaxText, 64<<20)
	o.MaxPages = orDefault(o.MaxPages, 5_000)
	o.MaxMemory = orDefault(o.MaxMemory, 512<<20)
	o.Timeout = orDefault(o.Timeout, 2*time.Minute)
	o.IdleAfter = orDefault(o.IdleAfter, time.Minute)
	return o
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// Extractor reads files. It may be used by several goroutines at once.
type Extractor struct {
	options Options
	engines *engines
}

// New returns an Extractor. It costs nothing until a file is read.
func New(options Options) *Extractor {
	options = options.withDefaults()
	return &Extractor{options: options, engines: newEngines(options)}
}

// Close frees what the Extractor holds. A file that is being read is read to
// its end.
func (e *Extractor) Close() error { return e.engines.close() }

// source is a file that is being read.
type source struct {
	context.Context
	Options
	name    string // its extension: ".pdf"
	content io.ReadSeeker
	size    int64
}

// reader reads one format.
type reader func(e *Extractor, s *source, out *builder) error

// readers holds every format there is, by extension (spec section 12.1).
var readers = map[string]reader{
	".csv":  text(csvRows),
	".docx": docx,
	".html": text(webPage),
	".md":   text(markdown),
	".pdf":  pdf,
	".pptx": pptx,
	".tex":  text(plain),
	".txt":  text(plain),
	".xlsx": xlsx,
}

func init() {
	for _, extension := range []string{".c", ".cpp", ".cs", ".css", ".go", ".java", ".js", ".json", ".php", ".py", ".rb", ".sh", ".ts"} {
		readers[extension] = text(code)
	}
}

// Supported reports whether files of this name can be read.
func Supported(filename string) bool {
	_, known := readers[extension(filename)]
	return known
}

func extension(filename string) string { return strings.ToLower(path.Ext(filename)) }

// Extract reads the text of a file. The format is that of filename's extension,
// and the content must be of it. size is in bytes. The error is an *Error if
// the file is at fault.
func (e *Extractor) Extract(ctx context.Context, filename string, content io.ReadSeeker, size int64) (*Document, error) {
	read, known := readers[extension(filename)]
	switch {
	case !known:
		return nil, unsupported("Files that end in %q are not; these are: %s.", extension(filename), strings.Join(extensions(), " "))
	case size > e.options.MaxBytes:
		return nil, tooLarge("it has %d bytes, more than %d MB", size, e.options.MaxBytes>>20)
	case size == 0:
		return nil, empty("it has no content")
	}
	limited, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	out := &builder{limit: e.options.MaxText}
	err := e.safely(read, &source{Context: limited, Options: e.options, name: extension(filename), content: content, size: size}, out)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, tooLarge("reading it takes more than %s", e.options.Timeout)
	case err != nil && !errors.As(err, new(*Error)):
		return nil, fmt.Errorf("reading a %s file: %w", extension(filename), err)
	case err != nil:
		return nil, err
	case len(out.blocks) == 0:
		return nil, empty("there is no text in it")
	}
	return &Document{Blocks: out.blocks}, nil
}

// safely reads a file that may break its reader: the libraries were not written
// for hostile files.
func (e *Extractor) safely(read reader, s *source, out *builder) (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = invalid("It is damaged in a way that its reader does not expect: %v.", broken)
		}
	}()
	return read(e, s, out)
}

func extensions() []string {
	var all []string
	for extension := range readers {
		all = append(all, extension)
	}
	slices.Sort(all)
	return all
}

// part reads up to length bytes from offset on.
func (s *source) part(offset, length int64) ([]byte, error) {
	if _, err := s.content.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(s.content, length))
}

// all reads the whole file, of which limit bytes may exist.
func (s *source) all(limit int) ([]byte, error) {
	if s.size > int64(limit) {
		return nil, tooLarge("%s files may have %d MB", s.name, limit>>20)
	}
	if _, err := s.content.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	content := make([]byte, s.size)
	if _, err := io.ReadFull(s.content, content); err != nil {
		return nil, err
	}
	return content, s.Err()
}
