package assistants

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func unmarshal(text string, v any) error { return json.Unmarshal([]byte(text), v) }

// seeds are bodies that reach far into the readers.
var seeds = []string{
	``, `{}`, `null`, `{"model":"m"}`, `{"model":"m","metadata":{"a":true}}`,
	`{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}},{"type":"retrieval"}]}`,
	`{"model":"m","tools":[{"type":"file_search","file_search":{"max_num_results":5,"ranking_options":{"ranker":"auto","score_threshold":0.5}}}]}`,
	`{"model":"m","tool_resources":{"code_interpreter":{"file_ids":["file-1"]},"file_search":{"vector_store_ids":["vs_1"]}},"file_ids":["file-2"]}`,
	`{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}},"temperature":1e400,"top_p":0.1}`,
	`{"name":null,"temperature":null,"model":"","instructions":"\ud800"}`,
}

// fuzz feeds bodies to a reader: it never panics, what it refuses it refuses
// as the API, and what it takes is shown as JSON.
func fuzz(f *testing.F, read func(o *wire.Object, dialect wire.Dialect) (*Assistant, error)) {
	for _, seed := range seeds {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, v1 bool) {
		dialect := wire.V2
		if v1 {
			dialect = wire.V1
		}
		var a *Assistant
		o, err := wire.ParseObject(body)
		if err == nil {
			a, err = read(o, dialect)
		}
		if err != nil {
			var e *wire.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Message)
			return
		}
		data, err := wire.Marshal(a)
		require.NoError(t, err)
		require.True(t, json.Valid(data))
		var back Assistant
		require.NoError(t, json.Unmarshal(data, &back))
	})
}

func FuzzReadCreate(f *testing.F) {
	fuzz(f, func(o *wire.Object, dialect wire.Dialect) (*Assistant, error) {
		c, err := ReadCreate(o, dialect)
		return c.new("asst_1", 7), err
	})
}

func FuzzReadModify(f *testing.F) {
	fuzz(f, func(o *wire.Object, dialect wire.Dialect) (*Assistant, error) {
		m, err := ReadModify(o, dialect)
		a := Create{Model: "m"}.new("asst_1", 7)
		if err == nil {
			m.apply(a, nil, time.Unix(7, 0))
		}
		return a, err
	})
}
