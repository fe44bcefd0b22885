package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const stores = "/v1/vector_stores"

// storeOf makes a vector store of texts, by the files' names, and waits until
// they are indexed.
func (s *testServer) storeOf(texts ...string) (storeID string, fileIDs []string) {
	s.t.Helper()
	storeID = s.post(stores, `{}`).text("id")
	for i := 0; i < len(texts); i += 2 {
		fileID := s.upload("assistants", texts[i], texts[i+1]).ok().text("id")
		s.post(stores+"/"+storeID+"/files", `{"file_id":"`+fileID+`"}`)
		require.Equal(s.t, "completed", s.indexed(storeID, fileID).text("status"))
		fileIDs = append(fileIDs, fileID)
	}
	return storeID, fileIDs
}

// indexed waits until a file of a store is no longer in progress.
func (s *testServer) indexed(storeID, fileID string) reply {
	s.t.Helper()
	return s.call("GET", stores+"/"+storeID+"/files/"+fileID, "", "Prefer", "wait=20").ok()
}

func TestVectorStoresAreShownWhole(t *testing.T) {
	s := newServer(t, settings{idle: true})
	file := s.upload("assistants", "a.txt", "some text").text("id")
	other := s.upload("assistants", "b.md", "# text").text("id")

	empty := s.post(stores, `{}`)
	require.Equal(t, "id object created_at name description usage_bytes file_counts status expires_after expires_at last_active_at metadata", keyOrder(t, empty.body))
	require.Regexp(t, `^vs_[0-9a-f]{32}$`, empty.text("id"))
	require.Equal(t, "completed", empty.text("status"))
	require.Equal(t, empty.at("created_at"), empty.at("last_active_at"))
	require.JSONEq(t, `{"in_progress":0,"completed":0,"failed":0,"cancelled":0,"total":0}`, raw(t, empty.body, "file_counts"))

	full := s.post(stores, fmt.Sprintf(`{"name":"n","description":"d","metadata":{"a":"b"},"expires_after":{"anchor":"last_active_at","days":3},
		"file_ids":[%q,%q,%q],"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":50}}}`, file, other, file))
	id := full.text("id")
	require.Equal(t, "in_progress", full.text("status"))
	require.InDelta(t, full.at("created_at").(float64)+3*86400, full.at("expires_at"), 0)
	require.JSONEq(t, `{"in_progress":2,"completed":0,"failed":0,"cancelled":0,"total":2}`, raw(t, full.body, "file_counts"))
	require.Equal(t, string(full.body), string(s.get(stores+"/"+id).body))

	shown := s.get(stores + "/" + id + "/files/" + file)
	require.Equal(t, "id object usage_bytes created_at vector_store_id status last_error chunking_strategy attributes", keyOrder(t, shown.body))
	require.Equal(t, `{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":50}}`, raw(t, shown.body, "chunking_strategy"))
	require.Equal(t, "{}", raw(t, shown.body, "attributes"))
	require.Equal(t, []string{other, file}, s.get(stores+"/"+id+"/files").ids())

	changed := s.post(stores+"/"+id, `{"name":null,"expires_after":null,"metadata":{"c":"d"}}`)
	require.Nil(t, changed.at("name"))
	require.Nil(t, changed.at("expires_at"))
	require.Equal(t, "d", changed.text("metadata.c"))
	require.Equal(t, "d", s.post(stores+"/"+id, `{"metadata":null}`).text("metadata.c"))

	require.Equal(t, []string{id, empty.text("id")}, s.get(stores).ids())
	gone := s.delete(stores + "/" + id)
	require.JSONEq(t, `{"id":"`+id+`","object":"vector_store.deleted","deleted":true}`, string(gone.body))
	require.Equal(t, "No vector store found with id '"+id+"'.", s.call("GET", stores+"/"+id, "").refused(404, "", ""))
	require.Equal(t, []string{empty.text("id")}, s.get(stores+"?after="+id).ids())
	s.get("/v1/files/" + file)
	s.call("POST", stores, `{}`, "Understudy-Id", "vs_mine").ok()
	require.Equal(t, "vs_mine", s.get("/openai/vector_stores/vs_mine?api-version=2024-05-01-preview").text("id"))
	s.call("POST", stores, `{}`, "Understudy-Id", "vs_mine").refused(400, "Understudy-Id", "invalid_value")
	require.Equal(t, "vs_mine", s.call("GET", stores+"/vs_mine", "", "OpenAI-Beta", "assistants=v1").ok().text("id"))
}

