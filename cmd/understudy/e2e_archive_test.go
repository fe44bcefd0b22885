package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// TestArchives drives what takes data out of a server and into another.
func TestArchives(t *testing.T) {
	built := build(t)
	for name, scenario := range map[string]func(*testing.T, program){
		"a round trip": testRoundTrip,
		"damage":       testDamagedArchive,
		"a dump":       testDump,
		"a backup":     testBackup,
		"erasing":      testErase,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, built)
		})
	}
}

// testRoundTrip fills a server with every kind of object, exports while it
// serves, imports into an empty directory, and asks both everything.
func testRoundTrip(t *testing.T, p program) {
	from, to := t.TempDir(), t.TempDir()
	projects := []string{"default", "support"}
	a := p.serve(t, from, nil, "--auth=keys")
	original := map[string]string{}
	for _, project := range projects {
		a.as(p.key(t, from, project))
		a.fill(t)
		a.crawl(t, project, original)
	}
	require.Greater(t, len(original), 200)

	file := filepath.Join(t.TempDir(), "understudy.ndjson")
	exported, code := p.run(t, nil, "export", "--data="+from, file)
	require.Zero(t, code, exported.stderr)
	require.Regexp(t, `thread\.run +1[0-9]\n`, exported.stderr.String())
	streamed, code := p.run(t, nil, "export", "--data="+from)
	require.Zero(t, code)
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, lines(string(written)), lines(streamed.stdout.String()))

	tried, code := p.run(t, nil, "import", "--data="+to, "--dry-run", file)
	require.Zero(t, code, tried.stderr)
	require.NoFileExists(t, filepath.Join(to, "understudy.db"))
	astray, code := p.run(t, nil, "import", "--data="+filepath.Join(file, "data"), "--dry-run", file)
	require.NotZero(t, code, "what cannot be looked into is not empty")
	require.Contains(t, astray.stderr.String(), "not a directory")
	first, code := p.run(t, nil, "import", "--data="+to, file)
	require.Zero(t, code, first.stderr)
	require.Equal(t, "Nothing was imported; without --dry-run it would be:\n"+first.stdout.String(), tried.stdout.String())
	requireTwin(t, p, to, projects, original)

	second, code := p.run(t, nil, "import", "--data="+to, file)
	require.Zero(t, code, second.stderr)
	for _, row := range strings.Split(strings.TrimSpace(second.stdout.String()), "\n")[1:] {
		require.Regexp(t, `^[a-z._]+ +0 +\d+ +0$`, row)
	}
	requireTwin(t, p, to, projects, original)
	copied, code := p.run(t, nil, "export", "--data="+to)
	require.Zero(t, code, copied.stderr)
	require.Equal(t, chunks(t, string(written)), chunks(t, copied.stdout.String()), "what searches look at")
	requireNoKeys(t, p, file, from)
}

// lines are how many lines of each kind there are; the first has a time.
func lines(text string) map[string]int {
	kinds := map[string]int{}
	for line := range strings.SplitSeq(text, "\n") {
		var l struct{ Kind string }
		_ = json.Unmarshal([]byte(line), &l) // the last is empty
		kinds[l.Kind]++
	}
	return kinds
}

// chunks are the chunks in an archive, vectors and all.
func chunks(t *testing.T, text string) (all []string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		var l struct{ Chunks []json.RawMessage }
		_ = json.Unmarshal([]byte(line), &l) // the last is empty
		for _, c := range l.Chunks {
			all = append(all, string(c))
		}
	}
	require.Contains(t, text, `"vector":"`)
	return all
}

// requireTwin serves a directory and compares its every answer.
func requireTwin(t *testing.T, p program, data string, projects []string, original map[string]string) {
	t.Helper()
	b := p.serve(t, data, nil, "--auth=keys")
	copied := map[string]string{}
	for _, project := range projects {
		b.as(p.key(t, data, project)).crawl(t, project, copied)
	}
	for path, body := range original {
		require.Equal(t, body, copied[path], path)
	}
	require.Len(t, copied, len(original))
	b.insist(t, syscall.SIGINT)
}

