package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestBlobsKeepContent(t *testing.T) {
	for _, size := range []int{0, 1, writeBuffer - 1, writeBuffer, writeBuffer + 1, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			b := openBlobs(t, t.TempDir())
			content := strings.Repeat("x", size)
			name := putBlob(t, b, content)

			sum := sha256.Sum256([]byte(content))
			require.Contains(t, name, hex.EncodeToString(sum[:]))
			r, n, err := b.Open(name)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.Equal(t, content, string(got))
		})
	}
}

func TestBlobsWithTheSameContentAreTwo(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	first, second := putBlob(t, b, "same"), putBlob(t, b, "same")
	require.NotEqual(t, first, second)
	require.NoError(t, b.Remove(first))
	_, _, err := b.Open(first)
	require.ErrorIs(t, err, fs.ErrNotExist)
	r, _, err := b.Open(second)
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

func TestBlobsRemoveTwice(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	name := putBlob(t, b, "x")
	require.NoError(t, b.Remove(name))
	require.NoError(t, b.Remove(name))
	require.Empty(t, filesUnder(t, b.root))
}

func TestBlobsTouchNothingElse(t *testing.T) {
	root := t.TempDir()
	b := openBlobs(t, filepath.Join(root, "files"))
	secret := filepath.Join(root, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s"), 0o600))
	for _, name := range []string{"", "..", "../secret", "aa/../../secret", secret, "drafts/x", "aa", "aa/bb", "aa/" + strings.Repeat("a", 91)} {
		_, _, err := b.Open(name)
		require.ErrorContains(t, err, "not the name of a blob", name)
		require.ErrorContains(t, b.Remove(name), "not the name of a blob", name)
	}
	require.FileExists(t, secret)
}

func TestOpenBlobsSaysWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "files")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := OpenBlobs(path)
	require.ErrorContains(t, err, "the directory for files cannot be made")
	require.ErrorContains(t, err, path)
}

func TestDraftAbort(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	d, err := b.Create()
	require.NoError(t, err)
	_, err = d.Write(make([]byte, 3*writeBuffer))
	require.NoError(t, err)
	require.Len(t, filesUnder(t, b.root), 1)
	d.Abort()
	d.Abort()
	require.Empty(t, filesUnder(t, b.root))
	_, err = d.Commit()
	require.Error(t, err)
}

func TestDraftAbortAfterCommitDoesNothing(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	d, err := b.Create()
	require.NoError(t, err)
	name, err := d.Commit()
	require.NoError(t, err)
	d.Abort()
	require.Equal(t, []string{name}, filesUnder(t, b.root))
}

// recordDisk wraps the real disk, notes the steps, and fails at one of them.
func recordDisk(steps *[]string, failAt string, fail error) disk {
	actual := realDisk()
	step := func(name string, do func() error) error {
		*steps = append(*steps, name)
		if name == failAt {
			return fail
		}
		return do()
	}
	return disk{
		write: func(f *os.File, p []byte) (int, error) {
			n := 0
			err := step("write", func() (err error) { n, err = actual.write(f, p); return err })
			return n, err
		},
		sync:    func(f *os.File) error { return step("sync", f.Sync) },
		rename:  func(from, to string) error { return step("rename", func() error { return actual.rename(from, to) }) },
		syncDir: func(dir string) error { return step("syncDir", func() error { return actual.syncDir(dir) }) },
	}
}

// The content must be durable before its name is, and the name before Commit
// returns: in any other order a power cut leaves a row without content.
func TestCommitOrder(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	var steps []string
	b.disk = recordDisk(&steps, "", nil)
	putBlob(t, b, "x")
	require.Equal(t, []string{"write", "sync", "rename", "syncDir"}, steps)
}

func TestCommitFailsAtAnyStep(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}
	readOnly := &fs.PathError{Op: "rename", Path: "/x", Err: syscall.EROFS}
	broken := &fs.PathError{Op: "sync", Path: "/x", Err: syscall.EIO}
	for _, step := range []string{"write", "sync", "rename", "syncDir"} {
		for _, fail := range []error{full, readOnly, broken} {
			t.Run(step+" "+fail.Error(), func(t *testing.T) {
				b := openBlobs(t, t.TempDir())
				b.disk = recordDisk(new([]string), step, fail)
				d, err := b.Create()
				require.NoError(t, err)
				_, err = d.Write([]byte("x"))
				require.NoError(t, err) // buffered
				_, err = d.Commit()
				requireDiskError(t, err, fail)
				require.Empty(t, filesUnder(t, b.root))
			})
		}
	}
}

func TestWriteFails(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	b.disk = recordDisk(new([]string), "write", syscall.EDQUOT)
	d, err := b.Create()
	require.NoError(t, err)
	_, err = io.Copy(d, bytes.NewReader(make([]byte, 2*writeBuffer)))
	requireUnavailable(t, err, "disk is full")
	d.Abort()
	require.Empty(t, filesUnder(t, b.root))
}

func requireDiskError(t *testing.T, err, cause error) {
	t.Helper()
	switch {
	case errors.Is(cause, syscall.ENOSPC):
		requireUnavailable(t, err, "Free space in its data directory")
	case errors.Is(cause, syscall.EROFS):
		requireUnavailable(t, err, "Make the directory writable")
	default:
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, wire.ErrUnavailable)
	}
}

func TestCreateWithoutDirectory(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	require.NoError(t, os.RemoveAll(b.root))
	_, err := b.Create()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, b.root)
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	root := t.TempDir()
	before := openBlobs(t, root)
	kept, orphan := putBlob(t, before, "kept"), putBlob(t, before, "orphan")
	cut, err := before.Create() // received when the process died
	require.NoError(t, err)
	require.NoError(t, cut.file.Close())
	owners := filepath.Join(root, orphan[:2], "note.txt")
	require.NoError(t, os.WriteFile(owners, []byte("mine"), 0o600))
	for _, name := range filesUnder(t, root) {
		age(t, filepath.Join(root, filepath.FromSlash(name)))
	}

	after := openBlobs(t, root)
	fresh := putBlob(t, after, "not in the list yet")
	receiving, err := after.Create()
	require.NoError(t, err)
	defer receiving.Abort()
	removed, err := after.Sweep(t.Context(), []string{kept})
	require.NoError(t, err)
	require.Equal(t, 2, removed)

	left := filesUnder(t, root)
	require.Len(t, left, 4)
	require.Subset(t, left, []string{kept, fresh, orphan[:2] + "/note.txt"})
	_, err = receiving.Commit()
	require.NoError(t, err)
}

func TestSweepStops(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Sweep(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBlobsTogether(t *testing.T) {
	b := openBlobs(t, t.TempDir())
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			d, err := b.Create()
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Abort()
			if _, err := fmt.Fprintf(d, "content %d", i%4); err != nil {
				t.Error(err)
			}
			if name, err := d.Commit(); err != nil || i%2 == 0 && b.Remove(name) != nil {
				t.Error(name, err)
			}
		})
	}
	_, err := b.Sweep(t.Context(), nil)
	require.NoError(t, err)
	group.Wait()
	require.Len(t, filesUnder(t, b.root), 8)
}
