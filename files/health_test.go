package files

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

// logged are blobs whose log is read.
func logged(t *testing.T) (*Blobs, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	b := openBlobs(t, filepath.Join(t.TempDir(), "files"))
	b.LogTo(slog.New(slog.NewTextHandler(log, nil)))
	return b, log
}

// A directory that cannot be used shows in readiness until it can be again, and the log says what to do, once.
func TestReadinessFollowsTheDirectory(t *testing.T) {
	for name, c := range map[string]struct {
		hinder func(t *testing.T, b *Blobs) (cure func())
		advice string
	}{
		"moved": {func(t *testing.T, b *Blobs) func() {
			t.Helper()
			require.NoError(t, os.Rename(b.root, b.root+".moved"))
			return func() { require.NoError(t, os.Rename(b.root+".moved", b.root)) }
		}, "was moved or deleted: put it back"},
		"full": {func(_ *testing.T, b *Blobs) func() {
			b.disk.write = func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC }
			return func() { b.disk = realDisk() }
		}, "is full: free some space"},
		"read-only": {func(_ *testing.T, b *Blobs) func() {
			b.disk.write = func(*os.File, []byte) (int, error) { return 0, syscall.EROFS }
			return func() { b.disk = realDisk() }
		}, "readable and writable for this user"},
		"broken": {func(_ *testing.T, b *Blobs) func() {
			b.disk.write = func(*os.File, []byte) (int, error) { return 0, syscall.EIO }
			return func() { b.disk = realDisk() }
		}, "the disk fails"},
	} {
		t.Run(name, func(t *testing.T) {
			b, log := logged(t)
			kept := putBlob(t, b, "kept")
			require.NoError(t, b.Ready())
			cure := c.hinder(t, b)
			for range 3 {
				d, err := b.Receive(strings.NewReader("content"), 100, ErrTooLarge)
				if err == nil {
					_, err = d.Commit()
				}
				require.Error(t, err)
				require.Error(t, b.Ready())
			}
			require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
			require.Contains(t, log.String(), c.advice)
			cure()
			require.NoError(t, b.Ready())
			require.Equal(t, 1, strings.Count(log.String(), "can be used again"), log.String())
			content, _, err := b.Open(kept)
			require.NoError(t, err)
			require.NoError(t, content.Close())
		})
	}
}

// A directory that went away is noticed before anybody needs it, and by who reads.
func TestMovedDirectoryIsUnavailable(t *testing.T) {
	b, _ := logged(t)
	kept := putBlob(t, b, "kept")
	require.NoError(t, os.Rename(b.root, b.root+".moved"))
	require.ErrorIs(t, b.Ready(), wire.ErrUnavailable)
	_, _, err := b.Open(kept)
	require.ErrorIs(t, err, wire.ErrUnavailable)
}

// Content that is gone alone is that file's matter: the client is told which, the log what to do, and the server stays ready.
func TestLostContent(t *testing.T) {
	b, log := logged(t)
	s := NewService(&fakeStore{}, b, func() time.Time { return noon })
	id := upload(t, s, "", Upload{Filename: "a.txt", Purpose: Assistants}, "content").ID
	for _, name := range filesUnder(t, b.root) {
		require.NoError(t, os.Remove(filepath.Join(b.root, filepath.FromSlash(name))))
	}
	for range 2 {
		_, _, err := s.Content(t.Context(), project, id)
		requireUnavailable(t, err, "The content of the file '"+id+"' is missing")
	}
	require.Equal(t, 1, strings.Count(log.String(), "put it back from a backup"), log.String())
	require.NoError(t, b.Ready())
}
