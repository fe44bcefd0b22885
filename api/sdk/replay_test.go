//go:build sdk

package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/sdk/sdktest"
	"understudy/runs/chat/builtin"
)

// sameScript are suites whose cases a newer version of their SDK has, too: to
// replay them again would take long and show little.
var sameScript = []string{"openai-python 1.109.1", "npm openai 4.104.0"}

// TestReplay runs the suites against servers that record, and again against
// servers that replay, when the backend is gone. The second time everything must
// pass that passed, and the clients must see the same: ids and times included.
func TestReplay(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	dir := installed(os.Getenv("SDK_DIR"))
	if dir == "" {
		dir = installed(filepath.Join(root, ".sdk"))
	}
	binary := build(t, root)
	for _, s := range suites {
		if slices.Contains(sameScript, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			command, err := s.command(dir)
			if err != nil {
				t.Skip(err) // TestSDK says so
			}
			tapes := t.TempDir()
			session := func(name, flag, backend string) (seen map[string][]string, passed int64) {
				t.Run(name, func(t *testing.T) {
					data := t.TempDir()
					configFile, keyed := filepath.Join(data, "config.yaml"), filepath.Join(data, "keyed")
					require.NoError(t, os.WriteFile(configFile, config(backend), 0o600))
					tape := &tape{seen: map[string][]string{}}
					watched := servers{key: newKey(t, binary, keyed)}
					watched.open = tape.watch(t, "open", serve(t, binary, "--config", configFile, flag, filepath.Join(tapes, "open")))
					watched.keyed = tape.watch(t, "keyed", serve(t, binary, "--config", configFile, flag, filepath.Join(tapes, "keyed"), "--data", keyed, "--auth", "keys"))
					passed, _ = s.run(t, command, root, watched)
					seen = tape.told()
				})
				return seen, passed
			}
			backend := httptest.NewServer(builtin.New(builtin.Options{}))
			live, passed := session("record", "--record", backend.URL+"/v1")
			backend.CloseClientConnections()
			backend.Close()
			replayed, again := session("replay", "--replay", "http://127.0.0.1:1/v1")
			require.Equal(t, passed, again)
			differ := 0
			for _, call := range slices.Sorted(maps.Keys(live)) {
				if !slices.EqualFunc(live[call], replayed[call], alike) {
					differ++
					t.Errorf("%s\nrecorded %s\nreplayed %s", call, live[call], replayed[call])
				}
			}
			require.Len(t, replayed, len(live))
			fmt.Fprintf(os.Stdout, "replay %s: %d passed, and %d of %d calls were answered the same again\n", s.name, again, len(live)-differ, len(live))
		})
	}
}

// tape is what clients are told, by what they asked.
type tape struct {
	mu   sync.Mutex
	seen map[string][]string
}

// watch puts a proxy before a server and returns its base URL.
func (a *tape) watch(t *testing.T, name, baseURL string) string {
	t.Helper()
	server := httptest.NewServer(sdktest.Forward(t, strings.TrimSuffix(baseURL, "/v1"), func(res *http.Response) error {
		call := name + " " + res.Request.Method + " " + res.Request.URL.RequestURI()
		res.Body = &heard{ReadCloser: res.Body, end: func(body []byte) { a.add(call, res.StatusCode, body) }}
		return nil
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1"
}

func (a *tape) add(call string, status int, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[call] = append(a.seen[call], fmt.Sprintf("%d %s", status, settled(call, body)))
}

// told is what was seen, but for what is up to the machine: how often a client
// reads the same thing again and again, so that the last answer counts; and the
// order in which the SDKs' helpers for batches upload their files, at the same
// moment, and hence the batch; and what other cases have made by the time a case
// lists all there is.
func (a *tape) told() map[string][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for call, answers := range a.seen {
		if strings.Contains(call, " GET ") {
			a.seen[call] = answers[len(answers)-1:]
		}
		slices.Sort(a.seen[call])
		if strings.Contains(call, "/file_batches") || wholeProject.MatchString(call) {
			delete(a.seen, call)
		}
	}
	return a.seen
}

// heard is a body that is told at its end.
type heard struct {
	io.ReadCloser
	body bytes.Buffer
	end  func(body []byte)
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.body.Write(p[:n])
	return n, err
}

func (h *heard) Close() error {
	h.end(h.body.Bytes())
	return h.ReadCloser.Close()
}

var (
	delta    = regexp.MustCompile(`(?m)(^id: .*\n)?^event: thread\.[a-z.]*delta\ndata: .*\n\n`)
	canceled = regexp.MustCompile(`"(status":"cancell(ing|ed)"|cancelled_at":(null|\d+))`)
)

// wholeProject matches lists of everything.
var wholeProject = regexp.MustCompile(` GET (/openai)?(/v1)?/(assistants|files|vector_stores)(\?|$)`)

// alike compares two answers. Of a stream that its client left, one may have come
// further than the other.
func alike(a, b string) bool {
	left := func(stream string) bool {
		return strings.Contains(stream, "event: ") && !strings.Contains(stream, "event: done\n")
	}
	return a == b || left(a) && strings.HasPrefix(b, a) || left(b) && strings.HasPrefix(a, b)
}

// settled is an answer without what is up to the machine: how a text is cut into
// deltas, and how far a run has come that is being cancelled.
func settled(call string, body []byte) string {
	if i := bytes.LastIndex(body, []byte("\n\n")); i >= 0 && bytes.HasPrefix(body, []byte("id: ")) {
		body = body[:i+2] // half an event is none
	}
	text := delta.ReplaceAllString(string(body), "")
	if strings.HasSuffix(call, "/cancel") {
		text = canceled.ReplaceAllString(text, "")
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(text), "", " ") == nil { // what was relayed may have lost its white space
		return indented.String()
	}
	return text
}