// requireNoKeys looks for keys, and what is kept of them, in an archive.
func requireNoKeys(t *testing.T, p program, file, data string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	listed, code := p.run(t, nil, "keys", "list", "--json", "--data="+data)
	require.Zero(t, code)
	for line := range strings.Lines(listed.stdout.String()) {
		var key struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(line), &key))
		require.NotContains(t, string(text), key.ID)
	}
}

// key makes a key for a project of a data directory.
func (p program) key(t *testing.T, data, project string) string {
	t.Helper()
	made, code := p.run(t, nil, "keys", "create", "--data="+data, "--project="+project)
	require.Zero(t, code, made.stderr)
	return strings.TrimSpace(made.stdout.String())
}

// fill makes every kind of object, and runs of every kind of end that the
// built-in model can bring about.
func (s *server) fill(t *testing.T) {
	t.Helper()
	handbook := s.upload(t, "handbook.md", "# Leave\n\nEverybody has thirty days of leave, taken by March.\n\n# Tea\n\nTea is at four.\n")
	_ = s.upload(t, "empty.txt", "")
	large := s.upload(t, "large.bin", strings.Repeat("0123456789abcdef<&>\x00", 50_000))
	s.remove(t, "/files/"+large)
	large = s.upload(t, "large.bin", strings.Repeat("0123456789abcdef<&>\x00", 50_000))
	require.NotEmpty(t, large)

	vs := s.make(t, "/vector_stores", map[string]any{"name": "Handbooks <&>", "metadata": map[string]string{"k": "ä"}, "expires_after": map[string]any{"anchor": "last_active_at", "days": 3}})
	gone := s.make(t, "/vector_stores", map[string]any{"file_ids": []string{handbook}})
	s.indexed(t, gone)
	s.remove(t, "/vector_stores/"+gone)
	s.make(t, "/vector_stores/"+vs+"/file_batches", map[string]any{"file_ids": []string{handbook}, "attributes": map[string]any{"year": 2026}})
	s.indexed(t, vs)
	broken := s.upload(t, "broken.pdf", "no PDF at all")
	s.make(t, "/vector_stores/"+vs+"/files", map[string]any{"file_id": broken})
	s.indexed(t, vs)

	plain, weather := s.assistant(t), s.assistant(t, function("get_weather", "city"))
	searcher := s.make(t, "/assistants", map[string]any{"model": "gpt-4o", "tools": []any{map[string]string{"type": "file_search"}}, "tool_resources": map[string]any{"file_search": map[string]any{"vector_store_ids": []string{vs}}}})
	s.remove(t, "/assistants/"+s.assistant(t))
	s.fillThreads(t, plain, weather, searcher, handbook)
}

func (s *server) fillThreads(t *testing.T, plain, weather, searcher, handbook string) {
	t.Helper()
	thread := s.thread(t, "Hello, \u2028 <b>ä</b> 😀")
	s.ends(t, s.begin(t, thread, plain), openai.RunStatusCompleted)
	s.remove(t, "/threads/"+thread+"/messages/"+s.make(t, "/threads/"+thread+"/messages", map[string]any{"role": "user", "content": "Forget this."}))
	s.make(t, "/threads/"+thread+"/messages", map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "text", "text": "Look:"}, map[string]any{"type": "image_url", "image_url": map[string]string{"url": "data:image/png;base64,iVBORw0KGgo="}},
	}, "metadata": map[string]string{"a": "b"}})
	limited := s.make(t, "/threads/"+thread+"/runs", map[string]any{"assistant_id": plain, "max_prompt_tokens": 1, "metadata": map[string]string{"x": "y"}})
	s.settle(t, thread, limited)
	s.remove(t, "/threads/"+s.thread(t, "Forget this thread."))

	asks := s.thread(t, "What is the weather in Oslo?")
	called := s.begin(t, asks, weather)
	s.submit(t, s.ends(t, called, openai.RunStatusRequiresAction), "12 degrees")
	s.ends(t, called, openai.RunStatusCompleted)
	s.ends(t, s.begin(t, s.thread(t, "What is the weather in Rome?"), weather), openai.RunStatusRequiresAction) // and stays so
	cancelled := s.begin(t, s.thread(t, "What is the weather in Bonn?"), weather)
	s.ends(t, cancelled, openai.RunStatusRequiresAction)
	s.make(t, "/threads/"+cancelled.ThreadID+"/runs/"+cancelled.ID+"/cancel", nil)
	s.ends(t, cancelled, openai.RunStatusCancelled)

	searches := s.thread(t, "How many days of leave are there?")
	s.make(t, "/threads/"+searches+"/messages", map[string]any{"role": "user", "content": "See this.", "attachments": []any{
		map[string]any{"file_id": handbook, "tools": []any{map[string]string{"type": "file_search"}}},
	}})
	s.ends(t, s.begin(t, searches, searcher), openai.RunStatusCompleted)
	s.ends(t, s.begin(t, thread, plain), openai.RunStatusCompleted) // the newest run on the oldest thread
}

