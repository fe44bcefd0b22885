package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestToV1(t *testing.T) {
	for name, c := range map[string]struct{ v2, v1 string }{
		"assistant": {
			`{"id":"asst_1","object":"assistant","tools":[{"type":"file_search","file_search":{"ranking_options":{}}},{"type":"code_interpreter"}],"top_p":1.0,"temperature":1.0,"reasoning_effort":null,"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}},"metadata":{},"response_format":"auto"}`,
			`{"id":"asst_1","object":"assistant","tools":[{"type":"retrieval"},{"type":"code_interpreter"}],"top_p":1.0,"temperature":1.0,"file_ids":["file-1"],"metadata":{},"response_format":"auto"}`,
		},
		"thread": {
			`{"id":"thread_1","object":"thread","created_at":1,"metadata":{"a":"b"},"tool_resources":{}}`,
			`{"id":"thread_1","object":"thread","created_at":1,"metadata":{"a":"b"}}`,
		},
		"message with one file under two tools": {
			`{"object":"thread.message","attachments":[{"file_id":"file-1","tools":[]},{"file_id":"file-1","tools":[{"type":"file_search"}]}],"metadata":{}}`,
			`{"object":"thread.message","file_ids":["file-1"],"metadata":{}}`,
		},
		"run that was cut short": {
			`{"object":"thread.run","status":"incomplete","tools":[],"tool_resources":{}}`,
			`{"object":"thread.run","status":"completed","tools":[],"file_ids":[]}`,
		},
		"run with a forced retrieval": {
			`{"object":"thread.run","tools":[],"tool_resources":{},"reasoning_effort":null,"tool_choice":{"type":"file_search"},"parallel_tool_calls":true}`,
			`{"object":"thread.run","tools":[],"file_ids":[],"tool_choice":{"type":"retrieval"}}`,
		},
		"step that searched": {
			`{"object":"thread.run.step","step_details":{"type":"tool_calls","tool_calls":[{"id":"call_1","type":"file_search","file_search":{"results":[]}},{"id":"call_2","type":"function","function":{"name":"f"}}]}}`,
			`{"object":"thread.run.step","step_details":{"type":"tool_calls","tool_calls":[{"id":"call_1","type":"retrieval","retrieval":{}},{"id":"call_2","type":"function","function":{"name":"f"}}]}}`,
		},
		"delta of a step that searched": {
			`{"object":"thread.run.step.delta","delta":{"step_details":{"type":"tool_calls","tool_calls":[{"index":0,"id":"call_1","type":"file_search","file_search":{"results":[]}}]}}}`,
			`{"object":"thread.run.step.delta","delta":{"step_details":{"type":"tool_calls","tool_calls":[{"index":0,"id":"call_1","type":"retrieval","retrieval":{}}]}}}`,
		},
		"message that cites": {
			`{"object":"thread.message","content":[{"type":"text","text":{"value":"a","annotations":[{"type":"file_citation","text":"b","file_citation":{"file_id":"file-1","quote":"q","start":1}},{"type":"file_citation","file_citation":{"file_id":"file-2"}},{"type":"file_path","file_path":{}}]}}],"attachments":[]}`,
			`{"object":"thread.message","content":[{"type":"text","text":{"value":"a","annotations":[{"type":"file_citation","text":"b","file_citation":{"file_id":"file-1","quote":"q"}},{"type":"file_citation","file_citation":{"file_id":"file-2","quote":""}},{"type":"file_path","file_path":{}}]}}],"file_ids":[]}`,
		},
		"step that wrote": {
			`{"object":"thread.run.step","step_details":{"type":"message_creation","message_creation":{"message_id":"msg_1"}}}`,
			`{"object":"thread.run.step","step_details":{"type":"message_creation","message_creation":{"message_id":"msg_1"}}}`,
		},
		"list": {
			`{"object":"list","data":[{"object":"thread","tool_resources":{}}],"first_id":"thread_1","has_more":false}`,
			`{"object":"list","data":[{"object":"thread"}],"first_id":"thread_1","has_more":false}`,
		},
		"empty list":       {`{"object":"list","data":[]}`, `{"object":"list","data":[]}`},
		"deletion":         {`{"id":"asst_1","object":"assistant.deleted","deleted":true}`, `{"id":"asst_1","object":"assistant.deleted","deleted":true}`},
		"text that is not": {`[1,2]`, `[1,2]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := toV1([]byte(c.v2))
			require.NoError(t, err)
			require.Equal(t, c.v1, string(got))
		})
	}
}
