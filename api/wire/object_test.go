package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

// apiError asserts that err is the API's and returns it.
func apiError(t *testing.T, err error) *wire.Error {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Message)
	return e
}

func parse(t *testing.T, body string) *wire.Object {
	t.Helper()
	o, err := wire.ParseObject([]byte(body))
	require.NoError(t, err)
	return o
}

func TestParseObjectTakesOnlyObjects(t *testing.T) {
	nested := func(n int) string {
		return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}"
	}
	for _, c := range []struct {
		name, body, message string
	}{
		{"empty", "", ""},
		{"white space", " \r\n\t", ""},
		{"an object", ` {"a":1} `, ""},
		{"the deepest", nested(256), ""},
		{"brackets in a string", `{"a":"` + strings.Repeat("[{", 300) + `"}`, ""},
		{"an escaped quote", `{"a":"\"[","b":"\\"}`, ""},
		{"a surrogate pair", `{"a":"\ud83d\ude00"}`, ""},
		{"an escaped backslash before u", `{"a":"\\ud83d"}`, ""},
		{"NUL, escaped", `{"a":"\u0000"}`, ""},

		{"cut", `{"a":`, wire.ErrBadJSON.Message},
		{"two values", `{}{}`, wire.ErrBadJSON.Message},
		{"a comment", `{} // none`, wire.ErrBadJSON.Message},
		{"a byte order mark", "\ufeff{}", wire.ErrBadJSON.Message},
		{"a no-break space", "\u00a0{}", wire.ErrBadJSON.Message},
		{"single quotes", `{'a':1}`, wire.ErrBadJSON.Message},
		{"NaN", `{"a":NaN}`, wire.ErrBadJSON.Message},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", wire.ErrBadJSON.Message},
		{"an overlong form", "{\"a\":\"\xc0\xaf\"}", wire.ErrBadJSON.Message},
		{"an encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}", wire.ErrBadJSON.Message},
		{"NUL", "{\"a\":\"\x00\"}", wire.ErrBadJSON.Message},
		{"a high surrogate alone", `{"a":"\ud83d"}`, wire.ErrBadJSON.Message},
		{"a high surrogate before a letter", `{"a":"\ud83dxxxxxx"}`, wire.ErrBadJSON.Message},
		{"a low surrogate alone", `{"a":"\ude00"}`, wire.ErrBadJSON.Message},
		{"surrogates the wrong way round", `{"a":"\ude00\ud83d"}`, wire.ErrBadJSON.Message},
		{"a half in a name", `{"\ud83d":1}`, wire.ErrBadJSON.Message},
		{"too deep", nested(257), "The JSON body is nested more than 256 levels deep."},
		{"far too deep", nested(200_000), wire.ErrBadJSON.Message},
		{"an array", `[]`, "Invalid type: expected an object, but got an array instead."},
		{"null", `null`, "Invalid type: expected an object, but got null instead."},
		{"a string", `"a"`, "Invalid type: expected an object, but got a string instead."},
		{"a boolean", `true`, "Invalid type: expected an object, but got a boolean instead."},
		{"a whole number", `1`, "Invalid type: expected an object, but got an integer instead."},
		{"a decimal", `1.5`, "Invalid type: expected an object, but got a decimal number instead."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := wire.ParseObject([]byte(c.body))
			if c.message == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.message, apiError(t, err).Message)
		})
	}
}

