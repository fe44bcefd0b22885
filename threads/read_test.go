package threads

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func parse(t testing.TB, body string) *wire.Object {
	t.Helper()
	o, err := wire.ParseObject([]byte(body))
	require.NoError(t, err)
	return o
}

func encoded(t testing.TB, v any) string {
	t.Helper()
	data, err := wire.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func TestMessagesAreShownWhole(t *testing.T) {
	message := func(role, content, attachments, metadata string) string {
		return `{"id":"msg_1","object":"thread.message","created_at":7,"assistant_id":null,"thread_id":"thread_1","run_id":null,` +
			`"status":"completed","incomplete_details":null,"incomplete_at":null,"completed_at":7,` +
			`"role":"` + role + `","content":` + content + `,"attachments":` + attachments + `,"metadata":` + metadata + `}`
	}
	hi := `[{"type":"text","text":{"value":"hi","annotations":[]}}]`
	for _, c := range []struct {
		name, body, want string
		dialect          wire.Dialect
		files            []string
	}{
		{name: "a string", body: `{"role":"user","content":"hi"}`, want: message("user", hi, "[]", "{}")},
		{name: "an assistant's", body: `{"role":"assistant","content":"hi","attachments":null,"metadata":null}`, want: message("assistant", hi, "[]", "{}")},
		{name: "a part", body: `{"role":"user","content":[{"type":"text","text":"hi"}]}`, want: message("user", hi, "[]", "{}")},
		{name: "a part as it was shown", body: `{"role":"user","content":[{"type":"text","text":{"value":"hi","annotations":[{}]}}]}`, want: message("user", hi, "[]", "{}")},
		{name: "members of other parts may be null", body: `{"role":"user","content":[{"type":"text","text":"hi","image_url":null,"image_file":null}]}`, want: message("user", hi, "[]", "{}")},
		{
			name: "images", body: `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.test/a.png"}},{"type":"image_file","image_file":{"file_id":"file-1","detail":"low"}}]}`,
			want:  message("user", `[{"type":"image_url","image_url":{"url":"https://x.test/a.png","detail":"auto"}},{"type":"image_file","image_file":{"file_id":"file-1","detail":"low"}}]`, "[]", "{}"),
			files: []string{"file-1"},
		},
		{
			name: "a data image", body: `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"high"}}]}`,
			want: message("user", `[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"high"}}]`, "[]", "{}"),
		},
		{
			name:  "attachments, one file twice",
			body:  `{"role":"user","content":"hi","metadata":{"k":"v"},"attachments":[{"file_id":"file-1","tools":[{"type":"file_search"}]},{"file_id":"file-1","tools":[{"type":"code_interpreter"}]},{"file_id":"file-2"}]}`,
			want:  message("user", hi, `[{"file_id":"file-1","tools":[{"type":"file_search"}]},{"file_id":"file-1","tools":[{"type":"code_interpreter"}]},{"file_id":"file-2","tools":[]}]`, `{"k":"v"}`),
			files: []string{"file-1", "file-1", "file-2"},
		},
		{name: "file_ids of an old client", body: `{"role":"user","content":"hi","file_ids":["file-1"]}`, want: message("user", hi, "[]", "{}")},
		{
			name: "version 1's files", dialect: wire.V1, body: `{"role":"user","content":"hi","file_ids":["file-1"],"metadata":{"k":1}}`,
			want: message("user", hi, `[{"file_id":"file-1","tools":[]}]`, `{"k":"1"}`), files: []string{"file-1"},
		},
		{name: "the longest", body: `{"role":"user","content":"` + strings.Repeat("é", 256_000) + `"}`},
		{name: "NUL and markup", body: `{"role":"user","content":"\u0000<&>"}`, want: message("user", `[{"type":"text","text":{"value":"\u0000<&>","annotations":[]}}]`, "[]", "{}")},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := ReadMessage(parse(t, c.body), c.dialect)
			require.NoError(t, err)
			require.Equal(t, c.files, n.FileIDs())
			m := n.Build("msg_1", "thread_1", 7)
			if c.want != "" {
				require.Equal(t, c.want, encoded(t, m))
			}
			var back Message
			require.NoError(t, json.Unmarshal([]byte(encoded(t, m)), &back))
			require.Equal(t, encoded(t, m), encoded(t, &back))
		})
	}
}

