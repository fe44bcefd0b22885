package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/keys"
)

// replay sends one recording to a server of its own.
type replay struct {
	t      testing.TB
	rec    *recording
	server *testServer
	model  *scriptedModel
	turns  map[*exchange]*modelTurn
	ids    *idMap
	done   map[*exchange]bool
	found  []difference

	indexing sync.Once
}

// patience bounds what happens at once when it happens at all.
const patience = 20 * time.Second

// replayed plays a recording and returns in what it differs.
func replayed(t testing.TB, rec *recording) []difference {
	t.Helper()
	model := newScriptedModel(t)
	r := &replay{
		t: t, rec: rec, model: model, server: newServer(t, settings{model: model.ServeHTTP, idle: true}),
		turns: rec.script(t), ids: newIDMap(), done: map[*exchange]bool{},
	}
	for _, x := range rec.exchanges { // what is listed was there before the session added to it
		if listsAssistants(x) && r.ownPart(x) {
			r.populate(x)
		}
	}
	for _, x := range rec.exchanges {
		if listsAssistants(x) && !r.ownPart(x) {
			r.populate(x)
		}
		r.play(x)
	}
	for _, x := range rec.setups { // what was made for nothing
		r.play(x)
	}
	return r.found
}

// play sends an exchange again, after what it needs, and compares the answers.
func (r *replay) play(x *exchange) {
	if r.done[x] {
		return
	}
	r.done[x] = true
	for _, id := range recordedID.FindAllString(x.Path+" "+x.body(), -1) {
		r.provide(id, x)
	}
	for _, turn := range r.turns {
		if turn.shownIn == x {
			r.finish(turn, x)
		}
	}
	r.index(x)
	turn := r.turns[x]
	if turn != nil {
		r.model.turns <- turn
	}
	contentType, body := r.body(x)
	got := r.send(x.Method, x.Path, x.Beta, contentType, body)
	r.compare(x, got)
	if turn != nil {
		require.Equal(r.t, x.Status, got.status, "%s %s: %s", x.Method, x.Path, got.body)
		select { // only now is the run surely in progress
		case <-turn.asked:
		case <-time.After(patience):
			require.FailNow(r.t, "the model was not asked", "%s %s", x.Method, x.Path)
		}
	}
}

// index lets the files of vector stores be indexed that x shows completed, and
// waits for them; until then they are in progress, as the recorder was quick. By
// the time of a run all are: it waits for its thread's, and not for its
// assistant's.
func (r *replay) index(x *exchange) {
	if slices.Contains(runMade, x.route()) {
		r.indexing.Do(r.server.stores.Start)
		var list struct{ Data []struct{ ID string } }
		require.NoError(r.t, json.Unmarshal([]byte(r.send("GET", "/vector_stores?limit=100", x.Beta, "", nil).ok().body), &list))
		for _, store := range list.Data {
			require.NoError(r.t, r.server.stores.AwaitIndexed(r.t.Context(), keys.DefaultProject, []string{store.ID}))
		}
	}
	for _, o := range x.objects(r.t) {
		if o.Object != "vector_store.file" || o.Status != "completed" {
			continue
		}
		r.indexing.Do(r.server.stores.Start)
		r.send("GET", "/vector_stores/"+o.VectorStoreID+"/files/"+o.ID, x.Beta, "", nil, "Prefer", "wait=20").ok()
	}
}

// finish lets the model answer, and waits until the run has settled.
func (r *replay) finish(turn *modelTurn, x *exchange) {
	close(turn.released)
	run := r.ids.ours[turn.runID]
	require.NotEmpty(r.t, run, "the run %s is not known", turn.runID)
	thread := recordedID.FindString(x.Path)
	answer := r.send("GET", "/threads/"+thread+"/runs/"+run, x.Beta, "", nil, "Prefer", "wait=20")
	require.NotContains(r.t, []string{"queued", "in_progress"}, answer.text("status"), "the run did not settle")
}