func TestFilesOfAStore(t *testing.T) {
	s := newServer(t, settings{})
	storeID, ids := s.storeOf("a.txt", "Filip likes pizza.\n", "b.txt", "Berlin is a city.")
	files := stores + "/" + storeID + "/files"
	done := s.get(files + "/" + ids[0])
	require.InDelta(t, 18+1024, done.at("usage_bytes"), 0, "the text, and 256 numbers of 4 bytes for one chunk")
	require.Nil(t, done.at("last_error"))
	store := s.get(stores + "/" + storeID)
	require.Equal(t, "completed", store.text("status"))
	require.InDelta(t, 18+17+2*1024, store.at("usage_bytes"), 0)

	marked := s.post(files+"/"+ids[0], `{"attributes":{"lang":"en","year":2024,"price":1.50,"draft":false}}`)
	require.Equal(t, `{"draft":false,"lang":"en","price":1.50,"year":2024}`, raw(t, marked.body, "attributes"))
	require.Equal(t, "{}", raw(t, s.post(files+"/"+ids[1], `{"attributes":null}`).body, "attributes"))

	content := s.get(files + "/" + ids[0] + "/content")
	require.JSONEq(t, `{"object":"vector_store.file_content.page","data":[{"type":"text","text":"Filip likes pizza."}],"has_more":false,"next_page":null}`, string(content.body))

	require.Equal(t, ids, s.get(files+"?order=asc&filter=completed").ids())
	require.Empty(t, s.get(files+"?filter=failed").ids())
	s.call("GET", files+"?filter=done", "").refused(400, "filter", "invalid_value")

	gone := s.delete(files + "/" + ids[0])
	require.JSONEq(t, `{"id":"`+ids[0]+`","object":"vector_store.file.deleted","deleted":true}`, string(gone.body))
	require.Equal(t, "No file found with id '"+ids[0]+"' in vector store '"+storeID+"'.", s.call("GET", files+"/"+ids[0], "").refused(404, "", ""))
	require.Equal(t, []string{ids[1]}, s.get(files+"?order=asc&after="+ids[0]).ids(), "a cursor survives what it points to")
	require.InDelta(t, 17+1024, s.get(stores+"/"+storeID).at("usage_bytes"), 0)

	s.post(files, `{"file_id":"`+ids[0]+`","attributes":{"again":true}}`)
	require.Equal(t, true, s.indexed(storeID, ids[0]).at("attributes.again"))
	require.Equal(t, []string{ids[1], ids[0]}, s.get(files+"?order=asc").ids())

	s.delete("/v1/files/" + ids[0])
	require.Equal(t, []string{ids[1]}, s.get(files).ids(), "a deleted file leaves its stores")
	require.InDelta(t, 1, s.get(stores+"/"+storeID).at("file_counts.total"), 0)
	require.NotContains(t, string(s.post(stores+"/"+storeID+"/search", `{"query":"pizza"}`).body), "Filip")
}

func TestFileBatches(t *testing.T) {
	s := newServer(t, settings{})
	storeID := s.post(stores, `{}`).text("id")
	batches := stores + "/" + storeID + "/file_batches"
	a := s.upload("assistants", "a.txt", "one").text("id")
	b := s.upload("assistants", "b.txt", "two").text("id")
	bad := s.upload("assistants", "bad.json", "\x00\x01\x02\xff\xfe").text("id")

	made := s.post(batches, fmt.Sprintf(`{"file_ids":[%q,%q],"attributes":{"k":"v"}}`, a, bad))
	require.Equal(t, "id object created_at status vector_store_id file_counts", keyOrder(t, made.body))
	require.Regexp(t, `^vsfb_[0-9a-f]{32}$`, made.text("id"))
	require.Equal(t, "vector_store.file_batch", made.text("object"))
	done := s.call("GET", batches+"/"+made.text("id"), "", "X-Stainless-Poll-Helper", "true", "X-Stainless-Read-Timeout", "40").ok()
	require.NotEmpty(t, done.header.Get("Openai-Poll-After-Ms"))
	require.Equal(t, "completed", done.text("status"))
	require.JSONEq(t, `{"in_progress":0,"completed":1,"failed":1,"cancelled":0,"total":2}`, raw(t, done.body, "file_counts"))
	failed := s.get(stores + "/" + storeID + "/files/" + bad)
	require.Equal(t, "invalid_file", failed.text("last_error.code"), "%s", failed.body)
	require.Equal(t, "v", failed.text("attributes.k"))
	require.Equal(t, []string{bad}, s.get(batches+"/"+made.text("id")+"/files?filter=failed").ids())
	require.Equal(t, []string{a, bad}, s.get(batches+"/"+made.text("id")+"/files?order=asc").ids())
	require.Equal(t, string(done.body), string(s.post(batches+"/"+made.text("id")+"/cancel", "").body), "a batch that has ended is not cancelled")

	own := s.post(batches, fmt.Sprintf(`{"files":[{"file_id":%q,"attributes":{"n":1}},{"file_id":%q,"chunking_strategy":{"type":"auto"}}],"attributes":{"k":"v"}}`, b, a))
	s.call("GET", batches+"/"+own.text("id"), "", "Prefer", "wait=20").ok()
	require.Equal(t, `{"n":1}`, raw(t, s.get(stores+"/"+storeID+"/files/"+b).body, "attributes"), "the settings for all hold for file_ids only")
	require.InDelta(t, 3, s.get(stores+"/"+storeID).at("file_counts.total"), 0)

	all := s.post(batches, fmt.Sprintf(`{"file_ids":[%q]}`, bad))
	require.Equal(t, "failed", s.call("GET", batches+"/"+all.text("id"), "", "Prefer", "wait=20").ok().text("status"))
}

