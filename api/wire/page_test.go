package wire_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestParsePage(t *testing.T) {
	for _, c := range []struct {
		query               string
		want                wire.Page
		message, param, got string
	}{
		{query: "", want: wire.Page{Limit: 20}},
		{query: "limit=&order=&after=&before=", want: wire.Page{Limit: 20}},
		{query: "limit=1&order=asc&after=a&before=b", want: wire.Page{Limit: 1, Asc: true, After: "a", Before: "b"}},
		{query: "limit=100&order=desc", want: wire.Page{Limit: 100}},
		{query: "limit=0", message: "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.", param: "limit", got: "integer_below_min_value"},
		{query: "limit=101", message: "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.", param: "limit", got: "integer_above_max_value"},
		{query: "limit=-99999999999999999999", message: "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got -99999999999999999999 instead.", param: "limit", got: "integer_below_min_value"},
		{query: "limit=99999999999999999999", message: "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 99999999999999999999 instead.", param: "limit", got: "integer_above_max_value"},
		{query: "limit=abc", message: "Invalid type for 'limit': expected an integer, but got a string instead.", param: "limit", got: "invalid_type"},
		{query: "limit=1.5", message: "Invalid type for 'limit': expected an integer, but got a string instead.", param: "limit", got: "invalid_type"},
		{query: "order=newest", message: "Invalid value: 'newest'. Supported values are: 'asc' and 'desc'.", param: "order", got: "invalid_value"},
		{query: "order=ASC", message: "Invalid value: 'ASC'. Supported values are: 'asc' and 'desc'.", param: "order", got: "invalid_value"},
	} {
		t.Run(c.query, func(t *testing.T) {
			q, err := url.ParseQuery(c.query)
			require.NoError(t, err)
			page, err := wire.ParsePage(q, wire.ListLimits)
			if c.message == "" {
				require.NoError(t, err)
				require.Equal(t, c.want, page)
				return
			}
			e := apiError(t, err)
			require.Equal(t, [3]string{c.message, c.param, c.got}, [3]string{e.Message, e.Param, e.Code})
		})
	}
}

func TestListEnvelope(t *testing.T) {
	encoded := func(l wire.List) string {
		data, err := wire.Marshal(l)
		require.NoError(t, err)
		return string(data)
	}
	require.Equal(t, `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`, encoded(wire.List{}))
	require.Equal(t, `{"object":"list","data":[{"t":"<&>"},{}],"first_id":"a","last_id":"b","has_more":true}`,
		encoded(wire.List{Items: []wire.Item{{ID: "a", JSON: []byte(`{"t":"<&>"}`)}, {ID: "b", JSON: []byte(`{}`)}}, HasMore: true}))
}

// TestPageOf pages five entries, and one that has gone, every way and compares with what a reader would
// expect of the list written out.
func TestPageOf(t *testing.T) {
	ids := []string{"a", "b", "gone", "c", "d", "e"}
	for _, c := range []struct {
		name    string
		page    wire.Page
		want    string
		hasMore bool
	}{
		{"newest first", wire.Page{Limit: 2}, "ed", true},
		{"oldest first", wire.Page{Limit: 2, Asc: true}, "ab", true},
		{"all", wire.Page{Limit: 5}, "edcba", false},
		{"after", wire.Page{Limit: 2, After: "d"}, "cb", true},
		{"after, oldest first", wire.Page{Limit: 9, Asc: true, After: "d"}, "e", false},
		{"behind the last", wire.Page{Limit: 2, After: "a"}, "", false},
		{"before: the nearest", wire.Page{Limit: 2, Asc: true, Before: "d"}, "bc", true},
		{"before the first", wire.Page{Limit: 2, Asc: true, Before: "a"}, "", false},
		{"before, newest first", wire.Page{Limit: 2, Before: "b"}, "dc", true},
		{"between", wire.Page{Limit: 9, Asc: true, After: "a", Before: "d"}, "bc", false},
		{"between, cut", wire.Page{Limit: 1, Asc: true, After: "a", Before: "d"}, "b", true},
		{"between the wrong way round", wire.Page{Limit: 9, Asc: true, After: "d", Before: "b"}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := wire.PageOf(ids, c.page, func(id string) (json.RawMessage, error) {
				if id == "gone" { // since the ids were read
					return nil, wire.ErrNotFound
				}
				return json.RawMessage(`"` + id + `"`), nil
			})
			require.NoError(t, err)
			var got string
			for _, item := range list.Items {
				got += item.ID
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.hasMore, list.HasMore)
		})
	}
	_, err := wire.PageOf(ids, wire.Page{Limit: 1, Before: "zz"}, nil)
	require.Equal(t, "before", apiError(t, err).Param)
}