func (s *server) remove(t *testing.T, path string) {
	t.Helper()
	require.Equal(t, http.StatusOK, s.send(t, http.MethodDelete, path, nil).status, path)
}

// upload makes a file of the purpose assistants.
func (s *server) upload(t *testing.T, name, content string) string {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("purpose", "assistants"))
	part, err := form.CreateFormFile("file", name)
	require.NoError(t, err)
	_, err = part.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.api+"/files", &body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Authorization", "Bearer "+s.key)
	response, err := s.http.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var made struct{ ID string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&made))
	require.NotEmpty(t, made.ID)
	return made.ID
}

// indexed waits, by held requests, until no file of a store is being indexed.
func (s *server) indexed(t *testing.T, store string) {
	t.Helper()
	list := s.send(t, http.MethodGet, "/vector_stores/"+store+"/files", nil)
	for _, id := range identities(t, list.body) {
		held := s.send(t, http.MethodGet, "/vector_stores/"+store+"/files/"+id, nil, "Prefer: wait=20")
		require.NotContains(t, held.body, `"in_progress"`)
	}
}

// identities are the ids of a list's objects.
func identities(t *testing.T, list string) []string {
	t.Helper()
	var page struct{ Data []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(list), &page), list)
	var ids []string
	for _, o := range page.Data {
		ids = append(ids, o.ID)
	}
	return ids
}

// below says which paths lie below an object of a list, which itself is at %s.
var below = map[string][]string{
	"/assistants":    {"", "/files"},
	"/files":         {"", "/content"},
	"/threads":       {"", "/messages", "/runs"},
	"/messages":      {"", "/files"},
	"/runs":          {"", "/steps", "/context"},
	"/steps":         {""},
	"/vector_stores": {"", "/files?filter=completed", "/files?filter=failed", "/files"},
}

// crawl asks for everything there is, in both versions of the API, and keeps the
// answers by project, version and path.
func (s *server) crawl(t *testing.T, project string, into map[string]string) {
	t.Helper()
	get := func(path string) string {
		for _, version := range []string{"v2", "v1"} {
			a := s.send(t, http.MethodGet, path, nil, "OpenAI-Beta: assistants="+version)
			into[project+" "+version+" "+path] = fmt.Sprintln(a.status, a.header.Get("Content-Type"), a.header.Get("Content-Disposition")) + a.body
		}
		return s.send(t, http.MethodGet, path, nil).body
	}
	var list func(path string)
	list = func(path string) {
		body := get(path)
		if strings.Contains(path, "?") || !strings.HasPrefix(body, `{"object":"list"`) {
			return
		}
		get(path + "?order=asc")
		get(path + "?limit=2")
		name := path[strings.LastIndex(path, "/"):]
		if strings.HasPrefix(path, "/vector_stores/") {
			name = "/steps" // a file in a store has nothing below that has a list
		}
		for _, id := range identities(t, body) {
			get(path + "?limit=1&after=" + id)
			get(path + "?limit=1&before=" + id)
			for _, sub := range below[name] {
				list(path + "/" + id + sub)
			}
			if name == "/steps" && strings.HasPrefix(path, "/vector_stores/") {
				get(path + "/" + id + "/content")
			}
		}
	}
	for _, root := range []string{"/assistants", "/threads", "/files", "/vector_stores", "/models"} {
		list(root)
	}
	for _, id := range identities(t, get("/x/runs?limit=100")) {
		get("/x/runs?limit=2&after=" + id)
	}
}

