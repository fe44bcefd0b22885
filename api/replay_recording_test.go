package api_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exchange is one recorded request with the hosted API's answer.
type exchange struct {
	Session     string          `json:"session"`
	Method      string          `json:"method"`
	Path        string          `json:"path"`
	Beta        string          `json:"beta"` // "" where the route knows no versions
	Status      int             `json:"status"`
	ContentType string          `json:"content_type"`
	Request     json.RawMessage `json:"request"`  // a JSON body, or text: "" for none, or multipart
	Response    json.RawMessage `json:"response"` // a JSON body, or text: server-sent events, or a file's content
}

// recordedID finds the ids of objects in paths and bodies.
var recordedID = regexp.MustCompile(`\b(?:asst|thread|msg|run|step|call|file|vs|upload|part)[_-][A-Za-z0-9]{16,}\b`)

// route is the exchange's method and path without its ids and query.
func (x *exchange) route() string {
	path, _, _ := strings.Cut(x.Path, "?")
	return x.Method + " " + recordedID.ReplaceAllString(path, "*")
}

func (x *exchange) streamed() bool { return strings.HasPrefix(x.ContentType, "text/event-stream") }

// body is the recorded request's body, "" for none.
func (x *exchange) body() string { return textOr(x.Request) }

// answer is the recorded answer's body.
func (x *exchange) answer() string { return textOr(x.Response) }

// textOr is what a JSON string holds, or the JSON itself when it is none.
func textOr(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil { // null leaves ""
		return text
	}
	return string(raw)
}

// object is what the replay needs to know of an object in an answer.
type object struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	RunID         string  `json:"run_id"`
	AssistantID   string  `json:"assistant_id"`
	Status        string  `json:"status"`
	Model         string  `json:"model"`
	Instructions  *string `json:"instructions"`
	VectorStoreID string  `json:"vector_store_id"`
	Content       []struct {
		Text struct {
			Value string `json:"value"`
		} `json:"text"`
	} `json:"content"`
	RequiredAction *struct {
		Submit struct {
			ToolCalls []recordedCall `json:"tool_calls"`
		} `json:"submit_tool_outputs"`
	} `json:"required_action"`
	Type  string          `json:"type"`
	Usage json.RawMessage `json:"usage"`
}

type recordedCall struct {
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// page is an answer that lists objects.
type page struct {
	Object  string            `json:"object"`
	Data    []json.RawMessage `json:"data"`
	HasMore bool              `json:"has_more"`
}

// shown are the texts of the objects in an answer: of those it lists, of the
// one it is, or of the one its stream begins with.
func (x *exchange) shown(t testing.TB) []string {
	t.Helper()
	if x.streamed() {
		return []string{string(recordedEvents(t, x.answer())[0].data)}
	}
	if x.ContentType != "application/json" {
		return nil
	}
	var list page
	require.NoError(t, json.Unmarshal(x.Response, &list))
	if list.Object != "list" {
		return []string{x.answer()}
	}
	texts := make([]string, len(list.Data))
	for i, raw := range list.Data {
		texts[i] = string(raw)
	}
	return texts
}

// objects are the objects in an answer.
func (x *exchange) objects(t testing.TB) []object {
	t.Helper()
	texts := x.shown(t)
	all := make([]object, len(texts))
	for i, text := range texts {
		require.NoError(t, json.Unmarshal([]byte(text), &all[i]))
	}
	return all
}

// makes is the id of the object that a request made, "" when it made none.
func (x *exchange) makes(t testing.TB) string {
	t.Helper()
	if x.Method != "POST" || x.Status != 200 {
		return ""
	}
	return x.objects(t)[0].ID
}

// recording is one session, with the exchanges of the sessions that made the
// objects it is about.
type recording struct {
	name      string
	sessions  int // how many recorded sessions it is made of
	exchanges []*exchange
	setups    []*exchange
}

// all are the recording's exchanges, those that prepare it first.
func (r *recording) all() []*exchange { return slices.Concat(r.setups, r.exchanges) }

// readRecordings reads exchanges.jsonl. Recordings of ruby-openai keep what
// prepares an example in sessions of their own, named after the example's.
func readRecordings(t testing.TB, dir string) []*recording {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "recorded", "exchanges.jsonl"))
	require.NoError(t, err)
	defer file.Close()

	var names []string
	sessions := map[string][]*exchange{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		x := &exchange{}
		require.NoError(t, json.Unmarshal(lines.Bytes(), x))
		require.NotEmpty(t, x.Session, "an exchange without a session cannot be replayed")
		if sessions[x.Session] == nil {
			names = append(names, x.Session)
		}
		sessions[x.Session] = append(sessions[x.Session], x)
	}
	require.NoError(t, lines.Err())

	byName := map[string]*recording{}
	var all []*recording
	for _, name := range names {
		if preparedBy(name, sessions) == "" {
			byName[name] = &recording{name: name, sessions: 1, exchanges: sessions[name]}
			all = append(all, byName[name])
		}
	}
	for _, name := range names {
		if of := byName[preparedBy(name, sessions)]; of != nil {
			of.sessions++
			of.setups = append(of.setups, sessions[name]...)
		}
	}
	return all
}

// preparedBy returns the session that a session prepares, "" when it stands for
// itself.
func preparedBy(name string, sessions map[string][]*exchange) string {
	if !strings.HasSuffix(name, "_setup") && !strings.HasSuffix(name, "_upload") {
		return ""
	}
	longest := ""
	for other := range sessions {
		if strings.HasPrefix(name, other+"_") && len(other) > len(longest) {
			longest = other
		}
	}
	return longest
}
