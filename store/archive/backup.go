package archive

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"understudy/files"
	"understudy/store"
)

// What a backup holds: a tar archive of the contents of files, under this
// directory, and then the database.
const (
	filesDir     = "files"
	databaseName = "understudy.db"

	// sumRecord is the database's SHA-256, in the header of its entry; files have theirs in their names.
	sumRecord = "UNDERSTUDY.sha256"
)

// Content says how much a backup holds.
type Content struct {
	Files    int   // contents of files and of parts of uploads
	Bytes    int64 // of them
	Database int64 // bytes of it
}

// Backup writes the state of the data directory to out, which a server may be
// using: the database as of one moment, checked, and the content of every file
// it names, each compared with its sum. A file that is deleted meanwhile is
// deleted in the backup, too. scratch is an empty directory for the copy of the
// database.
func Backup(ctx context.Context, dir, scratch string, out io.Writer) (Content, error) {
	if err := store.Snapshot(ctx, dir, scratch); err != nil {
		return Content{}, err
	}
	blobs, err := files.OpenBlobs(filepath.Join(dir, filesDir))
	if err != nil {
		return Content{}, err
	}
	b := &backup{out: tar.NewWriter(out), dir: dir, blobs: blobs}
	if err := b.files(ctx, scratch); err != nil {
		return Content{}, err
	}
	if err := b.database(filepath.Join(scratch, databaseName)); err != nil {
		return Content{}, err
	}
	return b.content, b.out.Close()
}

// backup is one being written.
type backup struct {
	out     *tar.Writer
	dir     string
	blobs   *files.Blobs
	content Content
}

// files writes the contents that the copy of the database names, and takes those
// out of it that are gone.
func (b *backup) files(ctx context.Context, scratch string) (err error) {
	copied, err := store.Open(ctx, store.Options{Dir: scratch, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	names, err := copied.Blobs(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := b.file(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = b.forget(ctx, copied, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) file(name string) error {
	content, size, err := b.blobs.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was only read
	if err := b.out.WriteHeader(header(filesDir+"/"+name, size)); err != nil {
		return err
	}
	b.content.Files++
	b.content.Bytes += size
	return files.CopyBlob(b.out, name, content)
}

// forget takes a file out of the copy, unless it is there in the original.
func (b *backup) forget(ctx context.Context, copied *store.DB, name string) (err error) {
	original, err := store.OpenShared(ctx, store.Options{Dir: b.dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, original.Close()) }()
	named, err := original.Blobs(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(named, name) {
		return fmt.Errorf("the content %s of a file is missing from %s", name, filepath.Join(b.dir, filesDir))
	}
	return copied.ForgetBlob(ctx, name)
}

func (b *backup) database(path string) error {
	db, err := os.Open(path) //nolint:gosec // the copy in the directory of the backup
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // it was only read
	info, err := db.Stat()
	if err != nil {
		return err
	}
	sum, err := sumOf(path)
	if err != nil {
		return err
	}
	head := header(databaseName, info.Size())
	head.PAXRecords = map[string]string{sumRecord: sum}
	if err := b.out.WriteHeader(head); err != nil {
		return err
	}
	b.content.Database, err = io.Copy(b.out, db)
	return err
}

func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, Format: tar.FormatPAX}
}

// Restore makes the new directory dir from a backup and opens it: every content
// is compared with its sum, the database is checked, and every file it names
// must be there.
func Restore(ctx context.Context, in io.Reader, dir string) (Content, error) {
	blobs, err := files.OpenBlobs(filepath.Join(dir, filesDir))
	if err != nil {
		return Content{}, err
	}
	content, err := unpack(ctx, tar.NewReader(in), blobs, filepath.Join(dir, databaseName))
	if err != nil {
		return content, err
	}
	return content, checkRestored(ctx, dir, blobs)
}

// unpack writes what a backup holds.
func unpack(ctx context.Context, in *tar.Reader, blobs *files.Blobs, database string) (content Content, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return content, err
		}
		entry, err := in.Next()
		switch {
		case errors.Is(err, io.EOF) && content.Database == 0:
			return content, errors.New("it holds no database: it was cut, or is no backup of 'understudy backup'")
		case errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return content, fmt.Errorf("it was cut, or is no backup of 'understudy backup': %w", err)
		case content.Database > 0:
			return content, fmt.Errorf("%q follows the database, which should be the last", entry.Name)
		case entry.Name == databaseName:
			content.Database, err = writeDatabase(database, in, entry.PAXRecords[sumRecord])
		default:
			content.Files++
			content.Bytes += entry.Size
			err = blobs.Put(strings.TrimPrefix(entry.Name, filesDir+"/"), in)
		}
		if err != nil {
			return content, fmt.Errorf("%s: %w", entry.Name, err)
		}
	}
}

func writeDatabase(path string, in io.Reader, expected string) (int64, error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // a name of our own in the directory that is restored
	if err != nil {
		return 0, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), in)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil && fmt.Sprintf("%x", sum.Sum(nil)) != expected {
		err = errors.New("it is damaged")
	}
	return n, err
}

func checkRestored(ctx context.Context, dir string, blobs *files.Blobs) (err error) {
	if err := store.Check(ctx, dir); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	names, err := db.Blobs(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		content, _, err := blobs.Open(name)
		if err != nil {
			return fmt.Errorf("the content of a file is missing: %w", err)
		}
		if err := content.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads a backup that Backup wrote to its end: it must hold exactly the
// database at database and as many contents of files, each as its sum says.
func Verify(in io.Reader, database string, want Content) error {
	original, err := sumOf(database)
	if err != nil {
		return err
	}
	found := Content{}
	for archive := tar.NewReader(in); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, archive) //nolint:gosec // nothing is unpacked, and this process wrote it
		if err != nil {
			return err
		}
		expected := original
		if entry.Name == databaseName {
			found.Database = n
		} else {
			found.Files++
			found.Bytes += n
			expected, _, _ = strings.Cut(filepath.Base(entry.Name), "-")
		}
		if fmt.Sprintf("%x", sum.Sum(nil)) != expected {
			return fmt.Errorf("%s was written wrong: the disk may be failing", entry.Name)
		}
	}
	if found != want {
		return fmt.Errorf("the backup holds %+v instead of %+v", found, want)
	}
	return nil
}

func sumOf(path string) (string, error) {
	in, err := os.Open(path) //nolint:gosec // a database of ours
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }() // it was only read
	sum := sha256.New()
	_, err = io.Copy(sum, in)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}
