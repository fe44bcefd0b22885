package files

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

const project = "proj_a"

var noon = time.Unix(1_780_006_012, 0)

func newService(t *testing.T) (*Service, *fakeStore) {
	t.Helper()
	store := &fakeStore{}
	return NewService(store, openBlobs(t, t.TempDir()), func() time.Time { return noon }), store
}

// upload adds a file and returns it.
func upload(t *testing.T, s *Service, id string, u Upload, content string) File {
	t.Helper()
	d, err := s.Receive(strings.NewReader(content))
	require.NoError(t, err)
	defer d.Abort()
	body, err := s.Upload(t.Context(), project, id, u, d)
	require.NoError(t, err)
	var f File
	require.NoError(t, json.Unmarshal(body, &f))
	return f
}

func TestUploadOnTheWire(t *testing.T) {
	s, _ := newService(t)
	d, err := s.Receive(strings.NewReader(strings.Repeat("x", 50)))
	require.NoError(t, err)
	body, err := s.Upload(t.Context(), project, "file-8b8J1x9SpFKobop9wFkAZs", Upload{Filename: "<test>.txt", Purpose: Assistants}, d)
	require.NoError(t, err)
	require.Equal(t, `{"object":"file","id":"file-8b8J1x9SpFKobop9wFkAZs","purpose":"assistants","filename":"<test>.txt",`+
		`"bytes":50,"created_at":1780006012,"expires_at":null,"status":"processed","status_details":null}`, string(body))
	got, err := s.Get(t.Context(), project, "file-8b8J1x9SpFKobop9wFkAZs")
	require.NoError(t, err)
	require.Equal(t, string(body), string(got))
}

func TestUploadMintsAnID(t *testing.T) {
	s, _ := newService(t)
	f := upload(t, s, "", Upload{Filename: "/tmp/a.txt", Purpose: Vision, ExpiresAfter: 3600}, "x")
	require.Regexp(t, `^file-[0-9A-Za-z]{24}$`, f.ID)
	require.Equal(t, "a.txt", f.Filename)
	require.Equal(t, noon.Unix()+3600, *f.ExpiresAt)
}

func TestReceiveLimit(t *testing.T) {
	s, _ := newService(t)
	s.limit = 10
	d, err := s.Receive(strings.NewReader("0123456789"))
	require.NoError(t, err)
	d.Abort()
	_, err = s.Receive(strings.NewReader("0123456789a"))
	require.Equal(t, ErrTooLarge, err)
	require.Contains(t, err.Error(), "larger than 512 MB (536870912 bytes)")
	require.Empty(t, filesUnder(t, s.blobs.root))
}

func TestReceiveReturnsTheErrorOfContent(t *testing.T) {
	s, _ := newService(t)
	cut := errors.New("connection lost")
	_, err := s.Receive(io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(cut)))
	require.Equal(t, cut, err)
	require.Empty(t, filesUnder(t, s.blobs.root))
}

func TestUploadThatTheStoreRefuses(t *testing.T) {
	s, store := newService(t)
	store.fail = wire.Invalidf("taken")
	d, err := s.Receive(strings.NewReader("x"))
	require.NoError(t, err)
	_, err = s.Upload(t.Context(), project, "", Upload{Purpose: Batch}, d)
	require.Equal(t, store.fail, err)
	require.Empty(t, filesUnder(t, s.blobs.root))
}

func TestUploadOnADiskThatFails(t *testing.T) {
	s, store := newService(t)
	s.blobs.disk = recordDisk(new([]string), "sync", errors.New("disk died"))
	d, err := s.Receive(strings.NewReader("x"))
	require.NoError(t, err)
	_, err = s.Upload(t.Context(), project, "", Upload{Purpose: Batch}, d)
	require.ErrorContains(t, err, "disk died")
	require.Empty(t, store.rows)
	require.Empty(t, filesUnder(t, s.blobs.root))
}

