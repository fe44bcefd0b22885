package assistants

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func parse(t testing.TB, body string) *wire.Object {
	t.Helper()
	o, err := wire.ParseObject([]byte(body))
	require.NoError(t, err)
	return o
}

func shown(t testing.TB, a *Assistant) string {
	t.Helper()
	data, err := wire.Marshal(a)
	require.NoError(t, err)
	return string(data)
}

const emptyAssistant = `{"id":"asst_1","object":"assistant","created_at":7,"name":null,"description":null,"model":"m","instructions":null,` +
	`"tools":[],"top_p":1.0,"temperature":1.0,"reasoning_effort":null,"tool_resources":{},"metadata":{},"response_format":"auto"}`

// with returns the empty assistant with members replaced; the pairs are
// written as they stand in the JSON.
func with(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(emptyAssistant) }

func TestCreateEchoesWhatTheHostedAPIEchoed(t *testing.T) {
	search := `{"type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0,"hybrid_search":null}}}`
	for _, c := range []struct {
		name, body, want string
		dialect          wire.Dialect
	}{
		{name: "only a model", body: `{"model":"m"}`, want: emptyAssistant},
		{
			name: "nulls are absent",
			body: `{"model":"m","name":null,"description":null,"instructions":null,"tools":null,"tool_resources":null,"metadata":null,"temperature":null,"top_p":null,"response_format":null,"reasoning_effort":null}`,
			want: emptyAssistant,
		},
		{
			name: "everything",
			body: `{"model":"m","name":"N","description":"D","instructions":"I","temperature":0,"top_p":0.5,"reasoning_effort":"low","metadata":{"k":"v"},"response_format":{"type": "json_object"}}`,
			want: with(`"name":null`, `"name":"N"`, `"description":null`, `"description":"D"`, `"instructions":null`, `"instructions":"I"`,
				`"temperature":1.0`, `"temperature":0.0`, `"top_p":1.0`, `"top_p":0.5`, `"reasoning_effort":null`, `"reasoning_effort":"low"`,
				`"metadata":{}`, `"metadata":{"k":"v"}`, `"auto"`, `{"type":"json_object"}`),
		},
		{
			name: "a function is completed",
			body: `{"model":"m","tools":[{"type":"function","function":{"name":"f"}}]}`,
			want: with(`"tools":[]`, `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}},"strict":false}}]`),
		},
		{
			name: "a schema keeps its order",
			body: `{"model":"m","tools":[{"type":"function","function":{"description":"d","name":"f","strict":true,"parameters":{ "z": 1, "a": [1.0, "<"] }}}]}`,
			want: with(`"tools":[]`, `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"z":1,"a":[1.0,"<"]},"strict":true}}]`),
		},
		{
			name: "members of other tool types may be null",
			body: `{"model":"m","tools":[{"type":"code_interpreter","function":null,"file_search":null},{"type":"file_search","function":null,"file_search":null}]}`,
			want: with(`"tools":[]`, `"tools":[{"type":"code_interpreter"},`+search+`]`, `"tool_resources":{}`, `"tool_resources":{"code_interpreter":{"file_ids":[]}}`),
		},
		{
			name: "file_search is completed", body: `{"model":"m","tools":[{"type":"file_search"}],"tool_resources":{"file_search":{"vector_store_ids":["vs_1"]}}}`,
			want: with(`"tools":[]`, `"tools":[`+search+`]`, `"tool_resources":{}`, `"tool_resources":{"file_search":{"vector_store_ids":["vs_1"]}}`),
		},
		{
			name: "file_search with settings",
			body: `{"model":"m","tools":[{"type":"file_search","file_search":{"max_num_results":7,"ranking_options":{"ranker":"auto","score_threshold":0.25,"hybrid_search":null}}}]}`,
			want: with(`"tools":[]`, `"tools":[{"type":"file_search","file_search":{"max_num_results":7,"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.25,"hybrid_search":null}}}]`),
		},
		{
			name: "code_interpreter with files", body: `{"model":"m","tools":[{"type":"code_interpreter"}],"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}}}`,
			want: with(`"tools":[]`, `"tools":[{"type":"code_interpreter"}]`, `"tool_resources":{}`, `"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}}`),
		},
		{name: "file_ids of an old client", body: `{"model":"m","file_ids":["file-1"]}`, want: emptyAssistant},
		{
			name: "version 1's files and retrieval", dialect: wire.V1, body: `{"model":"m","file_ids":["file-1"],"tools":[{"type":"retrieval"}],"metadata":{"k":true}}`,
			want: with(`"tools":[]`, `"tools":[`+search+`]`, `"tool_resources":{}`, `"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}}`, `"metadata":{}`, `"metadata":{"k":"True"}`),
		},
		{
			name: "a JSON schema as response format",
			body: `{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"s","description":"d","strict":true,"schema":{"type":"object"}}}}`,
			want: with(`"auto"`, `{"type":"json_schema","json_schema":{"name":"s","description":"d","strict":true,"schema":{"type":"object"}}}`),
		},
		{name: "version 1's none", body: `{"model":"m","response_format":"none"}`, want: emptyAssistant},
	} {
		t.Run(c.name, func(t *testing.T) {
			create, err := ReadCreate(parse(t, c.body), c.dialect)
			require.NoError(t, err)
			require.Equal(t, c.want, shown(t, create.new("asst_1", 7)))
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	repeat := func(n int, element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }
	for _, c := range []struct{ name, members, param, code string }{
		{"no model", ``, "model", "missing_required_parameter"},
		{"an empty model", `"model":""`, "model", "empty_string"},
		{"a long name", `"model":"m","name":"` + strings.Repeat("n", 257) + `"`, "name", "string_above_max_length"},
		{"a long description", `"model":"m","description":"` + strings.Repeat("n", 513) + `"`, "description", "string_above_max_length"},
		{"long instructions", `"model":"m","instructions":"` + strings.Repeat("n", 256_001) + `"`, "instructions", "string_above_max_length"},
		{"too hot", `"model":"m","temperature":2.1`, "temperature", "decimal_above_max_value"},
		{"top_p", `"model":"m","top_p":-0.1`, "top_p", "decimal_below_min_value"},
		{"reasoning effort", `"model":"m","reasoning_effort":"huge"`, "reasoning_effort", "invalid_value"},
		{"too many tools", `"model":"m","tools":[` + repeat(129, `{"type":"file_search"}`) + `]`, "tools", "array_above_max_length"},
		{"a tool of no type", `"model":"m","tools":[{}]`, "tools[0].type", "missing_required_parameter"},
		{"a tool of another type", `"model":"m","tools":[{"type":"file_search"},{"type":"web"}]`, "tools[1].type", "invalid_value"},
		{"retrieval under version 2", `"model":"m","tools":[{"type":"retrieval"}]`, "tools[0].type", "invalid_value"},
		{"a tool that is a string", `"model":"m","tools":["function"]`, "tools[0]", "invalid_type"},
		{"no function", `"model":"m","tools":[{"type":"function"}]`, "tools[0].function", "missing_required_parameter"},
		{"a function without a name", `"model":"m","tools":[{"type":"function","function":{}}]`, "tools[0].function.name", "missing_required_parameter"},
		{"a function with a bad name", `"model":"m","tools":[{"type":"function","function":{"name":"a b"}}]`, "tools[0].function.name", "invalid_value"},
		{"a function with a line break in its name", `"model":"m","tools":[{"type":"function","function":{"name":"a\n"}}]`, "tools[0].function.name", "invalid_value"},
		{"a function with a long name", `"model":"m","tools":[{"type":"function","function":{"name":"` + strings.Repeat("n", 65) + `"}}]`, "tools[0].function.name", "string_above_max_length"},
		{"a function named twice", `"model":"m","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]`, "tools[1].function.name", "invalid_value"},
		{"parameters that are no object", `"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`, "tools[0].function.parameters", "invalid_type"},
		{"an unknown member of a function", `"model":"m","tools":[{"type":"function","function":{"name":"f","x":1}}]`, "tools[0].function.x", "unknown_parameter"},
		{"a function beside another type", `"model":"m","tools":[{"type":"code_interpreter","function":{"name":"f"}}]`, "tools[0].function", "unknown_parameter"},
		{"too many results", `"model":"m","tools":[{"type":"file_search","file_search":{"max_num_results":51}}]`, "tools[0].file_search.max_num_results", "integer_above_max_value"},
		{"an unknown ranker", `"model":"m","tools":[{"type":"file_search","file_search":{"ranking_options":{"ranker":"x"}}}]`, "tools[0].file_search.ranking_options.ranker", "invalid_value"},
		{"a threshold", `"model":"m","tools":[{"type":"file_search","file_search":{"ranking_options":{"score_threshold":1.5}}}]`, "tools[0].file_search.ranking_options.score_threshold", "decimal_above_max_value"},
		{"two vector stores", `"model":"m","tool_resources":{"file_search":{"vector_store_ids":["vs_1","vs_2"]}}`, "tool_resources.file_search.vector_store_ids", "array_above_max_length"},
		{"a vector store id", `"model":"m","tool_resources":{"file_search":{"vector_store_ids":["file-1"]}}`, "tool_resources.file_search.vector_store_ids", "invalid_value"},
		{"a file id", `"model":"m","tool_resources":{"code_interpreter":{"file_ids":["undefined"]}}`, "tool_resources.code_interpreter.file_ids", "invalid_value"},
		{"too many files", `"model":"m","tool_resources":{"code_interpreter":{"file_ids":[` + repeat(21, `"file-1"`) + `]}}`, "tool_resources.code_interpreter.file_ids", "array_above_max_length"},
		{"an unknown resource", `"model":"m","tool_resources":{"web":{}}`, "tool_resources.web", "unknown_parameter"},
		{"an unknown member of a resource", `"model":"m","tool_resources":{"code_interpreter":{"ids":[]}}`, "tool_resources.code_interpreter.ids", "unknown_parameter"},
		{"a response format's type", `"model":"m","response_format":{"type":"xml"}`, "response_format.type", "invalid_value"},
		{"a response format's name", `"model":"m","response_format":"json"`, "response_format", "invalid_value"},
		{"a response format of no kind", `"model":"m","response_format":7`, "response_format", "invalid_type"},
		{"a JSON schema without schema", `"model":"m","response_format":{"type":"json_schema"}`, "response_format.json_schema", "missing_required_parameter"},
		{"a JSON schema without name", `"model":"m","response_format":{"type":"json_schema","json_schema":{}}`, "response_format.json_schema.name", "missing_required_parameter"},
		{"a JSON schema with a bad name", `"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"a b"}}`, "response_format.json_schema.name", "invalid_value"},
		{"an unknown member of a response format", `"model":"m","response_format":{"type":"text","x":1}`, "response_format.x", "unknown_parameter"},
		{"an unknown member", `"model":"m","color":1`, "color", "unknown_parameter"},
		{"an id", `"model":"m","id":"asst_1"`, "id", "unknown_parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadCreate(parse(t, "{"+c.members+"}"), wire.V2)
			requireError(t, err, c.param, c.code)
		})
	}
}

func requireError(t *testing.T, err error, param, code string) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, fmt.Sprint(param, " ", code), fmt.Sprint(e.Param, " ", e.Code), e.Message)
	require.NotEmpty(t, e.Message)
}

