package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// drafts is the directory of content still being received.
const drafts = "drafts"

// fanOut is how many digits of its name choose a blob's directory: 256 of them.
const fanOut = 2

// probeSize is what a probe writes, in bytes: as much as takes room on the disk.
const probeSize = 4096

// blobName is the form of every name: no row of a database that was tampered
// with can make this package touch another file.
var blobName = regexp.MustCompile(`^[0-9a-f]{2}/[0-9a-f]{64}-[A-Z2-7]{26}$`)

// Blobs keeps the content of files on the local disk. A blob's name is its
// SHA-256 and a random tail, under a directory of the first two digits: damage
// can be told from the name, and the same content twice is two blobs, so that
// removing one never takes the other. Names never come from a client.
type Blobs struct {
	root  string
	disk  disk
	epoch time.Time // by the clock of the file system; see Sweep

	health health
}

// OpenBlobs prepares the directory, made if it does not exist, and proves that
// it can be written to. All directories are made and synced here, because one
// made by an upload would need its own sync before any other upload uses it.
func OpenBlobs(root string) (*Blobs, error) {
	b := &Blobs{root: root, disk: realDisk(), health: health{logger: slog.Default(), told: map[string]time.Time{}}}
	for _, dir := range directories() {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			return nil, fmt.Errorf("the directory for files cannot be made: %w", err)
		}
	}
	var failure error
	b.epoch, failure = b.probe()
	if err := errors.Join(syncDir(root), syncDir(filepath.Dir(root)), failure); err != nil {
		return nil, fmt.Errorf("the directory for files cannot be used: %w", err)
	}
	return b, nil
}

// directories lists what lies under the root.
func directories() []string {
	dirs := []string{drafts}
	for i := range 1 << (4 * fanOut) {
		dirs = append(dirs, fmt.Sprintf("%0*x", fanOut, i))
	}
	return dirs
}

// probe writes a file and takes the file system's time from it.
func (b *Blobs) probe() (at time.Time, err error) {
	f, err := os.CreateTemp(filepath.Join(b.root, drafts), "")
	if err != nil {
		return at, err
	}
	_, err = b.disk.write(f, make([]byte, probeSize))
	if err == nil {
		err = b.disk.sync(f)
	}
	info, unknown := f.Stat()
	if unknown == nil {
		at = info.ModTime()
	}
	return at, errors.Join(err, unknown, f.Close(), os.Remove(f.Name()))
}

// Open returns the content of a blob and its size in bytes. A missing blob
// answers fs.ErrNotExist, a disk that cannot be read a wire.ErrUnavailable.
func (b *Blobs) Open(name string) (io.ReadSeekCloser, int64, error) {
	path, err := b.path(name)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path) //nolint:gosec // blobName has no way out of the root
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Stat(filepath.Dir(path)); gone == nil {
			return nil, 0, err
		}
	}
	if err != nil {
		return nil, 0, b.unread(err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(b.unread(err), f.Close())
	}
	return f, info.Size(), nil
}

// Put stores a blob under the name it had elsewhere. Content that is not what
// the name says is refused.
func (b *Blobs) Put(name string, content io.Reader) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	d, err := b.Receive(content, MaxBytes, ErrTooLarge)
	if err != nil {
		return err
	}
	defer d.Abort()
	if !holds(d.sum, name) {
		return fmt.Errorf("files: the content of %s is damaged", name)
	}
	return b.failed(d.publish(path))
}

// CopyBlob copies the content of a blob, and answers an error when it is not
// what the name says.
func CopyBlob(out io.Writer, name string, content io.Reader) error {
	sum := sha256.New()
	_, err := io.Copy(io.MultiWriter(out, sum), content)
	if err == nil && !holds(sum, name) {
		err = fmt.Errorf("files: the content of %s is damaged", name)
	}
	return err
}

// holds reports whether a sum is the one in a blob's name.
func holds(sum hash.Hash, name string) bool {
	return strings.HasPrefix(name[fanOut+1:], hex.EncodeToString(sum.Sum(nil)))
}

// Remove removes a blob; a missing one is no error. Readers that have it open
// keep reading.
func (b *Blobs) Remove(name string) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	_, err = remove(path)
	return err
}

// Sweep removes what a crash left: drafts, and blobs that are not referenced.
// It only touches what is older than this Blobs, so that uploads may go on
// meanwhile; the file system's own clock decides, because that of a network
// disk may differ from ours. It returns how many it removed, and does not stop
// at one that cannot be.
func (b *Blobs) Sweep(ctx context.Context, referenced []string) (removed int, err error) {
	keep := make(map[string]bool, len(referenced))
	for _, name := range referenced {
		keep[name] = true
	}
	for _, dir := range directories() {
		if ctx.Err() != nil {
			return removed, errors.Join(err, ctx.Err())
		}
		n, failed := b.sweepDir(dir, keep)
		removed += n
		err = errors.Join(err, failed)
	}
	return removed, err
}

func (b *Blobs) sweepDir(dir string, keep map[string]bool) (removed int, err error) {
	entries, err := os.ReadDir(filepath.Join(b.root, dir))
	for _, entry := range entries {
		name := dir + "/" + entry.Name()
		if keep[name] || dir != drafts && !blobName.MatchString(name) || !b.outlived(entry) {
			continue
		}
		gone, failed := remove(filepath.Join(b.root, dir, entry.Name()))
		if gone {
			removed++
		}
		err = errors.Join(err, failed)
	}
	return removed, err
}

// outlived tells a file of an earlier process. One that cannot be looked at
// was removed by a request meanwhile.
func (b *Blobs) outlived(entry fs.DirEntry) bool {
	info, err := entry.Info()
	return err == nil && info.Mode().IsRegular() && info.ModTime().Before(b.epoch)
}

// remove reports whether the file was there; one that was not is no error.
func remove(path string) (bool, error) {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (b *Blobs) path(name string) (string, error) {
	if !blobName.MatchString(name) {
		return "", fmt.Errorf("files: %q is not the name of a blob", name)
	}
	return filepath.Join(b.root, filepath.FromSlash(name)), nil
}
