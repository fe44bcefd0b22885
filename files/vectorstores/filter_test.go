package vectorstores

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func parse(t testing.TB, body string) *wire.Object {
	o, err := wire.ParseObject([]byte(body))
	require.NoError(t, err)
	return o
}

// search reads a search for "q" with the filters.
func search(t testing.TB, filters string) (Search, error) {
	return ReadSearch(parse(t, `{"query":"q","filters":`+filters+`}`), wire.V2)
}

func TestFilterChoosesFiles(t *testing.T) {
	var attributes Attributes
	require.NoError(t, json.Unmarshal([]byte(`{"s":"b","n":2,"f":2.50,"big":9007199254740993,"t":true,"zero":0}`), &attributes))
	for filters, want := range map[string]bool{
		`null`:                                true,
		`{"type":"eq","key":"s","value":"b"}`: true, `{"type":"eq","key":"s","value":"B"}`: false,
		`{"type":"ne","key":"s","value":"b"}`: false, `{"type":"ne","key":"s","value":"c"}`: true,
		`{"type":"eq","key":"n","value":2.0}`: true, `{"type":"eq","key":"n","value":"2"}`: false,
		`{"type":"eq","key":"f","value":2.5}`: true, `{"type":"eq","key":"f","value":25e-1}`: true,
		`{"type":"eq","key":"t","value":true}`: true, `{"type":"ne","key":"t","value":true}`: false, `{"type":"eq","key":"t","value":false}`: false,
		`{"type":"eq","key":"zero","value":false}`:                                                         false,
		`{"type":"eq","key":"none","value":"x"}`:                                                           false,
		`{"type":"ne","key":"none","value":"x"}`:                                                           true,
		`{"type":"nin","key":"none","value":["x"]}`:                                                        true,
		`{"type":"gt","key":"none","value":0}`:                                                             false,
		`{"type":"gt","key":"n","value":1}`:                                                                true,
		`{"type":"gt","key":"n","value":2}`:                                                                false,
		`{"type":"gte","key":"n","value":2}`:                                                               true,
		`{"type":"lt","key":"n","value":2}`:                                                                false,
		`{"type":"lte","key":"n","value":2}`:                                                               true,
		`{"type":"lt","key":"n","value":1e99}`:                                                             true,
		`{"type":"gt","key":"s","value":"a"}`:                                                              true,
		`{"type":"lt","key":"s","value":"a"}`:                                                              false,
		`{"type":"gt","key":"t","value":0}`:                                                                false,
		`{"type":"gt","key":"big","value":9007199254740992}`:                                               true,
		`{"type":"eq","key":"big","value":9007199254740992}`:                                               false,
		`{"type":"gt","key":"n","value":1e-999999}`:                                                        true,
		`{"type":"eq","key":"zero","value":1e-999999}`:                                                     true,
		`{"type":"in","key":"n","value":["2",3,2.0]}`:                                                      true,
		`{"type":"in","key":"n","value":[]}`:                                                               false,
		`{"type":"nin","key":"s","value":["a","b"]}`:                                                       false,
		`{"type":"and","filters":[{"type":"eq","key":"n","value":2},{"type":"eq","key":"s","value":"x"}]}`: false,
		`{"type":"or","filters":[{"type":"eq","key":"n","value":2},{"type":"eq","key":"s","value":"x"}]}`:  true,
		`{"type":"and","filters":[{"type":"or","filters":[{"type":"eq","key":"n","value":2}]}]}`:           true,
	} {
		s, err := search(t, filters)
		require.NoError(t, err, filters)
		require.Equal(t, want, s.Filter.Match(attributes), filters)
		require.Equal(t, filters == `null`, s.Filter.All(), filters)
	}
}

// nested is a filter inside n-1 compounds.
func nested(n int) string {
	return strings.Repeat(`{"type":"and","filters":[`, n-1) + `{"type":"eq","key":"a","value":1}` + strings.Repeat(`]}`, n-1)
}

func TestFilterRefusals(t *testing.T) {
	_, err := search(t, nested(maxFilterDepth))
	require.NoError(t, err)
	many := `{"type":"or","filters":[` + strings.Repeat(`{"type":"or","filters":[{"type":"eq","key":"a","value":1}]},`, 140) + `{"type":"eq","key":"a","value":1}]}`
	for filters, want := range map[string]string{
		`[]`:                                              "filters invalid_type",
		`{}`:                                              "filters.type missing_required_parameter",
		`{"type":"like","key":"a","value":1}`:             "filters.type invalid_value",
		`{"type":"eq","value":1}`:                         "filters.key missing_required_parameter",
		`{"type":"eq","key":"","value":1}`:                "filters.key empty_string",
		`{"type":"eq","key":"a"}`:                         "filters.value missing_required_parameter",
		`{"type":"eq","key":"a","value":null}`:            "filters.value missing_required_parameter",
		`{"type":"eq","key":"a","value":[1]}`:             "filters.value invalid_type",
		`{"type":"gt","key":"a","value":true}`:            "filters.value invalid_type",
		`{"type":"in","key":"a","value":1}`:               "filters.value invalid_type",
		`{"type":"in","key":"a","value":[1,true]}`:        "filters.value[1] invalid_type",
		`{"type":"and"}`:                                  "filters.filters missing_required_parameter",
		`{"type":"and","filters":[]}`:                     "filters.filters empty_array",
		`{"type":"and","filters":[1]}`:                    "filters.filters[0] invalid_type",
		`{"type":"and","filters":[{"type":"eq"}]}`:        "filters.filters[0].key missing_required_parameter",
		`{"type":"eq","key":"a","value":1,"filters":[]}`:  "filters.filters unknown_parameter",
		`{"type":"eq","key":"a","value":1,"negate":true}`: "filters.negate unknown_parameter",
		nested(maxFilterDepth + 1):                        "filters invalid_value",
		many:                                              "filters invalid_value",
	} {
		_, err := search(t, filters)
		var refused *wire.Error
		require.ErrorAs(t, err, &refused, filters)
		require.Equal(t, want, refused.Param+" "+refused.Code, "%s: %s", filters, refused.Message)
	}
}

// FuzzFilter: a filter never panics, and chooses a file exactly when its
// negation does not.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`{"type":"eq","key":"a","value":1}`, `{"type":"in","key":"a","value":["x",1e400]}`, nested(9),
		`{"type":"or","filters":[{"type":"gt","key":"b","value":"x"},{"type":"nin","key":"c","value":[]}]}`,
	} {
		f.Add(seed, `{"a":1,"b":"y","c":true}`)
	}
	f.Fuzz(func(t *testing.T, filters, attributes string) {
		o, err := wire.ParseObject([]byte(`{"query":"q","filters":` + filters + `,"attributes":` + attributes + `}`))
		if err != nil {
			return
		}
		a := readAttributes(o)
		s, err := ReadSearch(o, wire.V2)
		if err != nil {
			var refused *wire.Error
			require.ErrorAs(t, err, &refused)
			return
		}
		opposite := map[string]string{opEq: opNe, opNe: opEq, opIn: opNin, opNin: opIn}
		if op, ok := opposite[s.Filter.op]; ok {
			other := s.Filter
			other.op = op
			require.NotEqual(t, s.Filter.Match(a), other.Match(a))
		}
		if s.Filter.op == opAnd || s.Filter.op == opOr {
			matched := 0
			for _, sub := range s.Filter.filters {
				if sub.Match(a) {
					matched++
				}
			}
			want := matched == len(s.Filter.filters)
			if s.Filter.op == opOr {
				want = matched > 0
			}
			require.Equal(t, want, s.Filter.Match(a))
		}
	})
}
