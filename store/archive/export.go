package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"understudy/files"
	"understudy/store"
)

// Origin says where an archive comes from.
type Origin struct {
	Version string // of this understudy
	Now     time.Time
}

// Export writes everything that travels to out, as of one moment. Files that are
// deleted while it writes are left out.
func Export(ctx context.Context, db *store.DB, blobs *files.Blobs, from Origin, out io.Writer) (Report, error) {
	w := newWriter(out)
	report := newReport()
	err := w.write(line{Entry: store.Entry{Kind: headKind}, Format: Format, Version: from.Version, CreatedAt: from.Now.Unix()})
	if err != nil {
		return report, err
	}
	err = db.Export(ctx, func(e store.Entry) error {
		if e.Kind == store.FileKind && e.Object != nil {
			n, err := w.file(ctx, db, blobs, e)
			report.Bytes += n
			report.count(e, store.Added)
			return err
		}
		report.count(e, store.Added)
		return w.write(line{Entry: e})
	})
	if err != nil {
		return report, err
	}
	return report, w.end()
}

// file writes a file and its content.
func (w *writer) file(ctx context.Context, db *store.DB, blobs *files.Blobs, e store.Entry) (int64, error) {
	id, _ := e.Row["id"].(string)
	blob, _ := e.Row["blob"].(string)
	content, size, err := blobs.Open(blob)
	if errors.Is(err, fs.ErrNotExist) {
		if _, _, gone := db.File(ctx, e.Project, id); gone != nil { // deleted since the rows were read
			e.Object = nil
			return 0, w.write(line{Entry: e})
		}
	}
	if err != nil {
		return 0, fmt.Errorf("the content of %s: %w", id, err)
	}
	defer func() { _ = content.Close() }() // it was only read
	var shown files.File
	if err := json.Unmarshal(e.Object, &shown); err != nil {
		return 0, fmt.Errorf("decode %s: %w", id, err)
	}
	if shown.Bytes != size {
		return 0, fmt.Errorf("the content of %s has %d bytes instead of %d: it is damaged", id, size, shown.Bytes)
	}
	if err := w.write(line{Entry: e}); err != nil {
		return 0, err
	}
	return size, w.content(content)
}

// content writes lines of content, at least one.
func (w *writer) content(content io.Reader) error {
	buffer := make([]byte, contentBytes)
	for {
		n, err := io.ReadFull(content, buffer)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if err := w.write(line{Entry: store.Entry{Kind: contentKind}, Data: buffer[:n], Last: last}); err != nil || last {
			return err
		}
	}
}