// TestFieldsSayWhatIsWrong reads one field of each kind.
func TestFieldsSayWhatIsWrong(t *testing.T) {
	long := strings.Repeat("é", 6)
	for _, c := range []struct {
		name, value string
		read        func(o *wire.Object)
		message     string // "" when the value is fine
		code        string
	}{
		{"string", `"é"`, func(o *wire.Object) { o.String("f", 5) }, "", ""},
		{"string is null", `null`, func(o *wire.Object) { o.String("f", 5) }, "", ""},
		{"string counts characters", `"` + long[:10] + `"`, func(o *wire.Object) { o.String("f", 5) }, "", ""},
		{
			"string too long", `"` + long + `"`, func(o *wire.Object) { o.String("f", 5) },
			"Invalid 'f': string too long. Expected a string with maximum length 5, but got a string with length 6 instead.", "string_above_max_length",
		},
		{"string is a number", `5`, func(o *wire.Object) { o.String("f", 5) }, "Invalid type for 'f': expected a string, but got an integer instead.", "invalid_type"},
		{"required is null", `null`, func(o *wire.Object) { o.RequiredString("f", 5) }, "Missing required parameter: 'f'.", "missing_required_parameter"},
		{
			"required is empty", `""`, func(o *wire.Object) { o.RequiredString("f", 5) },
			"Invalid 'f': empty string. Expected a string with minimum length 1, but got an empty string instead.", "empty_string",
		},

		{"enum of two", `"c"`, func(o *wire.Object) { o.Enum("f", "a", "b") }, "Invalid value: 'c'. Supported values are: 'a' and 'b'.", "invalid_value"},
		{"enum of three", `"d"`, func(o *wire.Object) { o.Enum("f", "a", "b", "c") }, "Invalid value: 'd'. Supported values are: 'a', 'b', and 'c'.", "invalid_value"},
		{"enum is empty", `""`, func(o *wire.Object) { o.Enum("f", "a") }, "Invalid value: ''. Supported values are: 'a'.", "invalid_value"},
		{
			"enum repeats a little", `"` + strings.Repeat("é", 300) + `"`, func(o *wire.Object) { o.Enum("f", "a") },
			"Invalid value: '" + strings.Repeat("é", 200) + "...'. Supported values are: 'a'.", "invalid_value",
		},

		{"bool", `true`, func(o *wire.Object) { o.Bool("f") }, "", ""},
		{"bool is a string", `"true"`, func(o *wire.Object) { o.Bool("f") }, "Invalid type for 'f': expected a boolean, but got a string instead.", "invalid_type"},

		{"integer", `5`, func(o *wire.Object) { o.Int("f", 1, 5) }, "", ""},
		{"integer with a point", `5.0`, func(o *wire.Object) { o.Int("f", 1, 5) }, "", ""},
		{"integer with an exponent", `5e0`, func(o *wire.Object) { o.Int("f", 1, 5) }, "", ""},
		{"integer is a decimal", `1.5`, func(o *wire.Object) { o.Int("f", 1, 5) }, "Invalid type for 'f': expected an integer, but got a decimal number instead.", "invalid_type"},
		{"integer is a string", `"5"`, func(o *wire.Object) { o.Int("f", 1, 5) }, "Invalid type for 'f': expected an integer, but got a string instead.", "invalid_type"},
		{"integer above", `6`, func(o *wire.Object) { o.Int("f", 1, 5) }, "Invalid 'f': integer above maximum value. Expected a value <= 5, but got 6 instead.", "integer_above_max_value"},
		{"integer below", `-1`, func(o *wire.Object) { o.Int("f", 1, 5) }, "Invalid 'f': integer below minimum value. Expected a value >= 1, but got -1 instead.", "integer_below_min_value"},
		{"integer beyond 64 bits", `1e30`, func(o *wire.Object) { o.Int("f", 1, 1<<31-1) }, "Invalid 'f': integer above maximum value. Expected a value <= 2147483647, but got 1e30 instead.", "integer_above_max_value"},
		{"integer beyond floats", `-1e999`, func(o *wire.Object) { o.Int("f", 1, 5) }, "Invalid 'f': integer below minimum value. Expected a value >= 1, but got -1e999 instead.", "integer_below_min_value"},

		{"decimal", `1`, func(o *wire.Object) { o.Float("f", 0, 2) }, "", ""},
		{"decimal too small to tell from 0", `1e-999`, func(o *wire.Object) { o.Float("f", 0, 2) }, "", ""},
		{"decimal above", `2.5`, func(o *wire.Object) { o.Float("f", 0, 2) }, "Invalid 'f': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.", "decimal_above_max_value"},
		{"decimal below", `-0.5`, func(o *wire.Object) { o.Float("f", 0, 2) }, "Invalid 'f': decimal below minimum value. Expected a value >= 0, but got -0.5 instead.", "decimal_below_min_value"},
		{"decimal beyond floats", `1e999`, func(o *wire.Object) { o.Float("f", 0, 2) }, "Invalid 'f': decimal above maximum value. Expected a value <= 2, but got 1e999 instead.", "decimal_above_max_value"},
		{"decimal is a string", `"1"`, func(o *wire.Object) { o.Float("f", 0, 2) }, "Invalid type for 'f': expected a decimal, but got a string instead.", "invalid_type"},

		{"object is an array", `[]`, func(o *wire.Object) { o.Object("f") }, "Invalid type for 'f': expected an object, but got an array instead.", "invalid_type"},
		{"array is an object", `{}`, func(o *wire.Object) { o.Array("f", 0) }, "Invalid type for 'f': expected an array, but got an object instead.", "invalid_type"},
		{
			"array too long", `[1,2]`, func(o *wire.Object) { o.Array("f", 1) },
			"Invalid 'f': array too long. Expected an array with maximum length 1, but got an array with length 2 instead.", "array_above_max_length",
		},
		{"element is no object", `[{},null]`, func(o *wire.Object) { o.Objects("f", 0) }, "Invalid type for 'f[1]': expected an object, but got null instead.", "invalid_type"},
		{"element is no string", `["a",false]`, func(o *wire.Object) { o.Strings("f", 0) }, "Invalid type for 'f[1]': expected a string, but got a boolean instead.", "invalid_type"},
		{"nobody reads it", `1`, func(*wire.Object) {}, "Unknown parameter: 'f'.", "unknown_parameter"},
		{"nobody reads it, null", `null`, func(*wire.Object) {}, "Unknown parameter: 'f'.", "unknown_parameter"},
		{"null is ignored", `null`, func(o *wire.Object) { o.IgnoreNull("f") }, "", ""},
		{"only null is ignored", `1`, func(o *wire.Object) { o.IgnoreNull("f") }, "Unknown parameter: 'f'.", "unknown_parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := parse(t, `{"f":`+c.value+`}`)
			c.read(o)
			if c.message == "" {
				require.NoError(t, o.Err())
				return
			}
			e := apiError(t, o.Err())
			require.Equal(t, c.message, e.Message)
			require.Equal(t, c.code, e.Code)
			require.True(t, strings.HasPrefix(e.Param, "f"), e.Param)
			require.Equal(t, wire.Invalid, e.Kind)
		})
	}
}

