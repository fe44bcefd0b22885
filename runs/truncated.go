package runs

// Truncated says what a prompt left out of its thread.
type Truncated struct {
	// Messages are all that are older than the oldest that was sent.
	Messages int `json:"dropped_messages"`
	// FirstID and LastID are the oldest and the newest of them, as far as they
	// are still there; filled in when it is shown.
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	// Reason is why, null when nothing was left out: last_messages and
	// max_prompt_tokens are the client's own; context_window is the model's, as
	// it is configured; overflow is the backend's refusal of a longer prompt.
	Reason *string `json:"reason"`
	// Budget is how many tokens the prompt could have, and Estimated how many it
	// was taken for.
	Budget    int `json:"budget_tokens"`
	Estimated int `json:"estimated_tokens"`
	// Since is the oldest message that was sent; null when nothing was left out.
	Since *string `json:"oldest_sent_id"`
}

// The reasons of a Truncated.
const (
	beyondWindow    = "context_window"
	beyondOverflow  = "overflow"
	beyondMaxTokens = maxPromptTokens
	beyondLast      = lastMessages
)

// truncated says what a window left out of the entries that are sent.
func (w *window) truncated(sent []entry, budget, tokens int, hard bool) Truncated {
	t := Truncated{Messages: w.dropped, Budget: budget, Estimated: tokens}
	for _, e := range w.newest {
		if e.message != nil && e.runID() != w.run.ID {
			t.Messages++
		}
	}
	for _, e := range sent {
		if e.message == nil || e.runID() == w.run.ID {
			continue
		}
		t.Messages--
		if t.Since == nil {
			t.Since = &e.message.Message.ID
		}
	}
	switch {
	case t.Messages == 0:
		t.Since = nil
	case w.last:
		t.Reason = new(beyondLast)
	case hard:
		t.Reason = new(beyondMaxTokens)
	default:
		t.Reason = new(beyondWindow)
	}
	return t
}

// shrunk says that it was the backend who found a prompt of the budget before
// too long.
func (t Truncated) shrunk() Truncated {
	if t.Reason != nil {
		t.Reason = new(beyondOverflow)
	}
	return t
}
