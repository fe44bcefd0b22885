package files

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
)

// writeBuffer gathers the small reads of a network body, in bytes.
const writeBuffer = 64 << 10

// Draft is content being received. It becomes a blob by Commit and vanishes by
// Abort; the process ending in between is the same as Abort. It is not safe
// for concurrent use.
type Draft struct {
	blobs *Blobs
	file  *os.File // nil once committed or aborted
	buf   *bufio.Writer
	sum   hash.Hash
	size  int64
}

// Create starts a blob. The caller must end it with Commit or Abort.
func (b *Blobs) Create() (*Draft, error) {
	f, err := os.CreateTemp(filepath.Join(b.root, drafts), "")
	if err != nil {
		return nil, b.failed(err)
	}
	d := &Draft{blobs: b, file: f, sum: sha256.New()}
	d.buf = bufio.NewWriterSize(diskWriter{d}, writeBuffer)
	return d, nil
}

// Receive streams content of at most limit bytes to the disk, and answers
// tooLarge when there is more. The caller must end the draft with Commit or
// Abort. An error of content itself is returned as it is.
func (b *Blobs) Receive(content io.Reader, limit int64, tooLarge error) (*Draft, error) {
	d, err := b.Create()
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(d, io.LimitReader(content, limit+1))
	if err == nil && d.Size() > limit {
		err = tooLarge
	}
	if err != nil {
		d.Abort()
		return nil, err
	}
	return d, nil
}

// diskWriter is where the buffer of a draft empties itself.
type diskWriter struct{ d *Draft }

func (w diskWriter) Write(p []byte) (int, error) {
	return w.d.blobs.disk.write(w.d.file, p)
}

// Write adds content. A full or read-only disk answers a *wire.Error.
func (d *Draft) Write(p []byte) (int, error) {
	n, err := d.buf.Write(p)
	d.sum.Write(p[:n]) // never fails (hash.Hash)
	d.size += int64(n)
	if err != nil {
		return n, d.blobs.failed(err)
	}
	return n, nil
}

// Size is how many bytes were written so far.
func (d *Draft) Size() int64 { return d.size }

// Commit makes the content durable and returns the name it can be opened by.
// The order matters: the content reaches the disk before the name does, and
// the name before anybody hears of it. On an error the draft is gone.
func (d *Draft) Commit() (string, error) {
	if d.file == nil {
		return "", errors.New("files: the draft has ended")
	}
	defer d.Abort()
	name := d.name()
	if err := d.blobs.failed(d.publish(filepath.Join(d.blobs.root, filepath.FromSlash(name)))); err != nil {
		return "", err
	}
	return name, nil
}

func (d *Draft) publish(target string) error {
	disk := d.blobs.disk
	if err := d.buf.Flush(); err != nil {
		return err
	}
	if err := disk.sync(d.file); err != nil {
		return err
	}
	if err := d.file.Close(); err != nil { // an open file cannot be renamed everywhere
		return err
	}
	if err := disk.rename(d.file.Name(), target); err != nil {
		return err
	}
	if err := disk.syncDir(filepath.Dir(target)); err != nil {
		return errors.Join(err, os.Remove(target))
	}
	return nil
}

// Abort drops the content. After Commit, or a second time, it does nothing.
func (d *Draft) Abort() {
	if d.file == nil {
		return
	}
	_ = d.file.Close()           // closed already after Commit
	_ = os.Remove(d.file.Name()) // renamed away after Commit; else Sweep's work
	d.file = nil
}

// name is the SHA-256 of the content and a random tail, under its directory.
func (d *Draft) name() string {
	sum := hex.EncodeToString(d.sum.Sum(nil))
	return path.Join(sum[:fanOut], sum+"-"+rand.Text())
}
