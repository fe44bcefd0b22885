package extract

import "fmt"

// The codes of an Error, which a vector store file shows as last_error.code.
const (
	UnsupportedFile = "unsupported_file"
	InvalidFile     = "invalid_file"
)

// Error says why a file cannot be read. It is the file's fault: trying again
// changes nothing. Message begins with the hosted API's words (spec section 13)
// and goes on with what is wrong.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Message }

func unsupported(format string, args ...any) error {
	return &Error{Code: UnsupportedFile, Message: "The file type is not supported. " + fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &Error{Code: InvalidFile, Message: "The file could not be parsed. " + fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &Error{Code: InvalidFile, Message: "The file could not be parsed because it is too large: " + fmt.Sprintf(format, args...) + "."}
}

func empty(format string, args ...any) error {
	return &Error{Code: InvalidFile, Message: "The file could not be parsed because it is empty: " + fmt.Sprintf(format, args...) + "."}
}
