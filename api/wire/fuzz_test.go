package wire_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

// FuzzParseObject: whatever is a body is stored and shown again as it came.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{``, `{}`, `[]`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"a":{"b":[1e999,null,true]}}`, `{"a":"\\u12"}`, "{\"a\":\"\xff\"}", `{"\u0000":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := wire.ParseObject(body)
		if err != nil {
			requireAPIError(t, err)
			return
		}
		raw := o.Raw("a")
		if raw == nil {
			return
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			var tooBig *json.UnmarshalTypeError // a number like 1e999
			require.ErrorAs(t, err, &tooBig)
		}
		_, err = wire.Marshal(raw)
		require.NoError(t, err)
	})
}

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{`{}`, `null`, `{"a":"b"}`, `{"a":true,"b":1,"c":null,"d":[],"e":{}}`, `{"":""}`, `[1]`} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, value []byte, v1 bool) {
		o, err := wire.ParseObject([]byte(`{"metadata":` + string(value) + `}`))
		if err != nil {
			requireAPIError(t, err)
			return
		}
		m := o.Metadata(v1)
		if err := o.Err(); err != nil {
			requireAPIError(t, err)
			return
		}
		require.LessOrEqual(t, len(m), 16)
		data, err := wire.Marshal(m)
		require.NoError(t, err)
		var back wire.Metadata
		require.NoError(t, json.Unmarshal(data, &back))
		require.Len(t, back, len(m))
	})
}

func FuzzParsePage(f *testing.F) {
	for _, seed := range []string{"", "limit=5", "limit=1e3", "limit=-1&order=asc", "order=x", "after=a&before=b", "limit=99999999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, _ := url.ParseQuery(query)
		page, err := wire.ParsePage(q, wire.ListLimits)
		if err != nil {
			requireAPIError(t, err)
			return
		}
		require.GreaterOrEqual(t, page.Limit, 1)
		require.LessOrEqual(t, page.Limit, 100)
	})
}

func requireAPIError(t *testing.T, err error) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Message)
}
