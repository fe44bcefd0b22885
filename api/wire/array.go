package wire

import (
	"encoding/json"
	"strconv"
)

// Object returns the field as an object to read from, nil when absent or null.
func (o *Object) Object(name string) *Object {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	if raw[0] != '{' {
		o.Fail(WrongType(o.Path(name), "an object", TypeName(raw)))
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
		o.Fail(WrongType(o.Path(name), "an array", TypeName(raw)))
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
		e.failWith(WrongType(e.Path, "an object", TypeName(e.Raw)))
		return nil
	}
	return newObject(e.Path, e.Raw, e.fail)
}

func (e Element) string() string {
	var s string
	if e.Raw[0] != '"' || json.Unmarshal(e.Raw, &s) != nil {
		e.failWith(WrongType(e.Path, "a string", TypeName(e.Raw)))
	}
	return s
}

func (e Element) failWith(err error) {
	if *e.fail == nil {
		*e.fail = err
	}
}
