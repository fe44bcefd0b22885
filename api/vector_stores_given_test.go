package api_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// filesIn lists the files of a vector store, oldest first.
func (s *testServer) filesIn(storeID string) []string {
	s.t.Helper()
	return s.get(stores + "/" + storeID + "/files?order=asc").ids()
}

const givenStore = "tool_resources.file_search.vector_store_ids.0"

func TestStoresMadeAlong(t *testing.T) {
	s := newServer(t, settings{idle: true})
	a := s.upload("assistants", "a.txt", "one").text("id")
	b := s.upload("assistants", "b.txt", "two").text("id")
	picture := s.upload("vision", "c.png", "\x89PNG").text("id")
	helper := fmt.Sprintf(`"tool_resources":{"file_search":{"vector_stores":[{"file_ids":[%q],"metadata":{"m":"1"},"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":200,"chunk_overlap_tokens":10}}}]}}`, a)

	assistant := s.post("/v1/assistants", `{"model":"m","tools":[{"type":"file_search"}],`+helper+`}`)
	made := s.get(stores + "/" + assistant.text(givenStore))
	require.Equal(t, "1", made.text("metadata.m"))
	require.Nil(t, made.at("expires_at"))
	require.Equal(t, []string{a}, s.filesIn(made.text("id")))
	require.InDelta(t, 200, s.get(stores+"/"+made.text("id")+"/files/"+a).at("chunking_strategy.static.max_chunk_size_tokens"), 0)

	thread := s.post("/v1/threads", `{`+helper+`,"messages":[{"role":"user","content":"x","attachments":[{"file_id":"`+b+`","tools":[{"type":"file_search"}]}]}]}`)
	made = s.get(stores + "/" + thread.text(givenStore))
	require.Equal(t, []string{a, b}, s.filesIn(made.text("id")))
	require.InDelta(t, 7, made.at("expires_after.days"), 0)
	require.InDelta(t, 2, made.at("file_counts.in_progress"), 0)
	require.Equal(t, string(thread.body), string(s.get("/v1/threads/"+thread.text("id")).body))

	run := s.post("/v1/threads/runs", `{"assistant_id":"`+assistant.text("id")+`","instructions":"x","thread":{`+helper+`}}`)
	require.NotEmpty(t, s.get("/v1/threads/"+run.text("thread_id")).text(givenStore))
	s.settle(s.post("/v1/threads/"+run.text("thread_id")+"/runs/"+run.text("id")+"/cancel", "")) // it waits for its files

	known := assistant.text(givenStore)
	for body, param := range map[string]string{
		`{"model":"m","tool_resources":{"file_search":{"vector_store_ids":["` + known + `"],"vector_stores":[{}]}}}`: "tool_resources.file_search.vector_stores mutually_exclusive_parameters",
		`{"model":"m","tool_resources":{"file_search":{"vector_stores":[{},{}]}}}`:                                   "tool_resources.file_search.vector_stores array_above_max_length",
		`{"model":"m","tool_resources":{"file_search":{"vector_stores":[{"name":"n"}]}}}`:                            "tool_resources.file_search.vector_stores[0].name unknown_parameter",
		`{"model":"m","tool_resources":{"file_search":{"vector_stores":[{"file_ids":["` + picture + `"]}]}}}`:        "tool_resources.file_search.vector_stores[0].file_ids unsupported_file",
	} {
		got := s.call("POST", "/v1/assistants", body)
		require.Equal(t, 400, got.status, "%s", got.body)
		require.Equal(t, param, got.text("error.param")+" "+got.text("error.code"), "%s", got.body)
	}
	s.call("POST", "/v1/threads", `{"tool_resources":{"file_search":{"vector_store_ids":["vs_no"]}}}`).refused(404, "", "")
	s.call("POST", "/v1/assistants", `{"model":"m","tool_resources":{"file_search":{"vector_store_ids":["vs_no"]}}}`).refused(404, "", "")
	s.call("POST", "/v1/assistants/"+assistant.text("id"), `{"tool_resources":{"file_search":{"vector_store_ids":["vs_no"]}}}`).refused(404, "", "")
	s.call("POST", "/v1/assistants/"+assistant.text("id"), `{"tool_resources":{"file_search":{"vector_stores":[{}]}}}`).
		refused(400, "tool_resources.file_search.vector_stores", "unknown_parameter")
	s.call("POST", "/v1/threads/"+thread.text("id"), `{"tool_resources":{"file_search":{"vector_store_ids":["vs_no"]}}}`).refused(404, "", "")
	s.call("POST", "/v1/threads/runs", `{"assistant_id":"`+assistant.text("id")+`","tool_resources":{"file_search":{"vector_store_ids":["vs_no"]}}}`).refused(404, "", "")
}

