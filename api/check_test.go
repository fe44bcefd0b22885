package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	requestIDForm = regexp.MustCompile(`^(req_[0-9a-f]{32}|[A-Za-z0-9_.-]{1,128})$`)
	filesRoute    = regexp.MustCompile(`^(/v1|/openai|/openai/v1)/files(/|$)`)
	wholeNumber   = regexp.MustCompile(`^[0-9]+$`)
)

// check is what every answer must pass, whatever it is about.
func check(t testing.TB, r *http.Request, a reply) {
	t.Helper()
	what := fmt.Sprintf("%s %s -> %d %s", r.Method, r.URL.Path, a.status, a.body)
	require.Regexp(t, requestIDForm, a.header.Get("X-Request-Id"), what)
	require.Equal(t, "2020-10-01", a.header.Get("Openai-Version"), what)
	require.Regexp(t, wholeNumber, a.header.Get("Openai-Processing-Ms"), what)
	kind := a.header.Get("Content-Type")
	switch {
	case r.Method == http.MethodHead || a.status == http.StatusNoContent:
		require.Empty(t, a.body, what)
	case strings.HasPrefix(kind, "text/event-stream"):
		require.Equal(t, http.StatusOK, a.status, what)
		for _, e := range readEvents(t, a.body) {
			published.event(t, r, e)
		}
	case a.status == http.StatusOK && strings.HasSuffix(r.URL.Path, "/content"): // a file's own bytes
	case a.status == http.StatusOK && r.Header.Get("Understudy-Dry-Run") == "true": // an object of our own
	default:
		require.Equal(t, "application/json", kind, what)
		require.True(t, json.Valid(a.body), what)
		if a.status != http.StatusOK {
			checkEnvelope(t, r, a)
		}
		published.answer(t, r, a)
	}
}

// checkEnvelope asserts the one shape every error has.
func checkEnvelope(t testing.TB, r *http.Request, a reply) {
	t.Helper()
	require.GreaterOrEqual(t, a.status, 400)
	members := "error"
	if filesRoute.MatchString(r.URL.Path) && a.status != http.StatusMethodNotAllowed {
		members = "error detail" // the files routes say it twice
	}
	require.Equal(t, members, keyOrder(t, a.body))
	require.Equal(t, "message type param code", keyOrder(t, []byte(raw(t, a.body, "error"))))
	require.NotEmpty(t, a.text("error.message"))
	want := "invalid_request_error"
	if a.status >= 500 {
		want = "server_error"
	}
	require.Equal(t, want, a.text("error.type"))
}

// sentEvent is one server-sent event.
type sentEvent struct {
	name string
	data []byte
	id   string // "" = none
}

// unstored are the names of events that no commit has made durable when they
// are told.
var unstored = regexp.MustCompile(`^(error|done|thread\.run\.in_progress|thread\.(message|run\.step)\.(created|in_progress|delta))$`)

// readEvents reads a stream strictly: each event is two lines and a blank one,
// the last is done, and between them there are at most comments. In front of a
// stored event stands its id, and these count up.
func readEvents(t testing.TB, stream []byte) []sentEvent {
	t.Helper()
	text, ended := strings.CutSuffix(string(stream), "\n\n")
	require.True(t, ended, "a stream ends with an empty line: %q", text)
	var events []sentEvent
	last := ""
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(block, ":") {
			require.NotContains(t, block, "\n")
			continue
		}
		first, rest, _ := strings.Cut(block, "\n")
		id, hasID := strings.CutPrefix(first, "id: ")
		if hasID {
			block = rest
			require.Regexp(t, wholeNumber, id)
			require.True(t, last == "" || len(id) > len(last) || id > last, "%s behind %s", id, last)
			last = id
		} else {
			id = ""
		}
		lines := strings.Split(block, "\n")
		require.Len(t, lines, 2, block)
		name, isName := strings.CutPrefix(lines[0], "event: ")
		data, isData := strings.CutPrefix(lines[1], "data: ")
		require.True(t, isName && isData, block)
		require.Equal(t, !hasID, unstored.MatchString(name), "%s with the id %q", name, id)
		events = append(events, sentEvent{name, []byte(data), id})
	}
	require.Equal(t, sentEvent{"done", []byte("[DONE]"), ""}, events[len(events)-1])
	return events
}

// names lists the events' names; runs of deltas count as one.
func names(events []sentEvent) []string {
	var list []string
	for _, e := range events {
		if n := len(list); n == 0 || list[n-1] != e.name || !strings.HasSuffix(e.name, ".delta") {
			list = append(list, e.name)
		}
	}
	return list
}
