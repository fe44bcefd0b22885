package chat

import (
	"bytes"
	"encoding/json"
	"strings"
)

// errorBody is what an error says, wherever the backend put it.
type errorBody struct {
	message    string
	code       string // error.code as text
	number     int    // error.code, when it is an HTTP status
	kind       string // error.type
	status     string // error.status
	param      string
	inner      string // codes and sentences of nested errors, for classification only
	retryDelay string // google.rpc.RetryInfo
}

// says tells an error from a place that is kept for one.
func (e errorBody) says() bool {
	return e.message != "" || e.kind != "" || e.status != "" || e.code != "" && e.code != "0"
}

// words is everything that classifies the error, in lower case.
func (e errorBody) words() string {
	return strings.ToLower(strings.Join([]string{e.code, e.kind, e.status, e.message, e.inner}, "\n"))
}

// readErrorBody reads the body of an error answer, which may be JSON, a web
// page, server-sent events or a plain sentence.
func readErrorBody(raw []byte) errorBody {
	raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF")))
	switch {
	case len(raw) == 0 || raw[0] == '<':
		return errorBody{}
	case json.Valid(raw):
		return readError(raw)
	}
	var found *errorBody
	e := events{on: func(kind frameKind, data []byte) {
		if kind != frameDone && found == nil && json.Valid(data) {
			body := readError(data)
			found = &body
		}
	}}
	for line := range bytes.Lines(raw) {
		e.line(bytes.TrimRight(line, "\r\n"))
	}
	e.dispatch()
	switch {
	case found != nil:
		return *found
	case raw[0] == '{' || raw[0] == '[':
		return errorBody{inner: string(raw)} // broken JSON is nothing to show
	}
	return errorBody{message: string(raw)}
}

// readError reads an error of valid JSON: an object with or without the error
// member, a string, or an array whose first element counts.
func readError(raw []byte) errorBody {
	var e errorBody
	e.read(raw, 0)
	return e
}

// maxErrorDepth bounds the nesting of errors in errors.
const maxErrorDepth = 4

func (e *errorBody) read(raw []byte, depth int) {
	switch {
	case depth > maxErrorDepth:
	case isString(raw):
		e.say(stringOf(raw))
	case isArray(raw):
		first := true
		elements(raw, func(value []byte) {
			if first {
				e.read(value, depth+1)
			}
			first = false
		})
	default:
		// The outer members come last: the innermost error knows best.
		members(raw, func(key, value []byte) {
			if string(key) == "error" && !isEmpty(value) {
				e.read(value, depth+1)
			}
		})
		members(raw, func(key, value []byte) { e.member(string(key), value) })
	}
}

func (e *errorBody) say(message string) {
	if e.message == "" {
		e.message = strings.TrimSpace(message)
	}
}

func (e *errorBody) member(name string, value []byte) {
	fill := func(field *string) {
		if *field == "" {
			*field = stringOf(value)
		}
	}
	switch name {
	case "message", "detail", "msg", "error_msg", "error_message", "status_msg":
		e.say(sentences(value, 0))
	case "code", "status_code":
		fill(&e.code)
		if n, ok := intOf(value); ok && n >= 400 && n < 600 && e.number == 0 {
			e.number = n
		}
	case "type":
		fill(&e.kind)
	case "status":
		fill(&e.status)
	case "param":
		fill(&e.param)
	case "base_resp":
		members(value, func(key, value []byte) { e.member(string(key), value) })
	case "innererror", "metadata":
		members(value, func(key, value []byte) {
			if string(key) == "code" || string(key) == "raw" {
				e.inner += "\n" + stringOf(value)
			}
		})
	case "details":
		elements(value, func(detail []byte) {
			members(detail, func(key, value []byte) {
				if string(key) == "retryDelay" {
					e.retryDelay = stringOf(value)
				}
			})
		})
	}
}

// sentences reads a message that is a string, an object with one, or an array
// of either, as FastAPI's validation errors are.
func sentences(value []byte, depth int) string {
	switch {
	case depth > maxErrorDepth:
		return ""
	case isObject(value):
		var at []string
		var text string
		members(value, func(key, value []byte) {
			switch string(key) {
			case "loc":
				elements(value, func(v []byte) { at = append(at, stringOf(v)) })
			case "msg", "message", "error":
				text = stringOf(value)
			}
		})
		if text != "" && len(at) > 0 {
			return strings.Join(at, ".") + ": " + text
		}
		return text
	case isArray(value):
		var all []string
		elements(value, func(v []byte) {
			if s := sentences(v, depth+1); s != "" {
				all = append(all, s)
			}
		})
		return strings.Join(all, "; ")
	}
	return stringOf(value)
}
