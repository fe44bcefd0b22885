package threads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"understudy/api/wire"
)

// OnBusy says what becomes of a message or a run that comes while a run holds its
// thread.
type OnBusy string

// The choices; Reject is the hosted API's, and the zero value means it.
const (
	Reject    OnBusy = "reject"
	Enqueue   OnBusy = "enqueue"   // it waits for the runs ahead of it to end
	Interrupt OnBusy = "interrupt" // they are cancelled
)

// Waits reports whether what comes may have to wait.
func (b OnBusy) Waits() bool { return b == Enqueue || b == Interrupt }

// ReadOnBusy reads a choice, "" is Reject; param is where it stands.
func ReadOnBusy(param, text string) (OnBusy, error) {
	switch choice := OnBusy(text); choice {
	case "":
		return Reject, nil
	case Reject, Enqueue, Interrupt:
		return choice, nil
	}
	return "", wire.InvalidValue(param, "Invalid '%s': '%s'. Expected 'reject', 'enqueue' or 'interrupt'.", param, wire.Shown(text))
}

// ErrQueueFull says that too much waits for a thread already.
var ErrQueueFull = errors.New("too much waits for the thread")

// QueueFull is the API's answer to ErrQueueFull.
func QueueFull(threadID string) error {
	return &wire.Error{
		Kind: wire.RateLimited, Code: "rate_limit_exceeded",
		Message: fmt.Sprintf("Too many messages and runs wait for thread %s. Wait until some of them had their turn, or cancel runs.", threadID),
	}
}

// EnqueueMessage is AddMessage for a message that may have to wait for the runs of
// the thread to end; it answers their ids, newest first.
func (s *Service) EnqueueMessage(ctx context.Context, project, threadID string, n NewMessage) (body json.RawMessage, ahead []string, err error) {
	body, err = s.addMessage(ctx, project, threadID, n, func(m *Message) (body json.RawMessage, err error) {
		body, ahead, err = s.store.EnqueueMessage(ctx, project, m)
		return body, err
	})
	if errors.Is(err, ErrQueueFull) {
		err = QueueFull(threadID)
	}
	return body, ahead, err
}