func TestAttachmentsAreSearched(t *testing.T) {
	s := newServer(t, settings{idle: true})
	a := s.upload("assistants", "a.txt", "one").text("id")
	b := s.upload("assistants", "b.txt", "two").text("id")
	c := s.upload("assistants", "c.txt", "three").text("id")
	picture := s.upload("vision", "c.png", "\x89PNG").text("id")
	message := func(id, tools string) string {
		return `{"role":"user","content":"x","attachments":[{"file_id":"` + id + `","tools":[` + tools + `]}]}`
	}
	const search, code = `{"type":"file_search"}`, `{"type":"code_interpreter"}`

	thread := s.post("/v1/threads", "")
	messages := "/v1/threads/" + thread.text("id") + "/messages"
	s.post(messages, message(a, code))
	require.Empty(t, s.get("/v1/threads/"+thread.text("id")).text(givenStore))
	s.post(messages, message(a, search+","+code))
	own := s.get("/v1/threads/" + thread.text("id")).text(givenStore)
	require.Equal(t, []string{a}, s.filesIn(own))
	require.InDelta(t, 7, s.get(stores+"/"+own).at("expires_after.days"), 0)
	first := s.get(stores + "/" + own + "/files/" + a)
	s.post(messages, message(b, search))
	s.post(messages, message(a, search))
	require.Equal(t, []string{a, b}, s.filesIn(own), "the thread's store is extended")
	require.Equal(t, string(first.body), string(s.get(stores+"/"+own+"/files/"+a).body), "and what it has stays")

	s.delete(stores + "/" + own)
	s.post(messages, message(c, search))
	again := s.get("/v1/threads/" + thread.text("id")).text(givenStore)
	require.NotEqual(t, own, again)
	require.Equal(t, []string{c}, s.filesIn(again), "a store that is gone makes way for another")

	refused := s.call("POST", messages, message(picture, search))
	require.Equal(t, "Files with extensions [.png] are not supported for retrieval. See https://platform.openai.com/docs/assistants/tools/file-search/supported-files",
		refused.refused(400, "attachments", "unsupported_file"))
	s.post(messages, message(picture, code))

	given := s.post(stores, `{}`).text("id")
	named := s.post("/v1/threads", `{"tool_resources":{"file_search":{"vector_store_ids":["`+given+`"]}},"messages":[`+message(a, search)+`]}`)
	require.Equal(t, given, named.text(givenStore))
	require.Equal(t, []string{a}, s.filesIn(given), "a store that the thread names is extended")

	assistant := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	run := s.settle(s.post("/v1/threads/"+named.text("id")+"/runs", `{"assistant_id":"`+assistant+`","additional_messages":[`+message(b, search)+`]}`))
	require.Equal(t, []string{a, b}, s.filesIn(given))
	require.Equal(t, named.text("id"), run.text("thread_id"))
}

func TestRetrievalOfVersion1(t *testing.T) {
	s := newServer(t, settings{idle: true})
	v1 := s.with("OpenAI-Beta", "assistants=v1")
	a := s.upload("assistants", "a.txt", "one").text("id")
	b := s.upload("assistants", "b.txt", "two").text("id")
	picture := s.upload("vision", "c.png", "\x89PNG").text("id")

	made := v1.post("/v1/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["`+a+`"]}`)
	path := "/v1/assistants/" + made.text("id")
	require.Equal(t, `["`+a+`"]`, raw(t, made.body, "file_ids"))
	own := s.get(path).text(givenStore)
	require.Equal(t, []string{a}, s.filesIn(own))

	v1.post(path+"/files", `{"file_id":"`+b+`"}`)
	require.Equal(t, []string{a, b}, s.filesIn(own))
	v1.delete(path + "/files/" + a)
	require.Equal(t, []string{b}, s.filesIn(own))
	v1.post(path, `{"file_ids":["`+a+`"]}`)
	require.Equal(t, []string{a}, s.filesIn(own))
	require.Equal(t, own, s.get(path).text(givenStore))
	v1.call("POST", "/v1/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["`+picture+`"]}`).refused(400, "file_ids", "unsupported_file")
	v1.call("POST", path+"/files", `{"file_id":"`+picture+`"}`).refused(400, "file_id", "unsupported_file")

	late := v1.post("/v1/assistants", `{"model":"m","file_ids":["`+a+`"]}`)
	require.Empty(t, s.get("/v1/assistants/"+late.text("id")).text(givenStore), "without the tool there is nothing to search")
	v1.post("/v1/assistants/"+late.text("id"), `{"tools":[{"type":"retrieval"}]}`)
	require.Equal(t, []string{a}, s.filesIn(s.get("/v1/assistants/"+late.text("id")).text(givenStore)))

	thread := v1.post("/v1/threads", `{"messages":[{"role":"user","content":"x","file_ids":["`+b+`","`+picture+`"]}]}`)
	require.Equal(t, []string{b}, s.filesIn(s.get("/v1/threads/"+thread.text("id")).text(givenStore)))
	shown := v1.get("/v1/threads/" + thread.text("id") + "/messages")
	require.Equal(t, []any{b, picture}, shown.at("data.0.file_ids"))
}