func TestFieldsAnswerTheirValues(t *testing.T) {
	o := parse(t, `{"s":"x","i":7.0,"f":0.5,"b":false,"l":["p","q"],"o":{"n":[{"k":1}]},"none":null,"twice":1,"twice":2}`)
	require.Equal(t, "x", *o.String("s", 0))
	require.Equal(t, 7, *o.Int("i", 0, 9))
	require.Equal(t, wire.Float(0.5), *o.Float("f", 0, 1))
	require.False(t, *o.Bool("b"))
	require.Equal(t, []string{"p", "q"}, o.Strings("l", 0))
	require.Equal(t, 2, *o.Int("twice", 0, 9), "the last of two members of one name counts")
	inner := o.Object("o").Objects("n", 0)
	require.Len(t, inner, 1)
	require.Equal(t, "o.n[0].k", inner[0].Path("k"))
	require.Nil(t, inner[0].Float("absent", 0, 1))
	require.True(t, o.IsNull("none"))
	require.False(t, o.Has("none"))
	require.Nil(t, o.Raw("none"))
	require.Nil(t, o.String("none", 0))
	require.Empty(t, o.Enum("none", "a"))
	require.NoError(t, o.Err())

	require.Equal(t, "o.n[0].k", apiError(t, inner[0].Err()).Param, "the member nobody read is named by its whole path")
	require.Error(t, o.Err(), "an object shares the failure of what was read out of it")
}

