package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnswerIsKeptWithTheChange carries out a call under an Idempotency-Key for
// each way a commit comes about: it costs the one commit that the change costs
// anyway, so that no crash can fall between the two.
func TestAnswerIsKeptWithTheChange(t *testing.T) {
	s := newServer(t, settings{idle: true})
	assistant := s.post("/v1/assistants", `{"model":"m","name":"a"}`).text("id")
	file := s.upload("assistants", "a.txt", "some text").text("id")
	upload := s.post("/v1/uploads", `{"purpose":"assistants","filename":"a.txt","bytes":1,"mime_type":"text/plain"}`).text("id")
	store := s.post(stores, `{"file_ids":["`+file+`"]}`).text("id")
	other := s.post(stores, `{}`).text("id")
	batch := s.post(stores+"/"+other+"/file_batches", `{"file_ids":["`+file+`"]}`).text("id")
	thread := s.post("/v1/threads", `{"messages":[{"role":"user","content":"Hi"}]}`).text("id")
	message := s.get("/v1/threads/" + thread + "/messages").text("data.0.id")
	cancelled := stores + "/" + other + "/file_batches/" + batch + "/cancel"
	for path, body := range map[string]string{
		"/v1/assistants":                                 `{"model":"m"}`,
		"/v1/assistants/" + assistant:                    `{"name":"b"}`,
		"/v1/threads":                                    `{"messages":[{"role":"user","content":"Hi"}]}`,
		"/v1/threads/" + thread:                          `{"metadata":{"a":"b"}}`,
		"/v1/threads/" + thread + "/messages":            `{"role":"user","content":"Hello"}`,
		"/v1/threads/" + thread + "/messages/" + message: `{"metadata":{"a":"b"}}`,
		"/v1/uploads":                                    `{"purpose":"assistants","filename":"a.txt","bytes":1,"mime_type":"text/plain"}`,
		"/v1/uploads/" + upload + "/cancel":              "",
		stores:                                           `{"file_ids":["` + file + `"]}`,
		stores + "/" + store:                             `{"name":"b"}`,
		stores + "/" + store + "/files":                  `{"file_id":"` + file + `"}`,
		stores + "/" + store + "/files/" + file:          `{"attributes":{"a":"b"}}`,
		stores + "/" + store + "/file_batches":           `{"file_ids":["` + file + `"]}`,
		cancelled:                                        "",
	} {
		t.Run(path, func(t *testing.T) {
			s := s.as(t)
			before := s.db.Stats().Commits
			first := s.call("POST", path, body, "Idempotency-Key", "k").ok()
			require.EqualValues(t, 1, s.db.Stats().Commits-before)
			again := s.call("POST", path, body, "Idempotency-Key", "k").ok()
			require.EqualValues(t, 1, s.db.Stats().Commits-before)
			require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
			require.Equal(t, string(first.body), string(again.body))
		})
	}
}

// TestStreamUnderAKeyIsKept has the key of a streamed run lead to its stream
// again, also when the process that began it is gone. The process need not
// remember it.
func TestStreamUnderAKeyIsKept(t *testing.T) {
	s := newServer(t, settings{})
	assistant := s.post("/v1/assistants", `{"model":"m","instructions":"Be brief."}`).text("id")
	thread := s.post("/v1/threads", `{"messages":[{"role":"user","content":"Hi"}]}`).text("id")
	for path, body := range map[string]string{
		"/v1/threads/" + thread + "/runs": `{"assistant_id":"` + assistant + `","stream":true}`,
		"/v1/threads/runs":                `{"assistant_id":"` + assistant + `","stream":true,"thread":{"messages":[{"role":"user","content":"Hi"}]}}`,
	} {
		first := readEvents(t, s.call("POST", path, body, "Idempotency-Key", "k").body)
		require.Contains(t, names(first), "thread.run.completed")
		require.Zero(t, s.handler.Remembered())
		again := readEvents(t, s.call("POST", path, body, "Idempotency-Key", "k").body)
		require.Equal(t, names(first), names(again))
		require.Equal(t, ids(first), ids(again))
	}
	require.Len(t, s.get("/v1/threads/"+thread+"/runs").ids(), 1, "it was not carried out again")
}

// TestUploadsUnderAKey repeats uploads as SDKs do, with a new boundary each time.
func TestUploadsUnderAKey(t *testing.T) {
	s := newServer(t, settings{})
	upload := s.newUpload(5)
	for path, send := range map[string]func(key, content string) reply{
		"/v1/files": func(key, content string) reply {
			return s.with("Idempotency-Key", key).upload("assistants", "a.txt", content)
		},
		upload + "/parts": func(key, content string) reply {
			return s.with("Idempotency-Key", key).sendPart(upload, content)
		},
	} {
		first := send("k", "hello").ok()
		again := send("k", "hello").ok()
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"), path)
		require.Equal(t, string(first.body), string(again.body), path)
		require.NotEqual(t, first.text("id"), send("other", "hello").ok().text("id"), path)
		send("k", "hallo").refused(400, "Idempotency-Key", "idempotency_key_reused")
	}
	require.Len(t, s.get("/v1/files").ids(), 2)
}
