package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
)

// fuzzRuns feeds bodies to a reader of package runs: it never panics, and what
// it refuses it refuses as the API.
func fuzzRuns(f *testing.F, read func(o *wire.Object, dialect wire.Dialect) (any, error)) {
	for _, seed := range []string{
		``, `{}`, `{"assistant_id":"asst_1"}`, `{"assistant_id":"asst_1","stream":true,"tool_choice":{"type":"function","function":{"name":"f"}},"tools":[{"type":"function","function":{"name":"f"}}]}`,
		`{"assistant_id":"asst_1","truncation_strategy":{"type":"last_messages","last_messages":1},"max_prompt_tokens":1e400,"parallel_tool_calls":false,"response_format":{"type":"json_object"}}`,
		`{"assistant_id":"asst_1","additional_messages":[{"role":"user","content":"x"}],"additional_instructions":"y"}`,
		`{"assistant_id":"asst_1","thread":{"id":"thread_1","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]},"tool_resources":{}}`,
		`{"assistant_id":"asst_1","tool_choice":"required","model":null,"metadata":{"a":true}}`,
		`{"tool_outputs":[{"tool_call_id":"call_1","output":null},{"tool_call_id":"call_1"}],"stream":false}`, `{"tool_outputs":null}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, v1 bool) {
		dialect := wire.V2
		if v1 {
			dialect = wire.V1
		}
		o, err := wire.ParseObject(body)
		var object any
		if err == nil {
			object, err = read(o, dialect)
		}
		if err != nil {
			var e *wire.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Message)
			return
		}
		data, err := wire.Marshal(object)
		require.NoError(t, err)
		require.True(t, json.Valid(data))
	})
}

func FuzzReadRun(f *testing.F) {
	fuzzRuns(f, func(o *wire.Object, dialect wire.Dialect) (any, error) { return runs.ReadCreate(o, dialect) })
}

func FuzzReadRunWithThread(f *testing.F) {
	fuzzRuns(f, func(o *wire.Object, dialect wire.Dialect) (any, error) { return runs.ReadCreateWithThread(o, dialect) })
}

func FuzzReadOutputs(f *testing.F) {
	fuzzRuns(f, func(o *wire.Object, _ wire.Dialect) (any, error) { return runs.ReadOutputs(o) })
}
