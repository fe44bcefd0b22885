package vectorstores

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"understudy/api/wire"
)

// Attributes are what a client says about a file of a store, for filters:
// strings, booleans and numbers (json.Number, as they were sent). They are
// never null on the wire.
type Attributes map[string]any

// The bounds of attributes (spec section 13), in entries and characters.
const (
	maxAttributes     = 16
	maxAttributeKey   = 64
	maxAttributeValue = 512
)

// MarshalJSON writes {} for a nil map.
func (a Attributes) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("{}"), nil
	}
	return wire.Marshal(map[string]any(a))
}

// UnmarshalJSON keeps numbers as they are written.
func (a *Attributes) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(a))
}

// readAttributes reads the attributes field, nil when absent or null.
func readAttributes(o *wire.Object) Attributes {
	const name = "attributes"
	sub := o.Object(name)
	if sub == nil {
		return nil
	}
	var sent map[string]json.RawMessage
	if err := json.Unmarshal(o.Raw(name), &sent); err != nil { // Object has seen it is one
		o.Fail(err)
	}
	path := o.Path(name)
	if n := len(sent); n > maxAttributes {
		o.Fail(&wire.Error{
			Message: fmt.Sprintf("Invalid '%s': too many properties. Expected an object with at most %d properties, but got an object with %d properties instead.", path, maxAttributes, n),
			Param:   path, Code: "object_above_max_properties",
		})
		return nil
	}
	a := Attributes{}
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		if n := utf8.RuneCountInString(key); n > maxAttributeKey {
			o.Fail(&wire.Error{
				Message: fmt.Sprintf("Invalid property name in '%s': '%s' is too long. Expected a string with maximum length %d, but got a string with length %d instead.", path, wire.Shown(key), maxAttributeKey, n),
				Param:   path, Code: "property_name_above_max_length",
			})
		}
		a[key] = readValue(sub, key, maxAttributeValue)
	}
	return a
}

// readValue reads a string, number or boolean. A null, which has no type to
// compare with, is refused like an object or an array.
func readValue(o *wire.Object, name string, maxLen int) any {
	raw := o.Raw(name)
	switch kind := wire.TypeName(raw); kind {
	case "a string":
		if s := o.String(name, maxLen); s != nil {
			return *s
		}
	case "a boolean":
		if b := o.Bool(name); b != nil {
			return *b
		}
	case "an integer", "a decimal number":
		return json.Number(raw)
	default:
		o.Fail(wire.WrongType(o.Path(name), "one of a string, number, or boolean", kind))
	}
	return nil
}