func TestTheFirstFailureStays(t *testing.T) {
	o := parse(t, `{"a":1,"b":2,"z":3}`)
	o.String("a", 0)
	o.String("b", 0)
	require.Equal(t, "a", apiError(t, o.Err()).Param)
	o.Fail(nil)
	require.Equal(t, "a", apiError(t, o.Err()).Param)
}

func TestUnknownNamesAreShortened(t *testing.T) {
	e := apiError(t, parse(t, `{"`+strings.Repeat("n", 1<<20)+`":1}`).Err())
	require.Less(t, len(e.Message), 300)
	require.Less(t, len(e.Param), 300)
}

func TestMetadata(t *testing.T) {
	many := func(n int) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = `"k` + strings.Repeat("x", i) + `":"v"`
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	longKey := "abc" + strings.Repeat("é", 60) + "xyz"
	for _, c := range []struct {
		name, value string
		coerce      bool
		want        wire.Metadata
		message     string
		code, param string
	}{
		{name: "empty", value: `{}`, want: wire.Metadata{}},
		{name: "null", value: `null`},
		{name: "texts", value: `{"a":"b","":""}`, want: wire.Metadata{"a": "b", "": ""}},
		{name: "sixteen", value: many(16)},
		{name: "the longest", value: `{"` + strings.Repeat("é", 64) + `":"` + strings.Repeat("é", 512) + `"}`},
		{
			name: "seventeen", value: many(17), param: "metadata", code: "object_above_max_properties",
			message: "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.",
		},
		{
			name: "long key", value: `{"` + longKey + `":"v"}`, param: "metadata." + longKey, code: "property_name_above_max_length",
			message: "Invalid property name in 'metadata': 'abc...xyz' is too long. Expected a string with maximum length 64, but got a string with length 66 instead.",
		},
		{
			name: "long value", value: `{"a":"` + strings.Repeat("é", 513) + `"}`, param: "metadata.a", code: "string_above_max_length",
			message: "Invalid 'metadata.a': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.",
		},
		{
			name: "a boolean", value: `{"a":true}`, param: "metadata.a", code: "invalid_type",
			message: "Invalid type for 'metadata.a': expected a string, but got a boolean instead.",
		},
		{
			name: "null inside", value: `{"a":null}`, param: "metadata.a", code: "invalid_type",
			message: "Invalid type for 'metadata.a': expected a string, but got null instead.",
		},
		{
			name: "an array", value: `[]`, param: "metadata", code: "invalid_type",
			message: "Invalid type for 'metadata': expected an object, but got an array instead.",
		},
		{name: "version 1 writes values out", coerce: true, value: `{"a":true,"b":1.50,"c":null,"d":"x","e":false}`, want: wire.Metadata{"a": "True", "b": "1.50", "c": "None", "d": "x", "e": "False"}},
		{
			name: "version 1 has the same limits", coerce: true, value: `{"a":[` + strings.Repeat("1,", 300) + `1]}`, param: "metadata.a", code: "string_above_max_length",
			message: "Invalid 'metadata.a': string too long. Expected a string with maximum length 512, but got a string with length 603 instead.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := parse(t, `{"metadata":`+c.value+`}`)
			m := o.Metadata(c.coerce)
			if c.message == "" {
				require.NoError(t, o.Err())
				if c.want != nil {
					require.Equal(t, c.want, m)
				}
				return
			}
			e := apiError(t, o.Err())
			require.Equal(t, [3]string{c.message, c.param, c.code}, [3]string{e.Message, e.Param, e.Code})
		})
	}
}
