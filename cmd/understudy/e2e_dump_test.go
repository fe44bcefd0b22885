package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// testDump imports what others took out of the hosted API, and goes on with it.
func testDump(t *testing.T, p program) {
	dir, data := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"manifest.json":              `{"export_schema": "assistants-export-manifest/v1", "assistants_count": 1}`,
		"assistants.json":            `[{"id": "asst_hosted1", "object": "assistant", "created_at": 1700000000, "name": "Weather", "description": null, "model": "gpt-4o", "instructions": "Be brief.", "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}], "top_p": 1.0, "temperature": 1.0, "tool_resources": {}, "metadata": {}, "response_format": "auto"}]`,
		"threads/thread_hosted.json": hostedThread,
		"pages/messages.json":        `{"object": "list", "has_more": false, "data": [` + hostedMessage("msg_p3", "thread_paged", "user", "third") + `,` + hostedMessage("msg_p2", "thread_paged", "assistant", "second") + `,` + hostedMessage("msg_p1", "thread_paged", "user", "first") + `]}`,
		"pages/thread.json":          `{"id": "thread_paged", "object": "thread", "created_at": 1700000500, "metadata": {"user": "u1"}, "tool_resources": {}}`,
		"pages/stores.jsonl":         `{"id": "vs_1", "object": "vector_store", "created_at": 1}` + "\n" + `{"unrelated": true}` + "\n",
		"bytes/file-hosted1.txt":     "the bytes",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	imported, code := p.run(t, nil, "import", "--data="+data, dir)
	require.Zero(t, code, imported.stderr)
	report := imported.stdout.String()
	for _, row := range []string{`file +1 +0 +0`, `assistant +1 +0 +0`, `thread +2 +0 +0`, `thread.message +6 +0 +0`, `thread.run +1 +0 +0`, `thread.run.step +2 +0 +0`} {
		require.Regexp(t, row+"\n", report)
	}
	require.Contains(t, report, "Left out: 1 objects of the kind vector_store")
	require.Contains(t, report, "the first is file-hosted2")
	require.Contains(t, report, "could not read 1 objects")
	again, code := p.run(t, nil, "import", "--data="+data, dir)
	require.Zero(t, code, again.stderr)
	require.Regexp(t, `thread.message +0 +6 +0\n`, again.stdout.String())

	s := p.serve(t, data, nil)
	require.Equal(t, []string{"user: What is the weather in Oslo?", "assistant: It is 12 degrees.", "user: Thanks."}, s.conversation(t, "thread_hosted"))
	require.Equal(t, []string{"user: first", "assistant: second", "user: third"}, s.conversation(t, "thread_paged"))
	require.Equal(t, "the bytes", s.send(t, http.MethodGet, "/files/file-hosted1/content", nil).body)
	step := s.send(t, http.MethodGet, "/threads/thread_hosted/runs/run_hosted/steps/step_h1", nil)
	require.Contains(t, step.body, `"output":"12 degrees"`)
	require.Contains(t, s.send(t, http.MethodGet, "/threads/thread_hosted", nil).body, `"created_at":1700000100`)

	run := s.ends(t, s.begin(t, "thread_hosted", "asst_hosted1"), openai.RunStatusRequiresAction)
	sent := s.send(t, http.MethodGet, "/threads/thread_hosted/runs/"+run.ID+"/context", nil).body
	order := -1
	for _, words := range []string{"What is the weather in Oslo?", "call_h1", "12 degrees", "It is 12 degrees.", "Thanks."} {
		at := strings.Index(sent, words)
		require.Greater(t, at, order, "%q out of order in %s", words, sent)
		order = at
	}
}

func hostedMessage(id, thread, role, text string) string {
	return fmt.Sprintf(`{"id": %q, "object": "thread.message", "created_at": 1700000600, "assistant_id": null, "thread_id": %q, "run_id": null, "role": %q,
		"content": [{"type": "text", "text": {"value": %q, "annotations": []}}], "attachments": [], "metadata": {}}`, id, thread, role, text)
}

// hostedThread is a file of the layout assistants-thread-export/v1.
const hostedThread = `{
  "export_schema": "assistants-thread-export/v1",
  "thread_id": "thread_hosted",
  "exported_at": "2026-08-01T00:00:00+00:00",
  "thread": {"id": "thread_hosted", "object": "thread", "created_at": 1700000100, "metadata": {}, "tool_resources": {}},
  "messages": [
    {"id": "msg_h1", "object": "thread.message", "created_at": 1700000101, "assistant_id": null, "thread_id": "thread_hosted", "run_id": null, "role": "user", "content": [{"type": "text", "text": {"value": "What is the weather in Oslo?", "annotations": []}}], "attachments": [], "metadata": {}},
    {"id": "msg_h2", "object": "thread.message", "created_at": 1700000104, "assistant_id": "asst_hosted1", "thread_id": "thread_hosted", "run_id": "run_hosted", "role": "assistant", "content": [{"type": "text", "text": {"value": "It is 12 degrees.", "annotations": []}}], "attachments": [], "metadata": {}},
    {"id": "msg_h3", "object": "thread.message", "created_at": 1700000110, "assistant_id": null, "thread_id": "thread_hosted", "run_id": null, "role": "user", "content": [{"type": "text", "text": {"value": "Thanks.", "annotations": []}}], "attachments": [], "metadata": {}}
  ],
  "runs": [
    {"id": "run_hosted", "object": "thread.run", "created_at": 1700000102, "assistant_id": "asst_hosted1", "thread_id": "thread_hosted", "status": "completed", "started_at": 1700000102, "expires_at": null, "cancelled_at": null, "failed_at": null, "completed_at": 1700000105, "required_action": null, "last_error": null, "model": "gpt-4o", "instructions": "Be brief.", "tools": [], "tool_resources": {}, "metadata": {}, "temperature": 1.0, "top_p": 1.0, "max_completion_tokens": null, "max_prompt_tokens": null, "truncation_strategy": {"type": "auto", "last_messages": null}, "incomplete_details": null, "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, "response_format": "auto", "tool_choice": "auto", "parallel_tool_calls": true,
     "steps": [
       {"id": "step_h1", "object": "thread.run.step", "created_at": 1700000103, "run_id": "run_hosted", "assistant_id": "asst_hosted1", "thread_id": "thread_hosted", "type": "tool_calls", "status": "completed", "cancelled_at": null, "completed_at": 1700000104, "expires_at": null, "failed_at": null, "last_error": null, "step_details": {"type": "tool_calls", "tool_calls": [{"id": "call_h1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}", "output": "12 degrees"}}]}, "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}},
       {"id": "step_h2", "object": "thread.run.step", "created_at": 1700000104, "run_id": "run_hosted", "assistant_id": "asst_hosted1", "thread_id": "thread_hosted", "type": "message_creation", "status": "completed", "cancelled_at": null, "completed_at": 1700000105, "expires_at": null, "failed_at": null, "last_error": null, "step_details": {"type": "message_creation", "message_creation": {"message_id": "msg_h2"}}, "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
     ]}
  ],
  "files": {
    "file-hosted1": {"id": "file-hosted1", "object": "file", "bytes": 9, "created_at": 1700000050, "filename": "a.txt", "purpose": "assistants"},
    "file-hosted2": {"id": "file-hosted2", "object": "file", "bytes": 7, "created_at": 1700000051, "filename": "b.txt", "purpose": "assistants"}
  },
  "errors": [{"object": "file", "id": "file-lost", "error": "not_found_or_expired", "detail": "gone"}]
}`