func TestCancelledBatch(t *testing.T) {
	s := newServer(t, settings{idle: true})
	storeID := s.post(stores, `{}`).text("id")
	batches := stores + "/" + storeID + "/file_batches"
	a := s.upload("assistants", "a.txt", "one").text("id")
	b := s.upload("assistants", "b.txt", "two").text("id")
	made := s.post(batches, fmt.Sprintf(`{"file_ids":[%q,%q]}`, a, b))
	wait := s.start(s.request("GET", batches+"/"+made.text("id"), strings.NewReader(""), "Prefer", "wait=20"))
	s.delete(stores + "/" + storeID + "/files/" + a)
	cancelled := s.post(batches+"/"+made.text("id")+"/cancel", "")
	require.Equal(t, "cancelled", cancelled.text("status"))
	require.JSONEq(t, `{"in_progress":0,"completed":0,"failed":0,"cancelled":2,"total":2}`, raw(t, cancelled.body, "file_counts"))
	require.Equal(t, "cancelled", wait().ok().text("status"), "who waits hears of it")
	require.Equal(t, "cancelled", s.get(stores+"/"+storeID+"/files/"+b).text("status"))
	require.Equal(t, "completed", s.get(stores+"/"+storeID).text("status"))
}

func TestSearch(t *testing.T) {
	s := newServer(t, settings{})
	storeID, ids := s.storeOf("food.txt", "Filip's favorite food is pizza.", "city.md", "# Berlin\n\nBerlin is the capital of Germany.", "year.txt", "Filip was born in 1994.")
	s.post(stores+"/"+storeID+"/files/"+ids[0], `{"attributes":{"kind":"food","rank":1}}`)
	s.post(stores+"/"+storeID+"/files/"+ids[2], `{"attributes":{"kind":"person","rank":2}}`)
	search := stores + "/" + storeID + "/search"

	page := s.post(search, `{"query":"What is the capital of Germany?","max_num_results":1,"rewrite_query":true}`)
	require.Equal(t, "object search_query data has_more next_page", keyOrder(t, page.body))
	require.Equal(t, []any{"What is the capital of Germany?"}, page.at("search_query"))
	first := page.at("data.0").(map[string]any)
	require.Equal(t, ids[1], first["file_id"])
	require.Equal(t, "city.md", first["filename"])
	require.Equal(t, []any{map[string]any{"type": "text", "text": "# Berlin\n\nBerlin is the capital of Germany."}}, first["content"])
	require.Equal(t, map[string]any{}, first["attributes"])
	require.Greater(t, first["score"], 0.0)
	require.LessOrEqual(t, first["score"], 1.0)
	require.Len(t, page.at("data"), 1)

	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"query":["favorite food","born in 1994"],"max_num_results":2}`, []string{ids[0], ids[2]}},
		{`{"query":"Filip","filters":{"type":"eq","key":"kind","value":"person"}}`, []string{ids[2]}},
		{`{"query":"Filip","filters":{"type":"ne","key":"kind","value":"person"},"max_num_results":1}`, []string{ids[0]}},
		{`{"query":"Filip","filters":{"type":"and","filters":[{"type":"gte","key":"rank","value":1},{"type":"lt","key":"rank","value":2.0}]}}`, []string{ids[0]}},
		{`{"query":"Filip","filters":{"type":"or","filters":[{"type":"in","key":"kind","value":["food","x"]},{"type":"nin","key":"rank","value":[1,2]}]},"max_num_results":1}`, []string{ids[0]}},
		{`{"query":"Filip","filters":{"type":"eq","key":"kind","value":"none"}}`, []string{}},
	} {
		found := s.post(search, c.body)
		got := []string{}
		data, _ := found.at("data").([]any)
		for _, item := range data {
			got = append(got, item.(map[string]any)["file_id"].(string))
		}
		require.ElementsMatch(t, c.want, got, "%s\n%s", c.body, found.body)
	}
}