// provide makes sure that a recorded id has one of ours: by the exchange that
// made it, or, when that was not recorded, by making the like of it.
func (r *replay) provide(id string, x *exchange) {
	if r.ids.ours[id] != "" {
		return
	}
	for _, setup := range r.rec.setups {
		if setup.makes(r.t) == id {
			r.play(setup)
			return
		}
	}
	switch kindOf(id) {
	case "asst_":
		r.make("/assistants", x.Beta, r.assistant(id), id)
	case "thread_":
		r.make("/threads", x.Beta, "{}", id)
	case "vs_":
		r.make("/vector_stores", x.Beta, "{}", id)
	case "call_": // of a run that did not exist, or not any more
	default:
		require.FailNow(r.t, "nothing in the recording makes "+id)
	}
}

// make creates an object that stands for a recorded one, and before it the
// vector stores that it names.
func (r *replay) make(path, beta, body, recorded string) {
	for _, id := range recordedID.FindAllString(body, -1) {
		if kindOf(id) == "vs_" && r.ids.ours[id] == "" {
			r.make("/vector_stores", beta, "{}", id)
		}
	}
	answer := r.send("POST", path, beta, "application/json", []byte(r.ids.rewritten(body))).ok()
	if recorded != "" {
		require.True(r.t, r.ids.learn(recorded, answer.text("id")), "two objects for %s", recorded)
	}
}

// writable are the members of an assistant that a client may set.
var writable = []string{
	"name", "description", "model", "instructions", "tools", "tool_resources", "file_ids",
	"metadata", "temperature", "top_p", "response_format", "reasoning_effort",
}

// assistant is the body that makes the like of a recorded assistant: as a list
// shows it, or as a run of it copied it, or as every example has it.
func (r *replay) assistant(id string) string {
	like := map[string]any{"model": "gpt-4", "name": "OpenAI-Ruby test assistant"}
	for _, x := range r.rec.all() {
		for i, o := range x.objects(r.t) {
			switch {
			case o.Object == "assistant" && o.ID == id:
				return only(x.shown(r.t)[i], writable)
			case o.Object == "thread.run" && o.AssistantID == id:
				like["model"], like["instructions"] = o.Model, o.Instructions
			}
		}
	}
	return encoded(like)
}

// only is a JSON object's text without the members that are not named.
func only(text string, names []string) string {
	var o, kept map[string]json.RawMessage
	_ = json.Unmarshal([]byte(text), &o) // it was one before
	kept = map[string]json.RawMessage{}
	for name, value := range o {
		if slices.Contains(names, name) {
			kept[name] = value
		}
	}
	return encoded(kept)
}

// listsAssistants reports whether x lists the assistants of the account, which
// had more than the session made.
func listsAssistants(x *exchange) bool { return x.route() == "GET /assistants" }

// ownPart reports whether x lists something that the session itself made.
func (r *replay) ownPart(x *exchange) bool {
	return slices.ContainsFunc(x.objects(r.t), func(o object) bool { return r.isOwn(o.ID) })
}

func (r *replay) isOwn(id string) bool {
	return slices.ContainsFunc(r.rec.exchanges, func(x *exchange) bool { return x.makes(r.t) == id })
}

// populate makes what the account had before, oldest first: what the list shows
// and the session did not make, and one more when the list has another page.
func (r *replay) populate(x *exchange) {
	var list page
	require.NoError(r.t, json.Unmarshal(x.Response, &list))
	items := x.objects(r.t)
	if list.HasMore {
		r.make("/assistants", x.Beta, r.assistant(items[len(items)-1].ID), "")
	}
	for _, o := range slices.Backward(items) {
		if !r.isOwn(o.ID) {
			r.provide(o.ID, x)
		}
	}
}

// body is the exchange's body as it goes over the wire, with our ids.
func (r *replay) body(x *exchange) (contentType string, body []byte) {
	text := x.body()
	switch {
	case strings.HasPrefix(text, "--"):
		boundary, _, _ := strings.Cut(text[2:], "\r\n")
		return "multipart/form-data; boundary=" + boundary, []byte(text)
	case text == "" && x.route() == "POST /files":
		return r.upload(x)
	case text == "" && strings.HasPrefix(x.route(), "POST /uploads"):
		return r.uploadInParts(x)
	case text == "":
		return "", nil
	}
	return "application/json", []byte(r.ids.rewritten(text))
}

