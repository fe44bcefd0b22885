package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Object reads one JSON object of a request. Readers name the field they want;
// the first thing wrong is kept, later readers then answer zero values, and
// Err tells it. A null counts as absent (design: create and run); the modify
// routes ask IsNull where a null resets a field.
type Object struct {
	path   string
	fields map[string]json.RawMessage
	seen   map[string]bool
	fail   *error // shared by an object and all objects read out of it
}

// ParseObject reads a request body. An empty body is an empty object: the
// hosted API took POST /threads without one.
func ParseObject(body []byte) (*Object, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		body = []byte("{}")
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, ErrBadJSON
	}
	if body[0] != '{' {
		return nil, &Error{Message: fmt.Sprintf("Invalid type: expected an object, but got %s instead.", typeName(body)), Code: "invalid_type"}
	}
	var fail error
	return newObject("", body, &fail), nil
}

func newObject(path string, raw json.RawMessage, fail *error) *Object {
	o := &Object{path: path, seen: map[string]bool{}, fail: fail}
	if raw != nil {
		if err := json.Unmarshal(raw, &o.fields); err != nil { // nesting beyond what the decoder takes
			o.Fail(ErrBadJSON)
		}
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
	if ok {
		o.seen[name] = true
	}
	return ok && isNull(raw)
}

// Ignore accepts fields without reading them.
func (o *Object) Ignore(names ...string) {
	for _, name := range names {
		o.seen[name] = true
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
		sort.Strings(unknown)
		o.Fail(UnknownParam(o.Path(unknown[0])))
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

// String returns the field, nil when absent or null. maxLen counts characters;
// 0 means no limit.
func (o *Object) String(name string, maxLen int) *string {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.Fail(WrongType(o.Path(name), "a string", typeName(raw)))
		return nil
	}
	if n := utf8.RuneCountInString(s); maxLen > 0 && n > maxLen {
		o.Fail(tooLong(o.Path(name), maxLen, n))
		return nil
	}
	return &s
}

// RequiredString is String for a field that must be there and not empty.
func (o *Object) RequiredString(name string, maxLen int) string {
	if !o.Require(name) {
		return ""
	}
	s := o.String(name, maxLen)
	if s == nil {
		return ""
	}
	if *s == "" {
		o.Fail(EmptyString(o.Path(name)))
	}
	return *s
}

// Enum returns the field if it is one of the allowed strings, "" when absent.
func (o *Object) Enum(name string, allowed ...string) string {
	s := o.String(name, 0)
	if s == nil {
		return ""
	}
	if !slices.Contains(allowed, *s) {
		o.Fail(NotInEnum(o.Path(name), *s, allowed))
		return ""
	}
	return *s
}

// Bool returns the field, nil when absent or null.
func (o *Object) Bool(name string) *bool {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		o.Fail(WrongType(o.Path(name), "a boolean", typeName(raw)))
		return nil
	}
	return &b
}

// Int returns the field, nil when absent or null; 1.0 counts as an integer.
func (o *Object) Int(name string, minimum, maximum int) *int {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && !isNumber(raw) || f != math.Trunc(f) && !math.IsInf(f, 0) {
		o.Fail(WrongType(o.Path(name), "an integer", typeName(raw)))
		return nil
	}
	n := int(max(min(f, math.MaxInt32), math.MinInt32))
	if err := checkInt(o.Path(name), n, minimum, maximum); err != nil {
		o.Fail(err)
		return nil
	}
	return &n
}

func checkInt(path string, n, minimum, maximum int) error {
	if n > maximum {
		return outOfRange(path, "integer", "above maximum", "<=", strconv.Itoa(maximum), strconv.Itoa(n))
	}
	if n < minimum {
		return outOfRange(path, "integer", "below minimum", ">=", strconv.Itoa(minimum), strconv.Itoa(n))
	}
	return nil
}

// Float returns the field, nil when absent or null.
func (o *Object) Float(name string, minimum, maximum float64) *Float {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	if !isNumber(raw) {
		o.Fail(WrongType(o.Path(name), "a decimal", typeName(raw)))
		return nil
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // out of range answers ±Inf, which the bounds refuse
	if f > maximum {
		o.Fail(outOfRange(o.Path(name), "decimal", "above maximum", "<=", formatFloat(maximum), formatFloat(f)))
		return nil
	}
	if f < minimum {
		o.Fail(outOfRange(o.Path(name), "decimal", "below minimum", ">=", formatFloat(minimum), formatFloat(f)))
		return nil
	}
	return Ptr(Float(f))
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Object returns the field as an object to read from, nil when absent or null.
func (o *Object) Object(name string) *Object {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	if raw[0] != '{' {
		o.Fail(WrongType(o.Path(name), "an object", typeName(raw)))
		return nil
	}
	return newObject(o.Path(name), raw, o.fail)
}

// Array returns the elements of the field; each one's path is the field's
// with its index. maxLen 0 means no limit.
func (o *Object) Array(name string, maxLen int) []Element {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		o.Fail(WrongType(o.Path(name), "an array", typeName(raw)))
		return nil
	}
	if maxLen > 0 && len(items) > maxLen {
		o.Fail(arrayTooLong(o.Path(name), maxLen, len(items)))
		return nil
	}
	elements := make([]Element, len(items))
	for i, item := range items {
		elements[i] = Element{Raw: item, Path: o.Path(name) + "[" + strconv.Itoa(i) + "]", fail: o.fail}
	}
	return elements
}

// Objects is Array of objects.
func (o *Object) Objects(name string, maxLen int) []*Object {
	var objects []*Object
	for _, e := range o.Array(name, maxLen) {
		if obj := e.Object(); obj != nil {
			objects = append(objects, obj)
		}
	}
	return objects
}

// Strings is Array of strings.
func (o *Object) Strings(name string, maxLen int) []string {
	elements := o.Array(name, maxLen)
	if elements == nil {
		return nil
	}
	texts := make([]string, 0, len(elements))
	for _, e := range elements {
		texts = append(texts, e.string())
	}
	return texts
}

// Element is one element of an array of a request.
type Element struct {
	Raw  json.RawMessage
	Path string
	fail *error
}

// Object returns the element as an object to read from, nil when it is not one.
func (e Element) Object() *Object {
	if e.Raw[0] != '{' {
		e.failWith(WrongType(e.Path, "an object", typeName(e.Raw)))
		return nil
	}
	return newObject(e.Path, e.Raw, e.fail)
}

func (e Element) string() string {
	var s string
	if e.Raw[0] != '"' || json.Unmarshal(e.Raw, &s) != nil {
		e.failWith(WrongType(e.Path, "a string", typeName(e.Raw)))
	}
	return s
}

func (e Element) failWith(err error) {
	if *e.fail == nil {
		*e.fail = err
	}
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func isNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// TypeName names the JSON type of a value with its article.
func TypeName(raw json.RawMessage) string { return typeName(raw) }

func typeName(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || isNull(raw):
		return "null"
	case raw[0] == '"':
		return "a string"
	case raw[0] == '{':
		return "an object"
	case raw[0] == '[':
		return "an array"
	case raw[0] == 't' || raw[0] == 'f':
		return "a boolean"
	case strings.ContainsAny(string(raw), ".eE"):
		return "a decimal number"
	default:
		return "an integer"
	}
}
