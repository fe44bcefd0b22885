package files

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"understudy/api/wire"
)

// disk is what makes a blob durable. It is a struct so that tests can see the
// order of the steps and let one of them fail.
type disk struct {
	write   func(f *os.File, p []byte) (int, error)
	sync    func(f *os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

func realDisk() disk {
	return disk{
		write:   (*os.File).Write,
		sync:    (*os.File).Sync,
		rename:  os.Rename,
		syncDir: syncDir,
	}
}

// syncDir makes the names in a directory durable: without it a renamed file
// may be gone after a power cut although its content was synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; NTFS journals the rename
	}
	d, err := os.Open(dir) //nolint:gosec // where a blob was just written
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // nothing was written through it
	return d.Sync()
}

// diskError turns a disk that takes nothing more into a 503 which says what to
// do. Every other error is a 503, too; the log has it, with the directory.
func diskError(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &wire.Error{
			Kind:    wire.Unavailable,
			Message: "The server's disk is full, so the file could not be stored. Free space in its data directory, then send the request again.",
		}
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return &wire.Error{
			Kind:    wire.Unavailable,
			Message: "The server cannot write to its data directory, so the file could not be stored. Make the directory writable for the server, then send the request again.",
		}
	default:
		return fmt.Errorf("%w: files in %s: %w", wire.ErrUnavailable, dir, err)
	}
}
