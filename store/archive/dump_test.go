package archive

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files"
	"understudy/store"
)

func newDump() *dump {
	return &dump{objects: map[string][]*dumped{}, seen: map[string]bool{}, content: map[string]string{}, left: map[string]int{}}
}

func message(id, thread string, at int64) string {
	return fmt.Sprintf(`{"id":%q,"object":"thread.message","created_at":%d,"thread_id":%q}`, id, at, thread)
}

// TestOrderOfADump: lists are newest first unless their times or their layout
// say otherwise, also within one second and over several pages.
func TestOrderOfADump(t *testing.T) {
	for name, c := range map[string]struct {
		oldestFirst bool
		pages       []string
		want        []string
	}{
		"newest first":             {false, []string{message("c", "t", 3) + "," + message("b", "t", 2), message("a", "t", 1)}, []string{"a", "b", "c"}},
		"oldest first":             {false, []string{message("a", "t", 1) + "," + message("b", "t", 1) + "," + message("c", "t", 2)}, []string{"a", "b", "c"}},
		"within a second":          {false, []string{message("c", "t", 1) + "," + message("b", "t", 1), message("a", "t", 1)}, []string{"a", "b", "c"}},
		"within a second, known":   {true, []string{message("a", "t", 1) + "," + message("b", "t", 1)}, []string{"a", "b"}},
		"pages that overlap":       {false, []string{message("c", "t", 3) + "," + message("b", "t", 2), message("b", "t", 2) + "," + message("a", "t", 1)}, []string{"a", "b", "c"}},
		"threads of the same time": {false, []string{message("b", "t", 1) + "," + message("a", "t", 1), message("d", "u", 1) + "," + message("c", "u", 1)}, []string{"a", "b", "c", "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDump()
			for _, page := range c.pages {
				require.NoError(t, d.take([]byte(`[`+page+`]`), "here", c.oldestFirst))
			}
			var ids []string
			for _, o := range d.inOrder("thread.message") {
				ids = append(ids, o.known.ID)
			}
			require.Equal(t, c.want, ids)
		})
	}
}

func TestOverlayKeepsWhatWasGiven(t *testing.T) {
	given := &dumped{raw: []byte(`{"object":"file","id":"file-1","bytes": 3,"status":null,"steps":[1],"filename":"a b"}`)}
	object, err := shown(given, &files.File{Status: "processed"})
	require.NoError(t, err)
	require.Equal(t, `{"object":"file","id":"file-1","purpose":"","filename":"a b","bytes":3,"created_at":0,"expires_at":null,"status":"processed","status_details":null}`, string(object))
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
			dir, data := t.TempDir(), t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600))
			db, err := store.Open(t.Context(), store.Options{Dir: data, Durability: store.Normal, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			blobs, err := files.OpenBlobs(filepath.Join(data, "files"))
			require.NoError(t, err)
			_, err = ImportDump(t.Context(), db, blobs, Options{}, dir)
			require.ErrorContains(t, err, c.says)
			_, err = db.Thread(t.Context(), "default", "thread_1")
			require.Error(t, err, "something was kept")
		})
	}
}
