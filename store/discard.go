package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Discard removes the database of a directory that was closed, and what is named beside it, unless somebody has opened
// it meanwhile. Whatever else lies in the directory stays.
func Discard(dir string, beside ...string) (err error) {
	lock := flock.New(filepath.Join(dir, lockFile))
	held, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	if !held {
		return fmt.Errorf("the data directory %s is in use by another understudy", dir)
	}
	defer func() {
		if err = errors.Join(err, lock.Close()); err == nil {
			err = removeIfThere(filepath.Join(dir, lockFile))
		}
	}()
	for _, name := range beside {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{databaseFile + "-wal", databaseFile + "-shm", databaseFile} {
		if err := removeIfThere(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
