package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Object reads one JSON object of a request. Readers name the field they want;
// the first thing wrong is kept, later readers then answer zero values, and
// Err tells it. A null counts as absent, as clients send it; the modify routes
// ask IsNull where a null resets a field.
type Object struct {
	path   string
	fields map[string]json.RawMessage
	seen   map[string]bool
	fail   *error // shared by an object and all objects read out of it
}

// ParseObject reads a request body. An empty body is an empty object: the
// hosted API took POST /threads without one.
func ParseObject(body []byte) (*Object, error) {
	body = bytes.Trim(body, " \t\r\n")
	if len(body) == 0 {
		body = []byte("{}")
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, ErrBadJSON
	}
	if err := checkShape(body); err != nil {
		return nil, err
	}
	if body[0] != '{' {
		return nil, &Error{Message: fmt.Sprintf("Invalid type: expected an object, but got %s instead.", TypeName(body)), Code: "invalid_type"}
	}
	var fail error
	return newObject("", body, &fail), nil
}

func newObject(path string, raw json.RawMessage, fail *error) *Object {
	o := &Object{path: path, seen: map[string]bool{}, fail: fail}
	if json.Unmarshal(raw, &o.fields) != nil { // ParseObject let no such thing in
		o.Fail(ErrBadJSON)
	}
	return o
}

// Fail keeps err unless something failed before.
func (o *Object) Fail(err error) {
	if *o.fail == nil && err != nil {
		*o.fail = err
	}
}

// Path names a field of this object the way errors do.
func (o *Object) Path(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// Has reports whether the field is there and not null.
func (o *Object) Has(name string) bool {
	raw, ok := o.fields[name]
	return ok && !isNull(raw)
}

// IsNull reports whether the field is there and null.
func (o *Object) IsNull(name string) bool {
	raw, ok := o.fields[name]
	if !ok || !isNull(raw) {
		return false
	}
	o.seen[name] = true
	return true
}

// Ignore accepts fields without reading them.
func (o *Object) Ignore(names ...string) {
	for _, name := range names {
		o.seen[name] = true
	}
}

// IgnoreNull accepts fields that are null without reading them.
func (o *Object) IgnoreNull(names ...string) {
	for _, name := range names {
		o.IsNull(name)
	}
}

// Err reports the first thing wrong; a field nobody read is an unknown
// parameter.
func (o *Object) Err() error {
	if *o.fail != nil {
		return *o.fail
	}
	var unknown []string
	for name := range o.fields {
		if !o.seen[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		o.Fail(UnknownParam(o.Path(Shown(slices.Min(unknown)))))
	}
	return *o.fail
}

// Raw returns the field as it was sent, nil when absent or null.
func (o *Object) Raw(name string) json.RawMessage {
	o.seen[name] = true
	raw := o.fields[name]
	if raw == nil || isNull(raw) {
		return nil
	}
	return raw
}

// Require reports an absent or null field.
func (o *Object) Require(name string) bool {
	if o.Has(name) {
		return true
	}
	o.seen[name] = true
	o.Fail(MissingParam(o.Path(name)))
	return false
}
