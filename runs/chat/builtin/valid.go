package builtin

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"
)

// checkSteps bounds the work of one validation; a schema that needs more is
// taken to hold, since nothing better could be generated for it anyway.
const checkSteps = 20_000

// checker judges whether a value satisfies a schema, by the same keywords that
// the generator knows.
type checker struct {
	doc   document
	steps int
}

func (d document) valid(s schema, raw json.RawMessage) bool {
	c := checker{doc: d, steps: checkSteps}
	return c.holds(s, raw)
}

func (c *checker) holds(s schema, raw json.RawMessage) bool {
	if c.steps--; c.steps < 0 {
		return true
	}
	s, _ = c.doc.flatten(s)
	value, ok := decode(raw)
	if !ok || !typeHolds(s.types(), value) {
		return false
	}
	if constant, ok := s["const"]; ok && !equal(constant, raw) {
		return false
	}
	if s.has("enum") && !slices.ContainsFunc(s.list("enum"), func(e json.RawMessage) bool { return equal(e, raw) }) {
		return false
	}
	if s.has("anyOf") && c.count(s.list("anyOf"), raw) == 0 {
		return false
	}
	if s.has("oneOf") && c.count(s.list("oneOf"), raw) != 1 {
		return false
	}
	if not, ok := s["not"]; ok && c.holds(parseSchema(not), raw) {
		return false
	}
	switch value := value.(type) {
	case json.Number:
		return numberHolds(s, rational(value.String()))
	case string:
		return stringHolds(s, value)
	case []any:
		return c.arrayHolds(s, raw)
	case map[string]any:
		return c.objectHolds(s, raw)
	}
	return true
}

func (c *checker) count(branches []json.RawMessage, raw json.RawMessage) int {
	n := 0
	for _, branch := range branches {
		if c.holds(parseSchema(branch), raw) {
			n++
		}
	}
	return n
}

func typeHolds(types []string, value any) bool {
	if types == nil {
		return true
	}
	var is []string
	switch value := value.(type) {
	case nil:
		is = []string{"null"}
	case bool:
		is = []string{"boolean"}
	case string:
		is = []string{"string"}
	case []any:
		is = []string{"array"}
	case map[string]any:
		is = []string{"object"}
	case json.Number:
		is = []string{"number"}
		if r := rational(value.String()); r != nil && r.IsInt() {
			is = append(is, "integer")
		}
	}
	return slices.ContainsFunc(types, func(t string) bool { return slices.Contains(is, t) })
}

func numberHolds(s schema, value *big.Rat) bool {
	if value == nil {
		return true
	}
	b := boundsOf(s)
	if b.low != nil && (value.Cmp(b.low) < 0 || b.lowOpen && value.Cmp(b.low) == 0) {
		return false
	}
	if b.high != nil && (value.Cmp(b.high) > 0 || b.highOpen && value.Cmp(b.high) == 0) {
		return false
	}
	return b.step == nil || new(big.Rat).Quo(value, b.step).IsInt()
}

func stringHolds(s schema, value string) bool {
	length := utf8.RuneCountInString(value)
	if length < s.size("minLength", 0) || length > s.size("maxLength", length) {
		return false
	}
	if pattern := s.str("pattern"); pattern != "" {
		if expression, err := regexp.Compile(pattern); err == nil && !expression.MatchString(value) {
			return false
		}
	}
	form, known := formats[s.str("format")]
	return !known || form.full.MatchString(value)
}

func (c *checker) arrayHolds(s schema, raw json.RawMessage) bool {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return false
	}
	if len(items) < s.size("minItems", 0) || len(items) > s.size("maxItems", len(items)) {
		return false
	}
	unique, _ := keyword[bool](s, "uniqueItems")
	for i, item := range items {
		if !c.holds(itemSchema(s, i), item) {
			return false
		}
		if unique && slices.ContainsFunc(items[:i], func(other json.RawMessage) bool { return equal(other, item) }) {
			return false
		}
	}
	return true
}

// itemSchema is the schema of an array's item: prefixItems first (once spelled
// as an array of items), then items.
func itemSchema(s schema, i int) schema {
	prefix := s.list("prefixItems")
	if prefix == nil {
		prefix = s.list("items")
	}
	switch {
	case i < len(prefix):
		return parseSchema(prefix[i])
	case s.list("items") != nil:
		return parseSchema(s["additionalItems"])
	}
	return parseSchema(s["items"])
}

func (c *checker) objectHolds(s schema, raw json.RawMessage) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return false
	}
	for _, name := range s.required() {
		if _, ok := members[name]; !ok {
			return false
		}
	}
	if len(members) < s.size("minProperties", 0) || len(members) > s.size("maxProperties", len(members)) {
		return false
	}
	rest, _ := s.additional()
	declared, _ := keyword[map[string]json.RawMessage](s, "properties")
	for name, member := range members {
		own, ok := declared[name]
		if !ok {
			own = rest
		}
		if !c.holds(parseSchema(own), member) {
			return false
		}
	}
	return true
}

func decode(raw json.RawMessage) (any, bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err == nil
}

// equal compares JSON values; numbers are equal when they are mathematically.
func equal(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