// A cancelled commit could not say whether the row exists.
func TestUploadOutlivesItsClient(t *testing.T) {
	s, store := newService(t)
	d, err := s.Receive(strings.NewReader("x"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Upload(ctx, project, "", Upload{Purpose: Batch}, d)
	require.NoError(t, err)
	require.Len(t, store.rows, 1)
}

func TestContent(t *testing.T) {
	s, _ := newService(t)
	f := upload(t, s, "", Upload{Filename: "a.txt", Purpose: Assistants}, "content")
	got, content, err := s.Content(t.Context(), project, f.ID)
	require.NoError(t, err)
	require.Equal(t, f, got)

	require.NoError(t, s.Delete(t.Context(), project, f.ID)) // a download goes on
	body, err := io.ReadAll(content)
	require.NoError(t, err)
	require.Equal(t, "content", string(body))
	_, err = content.Seek(3, io.SeekStart)
	require.NoError(t, err)
	body, err = io.ReadAll(content)
	require.NoError(t, err)
	require.Equal(t, "tent", string(body))
	require.NoError(t, content.Close())
}

// deletedStore answers a file once, as if it were deleted right after.
type deletedStore struct{ *fakeStore }

func (s deletedStore) File(ctx context.Context, project, id string) (json.RawMessage, string, error) {
	body, blob, err := s.fakeStore.File(ctx, project, id)
	if err == nil {
		_, err = s.DeleteFile(ctx, project, id)
	}
	return body, blob, err
}

func TestContentDeletedMeanwhile(t *testing.T) {
	s, store := newService(t)
	f := upload(t, s, "", Upload{Purpose: Assistants}, "content")
	require.NoError(t, s.blobs.Remove(store.rows[0].blob))
	s.store = deletedStore{store}
	_, _, err := s.Content(t.Context(), project, f.ID)
	requireWire(t, err, wire.Error{Kind: wire.NotFound, Message: "No such File object: " + f.ID, Param: "id"})
}

func TestUnknownFile(t *testing.T) {
	s, _ := newService(t)
	f := upload(t, s, "", Upload{Purpose: Assistants}, "x")
	for name, id := range map[string]string{"unknown": "fake_id", "another project's": f.ID} {
		want := wire.Error{Kind: wire.NotFound, Message: "No such File object: " + id, Param: "id"}
		t.Run(name, func(t *testing.T) {
			_, err := s.Get(t.Context(), "proj_b", id)
			requireWire(t, err, want)
			_, _, err = s.Content(t.Context(), "proj_b", id)
			requireWire(t, err, want)
			requireWire(t, s.Delete(t.Context(), "proj_b", id), want)
			requireWire(t, s.CheckFiles(t.Context(), "proj_b", []string{id}), want)
		})
	}
}

func TestDelete(t *testing.T) {
	s, store := newService(t)
	f := upload(t, s, "", Upload{Purpose: Assistants}, "x")
	require.NoError(t, s.Delete(t.Context(), project, f.ID))
	require.Empty(t, store.rows)
	require.Empty(t, filesUnder(t, s.blobs.root))
}

func TestCheckFiles(t *testing.T) {
	s, _ := newService(t)
	f := upload(t, s, "", Upload{Purpose: Assistants}, "x")
	require.NoError(t, s.CheckFiles(t.Context(), project, nil))
	require.NoError(t, s.CheckFiles(t.Context(), project, []string{f.ID, f.ID}))
	err := s.CheckFiles(t.Context(), project, []string{f.ID, "file-1", "file-2"})
	requireWire(t, err, wire.Error{Kind: wire.NotFound, Message: "No such File object: file-1", Param: "id"})
}

func TestListFiles(t *testing.T) {
	s, _ := newService(t)
	list, err := s.List(t.Context(), project, Query{})
	require.NoError(t, err)
	body, err := wire.Marshal(list)
	require.NoError(t, err)
	require.Equal(t, `{"object":"list","data":[],"has_more":false,"first_id":null,"last_id":null}`, string(body))

	upload(t, s, "file-1", Upload{Purpose: Batch}, "x")
	upload(t, s, "file-2", Upload{Purpose: Assistants}, "x")
	list, err = s.List(t.Context(), project, Query{Purpose: Assistants})
	require.NoError(t, err)
	body, err = wire.Marshal(list)
	require.NoError(t, err)
	require.Regexp(t, `^\{"object":"list","data":\[\{"object":"file","id":"file-2".*\],"has_more":false,"first_id":"file-2","last_id":"file-2"\}$`, string(body))

	_, err = s.List(t.Context(), project, Query{Page: wire.Page{After: "file-9"}})
	requireWire(t, err, wire.Error{Kind: wire.NotFound, Message: "Resource not found.", Param: "after"})
}

func TestExpire(t *testing.T) {
	s, _ := newService(t)
	stays := upload(t, s, "", Upload{Purpose: Batch}, "stays")
	later := upload(t, s, "", Upload{Purpose: Batch, ExpiresAfter: 7200}, "later")
	goes := upload(t, s, "", Upload{Purpose: Batch, ExpiresAfter: 3600}, "goes")

	s.now = func() time.Time { return noon.Add(time.Hour) }
	n, err := s.Expire(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, s.CheckFiles(t.Context(), project, []string{stays.ID, later.ID}))
	require.Error(t, s.CheckFiles(t.Context(), project, []string{goes.ID}))
	require.Len(t, filesUnder(t, s.blobs.root), 2)
}

func TestSweepKeepsWhatRowsName(t *testing.T) {
	s, store := newService(t)
	kept := upload(t, s, "", Upload{Purpose: Batch}, "kept")
	orphan := putBlob(t, s.blobs, "orphan")
	for _, name := range []string{store.rows[0].blob, orphan} {
		age(t, filepath.Join(s.blobs.root, filepath.FromSlash(name)))
	}
	n, err := s.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, content, err := s.Content(t.Context(), project, kept.ID)
	require.NoError(t, err)
	require.NoError(t, content.Close())
}

func TestBlobsArePrivate(t *testing.T) {
	s, store := newService(t)
	upload(t, s, "", Upload{Purpose: Batch}, "x")
	info, err := os.Stat(filepath.Join(s.blobs.root, filepath.FromSlash(store.rows[0].blob)))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
}
