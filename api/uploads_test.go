package api_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const newUpload = `{"filename":"notes.txt","purpose":"assistants","bytes":%d,"mime_type":"text/plain"}`

// newUpload begins an upload of so many bytes and returns its path.
func (s *testServer) newUpload(size int) string {
	s.t.Helper()
	return "/v1/uploads/" + s.post("/v1/uploads", fmt.Sprintf(newUpload, size)).text("id")
}

// sendPart adds a part.
func (s *testServer) sendPart(upload, content string) reply {
	s.t.Helper()
	contentType, form := formOf(s.t, nil, "data", "part", content)
	return s.call("POST", upload+"/parts", string(form), "Content-Type", contentType)
}

func TestUpload(t *testing.T) {
	s := newServer(t, settings{})
	made := s.post("/v1/uploads", strings.Replace(fmt.Sprintf(newUpload, 11), "}", `,"expires_after":{"anchor":"created_at","seconds":3600}}`, 1))
	require.Regexp(t, `^\{"id":"upload_[0-9a-f]{32}","object":"upload","bytes":11,"created_at":\d+,"filename":"notes.txt","purpose":"assistants","status":"pending","expires_at":\d+\}$`, string(made.body))
	require.Equal(t, made.at("created_at").(float64)+3600, made.at("expires_at"))
	path := "/v1/uploads/" + made.text("id")

	world, dropped, hello := s.sendPart(path, "world").ok(), s.sendPart(path, "not this").ok(), s.sendPart(path, "hello ").ok()
	require.Regexp(t, `^\{"id":"part_[0-9a-f]{32}","object":"upload.part","created_at":\d+,"upload_id":"`+made.text("id")+`"\}$`, string(world.body))

	sum := md5.Sum([]byte("hello world"))
	done := s.post(path+"/complete", fmt.Sprintf(`{"part_ids":["%s","%s"],"md5":"%s"}`, hello.text("id"), world.text("id"), hex.EncodeToString(sum[:])))
	require.Equal(t, "completed", done.text("status"))
	require.Equal(t, "file", done.text("file.object"))
	require.Equal(t, "processed", done.text("file.status"))
	require.Equal(t, done.at("file.created_at").(float64)+3600, done.at("file.expires_at"))
	file := s.get("/v1/files/" + done.text("file.id"))
	require.Contains(t, string(done.body), `"file":`+string(file.body)+`}`)
	require.Equal(t, "hello world", string(s.get("/v1/files/"+done.text("file.id")+"/content").body))

	s.sendPart(path, "late").refused(400, "", "")
	s.call("POST", path+"/complete", fmt.Sprintf(`{"part_ids":["%s"]}`, dropped.text("id"))).refused(400, "", "")
	s.call("POST", path+"/cancel", "").refused(400, "", "")
}

func TestUploadUnderAChosenID(t *testing.T) {
	s := newServer(t, settings{})
	body := fmt.Sprintf(newUpload, 1)
	require.Equal(t, "upload_mine", s.call("POST", "/v1/uploads", body, "Understudy-Id", "upload_mine").ok().text("id"))
	s.call("POST", "/v1/uploads", body, "Understudy-Id", "upload_mine").refused(400, "Understudy-Id", "invalid_value")
}

func TestUploadCancelled(t *testing.T) {
	s := newServer(t, settings{})
	path := s.newUpload(5)
	s.sendPart(path, "12345").ok()
	cancelled := s.post(path+"/cancel", "")
	require.Equal(t, "cancelled", cancelled.text("status"))
	require.NotContains(t, string(cancelled.body), `"file"`)
	message := s.sendPart(path, "12345").refused(400, "", "")
	require.Contains(t, message, "has status 'cancelled'")
	require.Empty(t, s.get("/v1/files").at("data"))
}

