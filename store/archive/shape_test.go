package archive

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShapeOfADump: objects are shown as the server shows its own, and what else
// a dump says of them is kept or reported.
func TestShapeOfADump(t *testing.T) {
	thread := `{"id":"t","object":"thread","created_at":1}`
	for name, c := range map[string]struct{ kind, given, want string }{
		"an assistant of an SDK": {
			"assistant",
			`{"id":"asst_1","created_at":1,"description":null,"instructions":null,"metadata":{"z":"1","a":"2"},"model":"gpt-4o","name":null,"object":"assistant",
				"tools":[{"function":{"name":"f","description":null,"parameters":{"type":"object","default":null,"properties":{"<b>":{}}},"strict":null},"type":"function"},
					{"type":"file_search","file_search":null},{"type":"file_search","file_search":{"max_num_results":5,"ranking_options":null}},{"type":"function","function":{"name":"g","parameters":null}}],
				"response_format":"auto","temperature":1,"tool_resources":{"code_interpreter":null,"file_search":null},"top_p":1.0}`,
			`{"id":"asst_1","object":"assistant","created_at":1,"name":null,"description":null,"model":"gpt-4o","instructions":null,` +
				`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","default":null,"properties":{"<b>":{}}},"strict":false}},` +
				`{"type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0,"hybrid_search":null}}},` +
				`{"type":"file_search","file_search":{"max_num_results":5,"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0,"hybrid_search":null}}},` +
				`{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}},"strict":false}}],` +
				`"top_p":1.0,"temperature":1.0,"reasoning_effort":null,"tool_resources":{},"metadata":{"a":"2","z":"1"},"response_format":"auto"}`,
		},
		"resources without ids": {
			"thread", `{"id":"t2","object":"thread","created_at":1,"metadata":null,"tool_resources":{"file_search":{"vector_store_ids":null},"code_interpreter":{"file_ids":null}}}`,
			`{"id":"t2","object":"thread","created_at":1,"metadata":{},"tool_resources":{"code_interpreter":{"file_ids":[]},"file_search":{"vector_store_ids":[]}}}`,
		},
		"a message of an SDK": {
			"thread.message",
			`{"id":"msg_1","assistant_id":null,"attachments":[{"file_id":"file-1","tools":null}],"completed_at":null,"content":[{"text":{"annotations":[{"type":"file_path","text":"x","new":null}],"value":"a & b"},"type":"text"},
				{"image_file":{"file_id":"file-1","detail":null},"type":"image_file"},{"type":"video","video":{"id":7}}],"created_at":5,"incomplete_at":null,"incomplete_details":null,"metadata":null,"object":"thread.message","role":"user","run_id":null,"status":null,"thread_id":"t"}`,
			`{"id":"msg_1","object":"thread.message","created_at":5,"assistant_id":null,"thread_id":"t","run_id":null,"status":"completed","incomplete_details":null,"incomplete_at":null,"completed_at":5,"role":"user",` +
				`"content":[{"type":"text","text":{"value":"a & b","annotations":[{"type":"file_path","text":"x","new":null}]}},{"type":"image_file","image_file":{"file_id":"file-1","detail":"auto"}},{"type":"video","video":{"id":7}}],` +
				`"attachments":[{"file_id":"file-1","tools":[]}],"metadata":{}}`,
		},
		"a step with what the server has no type for": {
			"thread.run.step",
			`{"id":"step_1","object":"thread.run.step","created_at":1,"run_id":"run_1","assistant_id":"asst_1","thread_id":"t","type":"tool_calls","status":"completed","completed_at":2,
				"step_details":{"tool_calls":[{"id":"call_1","type":"code_interpreter","code_interpreter":{"input":"1+1","outputs":[]}},{"id":"call_2","type":"file_search","file_search":{}}],"type":"tool_calls","message_creation":null},
				"usage":{"completion_tokens":1,"prompt_tokens":2,"total_tokens":3,"prompt_tokens_details":null}}`,
			`{"id":"step_1","object":"thread.run.step","created_at":1,"run_id":"run_1","assistant_id":"asst_1","thread_id":"t","type":"tool_calls","status":"completed","cancelled_at":null,"completed_at":2,"expires_at":null,"expired_at":null,"failed_at":null,"last_error":null,` +
				`"step_details":{"type":"tool_calls","tool_calls":[{"id":"call_1","type":"code_interpreter","code_interpreter":{"input":"1+1","outputs":[]}},` +
				`{"id":"call_2","type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0},"results":[]}}]},` +
				`"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3,"prompt_token_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"metadata":{}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, report := imported(t, map[string]string{"1.json": thread, "2.json": c.given})
			all := objects(t, db, c.kind)
			require.Equal(t, c.want, all[len(all)-1])
			require.Empty(t, report.Notes)
		})
	}
}

// TestUnknownMembersAreReported: those that say something, once for a kind.
func TestUnknownMembersAreReported(t *testing.T) {
	db, report := imported(t, map[string]string{
		"1.json": `[{"id":"t1","object":"thread","created_at":1,"mood":"x","file_ids":[],"none":null},{"id":"t2","object":"thread","created_at":2,"mood":{"a":1}}]`,
		"2.json": `{"id":"run_1","object":"thread.run","created_at":1,"thread_id":"t1","status":"completed","steps":[{"id":"s1","object":"thread.run.step","created_at":1,"thread_id":"t1","run_id":"run_1"}]}`,
	})
	require.Equal(t, []string{`Left out: the member "mood" of 2 objects of the kind thread, which they do not have here; the first is t1.`}, report.Notes)
	require.Equal(t, `{"id":"t1","object":"thread","created_at":1,"metadata":{},"tool_resources":{}}`, objects(t, db, "thread")[0])
	require.NotContains(t, objects(t, db, "thread.run")[0], "steps")
	require.Equal(t, []string{"s1"}, ids(t, db, "thread.run.step"))
}
