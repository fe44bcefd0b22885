package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// errMoved says that the data directory has no longer what was opened in it. A file goes on to be written by those who
// have it open, after it was deleted or another one has taken its name, and what is written is gone with the process.
var errMoved = fmt.Errorf("%w: it is no longer in its place", ErrUnavailable)

// place is a file of the data directory as it was when it was opened.
type place struct {
	path   string
	opened os.FileInfo
}

func placeOf(path string) (place, error) {
	info, err := os.Stat(path)
	return place{path, info}, err
}

// check answers an errMoved when the path leads to another file now, or to none.
func (p place) check() error {
	now, err := os.Stat(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was moved or deleted", errMoved, p.path)
	case err == nil && !os.SameFile(p.opened, now):
		return fmt.Errorf("%w: %s was replaced", errMoved, p.path)
	default: // what keeps it from being looked at will keep it from being written
		return nil
	}
}

// inPlace checks the files that the writer relies on: the database, and the lock that keeps other servers out.
func (w *writer) inPlace() error {
	for _, p := range w.places {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}
