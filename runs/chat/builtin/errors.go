package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an answer in OpenAI's error envelope. Empty param and code are
// sent as null.
type apiError struct {
	status  int
	message string
	param   string
	code    string
}

func (e *apiError) Error() string { return e.message }

// badRequest is a 400 that blames one parameter, or the whole body when param
// is empty.
func badRequest(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...), param: param}
}

// decodeBody reads a JSON body into target and words its errors as the hosted
// API does. Unknown members are ignored: backends disagree about them.
func decodeBody(w http.ResponseWriter, r *http.Request, target any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(target)
	var wrongType *json.UnmarshalTypeError
	var tooLarge *http.MaxBytesError
	var own *apiError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &tooLarge):
		return &apiError{
			status:  http.StatusRequestEntityTooLarge,
			message: fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit),
		}
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return &apiError{
			status:  http.StatusBadRequest,
			message: fmt.Sprintf("Invalid type for '%s': got a JSON %s.", wrongType.Field, wrongType.Value),
			param:   wrongType.Field,
			code:    "invalid_type",
		}
	default:
		return badRequest("", "We could not parse the JSON body of your request: %v.", err)
	}
}

func writeError(w http.ResponseWriter, e *apiError) {
	// A client that left cannot be told anything more.
	_ = writeJSON(w, e.status, map[string]any{"error": map[string]any{
		"message": e.message, "type": "invalid_request_error", "param": orNull(e.param), "code": orNull(e.code),
	}})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
