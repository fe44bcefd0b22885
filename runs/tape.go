package runs

import (
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
	Retries    int             `json:"retries"`
	StartedAt  time.Time       `json:"started_at"`
	FirstToken *time.Time      `json:"first_token_at"`
	EndedAt    time.Time       `json:"ended_at"`
	Usage      Usage           `json:"usage"`
	Error      *LastError      `json:"error"`
	Dropped    int             `json:"dropped_messages"` // left out of the prompt by truncation
	Request    json.RawMessage `json:"request"`
	Response   string          `json:"response"` // the raw body, possibly an event stream
}

// newModelCall records an exchange; it is called once per model call, whether
// it succeeded or not.
func newModelCall(turn, dropped int, answer chat.Answer, failure *LastError) *ModelCall {
	x := answer.Exchange
	call := &ModelCall{
		Turn: turn, Upstream: x.Upstream, Model: x.Model, Status: x.Status, Retries: x.Retries,
		StartedAt: x.Started, EndedAt: x.Ended, Usage: usageOf(answer.Usage), Error: failure,
		Dropped: dropped, Request: x.Request, Response: string(x.Response),
	}
	if !x.FirstToken.IsZero() {
		call.FirstToken = &x.FirstToken
	}
	return call
}

func usageOf(u chat.Usage) Usage {
	return Usage{
		PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.PromptTokens + u.CompletionTokens,
		PromptDetails: PromptDetails{CachedTokens: u.CachedTokens}, CompletionsDetails: CompletionDetails{ReasoningTokens: u.ReasoningTokens},
	}
}
