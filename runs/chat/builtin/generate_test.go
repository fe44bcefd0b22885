package builtin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestArgumentsComeFromTheText(t *testing.T) {
	for _, c := range []struct{ text, properties, want string }{
		{"What's the weather in San Francisco, CA?", `"location":{"type":"string"}`, `{"location":"San Francisco, CA"}`},
		{"weather in Paris, in fahrenheit", `"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]}`, `{"city":"Paris","unit":"fahrenheit"}`},
		{"weather in paris", `"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"],"default":"fahrenheit"}`, `{"city":"paris","unit":"fahrenheit"}`},
		{"Resize to 800 by 600", `"width":{"type":"integer"},"height":{"type":"integer"}`, `{"width":800,"height":600}`},
		{"Resize to 800 by 600", `"width":{"type":"integer","maximum":700},"height":{"type":"integer"}`, `{"width":600,"height":800}`},
		{"Fly from Berlin to New York on 2026-12-24.", `"destination":{"type":"string"},"origin":{"type":"string"},"date":{"type":"string"}`, `{"destination":"New York","origin":"Berlin","date":"2026-12-24"}`},
		{"sum 1, -2.5 and 3,000", `"numbers":{"type":"array","items":{"type":"number"}}`, `{"numbers":[1,-2.5,3000]}`},
		{"Weather in Paris, London and Rome?", `"cities":{"type":"array","items":{"type":"string"}}`, `{"cities":["Paris","London","Rome"]}`},
		{`Mail bob@example.org about "Hi there"`, `"email":{"type":"string"},"subject":{"type":"string"}`, `{"email":"bob@example.org","subject":"Hi there"}`},
		{"What is 12 * 7?", `"expression":{"type":"string"}`, `{"expression":"What is 12 * 7?"}`},
		{"Where is order A-7781?", `"order_id":{"type":"string"}`, `{"order_id":"A-7781"}`},
		{"Find XYZ-1234", `"ticket":{"type":"string","pattern":"^[A-Z]{3}-\\d{4}$"}`, `{"ticket":"XYZ-1234"}`},
		{"title is Dune, size=5", `"size":{"type":"integer"},"title":{"type":"string"}`, `{"size":5,"title":"Dune"}`},
		{`Call it with {"a": 1, "b": [true]} now`, `"a":{"type":"integer"},"b":{"type":"array"}`, `{"a":1,"b":[true]}`},
		{`Call it with {"a": 7, "b": 0}`, `"a":{"type":"integer"},"b":{"type":"string"}`, `{"a":7,"b":"0"}`},
		{"make it archived", `"archived":{"type":"boolean"},"urgent":{"type":"boolean"},"kept":{"type":"boolean","default":true}`, `{"archived":true,"urgent":false,"kept":true}`},
		{"add a user named Ada Lovelace aged 36", `"user":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}}}`, `{"user":{"name":"Ada Lovelace","age":36}}`},
		{"hello", `"mode":{"const":"x"},"n":{"type":"integer","minimum":3},"s":{"type":["string","null"],"maxLength":3}`, `{"mode":"x","n":3,"s":"exa"}`},
		{"", `"city":{"type":"string"},"when":{"type":"string","format":"date"}`, `{"city":"example","when":"2026-01-31"}`},
	} {
		t.Run(c.text, func(t *testing.T) {
			got := generateObject(json.RawMessage(`{"type":"object","properties":{`+c.properties+`}}`), c.text)
			require.JSONEq(t, c.want, string(got))
			requireOrder(t, c.want, string(got))
		})
	}
}

// requireOrder holds the members to the order of the wanted text.
func requireOrder(t *testing.T, want, got string) {
	t.Helper()
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(want)))
	var plain bytes.Buffer
	require.NoError(t, json.Compact(&plain, []byte(got)))
	require.Equal(t, compact.String(), plain.String())
}

