package wire

import (
	"encoding/json"
	"fmt"
	"sort"
	"unicode/utf8"
)

// The bounds of metadata (spec section 15), in entries and characters.
const (
	maxMetadataKeys  = 16
	maxMetadataKey   = 64
	maxMetadataValue = 512
)

// Metadata reads the metadata field, nil when absent or null. Under version 1
// of the API a value of another JSON type is written out as text; version 2
// refuses it.
func (o *Object) Metadata(coerce bool) Metadata {
	sub := o.Object("metadata")
	if sub == nil {
		return nil
	}
	if n := len(sub.fields); n > maxMetadataKeys {
		o.Fail(&Error{
			Message: fmt.Sprintf("Invalid '%[1]s': too many properties. Expected an object with at most %[2]d properties, but got an object with %[3]d properties instead.",
				sub.path, maxMetadataKeys, n),
			Param: sub.path, Code: "object_above_max_properties",
		})
		return nil
	}
	m := make(Metadata, len(sub.fields))
	for _, key := range sortedKeys(sub.fields) {
		if n := utf8.RuneCountInString(key); n > maxMetadataKey {
			o.Fail(longKey(sub.path, key, n))
			return nil
		}
		if value, ok := sub.metadataValue(key, coerce); ok {
			m[key] = value
		}
	}
	return m
}

func (o *Object) metadataValue(key string, coerce bool) (string, bool) {
	raw := o.fields[key]
	var value string
	if coerce && raw[0] != '"' {
		value = coerced(raw)
	} else if raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		o.Fail(WrongType(o.Path(key), "a string", TypeName(raw)))
		return "", false
	}
	if n := utf8.RuneCountInString(value); n > maxMetadataValue {
		o.Fail(tooLong(o.Path(key), maxMetadataValue, n))
		return "", false
	}
	return value, true
}

// coerced spells a value the way version 1 stored it, which is Python's:
// true became "True".
func coerced(raw json.RawMessage) string {
	switch string(raw) {
	case "true":
		return "True"
	case "false":
		return "False"
	case "null":
		return "None"
	default:
		return string(raw)
	}
}

// longKey shows the two ends of the key in its sentence, as the API did.
func longKey(path, key string, n int) *Error {
	const end = 3
	runes := []rune(key)
	elided := string(runes[:end]) + "..." + string(runes[n-end:])
	return &Error{
		Message: fmt.Sprintf("Invalid property name in '%s': '%s' is too long. Expected a string with maximum length %d, but got a string with length %d instead.",
			path, elided, maxMetadataKey, n),
		Param: path + "." + Shown(key), Code: "property_name_above_max_length",
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
