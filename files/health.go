package files

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"understudy/api/wire"
)

// remindEvery is how often the log repeats what keeps the directory from being
// used.
const remindEvery = time.Minute

// health is what the last uses of the directory say of it.
type health struct {
	mutex   sync.Mutex
	logger  *slog.Logger
	failure error                // of the last use, nil when it succeeded
	told    map[string]time.Time // when the log was last told a thing
}

// LogTo has the log say what keeps content from being stored or read, and what
// to do. It is called before the Blobs are used.
func (b *Blobs) LogTo(logger *slog.Logger) { b.health.logger = logger }

// Ready reports whether content can be stored, as far as the last upload and a
// look at the directory tell. After a failure it writes a little to find out.
func (b *Blobs) Ready() error {
	b.health.mutex.Lock()
	failure := b.health.failure
	b.health.mutex.Unlock()
	_, err := os.Stat(filepath.Join(b.root, drafts))
	if err == nil && failure == nil {
		return nil
	}
	if err == nil {
		err = b.retry()
	}
	return b.failed(err)
}

// retry does in small what an upload does.
func (b *Blobs) retry() error {
	for _, dir := range directories() {
		if _, err := os.Stat(filepath.Join(b.root, dir)); err != nil {
			return err
		}
	}
	_, err := b.probe()
	return err
}

// failed notes how a use of the directory ended, nil for well, and answers the
// error that the client is to have.
func (b *Blobs) failed(err error) error {
	h := &b.health
	h.mutex.Lock()
	defer h.mutex.Unlock()
	before := h.failure
	h.failure = err
	switch {
	case err != nil:
		if advice := advise(err); h.due(advice) {
			h.logger.Error("the directory for files cannot be used; requests are answered 503", "directory", b.root, "error", err, "advice", advice)
		}
	case before != nil && h.due("recovered"):
		h.logger.Info("the directory for files can be used again", "directory", b.root)
	}
	return diskError(b.root, err)
}

// unread answers a read that the disk did not allow.
func (b *Blobs) unread(err error) error {
	_ = b.failed(err) // its answer is that of an upload
	return fmt.Errorf("%w: files in %s: %w", wire.ErrUnavailable, b.root, err)
}

// lost answers a read of content that is not where it was stored.
func (b *Blobs) lost(name, file string, err error) error {
	h := &b.health
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.due(name) {
		h.logger.Error("the content of a file is gone", "file", file, "error", err, "advice", "put it back from a backup, or delete the file and upload it again")
	}
	return &wire.Error{
		Kind:    wire.Unavailable,
		Message: "The content of the file '" + file + "' is missing on the server. Tell the operator of the server, whose log says what to do, or delete the file and upload it again.",
	}
}

// due reports whether the log has not been told a thing within the last minute,
// and takes it for told. h.mutex is held.
func (h *health) due(thing string) bool {
	now := time.Now() //nolint:forbidigo // of the log, whatever time it is for files
	if last, told := h.told[thing]; told && now.Sub(last) < remindEvery {
		return false
	}
	h.told[thing] = now
	return true
}

// advise says what the operator can do about an error of the disk.
func advise(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk, or the quota, is full: free some space"
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return "make the directory and what is in it readable and writable for this user"
	case errors.Is(err, fs.ErrNotExist):
		return "the directory, or one in it, was moved or deleted: put it back"
	}
	return "the disk fails: look into the system's log; it may be broken, gone, full, or mounted read-only"
}