// upload is the like of an upload whose body was not recorded.
func (r *replay) upload(x *exchange) (contentType string, body []byte) {
	file := struct {
		ID       string
		Purpose  string
		Filename string
		Bytes    int
		Error    struct{ Message string }
	}{Filename: "test.txt", Bytes: 4}
	require.NoError(r.t, json.Unmarshal(x.Response, &file))
	if refused, ok := strings.CutPrefix(file.Error.Message, "'"); ok {
		file.Purpose, _, _ = strings.Cut(refused, "'")
	}
	return formOf(r.t, map[string]string{"purpose": file.Purpose}, "file", file.Filename, r.content(file.ID, file.Bytes))
}

// content is what a search of the recording showed of a file, or else as many
// bytes as it had.
func (r *replay) content(fileID string, size int) string {
	for _, x := range r.rec.exchanges {
		if !x.streamed() {
			continue
		}
		for _, e := range recordedEvents(r.t, x.answer()) {
			var step struct {
				Details struct {
					Calls []struct {
						Search struct {
							Results []struct {
								FileID  string `json:"file_id"`
								Content []struct{ Text string }
							}
						} `json:"file_search"`
					} `json:"tool_calls"`
				} `json:"step_details"`
			}
			_ = json.Unmarshal(e.data, &step) // [DONE] is no JSON
			for _, call := range step.Details.Calls {
				for _, result := range call.Search.Results {
					if result.FileID == fileID && len(result.Content) > 0 {
						return result.Content[0].Text
					}
				}
			}
		}
	}
	return strings.Repeat("x", size)
}

// uploadInParts is the like of what was sent to the upload routes, of which no
// body was recorded: parts of equal size, completed in their order.
func (r *replay) uploadInParts(x *exchange) (contentType string, body []byte) {
	var parts []string
	var bytes int
	for _, other := range r.rec.exchanges {
		var o struct {
			ID, Object string
			Bytes      int
		}
		require.NoError(r.t, json.Unmarshal(other.Response, &o))
		switch o.Object {
		case "upload.part":
			parts = append(parts, r.ids.ours[o.ID])
		case "upload":
			bytes = o.Bytes
		}
	}
	switch x.route() {
	case "POST /uploads":
		return "application/json", []byte(strings.TrimSuffix(only(x.answer(), []string{"filename", "purpose", "bytes"}), "}") + `,"mime_type":"text/plain"}`)
	case "POST /uploads/*/parts":
		return formOf(r.t, nil, "data", "part", strings.Repeat("x", bytes/len(parts)))
	default:
		return "application/json", []byte(encoded(map[string]any{"part_ids": parts}))
	}
}

// send sends a request as the recorded client did, with our ids in the path.
func (r *replay) send(method, path, beta, contentType string, body []byte, headers ...string) reply {
	r.t.Helper()
	if beta != "" {
		headers = append(headers, "OpenAI-Beta", beta)
	}
	if contentType != "" {
		headers = append(headers, "Content-Type", contentType)
	}
	return r.server.send(r.server.request(method, "/v1"+r.ids.rewritten(path), bytes.NewReader(body), headers...))
}

// compare notes in what an answer differs from the recorded one.
func (r *replay) compare(x *exchange, got reply) {
	c := &comparison{ids: r.ids, at: difference{route: x.route(), dialect: strings.TrimPrefix(x.Beta, "assistants="), streamed: x.streamed()}}
	contentType := got.header.Get("Content-Type")
	switch {
	case got.status != x.Status || contentType != x.ContentType:
		c.differ(fmt.Sprintf("%d %s %s", x.Status, x.ContentType, x.answer()), fmt.Sprintf("%d %s %s", got.status, contentType, got.body))
	case x.streamed():
		c.stream(recordedEvents(r.t, x.answer()), readEvents(r.t, got.body))
	case contentType == "application/json":
		c.json(x.answer(), string(got.body))
	case x.answer() != string(got.body):
		c.differ(x.answer(), string(got.body))
	}
	r.found = append(r.found, c.found...)
}
