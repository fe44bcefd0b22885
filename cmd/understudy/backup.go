package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"understudy/store/archive"
)

// BackupCmd is "understudy backup".
type BackupCmd struct {
	StoreFlags `embed:""`
	File       string `arg:"" help:"File to write; it must not exist."`
}

// Help implements kong.HelpProvider.
func (BackupCmd) Help() string {
	return `Writes a tar archive of the database and the bytes of files that 'understudy restore' makes a data directory of. The server may go on meanwhile. The copy of the database is checked, every file is compared with its sum, and the archive is read back before it gets its name. It holds the hashes of API keys, so that clients can go on; only its owner can read it.

    understudy backup /backups/understudy-2026-11-22.tar
`
}

// Run backs up.
func (c *BackupCmd) Run(ctx context.Context, sys System) (err error) {
	dir, err := existingData(c.StoreFlags, sys)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(c.File), filepath.Base(c.File)+".database-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	var content archive.Content
	err = writeWhole(c.File, func(out io.Writer) (err error) {
		if content, err = archive.Backup(ctx, dir, scratch, out); err != nil {
			return err
		}
		written, ok := out.(io.ReadSeeker)
		if !ok {
			return errors.New("what was written cannot be read back")
		}
		if _, err := written.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return archive.Verify(written, filepath.Join(scratch, "understudy.db"), content)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(sys.Stdout, "Backed up and verified: a database of %d bytes, %d files of %d bytes.\n", content.Database, content.Files, content.Bytes)
	return err
}

// RestoreCmd is "understudy restore".
type RestoreCmd struct {
	StoreFlags `embed:""`
	File       string `arg:"" help:"What 'understudy backup' wrote."`
}

// Help implements kong.HelpProvider.
func (RestoreCmd) Help() string {
	return `Makes a new data directory of a backup. The directory must not exist or be empty; it appears when everything in it was checked, or not at all.

    understudy restore --data ./restored /backups/understudy-2026-11-22.tar
    understudy serve --data ./restored
`
}

// Run restores.
func (c *RestoreCmd) Run(ctx context.Context, sys System) (err error) {
	dir, err := loadDataDir(c.StoreFlags, sys.Getenv)
	if err != nil {
		return &usageError{err}
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return &usageError{&problem{where: "--data", text: dir + " is not empty; name a directory that does not exist yet"}}
	}
	in, err := os.Open(c.File)
	if err != nil {
		return &usageError{err}
	}
	defer func() { _ = in.Close() }() // it was only read
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	part, err := os.MkdirTemp(parent, filepath.Base(dir)+".part-*") // for its owner only
	if err != nil {
		return err
	}
	content, err := archive.Restore(ctx, in, part)
	if err == nil {
		err = replaceEmpty(part, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("nothing was restored: %s: %w", c.File, err), os.RemoveAll(part))
	}
	_, err = fmt.Fprintf(sys.Stdout, "Restored to %s: a database of %d bytes, %d files of %d bytes.\n", dir, content.Database, content.Files, content.Bytes)
	return err
}

// replaceEmpty gives a directory the name of one that is empty or absent.
func replaceEmpty(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}
