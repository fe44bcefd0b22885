package vectorstores

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

// reader reads a body of one route into what is shown of it.
type reader func(o *wire.Object, dialect wire.Dialect) (any, error)

var readers = map[string]reader{
	"create": func(o *wire.Object, d wire.Dialect) (any, error) {
		c, err := ReadCreate(o, d)
		return c.Build("vs_1", time.Unix(7, 0)).Store, err
	},
	"modify": func(o *wire.Object, d wire.Dialect) (any, error) {
		m, err := ReadModify(o, d)
		v := &VectorStore{ID: "vs_1"}
		if err == nil {
			err = m.apply(v)
		}
		return v, err
	},
	"attach": func(o *wire.Object, d wire.Dialect) (any, error) {
		f, err := ReadAttach(o, d)
		return f.Build("vs_1", 7), err
	},
	"attributes": func(o *wire.Object, d wire.Dialect) (any, error) { return ReadAttributes(o, d) },
	"batch":      func(o *wire.Object, d wire.Dialect) (any, error) { return ReadBatch(o, d) },
	"search":     func(o *wire.Object, d wire.Dialect) (any, error) { return ReadSearch(o, d) },
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 513)
	static := func(size, overlap string) string {
		return `{"file_id":"file-1","chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":` + size + `,"chunk_overlap_tokens":` + overlap + `}}}`
	}
	attributes := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"k%d":1`, i))
		}
		return `{"attributes":{` + strings.Join(all, ",") + `}}`
	}
	ids := func(n int) string {
		return `{"file_ids":[` + strings.TrimSuffix(strings.Repeat(`"file-1",`, n), ",") + `]}`
	}
	for _, c := range []struct{ route, body, want string }{
		{"create", `{"name":5}`, "name invalid_type"},
		{"create", `{"file_ids":"file-1"}`, "file_ids invalid_type"},
		{"create", `{"file_ids":["asst_1"]}`, "file_ids invalid_value"},
		{"create", ids(501), "file_ids array_above_max_length"},
		{"create", `{"expires_after":{"anchor":"created_at","days":1}}`, "expires_after.anchor invalid_value"},
		{"create", `{"expires_after":{"days":1}}`, "expires_after.anchor missing_required_parameter"},
		{"create", `{"expires_after":{"anchor":"last_active_at","days":0}}`, "expires_after.days integer_below_min_value"},
		{"create", `{"expires_after":{"anchor":"last_active_at","days":366}}`, "expires_after.days integer_above_max_value"},
		{"create", `{"files":[]}`, "files unknown_parameter"},
		{"create", `{"chunking_strategy":{"type":"other"}}`, "chunking_strategy.type invalid_value"},
		{"create", `{"chunking_strategy":{"type":"static"}}`, "chunking_strategy.static missing_required_parameter"},
		{"create", `{"chunking_strategy":{"type":"auto","static":{}}}`, "chunking_strategy.static unknown_parameter"},
		{"modify", `{"description":"d"}`, "description unknown_parameter"},
		{"attach", `{}`, "file_id missing_required_parameter"},
		{"attach", `{"file_id":"vs_1"}`, "file_id invalid_value"},
		{"attach", static("99", "0"), "chunking_strategy.static.max_chunk_size_tokens integer_below_min_value"},
		{"attach", static("4097", "0"), "chunking_strategy.static.max_chunk_size_tokens integer_above_max_value"},
		{"attach", static("100", "51"), "chunking_strategy.static.chunk_overlap_tokens integer_above_max_value"},
		{"attach", static("100", "-1"), "chunking_strategy.static.chunk_overlap_tokens integer_below_min_value"},
		{"attributes", `{}`, "attributes missing_required_parameter"},
		{"attributes", `{"attributes":[]}`, "attributes invalid_type"},
		{"attributes", attributes(17), "attributes object_above_max_properties"},
		{"attributes", `{"attributes":{"` + long[:65] + `":1}}`, "attributes property_name_above_max_length"},
		{"attributes", `{"attributes":{"a":"` + long + `"}}`, "attributes.a string_above_max_length"},
		{"attributes", `{"attributes":{"a":null}}`, "attributes.a invalid_type"},
		{"attributes", `{"attributes":{"a":{}}}`, "attributes.a invalid_type"},
		{"batch", `{}`, "file_ids missing_required_parameter"},
		{"batch", `{"file_ids":[]}`, "file_ids empty_array"},
		{"batch", `{"files":[]}`, "files empty_array"},
		{"batch", `{"files":[{}]}`, "files[0].file_id missing_required_parameter"},
		{"batch", `{"files":[{"file_id":"file-1"}],"file_ids":["file-1"]}`, "file_ids mutually_exclusive_parameters"},
		{"batch", ids(2001), "file_ids array_above_max_length"},
		{"search", `{}`, "query missing_required_parameter"},
		{"search", `{"query":""}`, "query empty_string"},
		{"search", `{"query":[]}`, "query empty_array"},
		{"search", `{"query":["a",""]}`, "query empty_string"},
		{"search", `{"query":["a",1]}`, "query[1] invalid_type"},
		{"search", `{"query":7}`, "query invalid_type"},
		{"search", `{"query":"` + strings.Repeat(long, 8) + `"}`, "query string_above_max_length"},
		{"search", `{"query":"q","max_num_results":0}`, "max_num_results integer_below_min_value"},
		{"search", `{"query":"q","max_num_results":51}`, "max_num_results integer_above_max_value"},
		{"search", `{"query":"q","rewrite_query":"yes"}`, "rewrite_query invalid_type"},
		{"search", `{"query":"q","ranking_options":{"ranker":"best"}}`, "ranking_options.ranker invalid_value"},
		{"search", `{"query":"q","ranking_options":{"score_threshold":1.1}}`, "ranking_options.score_threshold decimal_above_max_value"},
	} {
		_, err := readers[c.route](parse(t, c.body), wire.V2)
		var refused *wire.Error
		require.ErrorAs(t, err, &refused, c.body)
		require.Equal(t, c.want, refused.Param+" "+refused.Code, "%s: %s", c.body, refused.Message)
	}
}

func TestBatchOfFiles(t *testing.T) {
	list, err := ReadBatch(parse(t, `{"files":[{"file_id":"file-1"},{"file_id":"file-2","attributes":{"n":1}},{"file_id":"file-1","attributes":{"last":true}}]}`), wire.V2)
	require.NoError(t, err)
	require.Equal(t, []string{"file-1", "file-2"}, idsOf(list))
	require.Equal(t, Attributes{"last": true}, list[0].Attributes, "of a file named twice the last entry counts")
	require.Equal(t, DefaultChunking, list[1].Chunking)
}

func TestStatusesSettle(t *testing.T) {
	b := newBatch("vsfb_1", "vs_1", 7, 2)
	require.Equal(t, InProgress, b.Status)
	b.Count(InProgress, -2)
	b.Count(Failed, 2)
	require.Equal(t, Failed, b.Status)
	b.Count(Failed, -1)
	b.Count(Completed, 1)
	require.Equal(t, Completed, b.Status)
	b.Status = Cancelled
	b.Count(Completed, 1)
	require.Equal(t, Cancelled, b.Status)

	v := Of([]string{"file-1"}).Build("vs_1", time.Unix(7, 0)).Store
	require.Equal(t, InProgress, v.Status)
	v.Expire()
	v.Count(InProgress, -1)
	v.Weigh(5)
	v.FoundByWords(true, false)
	require.Equal(t, Expired, v.Status)
	require.Zero(t, v.UsageBytes)
	require.Empty(t, v.StatusDetails)
	require.Error(t, Modify{expiresAfter: threadExpiry()}.apply(v))
	require.NoError(t, Modify{metadata: wire.Metadata{"a": "b"}}.apply(v))
}

// FuzzRead feeds bodies to every reader: it never panics, what it refuses it
// refuses as the API, and what it takes is shown as JSON.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"file_ids":["file-1"],"name":"n","expires_after":{"anchor":"last_active_at","days":1},"metadata":{"a":"b"}}`,
		`{"file_id":"file-1","attributes":{"a":1.50,"b":true},"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":50}}}`,
		`{"files":[{"file_id":"file-1"}]}`, `{"query":["a"],"ranking_options":{"ranker":"auto","score_threshold":0.5},"filters":{"type":"eq","key":"a","value":1}}`,
		`{"attributes":null}`, `{"name":null,"expires_after":null}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, v1 bool) {
		dialect := wire.V2
		if v1 {
			dialect = wire.V1
		}
		for _, read := range readers {
			o, err := wire.ParseObject(body)
			if err != nil {
				return
			}
			shown, err := read(o, dialect)
			if err != nil {
				var refused *wire.Error
				require.ErrorAs(t, err, &refused)
				require.NotEmpty(t, refused.Message)
				continue
			}
			data, err := wire.Marshal(shown)
			require.NoError(t, err)
			require.True(t, json.Valid(data))
		}
	})
}
