package archive

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files"
	"understudy/store"
)

// emptyStore is a new database with a place for files.
func emptyStore(t *testing.T) (*store.DB, *files.Blobs) {
	t.Helper()
	data := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Dir: data, Durability: store.Normal, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	blobs, err := files.OpenBlobs(filepath.Join(data, "files"))
	require.NoError(t, err)
	return db, blobs
}

// dumpOf is a directory with the files.
func dumpOf(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// imported imports a dump into a new database.
func imported(t *testing.T, contents map[string]string) (*store.DB, Report) {
	t.Helper()
	db, blobs := emptyStore(t)
	report, err := ImportDump(t.Context(), db, blobs, Options{}, dumpOf(t, contents))
	require.NoError(t, err)
	return db, report
}

// objects are the objects of a kind, in the order in which an export has them.
func objects(t *testing.T, db *store.DB, kind string) (all []string) {
	t.Helper()
	require.NoError(t, db.Export(t.Context(), func(e store.Entry) error {
		if e.Kind == kind {
			all = append(all, string(e.Object))
		}
		return nil
	}))
	return all
}

// ids are those of the objects of a kind.
func ids(t *testing.T, db *store.DB, kind string) (all []string) {
	t.Helper()
	for _, object := range objects(t, db, kind) {
		var o struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(object), &o))
		all = append(all, o.ID)
	}
	return all
}

// TestBadDumps names the file, the line and the reason, and keeps nothing.
func TestBadDumps(t *testing.T) {
	thread := `{"id":"thread_1","object":"thread","created_at":1,"metadata":{}}`
	for name, c := range map[string]struct{ file, text, says string }{
		"no JSON":               {"a.json", "[\n{]", "a.json: line 2: invalid character ']'"},
		"nothing of this API":   {"a.json", `{"a":1} 7 "x" [true]`, "no file below it holds objects"},
		"a later layout":        {"a.json", `{"export_schema":"assistants-thread-export/v2"}`, `a.json: line 1: the layout "assistants-thread-export/v2" is unknown`},
		"a thread without type": {"a.json", `{"id":"thread_1","object":"thread","created_at":1,"metadata":7}`, "a.json: line 1: thread thread_1: "},
		"an absent thread":      {"a.jsonl", thread + "\n" + `{"id":"msg_1","object":"thread.message","thread_id":"thread_2","role":"user","content":[]}`, `a.jsonl: line 2: thread.message msg_1: it belongs to the thread "thread_2"`},
	} {
		t.Run(name, func(t *testing.T) {
			db, blobs := emptyStore(t)
			_, err := ImportDump(t.Context(), db, blobs, Options{}, dumpOf(t, map[string]string{c.file: c.text}))
			require.ErrorContains(t, err, c.says)
			_, err = db.Thread(t.Context(), "default", "thread_1")
			require.Error(t, err, "something was kept")
		})
	}
}

// TestByteOrderMark: files begin with one where some editors and shells wrote them.
func TestByteOrderMark(t *testing.T) {
	db, _ := imported(t, map[string]string{
		"a.json":  "\ufeff" + `{"id":"thread_a","object":"thread","created_at":1}`,
		"b.jsonl": "\ufeff" + `{"id":"thread_b","object":"thread","created_at":2}` + "\n",
	})
	require.Equal(t, []string{"thread_a", "thread_b"}, ids(t, db, "thread"))
}

// TestLinkToADump: the directory may be named by a link.
func TestLinkToADump(t *testing.T) {
	db, blobs := emptyStore(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dumpOf(t, map[string]string{"1.json": `{"id":"thread_1","object":"thread","created_at":1}`}), link))
	_, err := ImportDump(t.Context(), db, blobs, Options{}, link)
	require.NoError(t, err)
	require.Equal(t, []string{"thread_1"}, ids(t, db, "thread"))
}
