package threads

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"understudy/api/wire"
)

// VersionPrefix begins the id of every Version.
const VersionPrefix = "ver_"

// The reasons why a message is in the history of its thread.
const (
	Edited  = "edited"
	Rewound = "rewound"
)

// Version is a message as it was before an edit or a rewind took it out of its
// thread.
type Version struct {
	ID        string          `json:"id"`
	Object    string          `json:"object"`
	CreatedAt int64           `json:"created_at"` // unix seconds, of the edit or rewind
	Reason    string          `json:"reason"`
	Message   json.RawMessage `json:"message"`
}

// NewVersion makes a version of a message.
func NewVersion(ids *wire.Minter, at time.Time, reason string, message json.RawMessage) Version {
	return Version{ID: ids.ID(VersionPrefix, at), Object: "thread.message.version", CreatedAt: at.Unix(), Reason: reason, Message: message}
}

// Revision changes what a thread holds, and keeps what it was.
type Revision struct {
	ThreadID, MessageID string
	At                  time.Time
	Content             []Part // the message's from now on; nil = as it is
	Rewind              bool   // what comes behind the message leaves the thread
}

// ErrTooLong says that a revision concerns more messages than one transaction may.
var ErrTooLong = errors.New("too many messages at once")

// MaxRewound bounds the messages that one rewind takes out of a thread.
const MaxRewound = maxMessages

// Rewind takes everything behind a message out of a thread and returns the thread.
func (s *Service) Rewind(ctx context.Context, project, threadID, messageID string) (json.RawMessage, error) {
	thread, _, err := s.revise(ctx, project, Revision{ThreadID: threadID, MessageID: messageID, Rewind: true})
	return thread, err
}

// Edit is the body of POST /threads/{id}/messages/{id}/edit.
type Edit struct {
	Content []Part
	Rewind  bool
}

// ReadEdit reads an Edit.
func ReadEdit(o *wire.Object, _ wire.Dialect) (Edit, error) {
	e := Edit{Content: readContent(o)}
	if rewind := o.Bool("rewind"); rewind != nil {
		e.Rewind = *rewind
	}
	return e, o.Err()
}

// ReadRewind reads the body of POST /threads/{id}/rewind: the message that is the
// last one from then on.
func ReadRewind(o *wire.Object, _ wire.Dialect) (to string, err error) {
	if to = o.RequiredString("to", 0); to != "" {
		o.Fail(wire.CheckID("to", to, "msg"))
	}
	return to, o.Err()
}

// EditMessage gives a message another content and returns it.
func (s *Service) EditMessage(ctx context.Context, project, threadID, id string, e Edit) (json.RawMessage, error) {
	if err := s.files.CheckFiles(ctx, project, NewMessage{Content: e.Content}.FileIDs()); err != nil {
		return nil, err
	}
	_, message, err := s.revise(ctx, project, Revision{ThreadID: threadID, MessageID: id, Content: e.Content, Rewind: e.Rewind})
	return message, err
}

func (s *Service) revise(ctx context.Context, project string, r Revision) (thread, message json.RawMessage, err error) {
	r.At = s.now()
	thread, message, err = s.store.ReviseThread(ctx, project, r)
	if busy, ok := errors.AsType[*BusyError](err); ok {
		return nil, nil, wire.Invalidf("Can't change messages of %s while a run %s is active.", r.ThreadID, busy.RunID)
	}
	if errors.Is(err, ErrTooLong) {
		return nil, nil, wire.Invalidf("Can't rewind %s by more than %d messages at once. Rewind it to a later message first.", r.ThreadID, MaxRewound)
	}
	return thread, message, wire.OrNoSuch(err, messageNoun, r.MessageID)
}

// History returns one page of what edits and rewinds took out of a thread, of one
// message when messageID is set.
func (s *Service) History(ctx context.Context, project, threadID, messageID string, page wire.Page) (wire.List, error) {
	list, err := s.store.Versions(ctx, project, threadID, messageID, page)
	return list, wire.OrNoSuch(err, noun, threadID)
}
