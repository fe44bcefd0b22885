package threads

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

var seeds = []string{
	``, `{}`, `[]`, `{"role":"user","content":"hi"}`, `{"role":"assistant","content":[{"type":"text","text":{"value":"x","annotations":[]}}]}`,
	`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},{"type":"image_file","image_file":{"file_id":"file-1"}}]}`,
	`{"role":"user","content":"x","attachments":[{"file_id":"file-1","tools":[{"type":"file_search"}]}],"file_ids":["file-2"],"metadata":{"a":1}}`,
	`{"messages":[{"role":"user","content":"hi"}],"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}},"metadata":{"a":"b"}}`,
	`{"metadata":null,"tool_resources":{"file_search":{"vector_store_ids":[]}}}`, `{"content":"\ud800"}`,
}

// fuzz feeds bodies to a reader: it never panics, what it refuses it refuses
// as the API, and what it takes is shown as JSON.
func fuzz(f *testing.F, read func(o *wire.Object, dialect wire.Dialect) (any, error)) {
	for _, seed := range seeds {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, v1 bool) {
		dialect := wire.V2
		if v1 {
			dialect = wire.V1
		}
		var shown any
		o, err := wire.ParseObject(body)
		if err == nil {
			shown, err = read(o, dialect)
		}
		if err != nil {
			var e *wire.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Message)
			return
		}
		data, err := wire.Marshal(shown)
		require.NoError(t, err)
		require.True(t, json.Valid(data))
	})
}

func FuzzReadCreate(f *testing.F) {
	fuzz(f, func(o *wire.Object, dialect wire.Dialect) (any, error) {
		c, err := ReadCreate(o, dialect)
		thread, messages, _ := c.Build("thread_1", time.Unix(7, 0), nil)
		return []any{thread, messages}, err
	})
}

func FuzzReadMessage(f *testing.F) {
	fuzz(f, func(o *wire.Object, dialect wire.Dialect) (any, error) {
		n, err := ReadMessage(o, dialect)
		return n.Build("msg_1", "thread_1", 7), err
	})
}

func FuzzReadModify(f *testing.F) {
	fuzz(f, func(o *wire.Object, dialect wire.Dialect) (any, error) {
		m, err := ReadModify(o, dialect)
		thread := &Thread{ID: "thread_1"}
		m.apply(thread)
		return thread, err
	})
}
