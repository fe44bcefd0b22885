package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Float is a number that keeps its decimal point: one is written 1.0, as the
// hosted API did.
type Float float64

// MarshalJSON writes the shortest form that has a decimal point.
func (f Float) MarshalJSON() ([]byte, error) {
	text := strconv.AppendFloat(nil, float64(f), 'f', -1, 64)
	if !bytes.ContainsRune(text, '.') {
		text = append(text, ".0"...)
	}
	return text, nil
}

// Metadata is the map every object carries. It is never null on the wire.
type Metadata map[string]string

// MarshalJSON writes {} for a nil map.
func (m Metadata) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	return Marshal(map[string]string(m))
}

// Ptr returns a pointer to v, for the nullable members of wire objects.
func Ptr[T any](v T) *T { return &v }

// Marshal encodes an object of the API without escaping <, > and &: clients
// compare texts.
func Marshal(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}