// testDamagedArchive: an archive that is not what was written says where, and
// leaves nothing behind.
func testDamagedArchive(t *testing.T, p program) {
	from := t.TempDir()
	a := p.serve(t, from, nil)
	a.upload(t, "notes.txt", strings.Repeat("note ", 1000))
	a.thread(t, "Hello")
	exported, code := p.run(t, nil, "export", "--data="+from)
	require.Zero(t, code, exported.stderr)
	whole := exported.stdout.String()
	rows := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	last := len(rows)

	for name, c := range map[string]struct{ archive, says string }{
		"empty":               {"", "line 1: the archive ends before its last line: it was cut"},
		"cut between lines":   {strings.Join(rows[:last-1], ""), fmt.Sprintf("line %d: the archive ends before its last line: it was cut", last)},
		"cut inside a line":   {whole[:len(whole)-30], fmt.Sprintf("line %d: it ends in the middle: the archive was cut", last)},
		"cut inside a file":   {strings.Join(rows[:2], ""), "line 3: the archive ends before its last line"},
		"a changed object":    {strings.Replace(whole, "Hello", "Howdy", 1), fmt.Sprintf("line %d: its sum is wrong", last-1)},
		"a line taken out":    {strings.Join(append(rows[:2:2], rows[3:]...), ""), "line 3: its sum is wrong"},
		"lines that are more": {whole + "\n", fmt.Sprintf("line %d: something follows the end", last+1)},
		"something else":      {"{\"a\": 1}\n", "line 1: it does not begin with its sum"},
	} {
		t.Run(name, func(t *testing.T) {
			to, file := t.TempDir(), filepath.Join(t.TempDir(), "damaged.ndjson")
			require.NoError(t, os.WriteFile(file, []byte(c.archive), 0o600))
			failed, code := p.run(t, nil, "import", "--data="+to, file)
			require.Equal(t, 1, code)
			require.Contains(t, failed.stderr.String(), "nothing was imported: "+file+": "+c.says)
			left, err := os.ReadDir(to)
			require.NoError(t, err)
			require.Empty(t, left, "of the database and the directory for files")
		})
	}
	parent := t.TempDir()
	_, code = p.run(t, nil, "import", "--data="+filepath.Join(parent, "new", "data"), "/dev/null")
	require.Equal(t, 1, code)
	require.NoDirExists(t, filepath.Join(parent, "new"))
	require.DirExists(t, parent)
	own := filepath.Join(parent, "files", "own.txt")
	require.NoError(t, os.Mkdir(filepath.Dir(own), 0o700))
	require.NoError(t, os.WriteFile(own, nil, 0o600))
	_, code = p.run(t, nil, "import", "--data="+parent, "/dev/null")
	require.Equal(t, 1, code)
	require.FileExists(t, own, "what was there stays")
	require.NoFileExists(t, filepath.Join(parent, "understudy.db"))
	marked := filepath.Join(t.TempDir(), "marked.ndjson")
	require.NoError(t, os.WriteFile(marked, []byte("\ufeff"+whole), 0o600))
	twin := t.TempDir()
	for range 2 {
		imported, code := p.run(t, nil, "import", "--data="+twin, marked)
		require.Zero(t, code, "a byte order mark: "+imported.stderr.String())
	}
	_, code = p.run(t, nil, "import", "--data="+twin, "/dev/null")
	require.Equal(t, 1, code)
	require.FileExists(t, filepath.Join(twin, "understudy.db"), "what was imported before stays")
	busy, code := p.run(t, nil, "import", "--data="+from, "/dev/null")
	require.Equal(t, 1, code)
	require.Contains(t, busy.stderr.String(), "in use by another understudy")
}
