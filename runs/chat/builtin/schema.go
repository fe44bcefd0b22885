package builtin

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// schema is a JSON schema, keyword by keyword and undecoded: a keyword of the
// wrong type is then as good as absent, which is how lenient backends treat
// the schemas people write.
type schema map[string]json.RawMessage

// parseSchema reads a schema; false becomes one that no value satisfies, and
// everything else that is not an object one that every value satisfies.
func parseSchema(raw json.RawMessage) schema {
	var s schema
	if json.Unmarshal(raw, &s) == nil && s != nil {
		return s
	}
	if string(bytes.TrimSpace(raw)) == "false" {
		return schema{"enum": json.RawMessage("[]")}
	}
	return schema{}
}

func keyword[T any](s schema, name string) (value T, ok bool) {
	raw, present := s[name]
	if !present || json.Unmarshal(raw, &value) != nil {
		var zero T
		return zero, false
	}
	return value, true
}

func (s schema) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := s[name]; return ok })
}

func (s schema) str(name string) string {
	value, _ := keyword[string](s, name)
	return value
}

// size is a keyword such as minItems, or the fallback when it is absent.
func (s schema) size(name string, fallback int) int {
	if value, ok := keyword[float64](s, name); ok && value >= 0 && value < 1<<31 {
		return int(value)
	}
	return fallback
}

// number is a keyword such as minimum, or nil when it is absent.
func (s schema) number(name string) *big.Rat {
	if value, ok := keyword[json.Number](s, name); ok && s[name][0] != '"' {
		return rational(value.String())
	}
	return nil
}

// rational reads a JSON number exactly. Numbers beyond 1e±60 are nil: as
// fractions they would cost more memory than any schema is worth.
func rational(number string) *big.Rat {
	if _, exponent, found := strings.Cut(strings.ToLower(number), "e"); found {
		if n, err := strconv.Atoi(exponent); err != nil || n < -60 || n > 60 {
			return nil
		}
	}
	if r, ok := new(big.Rat).SetString(number); ok {
		return r
	}
	return nil
}

func (s schema) list(name string) []json.RawMessage {
	value, _ := keyword[[]json.RawMessage](s, name)
	return value
}

// types are the allowed JSON types, or nil when any is.
func (s schema) types() []string {
	if list, ok := keyword[[]string](s, "type"); ok {
		return list
	}
	if one := s.str("type"); one != "" {
		if nullable, _ := keyword[bool](s, "nullable"); nullable {
			return []string{one, "null"}
		}
		return []string{one}
	}
	return nil
}

// property is a named member of an object schema.
type property struct {
	name   string
	schema json.RawMessage
}

// properties keeps the order in which the schema lists them: the numbers of
// "800 by 600" belong to width and height, not to height and width.
func (s schema) properties() []property {
	raw := s["properties"]
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	var list []property
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil
		}
		p := property{name: name.(string)}
		if err := decoder.Decode(&p.schema); err != nil {
			return nil
		}
		list = append(list, p)
	}
	return list
}

func (s schema) required() []string {
	list, _ := keyword[[]string](s, "required")
	return list
}

// additional is the schema of members beyond properties, and whether there may
// be any.
func (s schema) additional() (json.RawMessage, bool) {
	raw, ok := s["additionalProperties"]
	if !ok {
		return nil, true
	}
	return raw, string(bytes.TrimSpace(raw)) != "false"
}

// document resolves references within one schema document.
type document struct{ root json.RawMessage }

// maxFlatten ends chains of references that lead nowhere.
const maxFlatten = 12

// flatten returns the schema with its $ref and allOf merged into it, and the
// references it followed.
func (d document) flatten(s schema) (schema, []string) { return d.flattenTo(s, maxFlatten) }

func (d document) flattenTo(s schema, depth int) (schema, []string) {
	var followed []string
	for depth > 0 && s.has("$ref", "allOf") {
		depth--
		merged := schema{}
		for name, raw := range s {
			if name != "$ref" && name != "allOf" {
				merged[name] = raw
			}
		}
		if ref := s.str("$ref"); ref != "" {
			followed = append(followed, ref)
			target, more := d.flattenTo(d.resolve(ref), depth/2)
			merged, followed = merge(merged, target), append(followed, more...)
		}
		for _, raw := range s.list("allOf") {
			part, more := d.flattenTo(parseSchema(raw), depth/2)
			merged, followed = merge(merged, part), append(followed, more...)
		}
		s = merged
	}
	return s, followed
}

// resolve follows a local reference, a JSON pointer behind "#"; any other
// leads to a schema that allows everything.
func (d document) resolve(ref string) schema {
	pointer, local := strings.CutPrefix(ref, "#")
	if !local || pointer != "" && pointer[0] != '/' {
		return schema{}
	}
	at := d.root
	for _, token := range strings.Split(pointer, "/")[1:] {
		if decoded, err := url.PathUnescape(token); err == nil {
			token = decoded
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		at = child(at, token)
	}
	return parseSchema(at)
}

func child(raw json.RawMessage, token string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) == nil {
		return members[token]
	}
	var items []json.RawMessage
	if i, err := strconv.Atoi(token); err == nil && json.Unmarshal(raw, &items) == nil && i >= 0 && i < len(items) {
		return items[i]
	}
	return nil
}

// merge combines two schemas that both hold. Where keywords cannot be
// combined the first one's stays; the validator then judges the outcome.
func merge(a, b schema) schema {
	merged := schema{}
	for name, raw := range a {
		merged[name] = raw
	}
	for name, raw := range b {
		first, both := merged[name]
		switch {
		case !both:
			merged[name] = raw
		case name == "properties":
			merged[name] = mergeProperties(a, b)
		case name == "required":
			merged[name] = encode(append(a.required(), b.required()...))
		case name == "additionalProperties" || name == "items":
			merged[name] = allOf(first, raw)
		case strings.HasPrefix(name, "min") || name == "exclusiveMinimum":
			merged[name] = tighter(a, b, name, 1)
		case strings.HasPrefix(name, "max") || name == "exclusiveMaximum":
			merged[name] = tighter(a, b, name, -1)
		case name == "enum":
			merged[name] = encode(slices.DeleteFunc(a.list(name), func(value json.RawMessage) bool {
				return !slices.ContainsFunc(b.list(name), func(other json.RawMessage) bool { return equal(value, other) })
			}))
		}
	}
	return merged
}

func mergeProperties(a, b schema) json.RawMessage {
	list := a.properties()
	for _, p := range b.properties() {
		same := func(q property) bool { return q.name == p.name }
		if i := slices.IndexFunc(list, same); i >= 0 {
			list[i].schema = allOf(list[i].schema, p.schema)
		} else {
			list = append(list, p)
		}
	}
	return encodeObject(list)
}

func allOf(schemas ...json.RawMessage) json.RawMessage {
	return encode(map[string]any{"allOf": schemas})
}

// tighter is the larger (sign 1) or smaller (sign -1) of two bounds.
func tighter(a, b schema, name string, sign int) json.RawMessage {
	x, y := a.number(name), b.number(name)
	if x == nil || y != nil && y.Cmp(x) == sign {
		return b[name]
	}
	return a[name]
}

// encode is json.Marshal without HTML escaping, for values that always encode.
func encode(value any) json.RawMessage {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(b.Bytes())
}

// encodeObject writes members in their order.
func encodeObject(members []property) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(m.name))
		b.WriteByte(':')
		b.Write(m.schema)
	}
	b.WriteByte('}')
	return b.Bytes()
}