func TestUploadRefused(t *testing.T) {
	s := newServer(t, settings{keys: true})
	mine, theirs := s.newKey("mine"), s.newKey("theirs")
	path := mine.newUpload(6)
	first, second := mine.sendPart(path, "abc").ok().text("id"), mine.sendPart(path, "def").ok().text("id")
	for name, tc := range map[string]struct {
		path, body  string
		param, code string
		says        string
	}{
		"no filename":     {"/v1/uploads", `{"purpose":"batch","bytes":1,"mime_type":"text/plain"}`, "filename", "missing_required_parameter", ""},
		"no bytes":        {"/v1/uploads", `{"filename":"a","purpose":"batch","mime_type":"text/plain"}`, "bytes", "missing_required_parameter", ""},
		"no type":         {"/v1/uploads", `{"filename":"a","purpose":"batch","bytes":1}`, "mime_type", "missing_required_parameter", ""},
		"no bytes at all": {"/v1/uploads", fmt.Sprintf(newUpload, 0), "bytes", "integer_below_min_value", ""},
		"too many bytes":  {"/v1/uploads", fmt.Sprintf(newUpload, 8<<30+1), "bytes", "integer_above_max_value", ""},
		"wrong purpose":   {"/v1/uploads", strings.Replace(fmt.Sprintf(newUpload, 1), "assistants", "fun", 1), "purpose", "invalid_value", "fine-tune"},
		"unknown field":   {"/v1/uploads", strings.Replace(fmt.Sprintf(newUpload, 1), "{", `{"size":1,`, 1), "size", "unknown_parameter", ""},
		"no parts named":  {path + "/complete", `{}`, "part_ids", "missing_required_parameter", ""},
		"empty list":      {path + "/complete", `{"part_ids":[]}`, "part_ids", "empty_array", ""},
		"unknown part":    {path + "/complete", `{"part_ids":["part_x"]}`, "part_ids", "invalid_value", "has no part 'part_x'"},
		"part twice":      {path + "/complete", fmt.Sprintf(`{"part_ids":["%s","%s"]}`, first, first), "part_ids", "invalid_value", "more than once"},
		"too little":      {path + "/complete", fmt.Sprintf(`{"part_ids":["%s"]}`, second), "part_ids", "invalid_value", "have 3 bytes together, but the upload was created for 6 bytes"},
		"no sum":          {path + "/complete", fmt.Sprintf(`{"part_ids":["%s","%s"],"md5":"x"}`, first, second), "md5", "invalid_value", "32 hex digits"},
		"wrong sum":       {path + "/complete", fmt.Sprintf(`{"part_ids":["%s","%s"],"md5":"%032d"}`, first, second, 0), "md5", "invalid_value", "e80b5017098950fc58aad83c8c14978e"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, mine.as(t).call("POST", tc.path, tc.body).refused(400, tc.param, tc.code), tc.says)
		})
	}
	t.Run("a part's form", func(t *testing.T) {
		for _, field := range []string{"file", "x"} {
			contentType, form := formOf(t, nil, field, "a", "a")
			mine.as(t).call("POST", path+"/parts", string(form), "Content-Type", contentType).refused(400, field, "unknown_parameter")
		}
		mine.as(t).call("POST", path+"/parts", "{}").refused(400, "", "")
	})
	t.Run("another project's", func(t *testing.T) {
		other := theirs.as(t)
		for _, path := range []string{path, "/v1/uploads/upload_none"} {
			other.sendPart(path, "x").refused(404, "upload_id", "")
			other.call("POST", path+"/complete", `{"part_ids":["`+first+`"]}`).refused(404, "upload_id", "")
			other.call("POST", path+"/cancel", "").refused(404, "upload_id", "")
		}
	})
	complete := fmt.Sprintf(`{"part_ids":["%s","%s"],"md5":"E80B5017098950FC58AAD83C8C14978E"}`, first, second)
	require.Equal(t, "completed", mine.post(path+"/complete", complete).text("status"), "nothing that was refused changed anything")
}

// Of several that complete an upload at once, one makes the file.
func TestUploadCompletedAtOnce(t *testing.T) {
	s := newServer(t, settings{})
	path := s.newUpload(3)
	body := fmt.Sprintf(`{"part_ids":["%s"]}`, s.sendPart(path, "abc").ok().text("id"))
	completed := 0
	for _, answer := range s.together(8, path+"/complete", body) {
		if answer.status == 200 {
			completed++
			continue
		}
		answer.refused(400, "", "")
	}
	require.Equal(t, 1, completed)
	require.Len(t, s.get("/v1/files").at("data"), 1)
}

func TestUnusedFiles(t *testing.T) {
	s := newServer(t, settings{})
	file := func(purpose, name string) string { return s.upload(purpose, name, "Cake.").ok().text("id") }
	code, attached, shown, stored := file("assistants", "code.txt"), file("assistants", "attached.txt"), file("vision", "shown.png"), file("assistants", "stored.txt")
	oldest, middle, newest := file("assistants", "1.txt"), file("user_data", "2.txt"), file("assistants", "3.txt")
	s.post("/v1/assistants", `{"model":"m","tools":[{"type":"code_interpreter"}],"tool_resources":{"code_interpreter":{"file_ids":["`+code+`"]}}}`)
	s.post("/v1/threads", `{"messages":[{"role":"user","content":[{"type":"image_file","image_file":{"file_id":"`+shown+`"}}],
		"attachments":[{"file_id":"`+attached+`","tools":[{"type":"code_interpreter"}]}]}]}`)
	store := s.post("/v1/vector_stores", `{"file_ids":["`+stored+`"]}`).text("id")

	require.Equal(t, []string{newest, middle, oldest}, s.get("/v1/files?unused=true").ids())
	require.Equal(t, []string{newest, oldest}, s.get("/v1/files?unused=true&purpose=assistants").ids())
	page := s.get("/v1/files?unused=true&limit=2")
	require.Equal(t, []string{newest, middle}, page.ids())
	require.Equal(t, true, page.at("has_more"))
	page = s.get("/v1/files?unused=true&limit=2&after=" + middle)
	require.Equal(t, []string{oldest}, page.ids())
	require.Equal(t, false, page.at("has_more"))
	require.Equal(t, []string{middle}, s.get("/v1/files?unused=true&limit=1&before="+oldest).ids())
	require.Len(t, s.get("/v1/files?unused=false").ids(), 7)
	s.call("GET", "/v1/files?unused=yes", "").refused(400, "unused", "invalid_value")

	s.delete("/v1/vector_stores/" + store)
	require.Contains(t, s.get("/v1/files?unused=true").ids(), stored)
}
