// Package chat talks to Chat Completions backends on behalf of runs.
//
// A backend is a stranger: the reader decides by content, never by what a
// backend claims, and the request builder sends only what was asked for. One
// call of Client.Complete is one model call as a run sees it; retries, learnt
// fall-backs and routing happen inside it. The package knows nothing of
// threads, runs or storage.
package chat

import (
	"encoding/json"
	"time"
)

// Role of a Message towards the backend.
type Role string

// The four roles a backend is ever sent.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Request is one model call: everything the run wishes, nothing a backend
// needs specially. Zero values mean "not asked for" and are not sent.
type Request struct {
	Model               string // as the API client named it
	Upstream            string // asked whatever the models: map says; empty = as the model is routed
	Messages            []Message
	Tools               []Tool
	ToolChoice          ToolChoice
	ParallelToolCalls   *bool
	Temperature         *float64
	TopP                *float64
	ReasoningEffort     string
	MaxCompletionTokens int             // 0 = no limit
	ResponseFormat      json.RawMessage // nil = text; else the API's {"type":…} object
	Memory              *Share          // what a long answer holds until the caller releases it; nil = no bound
}

// Message is one entry of the conversation, oldest first.
type Message struct {
	Role    Role
	Content []Part
	Calls   []Call // assistant only; every one is answered by a later ToolRole message
	CallID  string // ToolRole only: the Call.ID it answers
	Turn    string // assistant only: names the model call it came from; never sent

	// State is what the backend that produced this assistant turn wants back
	// with it (Answer.State as it was stored), nil when there is none.
	State json.RawMessage
}

// Part is a piece of content: Text, or an image when ImageURL is set
// (http, https or data URL).
type Part struct {
	Text     string
	ImageURL string
	Detail   string // auto, low or high; empty = not sent
}

// Call is a function call made by the model. ID is ours, unique in the thread.
type Call struct {
	ID        string
	Name      string
	Arguments string // as the model wrote it, usually JSON; never empty in an Answer
}

// Tool is a function offered to the model.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // JSON schema; nil = no parameters
	Strict      bool
}

// ToolChoice steers tool use. Mode is "", "none", "auto", "required" or
// "function", and only the last has a Function.
type ToolChoice struct {
	Mode     string
	Function string
}

// Finish says how a turn ended; calls are judged by Answer.Calls, not by it.
type Finish string

// The ways a turn ends without an error.
const (
	FinishStop          Finish = "stop"
	FinishLength        Finish = "length"
	FinishContentFilter Finish = "content_filter"
)

// Answer is one settled model turn.
type Answer struct {
	Text      string
	Refusal   string
	Calls     []Call // ID is empty: the run mints it; empty when Finish is FinishLength
	Finish    Finish
	Usage     Usage
	Reasoning string          // the model's thoughts, never message text
	State     json.RawMessage // opaque; store it with the turn and send it back in Message.State
	Exchange  Exchange
}

// Usage counts the tokens of one model call.
type Usage struct {
	PromptTokens     int
	CompletionTokens int
	CachedTokens     int
	ReasoningTokens  int
}

// Exchange is the record of what went over the wire, for the tape.
type Exchange struct {
	Upstream   string // configured name
	Kind       string // of the upstream
	Host       string // of its address, with the port; "" = nothing was sent
	Model      string // as sent to the upstream
	Served     string // the model, as the upstream's answer names it; "" = it does not
	ID         string // of the upstream's answer; "" = it has none
	Request    []byte // body as sent, without any key
	Response   []byte // body as received, bounded
	Status     int    // HTTP status, 0 when no answer came
	Started    time.Time
	FirstToken time.Time // zero when nothing was streamed
	Ended      time.Time
	Retries    []Try // before this one, oldest first
}

// Try is an exchange that failed and was followed by another.
type Try struct {
	Upstream string // configured name
	Model    string // as sent to the upstream
	Status   int    // HTTP status, 0 when no answer came
	Error    string // as in Error.Message
	Changed  string // what was learnt from it: the next request is another; "" = nothing
	Started  time.Time
	Waited   time.Duration // before the next one
}

// Sink receives what may be shown while a turn is still being made. Calls are
// never shown early: only a settled turn knows them.
type Sink interface {
	Text(delta string)
	Refusal(delta string)
}

// ErrorCode is a run's last_error.code (spec section 7).
type ErrorCode string

// The three codes the API has.
const (
	ServerError       ErrorCode = "server_error"
	RateLimitExceeded ErrorCode = "rate_limit_exceeded"
	InvalidPrompt     ErrorCode = "invalid_prompt"
)

// Error is a model call that failed for good. Message is fit for an API
// client: no HTML, no URL with a key, no part of a key.
type Error struct {
	Code     ErrorCode
	Message  string
	Overflow bool // the prompt exceeds the context window: shrink it and ask again
	Passing  bool // the same request may succeed later; set by Embed only
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }
