package uploads_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api/wire"
	"understudy/files"
	"understudy/files/uploads"
	"understudy/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project = "project_a"

// world is a service over a real database and directory, with a clock.
type world struct {
	*uploads.Service
	t    *testing.T
	dir  string
	db   *store.DB
	time time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "files"), time: time.Unix(1_780_000_000, 0)}
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Durability: store.Normal, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	w.db = db
	w.Service = uploads.NewService(db, w.blobs(), func() time.Time { return w.time })
	return w
}

func (w *world) blobs() *files.Blobs {
	blobs, err := files.OpenBlobs(w.dir)
	require.NoError(w.t, err)
	return blobs
}

func (w *world) begin(size int64) string {
	body, err := w.Create(w.t.Context(), project, "", uploads.Create{Filename: "a.txt", Purpose: files.Assistants, Bytes: size})
	require.NoError(w.t, err)
	var u uploads.Upload
	require.NoError(w.t, json.Unmarshal(body, &u))
	return u.ID
}

func (w *world) add(id, content string) (string, error) {
	draft, err := w.Receive(strings.NewReader(content))
	require.NoError(w.t, err)
	defer draft.Abort()
	body, err := w.AddPart(w.t.Context(), project, id, draft)
	var p uploads.Part
	if err == nil {
		require.NoError(w.t, json.Unmarshal(body, &p))
	}
	return p.ID, err
}

// stored lists what lies on the disk.
func (w *world) stored() (paths []string) {
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

// age makes what lies on the disk look as if an earlier process had written it.
func (w *world) age() {
	old := time.Now().Add(-time.Hour)
	for _, path := range w.stored() {
		require.NoError(w.t, os.Chtimes(path, old, old))
	}
}

func TestNothingStaysOfAnUploadButItsFile(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(w *world, id, part string) error
		want int
	}{
		"completed": {func(w *world, id, part string) error {
			_, err := w.Complete(t.Context(), project, id, uploads.Complete{PartIDs: []string{part}})
			return err
		}, 1},
		"cancelled": {func(w *world, id, _ string) error {
			_, err := w.Cancel(t.Context(), project, id)
			return err
		}, 0},
		"expired": {func(w *world, _, _ string) error {
			w.time = w.time.Add(time.Hour)
			return w.Expire(t.Context())
		}, 0},
		"not yet expired": {func(w *world, _, _ string) error {
			w.time = w.time.Add(time.Hour - time.Second)
			return w.Expire(t.Context())
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.begin(3)
			part, err := w.add(id, "abc")
			require.NoError(t, err)
			_, err = w.add(id, "unused")
			require.NoError(t, err)
			require.NoError(t, tc.end(w, id, part))
			require.Len(t, w.stored(), tc.want)
		})
	}
}

// An upload whose hour is over takes nothing, be it before anybody looked.
func TestExpiredUploadTakesNothing(t *testing.T) {
	for _, swept := range []bool{false, true} {
		w := newWorld(t)
		id := w.begin(3)
		part, err := w.add(id, "abc")
		require.NoError(t, err)
		w.time = w.time.Add(time.Hour)
		if swept {
			require.NoError(t, w.Expire(t.Context()))
		}
		_, err = w.add(id, "abc")
		require.ErrorContains(t, err, "has expired")
		require.ErrorContains(t, w.Pending(t.Context(), project, id), "has expired")
		_, err = w.Complete(t.Context(), project, id, uploads.Complete{PartIDs: []string{part}})
		require.ErrorContains(t, err, "has expired")
		_, err = w.Cancel(t.Context(), project, id)
		require.ErrorContains(t, err, "has expired")
	}
}

// Parts survive the sweep of the next start, and what nothing names does not.
func TestPartsSurviveARestart(t *testing.T) {
	w := newWorld(t)
	id := w.begin(6)
	first, err := w.add(id, "abc")
	require.NoError(t, err)
	draft, err := w.blobs().Receive(strings.NewReader("stray"), 10, nil)
	require.NoError(t, err)
	_, err = draft.Commit()
	require.NoError(t, err)
	w.age()

	removed, err := files.NewService(w.db, w.blobs(), time.Now).Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	second, err := w.add(id, "def")
	require.NoError(t, err)
	body, err := w.Complete(t.Context(), project, id, uploads.Complete{PartIDs: []string{first, second}})
	require.NoError(t, err)
	var u uploads.Upload
	require.NoError(t, json.Unmarshal(body, &u))
	require.Equal(t, int64(6), u.File.Bytes)
}

func TestPartTooLarge(t *testing.T) {
	w := newWorld(t)
	_, err := w.Receive(&zeros{n: uploads.MaxPartBytes + 1})
	require.Equal(t, uploads.ErrPartTooLarge, err)
	require.Equal(t, wire.TooLarge, uploads.ErrPartTooLarge.Kind)
	cut := errors.New("connection lost")
	_, err = w.Receive(iotest.ErrReader(cut))
	require.Equal(t, cut, err)
	require.Empty(t, w.stored())
}

// zeros is content of n bytes.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(len(p), z.n)
	clear(p[:n])
	if z.n -= n; n == 0 {
		return 0, errors.New("read beyond what may be needed")
	}
	return n, nil
}

// A client that leaves while parts are joined stops the work, and the upload
// can be completed again.
func TestCompleteThatIsGivenUp(t *testing.T) {
	w := newWorld(t)
	id := w.begin(3)
	part, err := w.add(id, "abc")
	require.NoError(t, err)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err = w.Complete(gone, project, id, uploads.Complete{PartIDs: []string{part}})
	require.Error(t, err)
	require.Len(t, w.stored(), 1)
	_, err = w.Complete(t.Context(), project, id, uploads.Complete{PartIDs: []string{part}})
	require.NoError(t, err)
}
