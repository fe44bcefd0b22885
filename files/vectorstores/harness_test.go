package vectorstores_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api/wire/wiretest"
	"understudy/files"
	"understudy/files/extract"
	"understudy/files/vectorstores"
	"understudy/files/vectorstores/index"
	"understudy/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project = "project_1"

// world is a data directory with a service on it.
type world struct {
	t        testing.TB
	dir      string
	db       *store.DB
	files    *files.Service
	embedder *embedder
	stores   *vectorstores.Service
	logs     wiretest.Log
	now      func() time.Time
}

// embedder counts letters; calls sees every request before it is answered.
type embedder struct {
	mu    sync.Mutex
	model string
	dims  int
	fail  error
	asked [][]string
	calls func(ctx context.Context, n int)
}

func (e *embedder) Embed(ctx context.Context, model string, texts []string) ([][]float32, string, error) {
	e.mu.Lock()
	e.asked = append(e.asked, slices.Clone(texts))
	n, calls := len(e.asked), e.calls
	fail, own, dims := e.fail, e.model, e.dims
	e.mu.Unlock()
	if calls != nil {
		calls(ctx, n)
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	if fail != nil {
		return nil, "", fail
	}
	if model != "" && model != own {
		return nil, "", vectorstores.ErrNoEmbedding
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = make([]float32, dims)
		for _, r := range strings.ToLower(text) {
			vectors[i][int(r)%dims]++
		}
	}
	return vectors, own, nil
}

// change changes the embedder under its lock.
func (e *embedder) change(f func(*embedder)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e)
}

func (e *embedder) texts() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Concat(e.asked...)
}

// open makes a world whose service has not been started.
func open(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), embedder: &embedder{model: "up/letters", dims: 32}, now: time.Now}
	w.open()
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) open() {
	logger := slog.New(slog.NewTextHandler(&w.logs, nil))
	var err error
	w.db, err = store.Open(context.Background(), store.Options{Dir: w.dir, Durability: store.Normal, Logger: logger})
	require.NoError(w.t, err)
	blobs, err := files.OpenBlobs(filepath.Join(w.dir, "files"))
	require.NoError(w.t, err)
	w.files = files.NewService(w.db, blobs, w.now)
	w.stores = vectorstores.NewService(vectorstores.Options{
		Store: w.db, Files: w.files, Extractor: extract.New(extract.Options{}), Index: index.New(w.db, index.Options{}),
		Embedder: w.embedder, Logger: logger, Now: func() time.Time { return w.now() },
	})
	w.files.OnDelete(w.stores.FilesDeleted)
}

func (w *world) close() {
	w.stores.Stop()
	require.NoError(w.t, w.db.Close())
}

// restart ends the process, as far as the store can tell, and begins another.
func (w *world) restart() {
	w.close()
	w.open()
}

// upload adds a file to the project and returns its id.
func (w *world) upload(name, content string) string {
	w.t.Helper()
	d, err := w.files.Receive(strings.NewReader(content))
	require.NoError(w.t, err)
	body, err := w.files.Upload(w.t.Context(), project, "", files.Upload{Filename: name, Purpose: "assistants"}, d)
	require.NoError(w.t, err)
	var f files.File
	require.NoError(w.t, json.Unmarshal(body, &f))
	return f.ID
}

// store makes a vector store of files and returns its id.
func (w *world) store(fileIDs ...string) string {
	w.t.Helper()
	id := vectorstores.NewID(nil)
	_, err := w.stores.Create(w.t.Context(), project, id, vectorstores.Of(fileIDs))
	require.NoError(w.t, err)
	return id
}

func (w *world) get(id string) vectorstores.VectorStore {
	w.t.Helper()
	var v vectorstores.VectorStore
	decode(w.t, &v)(w.stores.Get(w.t.Context(), project, id))
	return v
}

// indexed waits until a file is no longer in progress.
func (w *world) indexed(storeID, fileID string) vectorstores.StoreFile {
	w.t.Helper()
	var f vectorstores.StoreFile
	decode(w.t, &f)(w.stores.WaitFile(w.t.Context(), project, storeID, fileID, time.Hour))
	return f
}

func decode(t testing.TB, v any) func(json.RawMessage, error) {
	return func(body json.RawMessage, err error) {
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(body, v))
	}
}

// find answers the texts found in stores.
func (w *world) find(query string, storeIDs ...string) (texts []string) {
	w.t.Helper()
	found, err := w.stores.Find(w.t.Context(), project, vectorstores.Find{Stores: storeIDs, Queries: []string{query}, MaxResults: 50})
	require.NoError(w.t, err)
	for _, f := range found {
		texts = append(texts, f.Text)
	}
	return texts
}

// long is a text of more chunks than are stored at once.
func long(paragraphs int) string {
	var text strings.Builder
	for i := range paragraphs {
		text.WriteString(strings.Repeat(fmt.Sprintf("w%d ", i), 40) + "\n\n")
	}
	return text.String()
}

// small cuts files into the smallest chunks.
var small = vectorstores.Chunking{Type: "static", Static: vectorstores.StaticChunking{Size: 100}}