func TestOptionalMembersNeedAReason(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","required":["city"],"properties":{
		"city":{"type":"string"},"unit":{"enum":["kelvin","celsius"]},"days":{"type":"integer"}}}`)
	for text, want := range map[string]string{
		"weather in Rome":                    `{"city":"Rome"}`,
		"weather in Rome in celsius":         `{"city":"Rome","unit":"celsius"}`,
		"weather in Rome, days: 3":           `{"city":"Rome","days":3}`,
		`use {"city": "Oslo", "days": 9} ok`: `{"city":"Oslo","days":9}`,
	} {
		require.JSONEq(t, want, string(generateObject(schema, text)), text)
	}
}

// The schemas people write use all of these; each value must satisfy a
// validator that this package did not write.
func TestHardSchemas(t *testing.T) {
	for name, schema := range map[string]string{
		"linked list":         `{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}}}`,
		"tree":                `{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["name","children"],"additionalProperties":false}`,
		"mutual recursion":    `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"b":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]}},"required":["b"]},"b":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}}}`,
		"allOf":               `{"allOf":[{"type":"object","properties":{"a":{"type":"string","minLength":4}},"required":["a"]},{"$ref":"#/definitions/b"}],"definitions":{"b":{"properties":{"b":{"type":"integer","minimum":5},"a":{"maxLength":4}},"required":["b"]}}}`,
		"oneOf discriminated": `{"type":"object","properties":{"shape":{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"}},"required":["kind","r"]},{"type":"object","properties":{"kind":{"const":"box"},"w":{"type":"number"}},"required":["kind","w"]}]}},"required":["shape"]}`,
		"oneOf overlapping":   `{"type":"object","properties":{"n":{"oneOf":[{"type":"number"},{"type":"integer"},{"type":"string","maxLength":2}]}},"required":["n"]}`,
		"anyOf required":      `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"additionalProperties":false,"anyOf":[{"required":["a"]},{"required":["b"]}]}`,
		"numbers":             `{"type":"object","properties":{"a":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.5},"b":{"type":"number","multipleOf":0.25,"minimum":0.3},"c":{"type":"integer","maximum":-3},"d":{"type":"integer","multipleOf":2.5,"minimum":7},"e":{"type":"number","minimum":1e12}}}`,
		"strings":             `{"type":"object","properties":{"a":{"type":"string","minLength":30,"maxLength":31},"b":{"type":"string","pattern":"^(foo|bar)-[a-z]+$","minLength":12},"c":{"type":"string","maxLength":0},"d":{"type":"string","pattern":"[0-9a-f]{8}"}}}`,
		"formats":             `{"type":"object","properties":{"a":{"type":"string","format":"date-time"},"b":{"type":"string","format":"email"},"c":{"type":"string","format":"uri"},"d":{"type":"string","format":"uuid"},"e":{"type":"string","format":"ipv4"},"f":{"type":"string","format":"ipv6"},"g":{"type":"string","format":"hostname"},"h":{"type":"string","format":"duration"},"i":{"type":"string","format":"time"},"j":{"type":"string","format":"date"}}}`,
		"unique items":        `{"type":"object","properties":{"a":{"type":"array","uniqueItems":true,"minItems":3,"items":{"enum":["x","y","z"]}},"b":{"type":"array","uniqueItems":true,"minItems":4,"items":{"type":"integer","minimum":5,"multipleOf":5}},"c":{"type":"array","uniqueItems":true,"minItems":2,"items":{"type":"string","maxLength":6}},"d":{"type":"array","uniqueItems":true,"minItems":2,"items":{"type":"boolean"}},"e":{"type":"array","uniqueItems":true,"minItems":2,"items":{"type":"number","minimum":0.1,"maximum":0.2}}}}`,
		"tuple":               `{"type":"object","properties":{"p":{"type":"array","prefixItems":[{"type":"number"},{"type":"string"}],"items":false}},"required":["p"]}`,
		"dictionary":          `{"type":"object","minProperties":2,"additionalProperties":{"type":"integer"},"required":["total"]}`,
		"closed dictionary":   `{"type":"object","minProperties":1,"required":[],"properties":{"a":{"type":"null"}},"additionalProperties":false}`,
		"no types":            `{"properties":{"a":{"minimum":3},"b":{"items":{"type":"string"}},"c":{"properties":{"d":true}}},"required":["a","b","c","x"]}`,
		"enum of everything":  `{"type":"object","properties":{"a":{"enum":[null,1,"two",{"three":3}],"type":["object","integer"]}},"required":["a"]}`,
		"pointer escapes":     `{"type":"object","properties":{"a":{"$ref":"#/$defs/x~1y%20z"}},"required":["a"],"$defs":{"x/y z":{"enum":["ok"]}}}`,
	} {
		for _, text := range []string{"", "hello", `Take 3, 4.5 and -7 for "Ada" in New York, 3 times: foo-bar`} {
			t.Run(name, func(t *testing.T) {
				requireValid(t, compile(t, schema), generate(json.RawMessage(schema), text))
			})
		}
	}
}

// A schema that cannot be satisfied, or that is none, must not hurt.
func TestHostileSchemas(t *testing.T) {
	deep := strings.Repeat(`{"properties":{"a":`, 2000) + `{}` + strings.Repeat(`}}`, 2000)
	for _, schema := range []string{
		``, `null`, `7`, `"x"`, `[]`, `true`, `false`, `{`, `{"type":5,"properties":[],"required":"a","enum":3}`,
		`{"$ref":"#"}`, `{"$ref":"#/a/b"}`, `{"$ref":"#anchor"}`, `{"$ref":"http://example.com/s"}`, `{"allOf":[{"$ref":"#"},{"$ref":"#"}]}`,
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`,
		`{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"},"c":{"$ref":"#"}},"required":["a","b","c"]}`,
		`{"type":"array","minItems":1000000000}`, `{"type":"string","minLength":1000000000}`,
		`{"minProperties":1000000000}`, `{"type":"number","multipleOf":1e-300,"minimum":1e300}`,
		`{"type":"string","pattern":"(((a{1000}){1000}"}`, `{"type":"string","pattern":"^(a{500}b*){2}$","minLength":2000}`,
		`{"type":"number","multipleOf":0}`, `{"type":"string","maxLength":-1}`, `{"const":{"x":1}}`, deep,
	} {
		got := generateObject(json.RawMessage(schema), "some text with 1 number")
		require.True(t, json.Valid(got), "%.80s: %.80s", schema, got)
		require.Equal(t, byte('{'), got[0])
	}
}

func TestGeneratedArgumentsSatisfyGeneratedSchemas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		properties := map[string]any{}
		for i := range rapid.IntRange(1, 4).Draw(t, "members") {
			properties[fmt.Sprintf("p%d", i)] = drawSchema(t, 3)
		}
		root := map[string]any{
			"type": "object", "properties": properties, "required": sortedKeys(properties),
			"additionalProperties": false,
			"$defs":                map[string]any{"leaf": drawSchema(t, 0)},
		}
		schema := encode(root)
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`(Take|use) [0-9]{1,4}(\.[0-9])? of "[a-z ]{1,9}" in [A-Z][a-z]+, (p0|p1) is [a-z0-9]+ \{"p0": (1|"a"|null)\}`),
		).Draw(t, "text")
		requireValid(t, compile(t, string(schema)), generateObject(schema, text))
	})
}

