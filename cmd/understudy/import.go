package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"understudy/files"
	"understudy/store"
	"understudy/store/archive"
)

// ImportCmd is "understudy import".
type ImportCmd struct {
	StoreFlags `embed:""`
	Path       string  `arg:"" help:"An archive of 'understudy export', or a directory of JSON that was taken out of the hosted API."`
	DryRun     bool    `name:"dry-run" help:"Say what would be imported, and keep nothing; an older database is upgraded all the same."`
	Project    *string `placeholder:"NAME" help:"Project that everything goes into; default: an archive's own, \"default\" for a directory."`
}

// Help implements kong.HelpProvider.
func (ImportCmd) Help() string {
	return `Ids, order and times are kept. What is there already is left as it is, so that an import can be repeated; when anything is wrong, the line is named and nothing is kept. The server that uses the data directory must be stopped.

    understudy import --dry-run understudy.ndjson
    understudy import understudy.ndjson
    zstd -dc understudy.ndjson.zst | understudy import /dev/stdin

A directory may hold, in any arrangement of .json, .ndjson and .jsonl files, what SDKs answered (pages of lists, lists of objects, single objects) and files of the layout assistants-thread-export/v1. The bytes of a file are taken from a file beside them that is named by its id, with or without an extension.

    understudy import ./assistants-export
`
}

// Run imports.
func (c *ImportCmd) Run(ctx context.Context, sys System) (err error) {
	dir, err := loadDataDir(c.StoreFlags, sys.Getenv)
	if err != nil {
		return &usageError{err}
	}
	if c.Project != nil {
		if err := checkLabel("--project", *c.Project, 1); err != nil {
			return &usageError{err}
		}
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return &usageError{err}
	}
	found, err := hasDatabase(dir)
	if err != nil {
		return err
	}
	if c.DryRun && !found { // nor is an empty one to stay
		if dir, err = os.MkdirTemp("", "understudy-import-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	made := madeFor(dir, found)
	report, err := c.into(ctx, dir, made, info.IsDir())
	if err != nil {
		return err
	}
	if c.DryRun {
		fmt.Fprintln(sys.Stdout, "Nothing was imported; without --dry-run it would be:")
	}
	return report.WriteImport(sys.Stdout)
}

// into imports into a data directory; one that it had to make is gone again when it fails.
func (c *ImportCmd) into(ctx context.Context, dir string, made madeDir, isDir bool) (report archive.Report, err error) {
	db, err := store.Open(ctx, store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return report, err
	}
	defer func() {
		closing := db.Close()
		if err != nil { // what was committed stays, however the database closes
			closing = errors.Join(closing, made.remove())
		}
		err = errors.Join(err, closing)
	}()
	blobs, err := files.OpenBlobs(filepath.Join(dir, filesDir))
	if err != nil {
		return report, err
	}
	report, err = c.read(ctx, db, blobs, isDir)
	if err != nil {
		err = fmt.Errorf("nothing was imported: %s: %w", c.Path, err)
	}
	return report, err
}

// filesDir holds the contents of files in a data directory.
const filesDir = "files"

// madeDir is what an import makes of a data directory that holds no database yet.
type madeDir struct {
	dir     string
	beside  []string // beside the database
	missing []string // directories, the innermost first
	found   bool     // there is a database: nothing is made
}

func madeFor(dir string, found bool) madeDir {
	m := madeDir{dir: dir, found: found}
	if _, err := os.Lstat(filepath.Join(dir, filesDir)); errors.Is(err, fs.ErrNotExist) {
		m.beside = []string{filesDir}
	}
	for path := filepath.Clean(dir); ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return m
		}
		m.missing = append(m.missing, path)
	}
}

// remove removes it. A directory in which something else lies stays.
func (m madeDir) remove() error {
	if m.found {
		return nil
	}
	if err := store.Discard(m.dir, m.beside...); err != nil {
		return err
	}
	for _, path := range m.missing {
		if os.Remove(path) != nil {
			break
		}
	}
	return nil
}

func (c *ImportCmd) read(ctx context.Context, db *store.DB, blobs *files.Blobs, isDir bool) (archive.Report, error) {
	options := archive.Options{DryRun: c.DryRun}
	if c.Project != nil {
		options.Project = *c.Project
	}
	if isDir {
		return archive.ImportDump(ctx, db, blobs, options, c.Path)
	}
	in, err := os.Open(c.Path)
	if err != nil {
		return archive.Report{}, err
	}
	defer func() { _ = in.Close() }() // it was only read
	return archive.Import(ctx, db, blobs, options, in)
}
