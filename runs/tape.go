package runs

import (
	"bytes"
	"encoding/json"
	"time"

	"understudy/runs/chat"
)

// ModelCall is one entry of the tape: exactly what was sent to a backend, what
// came back, and when. It never holds a key.
type ModelCall struct {
	Turn       int             `json:"turn"`
	Upstream   string          `json:"upstream"`
	Model      string          `json:"model"`  // as sent to the upstream
	Status     int             `json:"status"` // HTTP status; 0 = no answer came
	Retries    Retries         `json:"retries"`
	StartedAt  time.Time       `json:"started_at"`
	FirstToken *time.Time      `json:"first_token_at"`
	EndedAt    time.Time       `json:"ended_at"`
	Usage      Usage           `json:"usage"`
	Error      *LastError      `json:"error"`
	Truncation Truncated       `json:"truncation"`
	Request    json.RawMessage `json:"request"`
	Response   Transcript      `json:"response"` // the raw body, possibly an event stream

	// Sealed is what the store has made of the call before it writes it; nil = nothing yet.
	Sealed any `json:"-"`
}

// Retry is a try that failed and was followed by another, or by the call itself.
type Retry struct {
	Upstream  string    `json:"upstream"`
	Model     string    `json:"model"` // as sent to the upstream
	Status    int       `json:"status"`
	Error     string    `json:"error"`
	Changed   string    `json:"changed"` // what the upstream does from now on because of the error; "" = nothing
	StartedAt time.Time `json:"started_at"`
	Waited    float64   `json:"waited"` // seconds until the next
}

// Retries are tries that failed, oldest first.
type Retries []Retry

// UnmarshalJSON reads a list. The number that stood in its place before is forgotten.
func (r *Retries) UnmarshalJSON(raw []byte) error {
	*r = Retries{}
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	return json.Unmarshal(raw, (*[]Retry)(r))
}

// Transcript is the text of an answer as it came. In JSON it is a string; as
// bytes it need not be copied on its way to the tape.
type Transcript []byte

// MarshalText implements encoding.TextMarshaler.
func (t Transcript) MarshalText() ([]byte, error) { return t, nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Transcript) UnmarshalText(text []byte) error {
	*t = bytes.Clone(text)
	return nil
}

// newModelCall records an exchange; it is called once per model call, whether
// it succeeded or not.
func newModelCall(turn int, truncated Truncated, answer *chat.Answer, failure *LastError) *ModelCall {
	x := answer.Exchange
	call := &ModelCall{
		Turn: turn, Upstream: x.Upstream, Model: x.Model, Status: x.Status, Retries: retriesOf(x.Retries),
		StartedAt: x.Started, EndedAt: x.Ended, Usage: usageOf(answer.Usage), Error: failure,
		Truncation: truncated, Request: x.Request, Response: x.Response,
	}
	if !x.FirstToken.IsZero() {
		call.FirstToken = &x.FirstToken
	}
	return call
}

func retriesOf(tries []chat.Try) Retries {
	retries := make(Retries, len(tries))
	for i, t := range tries {
		retries[i] = Retry{
			Upstream: t.Upstream, Model: t.Model, Status: t.Status, Error: t.Error, Changed: t.Changed, StartedAt: t.Started, Waited: t.Waited.Seconds(),
		}
	}
	return retries
}

func usageOf(u chat.Usage) Usage {
	return Usage{
		PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.PromptTokens + u.CompletionTokens,
		PromptDetails: PromptDetails{CachedTokens: u.CachedTokens}, CompletionsDetails: CompletionDetails{ReasoningTokens: u.ReasoningTokens},
	}
}