func TestMessagesAreRefused(t *testing.T) {
	ids := strings.TrimSuffix(strings.Repeat(`"file-1",`, 11), ",")
	for _, c := range []struct {
		name, body, param, code string
		dialect                 wire.Dialect
	}{
		{"no role", `{"content":"x"}`, "role", "missing_required_parameter", wire.V2},
		{"another role", `{"role":"system","content":"x"}`, "role", "invalid_value", wire.V2},
		{"no content", `{"role":"user"}`, "content", "missing_required_parameter", wire.V2},
		{"null content", `{"role":"user","content":null}`, "content", "missing_required_parameter", wire.V2},
		{"empty content", `{"role":"user","content":""}`, "content", "empty_string", wire.V2},
		{"no parts", `{"role":"user","content":[]}`, "content", "empty_array", wire.V2},
		{"content of no kind", `{"role":"user","content":5}`, "content", "invalid_type", wire.V2},
		{"content is an object", `{"role":"user","content":{}}`, "content", "invalid_type", wire.V2},
		{"too long", `{"role":"user","content":"` + strings.Repeat("x", 256_001) + `"}`, "content", "string_above_max_length", wire.V2},
		{"a long part", `{"role":"user","content":[{"type":"text","text":"` + strings.Repeat("x", 256_001) + `"}]}`, "content[0].text", "string_above_max_length", wire.V2},
		{"a part that is a string", `{"role":"user","content":["x"]}`, "content[0]", "invalid_type", wire.V2},
		{"a part of no type", `{"role":"user","content":[{"text":"x"}]}`, "content[0].type", "missing_required_parameter", wire.V2},
		{"a part of another type", `{"role":"user","content":[{"type":"audio"}]}`, "content[0].type", "invalid_value", wire.V2},
		{"no text", `{"role":"user","content":[{"type":"text"}]}`, "content[0].text", "missing_required_parameter", wire.V2},
		{"text is a number", `{"role":"user","content":[{"type":"text","text":1}]}`, "content[0].text", "invalid_type", wire.V2},
		{"text object without value", `{"role":"user","content":[{"type":"text","text":{}}]}`, "content[0].text.value", "missing_required_parameter", wire.V2},
		{"two members", `{"role":"user","content":[{"type":"text","text":"x","image_url":{"url":"https://x.test/"}}]}`, "content[0].image_url", "unknown_parameter", wire.V2},
		{"no URL", `{"role":"user","content":[{"type":"image_url","image_url":{}}]}`, "content[0].image_url.url", "missing_required_parameter", wire.V2},
		{"a URL of another scheme", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}`, "content[0].image_url.url", "invalid_value", wire.V2},
		{"a URL without host", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://"}}]}`, "content[0].image_url.url", "invalid_value", wire.V2},
		{"data that is no image", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:text/html,x"}}]}`, "content[0].image_url.url", "invalid_value", wire.V2},
		{"image_url is a string", `{"role":"user","content":[{"type":"image_url","image_url":"https://x.test/"}]}`, "content[0].image_url", "invalid_type", wire.V2},
		{"detail", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.test/","detail":"max"}}]}`, "content[0].image_url.detail", "invalid_value", wire.V2},
		{"no image_file", `{"role":"user","content":[{"type":"image_file"}]}`, "content[0].image_file", "missing_required_parameter", wire.V2},
		{"no image_url", `{"role":"user","content":[{"type":"image_url"}]}`, "content[0].image_url", "missing_required_parameter", wire.V2},
		{"image_file is a string", `{"role":"user","content":[{"type":"image_file","image_file":"file-1"}]}`, "content[0].image_file", "invalid_type", wire.V2},
		{"an image's id", `{"role":"user","content":[{"type":"image_file","image_file":{"file_id":"asst_1"}}]}`, "content[0].image_file.file_id", "invalid_value", wire.V2},
		{"an attachment without file", `{"role":"user","content":"x","attachments":[{"tools":[]}]}`, "attachments[0].file_id", "missing_required_parameter", wire.V2},
		{"an attachment's id", `{"role":"user","content":"x","attachments":[{"file_id":"undefined"}]}`, "attachments[0].file_id", "invalid_value", wire.V2},
		{"an attachment's tool", `{"role":"user","content":"x","attachments":[{"file_id":"file-1","tools":[{"type":"function"}]}]}`, "attachments[0].tools[0].type", "invalid_value", wire.V2},
		{"an attachment's tool without type", `{"role":"user","content":"x","attachments":[{"file_id":"file-1","tools":[{}]}]}`, "attachments[0].tools[0].type", "missing_required_parameter", wire.V2},
		{"an unknown member of an attachment", `{"role":"user","content":"x","attachments":[{"file_id":"file-1","name":"n"}]}`, "attachments[0].name", "unknown_parameter", wire.V2},
		{"version 1: too many files", `{"role":"user","content":"x","file_ids":[` + ids + `]}`, "file_ids", "array_above_max_length", wire.V1},
		{"version 1: a file's id", `{"role":"user","content":"x","file_ids":["thread_1"]}`, "file_ids", "invalid_value", wire.V1},
		{"unknown", `{"role":"user","content":"x","status":"completed"}`, "status", "unknown_parameter", wire.V2},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadMessage(parse(t, c.body), c.dialect)
			requireError(t, err, c.param, c.code)
			_, err = ReadCreate(parse(t, `{"messages":[{"role":"user","content":"fine"},`+c.body+`]}`), c.dialect)
			requireError(t, err, "messages[1]."+c.param, c.code)
		})
	}
}

