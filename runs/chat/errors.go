package chat

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// failure is why one exchange failed, and what may be done about it.
type failure struct {
	code     ErrorCode
	message  string // the backend's sentence, not yet redacted
	overflow bool
	retry    bool          // the same request may succeed later
	tries    int           // how often it may be repeated; 0 = as configured
	loading  bool          // the model is being loaded, which takes a minute
	after    time.Duration // how long the backend asks to wait; 0 = it does not say
	retryAt  time.Time     // the same as a date; zero = it does not say
	status   int           // HTTP status, or the one inside a 200; 0 = none
	words    string        // what the error says, in lower case
	unknown  bool          // the backend does not have the model
	resting  bool          // the upstream was not asked, because it is sick
}

// sick tells whether the failure is the upstream's own: it broke down or could
// not be reached, whatever it was asked.
func (f *failure) sick() bool {
	return f != nil && f.code == ServerError && f.retry && f.tries == 0 && !f.loading && (f.status == 0 || f.status >= 500)
}

// overflowSigns are the ways backends say that the prompt exceeds the context
// window.
var overflowSigns = regexp.MustCompile(strings.Join([]string{
	`prompt is too long`,
	`input is too long`,
	`exceeds the context window`,
	`exceeds? (the |this )?(model'?s? )?(maximum |max )?context`,
	`input token count.*exceeds the maximum`,
	`maximum prompt length is \d+`,
	`reduce the length of (the|your) (messages|prompt|input)`,
	`maximum context length`,
	`prompt.{0,60}exceeds the limit of \d+`,
	`exceeds the available context size`,
	`exceed_context_size`,
	`(greater|longer|larger) than the (maximum )?context (length|size|window)`,
	`context window exceeds limit`,
	`exceeded model token limit`,
	`too large for model with \d+ maximum context`,
	`model_context_window_exceeded`,
	`prompt too long`,
	`context[_ ]length[_ ]exceeded`,
	`context_?window_?exceeded`,
	`context (window|length|size) (is |was |has been )?(exceeded|overflow)`,
	`too many (input )?tokens`,
	`token limit exceeded`,
	`range of input length should be`,
	`request_too_large`,
}, "|"))

var (
	rateSigns = regexp.MustCompile(`rate.?limit|resource_exhausted|tokens per min|requests per min|` +
		`too many requests|throttl|quota exceeded for|error 1015`)
	quotaSigns = regexp.MustCompile(`insufficient_quota|insufficient[ _](account )?(balance|credits?|funds)|` +
		`credit balance is too low|billing_hard_limit|requires more credits|arrearage|余额不足|欠费`)
	filterSigns = regexp.MustCompile(`content_filter|responsibleaipolicyviolation|data_inspection_failed|` +
		`content management policy|content_policy_violation|input_sensitive|new_sensitive|prompt was blocked`)
	refusedSigns = regexp.MustCompile(`invalid_request|authentication|permission|unauthorized|forbidden|` +
		`not_found|invalid_api_key|invalid params|bad_?request|login fail`)
	unknownModelSigns = regexp.MustCompile(`model_not_found|model\b.*(not found|does not exist|not exist)|` +
		`(unknown|invalid|no such) model|not a valid model`)
	loadingSigns = regexp.MustCompile(`loading model|model is (currently )?loading|is still loading`)
)

// classify judges an error answer. Status is the HTTP status, or 0 for an
// error inside a 200, whose own code then counts.
func classify(status int, header http.Header, raw []byte) *failure {
	body := readErrorBody(raw)
	inside := status == 0
	if inside {
		status = body.number
	}
	f := &failure{code: ServerError, message: body.message, status: status, words: body.words()}
	if body.param != "" {
		f.words += "\n'" + strings.ToLower(body.param) + "'"
	}
	if f.message == "" {
		f.message = defaultMessage(status, len(strings.TrimSpace(string(raw))) > 0)
	}
	switch {
	case status == http.StatusPaymentRequired || quotaSigns.MatchString(f.words):
		f.code = RateLimitExceeded
	case status == http.StatusTooManyRequests || rateSigns.MatchString(f.words):
		f.code = RateLimitExceeded
		f.retry = true
	case filterSigns.MatchString(f.words):
		f.code = InvalidPrompt
	case overflows(status, f.words, raw):
		f.code = InvalidPrompt
		f.overflow = true
	case strings.Contains(f.words, "tool_use_failed"):
		f.retry, f.tries = true, 2
	default:
		f.retry = worthRepeating(status, f.words)
		f.loading = f.retry && loadingSigns.MatchString(f.words)
		f.unknown = !f.retry && unknownModelSigns.MatchString(f.words)
	}
	if f.retry {
		f.after, f.retryAt = retryAt(header)
		if asked := retryAfter(header, body); asked > 0 {
			f.after = asked
		}
	}
	return f
}

// overflows recognises a prompt that is too long. An empty 400 or 413 is what
// Cerebras answers; any 413 asks for a smaller request.
func overflows(status int, words string, raw []byte) bool {
	if status == http.StatusRequestEntityTooLarge {
		return true
	}
	if status == http.StatusBadRequest && len(bytes.TrimSpace(raw)) == 0 {
		return true
	}
	return overflowSigns.MatchString(words)
}

// worthRepeating tells whether the same request may succeed later. An error
// inside a 200 that names no status is the backend's, unless it says that the
// request was wrong.
func worthRepeating(status int, words string) bool {
	switch status {
	case 0:
		return !refusedSigns.MatchString(words)
	case http.StatusRequestTimeout, http.StatusConflict:
		return true
	case http.StatusNotImplemented, http.StatusLoopDetected:
		return false
	}
	return status >= 500
}

func defaultMessage(status int, said bool) string {
	switch {
	case status == 0 && said:
		return "The backend answered without a choice."
	case status == 0:
		return "The backend answered with nothing."
	case http.StatusText(status) != "":
		return fmt.Sprintf("The backend answered with HTTP status %d (%s).", status, http.StatusText(status))
	}
	return fmt.Sprintf("The backend answered with HTTP status %d.", status)
}

// unwritable is a request that is no JSON, for which a schema is to blame.
func unwritable() *failure {
	return &failure{code: ServerError, message: "The request could not be written as JSON."}
}

func isCorrupt(err error) bool {
	_, ok := errors.AsType[flate.CorruptInputError](err)
	return ok
}

// cut judges an answer that stopped before it was whole.
func cut(ended error) *failure {
	f := &failure{code: ServerError, retry: true}
	switch {
	case errors.Is(ended, errWebPage):
		f.retry = false
		f.message = "The backend answered with a web page instead of a chat completion; its base_url is probably wrong."
	case errors.Is(ended, errAnswerTooLong):
		f.retry = false
		f.message = "The backend's answer is longer than 32 MiB."
	case errors.Is(ended, errTruncatedJSON):
		f.message = "The backend's answer is not valid JSON."
	case errors.Is(ended, gzip.ErrHeader), errors.Is(ended, gzip.ErrChecksum), isCorrupt(ended):
		f.message = "The backend's answer is not gzip, which its Content-Encoding header says it is, or was damaged on its way."
	case errors.Is(ended, ErrIdle):
		f.message = "The backend sent nothing more for too long."
	case errors.Is(ended, io.EOF):
		f.message = "The backend ended its answer before it was finished."
	default:
		f.message = "The connection to the backend broke before its answer was finished."
	}
	return f
}
