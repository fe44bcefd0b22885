package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

const foods = "The favorite food of several people:\n- Summanus: tacos\n- Tekakwitha: pizza\n- Filip: cake"

// searcher makes an assistant that searches one file, and returns the assistant
// and the file.
func (s *testServer) searcher() (assistant, file string) {
	s.t.Helper()
	file = s.upload("assistants", "foods.txt", foods).ok().text("id")
	made := s.post("/v1/assistants", `{"model":"m","tools":[{"type":"file_search"}],"tool_resources":{"file_search":{"vector_stores":[{"file_ids":["`+file+`"]}]}}}`)
	require.Equal(s.t, "completed", s.indexed(made.text(givenStore), file).text("status"))
	return made.text("id"), file
}

// cited is the citations of a message, and checks that each stands where it says.
func cited(t *testing.T, message reply) (text string, citations []map[string]any) {
	t.Helper()
	text = message.text("content.0.text.value")
	runes := []rune(text)
	for _, a := range message.at("content.0.text.annotations").([]any) {
		c := a.(map[string]any)
		require.Equal(t, "file_citation", c["type"])
		require.Equal(t, c["text"], string(runes[int(c["start_index"].(float64)):int(c["end_index"].(float64))]))
		citations = append(citations, c)
	}
	return text, citations
}

func TestFileSearch(t *testing.T) {
	s := newServer(t, settings{})
	assistant, file := s.searcher()
	thread := s.post("/v1/threads", `{"messages":[{"role":"user","content":"What is Filip's favorite food?"}]}`).text("id")
	run := s.settle(s.post("/v1/threads/"+thread+"/runs", `{"assistant_id":"`+assistant+`"}`))
	require.Equal(t, "completed", run.text("status"), "%s", run.body)

	message := s.get("/v1/threads/" + thread + "/messages?limit=1")
	text, citations := cited(t, reply{t: t, status: 200, body: []byte(encoded(message.at("data.0")))})
	require.Contains(t, text, "【4:0†foods.txt】")
	require.Len(t, citations, 1)
	require.Equal(t, map[string]any{"file_id": file}, citations[0]["file_citation"])

	steps := "/v1/threads/" + thread + "/runs/" + run.text("id") + "/steps"
	plain := s.get(steps + "?order=asc")
	require.Equal(t, file, plain.text("data.0.step_details.tool_calls.0.file_search.results.0.file_id"))
	require.NotContains(t, string(plain.body), "tacos")
	const include = "include[]=step_details.tool_calls%5B%2A%5D.file_search.results%5B%2A%5D.content"
	require.Equal(t, foods, s.get(steps+"?order=asc&"+include).text("data.0.step_details.tool_calls.0.file_search.results.0.content.0.text"))
	require.Contains(t, string(s.get(steps+"/"+plain.text("data.0.id")+"?"+include).body), "tacos")
}

// A citation is one delta, and the message as a whole has what its deltas had.
func TestFileSearchStreams(t *testing.T) {
	s := newServer(t, settings{})
	assistant, file := s.searcher()
	const quotes = "?include[]=x.quotes"
	stream := s.post("/v1/threads/runs"+quotes, `{"assistant_id":"`+assistant+`","stream":true,"thread":{"messages":[{"role":"user","content":"Filip's food?"}]}}`)
	events := readEvents(t, stream.body)
	text, marked := "", 0
	var whole struct {
		Content []struct {
			Text struct {
				Value       string
				Annotations []json.RawMessage
			}
		}
	}
	for _, e := range events {
		switch e.name {
		case "thread.message.delta":
			var d struct {
				Delta struct {
					Content []struct {
						Text struct {
							Value       string
							Annotations []struct {
								Index int
								Text  string
							}
						}
					}
				}
			}
			require.NoError(t, json.Unmarshal(e.data, &d))
			part := d.Delta.Content[0].Text
			text += part.Value
			for _, a := range part.Annotations {
				require.Equal(t, part.Value, a.Text)
				require.Equal(t, marked, a.Index)
				marked++
			}
		case "thread.message.completed":
			require.NoError(t, json.Unmarshal(e.data, &whole))
		}
	}
	require.Equal(t, 1, marked)
	require.Equal(t, text, whole.Content[0].Text.Value)
	require.Len(t, whole.Content[0].Text.Annotations, 1)
	require.Contains(t, string(whole.Content[0].Text.Annotations[0]), `"file_citation":{"file_id":"`+file+`","quote":"The favorite food`)
}

// What a message attaches is searched, though it was attached a moment ago.
func TestFileSearchInAttachments(t *testing.T) {
	s := newServer(t, settings{})
	file := s.upload("assistants", "foods.md", foods).ok().text("id")
	assistant := s.post("/v1/assistants", `{"model":"m","tools":[{"type":"file_search"}]}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[
		{"role":"user","content":"Who likes pizza?","attachments":[{"file_id":"`+file+`","tools":[{"type":"file_search"}]}]}]}}`))
	require.Equal(t, "completed", run.text("status"))
	message := s.get("/v1/threads/" + run.text("thread_id") + "/messages?limit=1&order=desc")
	require.Contains(t, message.text("data.0.content.0.text.value"), "【4:0†foods.md】")
}

// A store that was deleted is searched no more; one whose file was deleted finds
// nothing.
func TestFileSearchAfterDeletions(t *testing.T) {
	for name, path := range map[string]func(store, file string) string{
		"of the store": func(store, _ string) string { return "/v1/vector_stores/" + store },
		"of the file":  func(_, file string) string { return "/v1/files/" + file },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, settings{})
			assistant, file := s.searcher()
			store := s.get("/v1/assistants/" + assistant).text("tool_resources.file_search.vector_store_ids.0")
			s.delete(path(store, file))
			run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Filip's food?"}]}}`))
			require.Equal(t, "completed", run.text("status"), "%s", run.body)
			steps := s.get("/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id") + "/steps?order=asc")
			require.Contains(t, string(steps.body), `"results":[]`)
		})
	}
}

// Version 1 called it retrieval.
func TestRetrieval(t *testing.T) {
	s := newServer(t, settings{}).with("OpenAI-Beta", "assistants=v1")
	file := s.upload("assistants", "foods.txt", foods).ok().text("id")
	assistant := s.post("/v1/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["`+file+`"]}`)
	require.Equal(t, []any{file}, assistant.at("file_ids"))
	store := s.with("OpenAI-Beta", "assistants=v2").get("/v1/assistants/" + assistant.text("id")).text(givenStore)
	require.Equal(t, "completed", s.indexed(store, file).text("status"))
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+assistant.text("id")+`","thread":{"messages":[{"role":"user","content":"Filip's food?"}]}}`))
	require.Equal(t, "completed", run.text("status"), "%s", run.body)
	messages := s.get("/v1/threads/" + run.text("thread_id") + "/messages?limit=1")
	_, citations := cited(t, reply{t: t, status: 200, body: []byte(encoded(messages.at("data.0")))})
	require.Equal(t, map[string]any{"file_id": file, "quote": foods}, citations[0]["file_citation"])
	steps := s.get("/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id") + "/steps?order=asc")
	require.Equal(t, "retrieval", steps.text("data.0.step_details.tool_calls.0.type"))
	require.NotContains(t, string(steps.body), "file_search")
}