func TestModify(t *testing.T) {
	const full = `{"model":"m","name":"N","description":"D","instructions":"I","temperature":0.5,"top_p":0.5,"reasoning_effort":"low",` +
		`"tools":[{"type":"code_interpreter"}],"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}},"metadata":{"k":"v"},"response_format":{"type":"text"}}`
	before := with(`"name":null`, `"name":"N"`, `"description":null`, `"description":"D"`, `"instructions":null`, `"instructions":"I"`,
		`"temperature":1.0`, `"temperature":0.5`, `"top_p":1.0`, `"top_p":0.5`, `"reasoning_effort":null`, `"reasoning_effort":"low"`,
		`"tools":[]`, `"tools":[{"type":"code_interpreter"}]`, `"tool_resources":{}`, `"tool_resources":{"code_interpreter":{"file_ids":["file-1"]}}`,
		`"metadata":{}`, `"metadata":{"k":"v"}`, `"auto"`, `{"type":"text"}`)
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(before) }
	for _, c := range []struct{ name, body, want string }{
		{"nothing", `{}`, before},
		{
			"nulls reset", `{"name":null,"description":null,"instructions":null,"temperature":null,"top_p":null,"reasoning_effort":null,"response_format":null}`,
			change(`"N"`, `null`, `"D"`, `null`, `"I"`, `null`, `"temperature":0.5`, `"temperature":1.0`, `"top_p":0.5`, `"top_p":1.0`, `"low"`, `null`, `{"type":"text"}`, `"auto"`),
		},
		{"these nulls change nothing", `{"model":null,"metadata":null,"tools":null,"tool_resources":null}`, before},
		{"an empty model changes nothing", `{"model":""}`, before},
		{"a model", `{"model":"x"}`, change(`"model":"m"`, `"model":"x"`)},
		{"texts", `{"name":"","description":"E","instructions":"J"}`, change(`"N"`, `""`, `"D"`, `"E"`, `"I"`, `"J"`)},
		{"metadata is replaced", `{"metadata":{"other":"w"}}`, change(`{"k":"v"}`, `{"other":"w"}`)},
		{"metadata is emptied", `{"metadata":{}}`, change(`{"k":"v"}`, `{}`)},
		{"tools are replaced, resources stay", `{"tools":[]}`, change(`"tools":[{"type":"code_interpreter"}]`, `"tools":[]`)},
		{"files are replaced", `{"tool_resources":{"code_interpreter":{"file_ids":["file-2"]}}}`, change(`file-1`, `file-2`)},
		{"files are removed", `{"tool_resources":{"code_interpreter":{"file_ids":[]}}}`, change(`["file-1"]`, `[]`)},
		{"the tool again keeps its files", `{"tools":[{"type":"code_interpreter"}]}`, before},
		{"one resource leaves the other", `{"tool_resources":{"file_search":{"vector_store_ids":["vs_1"]}}}`, change(`["file-1"]}}`, `["file-1"]},"file_search":{"vector_store_ids":["vs_1"]}}`)},
		{
			"sampling", `{"temperature":2,"top_p":0,"reasoning_effort":"high","response_format":"auto"}`,
			change(`"temperature":0.5`, `"temperature":2.0`, `"top_p":0.5`, `"top_p":0.0`, `"low"`, `"high"`, `{"type":"text"}`, `"auto"`),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			create, err := ReadCreate(parse(t, full), wire.V2)
			require.NoError(t, err)
			a := create.new("asst_1", 7)
			require.Equal(t, before, shown(t, a))
			modify, err := ReadModify(parse(t, c.body), wire.V2)
			require.NoError(t, err)
			modify.apply(a, nil, time.Unix(7, 0))
			require.Equal(t, c.want, shown(t, a))
		})
	}
	t.Run("enabling code_interpreter shows its files", func(t *testing.T) {
		create, err := ReadCreate(parse(t, `{"model":"m"}`), wire.V2)
		require.NoError(t, err)
		a := create.new("asst_1", 7)
		modify, err := ReadModify(parse(t, `{"tools":[{"type":"code_interpreter"}]}`), wire.V2)
		require.NoError(t, err)
		modify.apply(a, nil, time.Unix(7, 0))
		require.Contains(t, shown(t, a), `"tool_resources":{"code_interpreter":{"file_ids":[]}}`)
	})
	for _, c := range []struct{ name, body, param, code string }{
		{"a wrong model", `{"model":5}`, "model", "invalid_type"},
		{"a long name", `{"name":"` + strings.Repeat("n", 257) + `"}`, "name", "string_above_max_length"},
		{"an unknown member", `{"name":null,"object":"assistant"}`, "object", "unknown_parameter"},
		{"wrong tools", `{"tools":{}}`, "tools", "invalid_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadModify(parse(t, c.body), wire.V2)
			requireError(t, err, c.param, c.code)
		})
	}
}

func TestAnAssistantReadsBackAsItWasShown(t *testing.T) {
	create, err := ReadCreate(parse(t, `{"model":"m","temperature":0,"tools":[{"type":"function","function":{"name":"f"}},{"type":"file_search"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}}`), wire.V2)
	require.NoError(t, err)
	want := shown(t, create.new("asst_1", 7))
	var back Assistant
	require.NoError(t, unmarshal(want, &back))
	require.Equal(t, want, shown(t, &back))
	require.NotNil(t, FindFunction(back.Tools, "f"))
	require.Nil(t, FindFunction(back.Tools, "g"))
	require.NotNil(t, back.ResponseFormat.Object())
	require.Nil(t, AutoFormat.Object())
}
