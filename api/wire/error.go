package wire

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind classes an Error; package api turns it into a status code.
type Kind int

// The kinds of error a client can be told about.
const (
	Invalid         Kind = iota // 400: the request is wrong, or wrong in this state
	Unauthorized                // 401
	Forbidden                   // 403
	NotFound                    // 404
	TooLarge                    // 413
	Unavailable                 // 503: the same request may succeed later
	RateLimited                 // 429: too much was asked for at a time
	TooSlow                     // 408: the request took too long to come
	HeadersTooLarge             // 431
)

// Error is an answer of the API that is not a success (spec section 11).
// Param and Code are null on the wire when empty. Message is shown as it is.
type Error struct {
	Kind    Kind
	Message string
	Param   string
	Code    string
	// RetryAfter is when the same request may succeed; 0 = nobody knows.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Message }

// ErrNotFound is what a store answers for an object that does not exist, was
// deleted, or belongs to another project. Services turn it into the API's 404.
var ErrNotFound = errors.New("not found")

// NoSuch is the 404 of the Assistants routes; what is the API's noun, such as
// "thread" or "run step".
func NoSuch(what, id string) *Error {
	return &Error{Kind: NotFound, Message: fmt.Sprintf("No %s found with id '%s'.", what, Shown(id))}
}

// OrNoSuch turns ErrNotFound into NoSuch and leaves every other error alone.
func OrNoSuch(err error, what, id string) error {
	if errors.Is(err, ErrNotFound) {
		return NoSuch(what, id)
	}
	return err
}

// Invalidf is a 400 without param and code, as state conflicts are: clients
// retry a 409, so the API never sends one.
func Invalidf(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}

// InvalidValue is a 400 with code invalid_value for the named field.
func InvalidValue(param, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Param: param, Code: "invalid_value"}
}

// ErrBadJSON is the answer to a body that is not JSON.
var ErrBadJSON = &Error{Message: "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. " +
	"The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, " +
	"please contact us through our help center at help.openai.com.)"}

// MissingParam is the answer to an absent required field.
func MissingParam(path string) *Error {
	return &Error{Message: fmt.Sprintf("Missing required parameter: '%s'.", path), Param: path, Code: "missing_required_parameter"}
}

// UnknownParam is the answer to a field the API does not have.
func UnknownParam(path string) *Error {
	return &Error{Message: fmt.Sprintf("Unknown parameter: '%s'.", path), Param: path, Code: "unknown_parameter"}
}

// WrongType is the answer to a value of another JSON type; want and got come
// with their article ("a string").
func WrongType(path, want, got string) *Error {
	return &Error{Message: fmt.Sprintf("Invalid type for '%s': expected %s, but got %s instead.", path, want, got), Param: path, Code: "invalid_type"}
}

// NotInEnum is the answer to a value outside the allowed ones.
func NotInEnum(path, value string, allowed []string) *Error {
	return InvalidValue(path, "Invalid value: '%s'. Supported values are: %s.", Shown(value), quotedList(allowed))
}

// WrongPrefix is the answer to an id of another kind of object; it comes
// before any lookup.
func WrongPrefix(path, value, prefix string) *Error {
	return InvalidValue(path, "Invalid '%s': '%s'. Expected an ID that begins with '%s'.", path, Shown(value), prefix)
}

// CheckLength answers a string that has more than limit characters.
func CheckLength(path, value string, limit int) error {
	if n := utf8.RuneCountInString(value); n > limit {
		return tooLong(path, limit, n)
	}
	return nil
}

func tooLong(path string, limit, n int) *Error {
	return &Error{
		Message: fmt.Sprintf("Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", path, limit, n),
		Param:   path, Code: "string_above_max_length",
	}
}

// EmptyString is the answer to "" where at least one character is needed.
func EmptyString(path string) *Error {
	return &Error{
		Message: fmt.Sprintf("Invalid '%s': empty string. Expected a string with minimum length 1, but got an empty string instead.", path),
		Param:   path, Code: "empty_string",
	}
}

func arrayTooLong(path string, limit, n int) *Error {
	return &Error{
		Message: fmt.Sprintf("Invalid '%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", path, limit, n),
		Param:   path, Code: "array_above_max_length",
	}
}

// EmptyArray is the answer to [] where at least one element is needed.
func EmptyArray(path string) *Error {
	return &Error{
		Message: fmt.Sprintf("Invalid '%s': empty array. Expected an array with minimum length 1, but got an empty array instead.", path),
		Param:   path, Code: "empty_array",
	}
}

// MutuallyExclusive is the answer to two fields of which one may be sent.
func MutuallyExclusive(path, other string) *Error {
	return &Error{
		Message: fmt.Sprintf("Mutually exclusive parameters. Ensure you are only providing one of: '%s' or '%s'.", path, other),
		Param:   path, Code: "mutually_exclusive_parameters",
	}
}

func outOfRange(path, kind, side, op, limit, got string) *Error {
	code := map[string]string{"above maximum": "_above_max_value", "below minimum": "_below_min_value"}[side]
	return &Error{
		Message: fmt.Sprintf("Invalid '%s': %s %s value. Expected a value %s %s, but got %s instead.", path, kind, side, op, limit, Shown(got)),
		Param:   path, Code: kind + code,
	}
}

// maxShown bounds what an error repeats of a request, in characters.
const maxShown = 200

// Shown shortens a value of a request for a sentence about it.
func Shown(value string) string {
	if len(value) <= maxShown {
		return value
	}
	n := 0
	for i := range value {
		if n++; n > maxShown {
			return value[:i] + "..."
		}
	}
	return value
}

// quotedList joins values as the API's sentences do: 'a' and 'b'; 'a', 'b',
// and 'c'.
func quotedList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + v + "'"
	}
	switch n := len(quoted); n {
	case 0, 1:
		return strings.Join(quoted, "")
	case 2:
		return quoted[0] + " and " + quoted[1]
	default:
		return strings.Join(quoted[:n-1], ", ") + ", and " + quoted[n-1]
	}
}

// ErrUnavailable marks an error that is the database's or the disk's and not
// the caller's: the API answers 503 and clients try again.
var ErrUnavailable = errors.New("the store is unavailable")
