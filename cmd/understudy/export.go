package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"understudy/files"
	"understudy/store"
	"understudy/store/archive"
)

// ExportCmd is "understudy export".
type ExportCmd struct {
	StoreFlags `embed:""`
	File       string `arg:"" optional:"" help:"File to write; it must not exist. Without it the archive goes to standard output."`
}

// Help implements kong.HelpProvider.
func (ExportCmd) Help() string {
	return `Writes everything but keys as lines of JSON, one object each, with the bytes of files: assistants, threads, messages, runs, steps and what their models were sent, files, and vector stores with their chunks. It may run while the server does, and shows the state at its start. 'understudy import' reads it.

    understudy export understudy.ndjson
    understudy export | zstd > understudy.ndjson.zst
    understudy export | jq -c 'select(.kind == "thread.message") | .object'

Uploads that are not completed are not in it.
`
}

// Run exports.
func (c *ExportCmd) Run(ctx context.Context, sys System) (err error) {
	dir, err := existingData(c.StoreFlags, sys)
	if err != nil {
		return err
	}
	db, err := store.OpenShared(ctx, store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	blobs, err := files.OpenBlobs(filepath.Join(dir, "files"))
	if err != nil {
		return err
	}
	write := func(out io.Writer) error {
		report, err := archive.Export(ctx, db, blobs, archive.Origin{Version: versionText(), Now: time.Now()}, out)
		if err == nil {
			err = report.WriteExport(sys.Stderr)
		}
		return err
	}
	if c.File == "" {
		return write(sys.Stdout)
	}
	return writeWhole(c.File, write)
}

// existingData is the data directory, which a command that reads it must not make.
func existingData(flags StoreFlags, sys System) (string, error) {
	dir, err := loadDataDir(flags, sys.Getenv)
	if err != nil {
		return "", &usageError{err}
	}
	if found, err := hasDatabase(dir); err != nil {
		return "", err
	} else if !found {
		return "", &usageError{&problem{where: "--data", text: dir + " is no data directory of an understudy; name the one that the server uses"}}
	}
	return dir, nil
}

func hasDatabase(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, "understudy.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeWhole writes a new file that has its name only when it is whole, and that other users cannot read.
func writeWhole(name string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(name); err == nil {
		return &usageError{&problem{where: name, text: "the file exists; choose another name, or remove it"}}
	}
	part, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*") // for its owner only
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part.Name()))
		}
	}()
	if err := errors.Join(write(part), part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), name)
}