// drawSchema draws a schema that some value satisfies.
func drawSchema(t *rapid.T, depth int) map[string]any {
	kinds := []string{"string", "integer", "number", "boolean", "enum", "const", "null"}
	if depth > 0 {
		kinds = append(kinds, "object", "array", "anyOf", "$ref", "allOf")
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	s := map[string]any{"type": kind}
	low := rapid.IntRange(-50, 50).Draw(t, "low")
	room := rapid.IntRange(1, 20).Draw(t, "room")
	switch kind {
	case "string":
		return drawString(t, abs(low), room)
	case "integer":
		s["minimum"], s["maximum"] = low, low+room
		if rapid.Bool().Draw(t, "step") {
			s["multipleOf"] = rapid.IntRange(1, room).Draw(t, "multipleOf")
		}
	case "number":
		s["exclusiveMinimum"], s["maximum"] = float64(low)/8, float64(low+room)/8
	case "enum":
		return map[string]any{"enum": rapid.SliceOfN(rapid.SampledFrom([]any{"red", "dark red", 7, true, nil, 1.5}), 1, 4).Draw(t, "enum")}
	case "const":
		return map[string]any{"const": rapid.SampledFrom([]any{"x", 3, nil, []int{1}}).Draw(t, "const")}
	case "object":
		properties := map[string]any{}
		for i := range rapid.IntRange(0, 3).Draw(t, "members") {
			properties[fmt.Sprintf("p%d", i)] = drawSchema(t, depth-1)
		}
		s["properties"] = properties
		if rapid.Bool().Draw(t, "required") {
			s["required"], s["additionalProperties"] = append([]string{}, sortedKeys(properties)...), false
		}
	case "array":
		s["items"], s["minItems"], s["maxItems"] = drawSchema(t, depth-1), abs(low)%4, abs(low)%4+room%3
	case "anyOf":
		return map[string]any{"anyOf": []any{drawSchema(t, depth-1), drawSchema(t, depth-1)}}
	case "$ref":
		return map[string]any{"$ref": "#/$defs/leaf", "description": "a leaf"}
	case "allOf":
		return map[string]any{"allOf": []any{
			map[string]any{"type": "object", "properties": map[string]any{"a": drawSchema(t, depth-1)}, "required": []string{"a"}},
			map[string]any{"properties": map[string]any{"b": drawSchema(t, depth-1)}, "required": []string{"b"}},
		}}
	}
	return s
}

func drawString(t *rapid.T, low, room int) map[string]any {
	s := map[string]any{"type": "string"}
	switch rapid.IntRange(0, 3).Draw(t, "string") {
	case 0:
		s["minLength"], s["maxLength"] = low, low+room
	case 1:
		s["pattern"] = rapid.SampledFrom([]string{`^[A-Z]{2}\d+$`, `a.c`, `^(x|y)?z*$`, `^\S+@\S+$`, `[^a]{3}`}).Draw(t, "pattern")
	case 2:
		s["format"] = rapid.SampledFrom([]string{"date", "date-time", "email", "uuid", "uri", "ipv4"}).Draw(t, "format")
	}
	return s
}

func abs(n int) int { return max(n, -n) }

type failer interface {
	require.TestingT
	Helper()
}

func compile(t failer, schema string) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("schema.json", document))
	compiled, err := compiler.Compile("schema.json")
	require.NoError(t, err)
	return compiled
}

func requireValid(t failer, schema *jsonschema.Schema, value json.RawMessage) {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	require.NoError(t, err, "%s", value)
	require.NoError(t, schema.Validate(instance), "%s", value)
}
