package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"understudy/files"
	"understudy/store"
)

// Options say how to import.
type Options struct {
	Project string // that everything goes into; "" = each entry's own
	DryRun  bool   // nothing is kept; the report is the same
}

// errDryRun ends a transaction that was only tried.
var errDryRun = errors.New("nothing is kept of a dry run")

// importing is an import under way.
type importing struct {
	options Options
	rows    *store.Importer
	blobs   *files.Blobs
	made    []string // blobs
	report  Report
}

// Import reads an archive into the database, all of it or, when it returns an
// error, nothing. What is there already is left as it is, so that an import can
// be repeated. Damage is a *DamageError.
func Import(ctx context.Context, db *store.DB, blobs *files.Blobs, options Options, in io.Reader) (Report, error) {
	return run(ctx, db, blobs, options, func(i *importing) error {
		r := newReader(in)
		if err := r.head(); err != nil {
			return err
		}
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			l, err := r.read()
			if err != nil {
				return err
			}
			if l.Kind == endKind {
				return r.checkEnd(l)
			}
			if err := i.line(r, l); err != nil {
				return err
			}
		}
	})
}

// run imports inside one transaction, and removes the content of files when it fails.
func run(ctx context.Context, db *store.DB, blobs *files.Blobs, options Options, read func(*importing) error) (Report, error) {
	i := &importing{options: options, blobs: blobs, report: newReport()}
	err := db.Import(ctx, func(rows *store.Importer) error {
		i.rows = rows
		if err := read(i); err != nil {
			return err
		}
		if options.DryRun {
			return errDryRun
		}
		return nil
	})
	if err != nil {
		for _, blob := range i.made {
			_ = blobs.Remove(blob) // or the next start of the server does
		}
	}
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return i.report, err
}

func (i *importing) line(r *reader, l line) error {
	if l.Kind == contentKind {
		return r.damage("it is content that belongs to no file")
	}
	at := r.line
	if l.Kind == store.FileKind && l.Object != nil {
		content := &contentReader{lines: r}
		if err := i.file(l.Entry, content); err != nil {
			return orAt(at, err)
		}
		_, err := io.Copy(io.Discard, content) // of a file that is there already
		return err
	}
	return orAt(at, i.add(l.Entry))
}

// orAt tells the line of an error that does not know it.
func orAt(at int, err error) error {
	if _, known := errors.AsType[*DamageError](err); err == nil || known {
		return err
	}
	return fmt.Errorf("line %d: %w", at, err)
}

func (i *importing) add(e store.Entry) error {
	if i.options.Project != "" {
		e.Project = i.options.Project
	}
	outcome, err := i.rows.Add(e)
	if err == nil {
		i.report.count(e, outcome)
	}
	return err
}

// file adds a file whose content follows; content that is not needed is left unread.
func (i *importing) file(e store.Entry, content io.Reader) error {
	if i.options.Project != "" {
		e.Project = i.options.Project
	}
	var shown files.File
	if err := json.Unmarshal(e.Object, &shown); err != nil {
		return err
	}
	there, err := i.rows.Has(e)
	if err != nil || there != store.Added {
		i.report.count(e, there)
		return err
	}
	draft, err := i.blobs.Receive(content, files.MaxBytes, files.ErrTooLarge)
	if err != nil {
		return err
	}
	defer draft.Abort()
	if draft.Size() != shown.Bytes {
		return fmt.Errorf("the content of %s has %d bytes instead of %d", shown.ID, draft.Size(), shown.Bytes)
	}
	i.report.Bytes += draft.Size()
	e.Row["blob"] = ""
	if !i.options.DryRun {
		blob, err := draft.Commit()
		if err != nil {
			return err
		}
		i.made = append(i.made, blob)
		e.Row["blob"] = blob
	}
	return i.add(e)
}

// contentReader reads the content of a file from the lines behind it.
type contentReader struct {
	lines *reader
	data  []byte
	last  bool
}

func (c *contentReader) Read(p []byte) (int, error) {
	for len(c.data) == 0 {
		if c.last {
			return 0, io.EOF
		}
		l, err := c.lines.read()
		if err != nil {
			return 0, err
		}
		if l.Kind != contentKind {
			return 0, c.lines.damage("the content of a file should go on here")
		}
		c.data, c.last = l.Data, l.Last
	}
	n := copy(p, c.data)
	c.data = c.data[n:]
	return n, nil
}
