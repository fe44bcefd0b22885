package files

import (
	"cmp"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore is enough of a Store to test the Service with; the real one has
// its own suite.
type fakeStore struct {
	mu   sync.Mutex
	rows []fakeRow
	fail error // what CreateFile answers instead
}

type fakeRow struct {
	project, blob string
	file          File
}

func (s *fakeStore) CreateFile(ctx context.Context, project string, f *File, blob string) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.fail, ctx.Err()); err != nil {
		return nil, err
	}
	s.rows = append(s.rows, fakeRow{project, blob, *f})
	return wire.Marshal(f)
}

func (s *fakeStore) find(project, id string) int {
	return slices.IndexFunc(s.rows, func(r fakeRow) bool { return r.project == project && r.file.ID == id })
}

func (s *fakeStore) File(_ context.Context, project, id string) (json.RawMessage, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(project, id)
	if i < 0 {
		return nil, "", wire.ErrNotFound
	}
	body, err := wire.Marshal(s.rows[i].file)
	return body, s.rows[i].blob, err
}

func (s *fakeStore) DeleteFile(_ context.Context, project, id string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(project, id)
	if i < 0 {
		return "", wire.ErrNotFound
	}
	blob := s.rows[i].blob
	s.rows = slices.Delete(s.rows, i, i+1)
	return blob, nil
}

func (s *fakeStore) Files(_ context.Context, project string, q Query) (wire.List, error) {
	if q.After != "" {
		return wire.List{}, wire.UnknownCursor("after", q.After)
	}
	var list wire.List
	for _, r := range s.rows {
		if r.project == project && (q.Purpose == "" || q.Purpose == r.file.Purpose) {
			body, err := wire.Marshal(r.file)
			if err != nil {
				return list, err
			}
			list.Items = append(list.Items, wire.Item{ID: r.file.ID, JSON: body})
		}
	}
	return list, nil
}

func (s *fakeStore) MissingFile(_ context.Context, project string, ids []string) (string, error) {
	for _, id := range ids {
		if s.find(project, id) < 0 {
			return id, nil
		}
	}
	return "", nil
}

func (s *fakeStore) ExpireFiles(_ context.Context, now time.Time) ([]string, error) {
	var expired []string
	s.rows = slices.DeleteFunc(s.rows, func(r fakeRow) bool {
		gone := r.file.ExpiresAt != nil && *r.file.ExpiresAt <= now.Unix()
		if gone {
			expired = append(expired, r.blob)
		}
		return gone
	})
	return expired, nil
}

func (s *fakeStore) Blobs(context.Context) ([]string, error) {
	var blobs []string
	for _, r := range s.rows {
		blobs = append(blobs, r.blob)
	}
	return blobs, nil
}

func openBlobs(t *testing.T, root string) *Blobs {
	t.Helper()
	b, err := OpenBlobs(root)
	require.NoError(t, err)
	b.LogTo(slog.New(slog.DiscardHandler))
	return b
}

// filesUnder lists every file below a directory.
func filesUnder(t *testing.T, root string) []string {
	t.Helper()
	names := []string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	return names
}

// age makes a file look as if an earlier process had written it.
func age(t *testing.T, path string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
}

// putBlob commits content and returns its name.
func putBlob(t *testing.T, b *Blobs, content string) string {
	t.Helper()
	d, err := b.Create()
	require.NoError(t, err)
	_, err = d.Write([]byte(content))
	require.NoError(t, err)
	name, err := d.Commit()
	require.NoError(t, err)
	return name
}

// requireWire checks every member of an API error.
func requireWire(t *testing.T, err error, want wire.Error) {
	t.Helper()
	var got *wire.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, want, *got)
}

func requireUnavailable(t *testing.T, err error, phrase string) {
	t.Helper()
	var got *wire.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, wire.Unavailable, got.Kind)
	require.Contains(t, got.Message, phrase)
}