func requireError(t *testing.T, err error, param, code string) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, param+" "+code, e.Param+" "+e.Code, e.Message)
	require.NotEmpty(t, e.Message)
}

func TestThreadsAreShownWhole(t *testing.T) {
	shown := func(body string) (string, []*Message) {
		create, err := ReadCreate(parse(t, body), wire.V2)
		require.NoError(t, err)
		thread, messages, _ := create.Build("thread_1", time.Unix(7, 0), nil)
		return encoded(t, thread), messages
	}
	empty := `{"id":"thread_1","object":"thread","created_at":7,"metadata":{},"tool_resources":{}}`
	for _, body := range []string{``, `{}`, `{"messages":null,"metadata":null,"tool_resources":null}`, `{"messages":[]}`, `{"tool_resources":{}}`} {
		got, messages := shown(body)
		require.Equal(t, empty, got)
		require.Empty(t, messages)
	}
	got, messages := shown(`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"metadata":{"k":"v"},"tool_resources":{"code_interpreter":{"file_ids":["file-1"]},"file_search":{"vector_store_ids":["vs_1"]}}}`)
	require.Equal(t, `{"id":"thread_1","object":"thread","created_at":7,"metadata":{"k":"v"},"tool_resources":{"code_interpreter":{"file_ids":["file-1"]},"file_search":{"vector_store_ids":["vs_1"]}}}`, got)
	require.Regexp(t, `^msg_\w{24}$`, messages[0].ID)
	require.NotEqual(t, messages[0].ID, messages[1].ID)
	require.Equal(t, "thread_1", messages[1].ThreadID)

	for body, param := range map[string]string{
		`{"messages":{}}`:    "messages",
		`{"messages":["x"]}`: "messages[0]",
		`{"messages":[` + strings.Repeat(`{},`, maxMessages) + `{}]}`: "messages",
		`{"metadata":[]}`:                       "metadata",
		`{"tool_resources":{"file_search":[]}}`: "tool_resources.file_search",
		`{"id":"thread_1"}`:                     "id",
	} {
		_, err := ReadCreate(parse(t, body), wire.V2)
		var e *wire.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, param, e.Param)
	}
}

func TestModifyThread(t *testing.T) {
	before := `{"metadata":{"k":"v"},"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}}}`
	for _, c := range []struct{ name, body, metadata, resources string }{
		{"nothing", `{}`, `{"k":"v"}`, `{"code_interpreter":{"file_ids":["file-1"]}}`},
		{"nulls", `{"metadata":null,"tool_resources":null}`, `{"k":"v"}`, `{"code_interpreter":{"file_ids":["file-1"]}}`},
		{"metadata is replaced", `{"metadata":{"a":"b"}}`, `{"a":"b"}`, `{"code_interpreter":{"file_ids":["file-1"]}}`},
		{"files are removed", `{"tool_resources":{"code_interpreter":{"file_ids":[]}}}`, `{"k":"v"}`, `{"code_interpreter":{"file_ids":[]}}`},
		{"the other resource stays", `{"tool_resources":{"file_search":{"vector_store_ids":[]}}}`, `{"k":"v"}`, `{"code_interpreter":{"file_ids":["file-1"]},"file_search":{"vector_store_ids":[]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			create, err := ReadCreate(parse(t, before), wire.V2)
			require.NoError(t, err)
			thread, _, _ := create.Build("thread_1", time.Unix(7, 0), nil)
			modify, err := ReadModify(parse(t, c.body), wire.V2)
			require.NoError(t, err)
			modify.apply(thread)
			require.Equal(t, `{"id":"thread_1","object":"thread","created_at":7,"metadata":`+c.metadata+`,"tool_resources":`+c.resources+`}`, encoded(t, thread))
		})
	}
	_, err := ReadModify(parse(t, `{"messages":[]}`), wire.V2)
	requireError(t, err, "messages", "unknown_parameter")
}

func TestTextJoinsTextsAndRefusals(t *testing.T) {
	m := &Message{Content: []Part{NewText("a"), {Type: ImageURLPart, ImageURL: &ImageURL{URL: "https://x.test/"}}, NewRefusal("no"), NewText("b")}}
	require.Equal(t, "a\nno\nb", m.Text())
}
