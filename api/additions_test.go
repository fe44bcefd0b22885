package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestChosenIDs(t *testing.T) {
	s := newServer(t, settings{keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	chosen := func(id string) []string { return []string{"Understudy-Id", id} }

	first := mine.call("POST", "/v1/threads", `{"metadata":{"n":"1"}}`, chosen("thread_support-42")...).ok()
	require.Equal(t, "thread_support-42", first.text("id"))
	again := mine.call("POST", "/v1/threads", `{"metadata":{"n":"2"}}`, chosen("thread_support-42")...).ok()
	require.JSONEq(t, string(first.body), string(again.body), "a thread is got or created")

	theirs.call("POST", "/v1/threads", `{}`, chosen("thread_support-42")...).refused(400, "Understudy-Id", "invalid_value")
	mine.call("POST", "/v1/assistants", `{"model":"m"}`, chosen("asst_one")...).ok()
	mine.call("POST", "/v1/assistants", `{"model":"m"}`, chosen("asst_one")...).refused(400, "Understudy-Id", "invalid_value")

	for _, id := range []string{"thread_", "asst_x", "thread_a b", "thread_ä", "thread_" + fmt.Sprintf("%065d", 0), "x"} {
		mine.call("POST", "/v1/threads", `{}`, chosen(id)...).refused(400, "Understudy-Id", "invalid_value")
	}
	mine.post("/v1/threads/thread_support-42/messages", `{"role":"user","content":"hi"}`)
}

func TestListThreads(t *testing.T) {
	s := newServer(t, settings{keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	var ids []string
	for i := range 5 {
		ids = append(ids, mine.post("/v1/threads", fmt.Sprintf(`{"metadata":{"user":"%d","even":"%t"}}`, i, i%2 == 0)).text("id"))
	}
	theirs.post("/v1/threads", `{"metadata":{"even":"true"}}`)
	mine.delete("/v1/threads/" + ids[1])

	for query, want := range map[string][]string{
		"":                                      {ids[4], ids[3], ids[2], ids[0]},
		"?order=asc":                            {ids[0], ids[2], ids[3], ids[4]},
		"?limit=2&after=" + ids[4]:              {ids[3], ids[2]},
		"?after=" + ids[1]:                      {ids[0]}, // a deleted cursor
		"?order=asc&before=" + ids[3]:           {ids[0], ids[2]},
		"?metadata[even]=true":                  {ids[4], ids[2], ids[0]},
		"?metadata[even]=true&limit=2":          {ids[4], ids[2]},
		"?metadata[even]=true&metadata[user]=2": {ids[2]},
		"?metadata[none]=":                      {},
	} {
		require.Equal(t, want, mine.get("/v1/threads"+query).ids(), query)
	}
	require.Equal(t, true, mine.get("/v1/threads?metadata[even]=true&limit=2").at("has_more"))
	require.Equal(t, false, mine.get("/v1/threads?metadata[even]=true&limit=3").at("has_more"))
	theirs.call("GET", "/v1/threads?after="+ids[0], "").refused(400, "after", "invalid_value")
}

func TestVersion1Files(t *testing.T) {
	s := newServer(t, settings{})
	v1 := s.with("OpenAI-Beta", "assistants=v1")
	one, two := s.upload("assistants", "1.txt", "1").text("id"), s.upload("assistants", "2.txt", "2").text("id")
	a := v1.post("/v1/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["`+one+`"]}`)
	require.Equal(t, []any{one}, a.at("file_ids"))
	path := "/v1/assistants/" + a.text("id")

	attached := v1.post(path+"/files", `{"file_id":"`+two+`"}`)
	require.Equal(t, "id object created_at assistant_id", keyOrder(t, attached.body))
	require.Equal(t, "assistant.file", attached.text("object"))
	v1.post(path+"/files", `{"file_id":"`+two+`"}`) // once is enough
	require.Equal(t, []string{two, one}, v1.get(path+"/files").ids())
	require.Equal(t, []string{one}, v1.get(path+"/files?order=asc&limit=1").ids())
	require.Equal(t, one, v1.get(path+"/files/"+one).text("id"))
	require.Equal(t, []any{one, two}, s.get(path).at("tool_resources.code_interpreter.file_ids"), "version 2 reads the same files")
	require.Equal(t, "file_search", s.get(path).text("tools.0.type"))

	require.Equal(t, "assistant.file.deleted", v1.delete(path+"/files/"+one).text("object"))
	v1.call("GET", path+"/files/"+one, "").refused(404, "", "")
	v1.call("DELETE", path+"/files/"+one, "").refused(404, "", "")
	v1.call("POST", path+"/files", `{"file_id":"file-none"}`).refused(404, "id", "")
	v1.call("POST", path+"/files", `{"file_id":"x"}`).refused(400, "file_id", "invalid_value")

	thread := v1.post("/v1/threads", `{}`)
	require.Equal(t, "id object created_at metadata", keyOrder(t, thread.body))
	messages := "/v1/threads/" + thread.text("id") + "/messages"
	m := v1.post(messages, `{"role":"user","content":"hi","file_ids":["`+one+`","`+two+`"]}`)
	require.Equal(t, []any{one, two}, m.at("file_ids"))
	require.Equal(t, []string{two, one}, v1.get(messages+"/"+m.text("id")+"/files").ids())
	require.Equal(t, "thread.message.file", v1.get(messages+"/"+m.text("id")+"/files/"+two).text("object"))
	v1.call("GET", messages+"/"+m.text("id")+"/files/file-none", "").refused(404, "", "")
	require.Equal(t, two, s.get(messages).text("data.0.attachments.1.file_id"), "version 2 reads them as attachments")

	v2 := s.post(messages, `{"role":"user","content":"hi","attachments":[{"file_id":"`+two+`","tools":[{"type":"file_search"}]}]}`)
	require.Equal(t, []any{two}, v1.get(messages+"/"+v2.text("id")).at("file_ids"))
}

func TestVersion1Stream(t *testing.T) {
	s := newServer(t, settings{}).with("OpenAI-Beta", "assistants=v1")
	a := s.post("/v1/assistants", `{"model":"m","instructions":"hi"}`)
	stream := s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+a.text("id")+`","stream":true}`).ok()
	for _, e := range readEvents(t, stream.body) {
		require.NotContains(t, string(e.data), "tool_resources", e.name)
		require.NotContains(t, string(e.data), "attachments", e.name)
	}
}

func TestVersion1RunsAnEmptyThread(t *testing.T) {
	s := newServer(t, settings{})
	a, thread := s.post("/v1/assistants", `{"model":"m"}`), s.post("/v1/threads", ``)
	path, body := "/v1/threads/"+thread.text("id")+"/runs", `{"assistant_id":"`+a.text("id")+`"}`
	s.call("POST", path, body).refused(400, "", "invalid_thread")
	run := s.with("OpenAI-Beta", "assistants=v1").post(path, body)
	require.Equal(t, "completed", s.settle(run).text("status"))
}

func TestAzurePaths(t *testing.T) {
	s := newServer(t, settings{keys: true})
	key := s.newKey("p").headers[1][len("Bearer "):]
	for path, firstKey := range map[string]string{
		"/openai/threads?api-version=2024-02-15-preview": "file_ids",
		"/openai/threads?api-version=2024-05-01-preview": "attachments",
		"/openai/threads?api-version=2025-01-01":         "attachments",
		"/openai/threads?api-version=preview":            "attachments",
		"/openai/threads":                                "attachments",
		"/openai/v1/threads":                             "attachments",
	} {
		t.Run(path, func(t *testing.T) {
			azure := s.as(t).with("api-key", key)
			thread := azure.post(path, `{}`)
			messages := "/openai/threads/" + thread.text("id") + "/messages"
			if query := path[len("/openai/"):]; len(query) > len("threads") && query[:7] == "threads" {
				messages += query[len("threads"):]
			}
			m := azure.post(messages, `{"role":"user","content":"hi"}`)
			require.NotNil(t, m.at(firstKey), "%s", m.body)
		})
	}
	s.call("POST", "/openai/threads", `{}`, "api-key", "wrong").refused(401, "", "invalid_api_key")
	old := s.with("api-key", key, "OpenAI-Beta", "assistants=v2").post("/openai/threads?api-version=2024-02-15-preview", `{}`)
	require.NotNil(t, old.at("tool_resources"), "the header beats the api-version")
}

func TestModels(t *testing.T) {
	s := newServer(t, settings{})
	require.Equal(t, []string{"known", "builtin/echo"}, s.get("/v1/models").ids())
	require.Equal(t, "builtin/echo", s.get("/v1/models/builtin/echo").text("id"))
	require.Equal(t, "model", s.get("/openai/models/known").text("object"))
	s.call("GET", "/v1/models/none", "").refused(404, "model", "model_not_found")
}

// TestHeldPoll shows that an unchanged poll helper sees the end of a run with
// its first question: the answer comes when the model has spoken, not before.
func TestHeldPoll(t *testing.T) {
	model := newHeldModel(t)
	s := newServer(t, settings{model: model.ServeHTTP})
	a := s.post("/v1/assistants", `{"model":"m","instructions":"hi"}`)
	run := s.post("/v1/threads/runs", `{"assistant_id":"`+a.text("id")+`"}`)
	path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
	<-model.asked

	answered := make(chan reply, 1)
	go func() {
		r := s.request("GET", path, http.NoBody, "X-Stainless-Poll-Helper", "true", "X-Stainless-Timeout", "600")
		answered <- s.send(r)
	}()
	require.Equal(t, "in_progress", s.get(path).text("status"), "others are answered at once")
	select {
	case early := <-answered:
		t.Fatalf("answered before the run ended: %s", early.body)
	default:
	}
	released := time.Now()
	model.release()
	held := <-answered
	require.Equal(t, "completed", held.text("status"))
	require.Equal(t, "50", held.header.Get("Openai-Poll-After-Ms"))
	t.Logf("seen %v after the model was let go", time.Since(released))
	require.Less(t, time.Since(released), 2*time.Second)

	over := s.call("GET", path, "", "Prefer", "wait=20").ok()
	require.Equal(t, "completed", over.text("status"), "a run that has ended is answered at once")
	s.call("GET", "/v1/threads/thread_none/runs/run_none", "", "Prefer", "wait=1").refused(404, "", "")
}

// TestAttachmentsReachTheThread shows that files attached for code_interpreter
// become the thread's, however the message gets there.
func TestAttachmentsReachTheThread(t *testing.T) {
	s := newServer(t, settings{})
	var files [4]string
	for i := range files {
		files[i] = s.upload("assistants", fmt.Sprintf("%d.txt", i), "a,b").text("id")
	}
	message := func(file, tool string) string {
		return `{"role":"user","content":"hi","attachments":[{"file_id":"` + file + `","tools":[{"type":"` + tool + `"}]}]}`
	}
	thread := s.post("/v1/threads", `{"messages":[`+message(files[0], "code_interpreter")+`]}`)
	require.Equal(t, []any{files[0]}, thread.at("tool_resources.code_interpreter.file_ids"))
	path := "/v1/threads/" + thread.text("id")
	s.post(path+"/messages", message(files[1], "code_interpreter"))
	s.post(path+"/messages", message(files[1], "code_interpreter"))
	s.post(path+"/messages", message(files[2], "file_search"))
	a := s.post("/v1/assistants", `{"model":"m"}`)
	s.settle(s.post(path+"/runs", `{"assistant_id":"`+a.text("id")+`","additional_messages":[`+message(files[3], "code_interpreter")+`]}`))
	require.Equal(t, []any{files[0], files[1], files[3]}, s.get(path).at("tool_resources.code_interpreter.file_ids"))
}

// TestDeletedThreadIDCanBeChosenAgain: an application with a thread for each of
// its users may forget a user and meet him again.
func TestDeletedThreadIDCanBeChosenAgain(t *testing.T) {
	s := newServer(t, settings{})
	other := s.post("/v1/threads", `{}`).text("id")
	for range 2 {
		thread := s.call("POST", "/v1/threads", `{"messages":[{"role":"user","content":"hi"}]}`, "Understudy-Id", "thread_user-1").ok()
		require.Equal(t, []string{"thread_user-1", other}, s.get("/v1/threads").ids())
		require.Len(t, s.get("/v1/threads/"+thread.text("id")+"/messages").ids(), 1, "nothing of an earlier one is there")
		s.delete("/v1/threads/thread_user-1")
		s.call("GET", "/v1/threads/thread_user-1", "").refused(404, "", "")
	}
}

func TestRunNamesItsUpstream(t *testing.T) {
	s := newServer(t, settings{strict: true})
	a := s.post("/v1/assistants", `{"model":"known","instructions":"hi"}`)
	body := `{"assistant_id":"` + a.text("id") + `","model":"unlisted"}`
	s.call("POST", "/v1/threads/runs", body).refused(400, "model", "model_not_found")
	run := s.settle(s.call("POST", "/v1/threads/runs", body, "Understudy-Upstream", "test").ok())
	require.Equal(t, "completed", run.text("status"))
	require.Equal(t, "unlisted", run.text("model"))
	tape := s.get("/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id") + "/context")
	require.Equal(t, "test", tape.text("model_calls.0.upstream"))
	require.Equal(t, "unlisted", tape.text("model_calls.0.model"))

	refusal := s.call("POST", "/v1/threads/runs", body, "Understudy-Upstream", "none").refused(400, "Understudy-Upstream", "invalid_value")
	require.Contains(t, refusal, "none")
	open := newServer(t, settings{anyHost: true})
	b := open.post("/v1/assistants", `{"model":"known","instructions":"hi"}`)
	open.call("POST", "/v1/threads/runs", `{"assistant_id":"`+b.text("id")+`"}`, "Understudy-Upstream", "test").refused(403, "", "")
}
