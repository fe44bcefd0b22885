package threads

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files/vectorstores"
)

// Store keeps threads and messages. Every method sees one project only and
// answers wire.ErrNotFound for what that project does not have. JSON is the
// object as it is shown.
type Store interface {
	// CreateThread adds the thread with its messages and the vector store it has for itself, if any.
	CreateThread(ctx context.Context, project string, t *Thread, messages []*Message, store *vectorstores.New) (json.RawMessage, error)
	Thread(ctx context.Context, project, id string) (json.RawMessage, error)
	UpdateThread(ctx context.Context, project, id string, update func(*Thread)) (json.RawMessage, error)
	DeleteThread(ctx context.Context, project, id string) error
	Threads(ctx context.Context, project string, q Query) (wire.List, error)
	// AdoptThread adds the thread unless its id was ever used, by whatever project.
	AdoptThread(ctx context.Context, project string, t *Thread) error
	// SearchThreads answers the threads that have all words of a text in a message,
	// or in their metadata, and carry the metadata of a query, oldest first; show reads
	// one. The cursors of the page that is asked for are among them in any case, if the
	// project ever had such threads.
	SearchThreads(ctx context.Context, project, text string, q Query) (ids []string, show func(id string) (Found, error), err error)
	// ForkThread answers wire.ErrNotFound when the point where the copy is to end
	// does not exist.
	ForkThread(ctx context.Context, project string, f Fork) (json.RawMessage, error)

	// AddMessage gives the files that the message attaches for file_search to the
	// thread's vector store, which it makes when there is none that can be used.
	// It answers a *BusyError when a run of the thread is active.
	AddMessage(ctx context.Context, project string, m *Message) (json.RawMessage, error)
	// EnqueueMessage adds a message behind the runs that are active on its thread,
	// which it answers newest first: the message is in the thread when they have
	// ended. It answers ErrQueueFull when too much waits already.
	EnqueueMessage(ctx context.Context, project string, m *Message) (body json.RawMessage, ahead []string, err error)
	// Message and what changes messages find those that wait as well.
	Message(ctx context.Context, project, threadID, id string) (json.RawMessage, error)
	UpdateMessage(ctx context.Context, project, threadID, id string, update func(*Message)) (json.RawMessage, error)
	// DeleteMessage removes what the history has of the message as well.
	DeleteMessage(ctx context.Context, project, threadID, id string) error
	// ReviseThread answers the thread, and its message as it is then. It answers a
	// *BusyError when a run of the thread is active, and ErrTooLong.
	ReviseThread(ctx context.Context, project string, r Revision) (thread, message json.RawMessage, err error)
	// Versions lists what revisions took out of a thread, of one message when
	// messageID is set.
	Versions(ctx context.Context, project, threadID, messageID string, page wire.Page) (wire.List, error)
	// Messages lists a thread's messages, those of one run when runID is set.
	Messages(ctx context.Context, project, threadID, runID string, page wire.Page) (wire.List, error)
}

// Query selects threads: those that carry every entry of Metadata.
type Query struct {
	wire.Page
	Metadata wire.Metadata
}

// BusyError says that RunID holds the lock of a thread.
type BusyError struct{ RunID string }

func (e *BusyError) Error() string { return "run " + e.RunID + " is active" }

// Service carries out the thread and message routes.
type Service struct {
	store Store
	files assistants.Files
	now   func() time.Time
}

// NewService returns a Service.
func NewService(store Store, files assistants.Files, now func() time.Time) *Service {
	return &Service{store: store, files: files, now: now}
}

const (
	noun        = "thread"
	messageNoun = "message"
)

// Create adds a thread with its first messages. id is the client's choice, or
// "" to mint one; a thread the project already has under it is the answer.
func (s *Service) Create(ctx context.Context, project, id string, c Create) (json.RawMessage, error) {
	if err := c.Check(ctx, project, s.files); err != nil {
		return nil, err
	}
	now, ids := s.now(), wire.MinterOf(ctx)
	if id == "" {
		id = ids.ID(IDPrefix, now)
	}
	t, messages, store := c.Build(id, now, ids)
	body, err := s.store.CreateThread(ctx, project, t, messages, store)
	if store != nil || Attach(messages) {
		s.files.Wake()
	}
	if err != nil {
		if existing, getErr := s.store.Thread(ctx, project, id); getErr == nil {
			return existing, nil
		}
	}
	return body, err
}

// Get returns the thread as it is shown.
func (s *Service) Get(ctx context.Context, project, id string) (json.RawMessage, error) {
	body, err := s.store.Thread(ctx, project, id)
	return body, wire.OrNoSuch(err, noun, id)
}

// Modify changes a thread and returns it.
func (s *Service) Modify(ctx context.Context, project, id string, m Modify) (json.RawMessage, error) {
	if err := s.files.CheckFiles(ctx, project, m.resources().FileIDs()); err != nil {
		return nil, err
	}
	if err := s.files.CheckStores(ctx, project, m.resources().StoreIDs()); err != nil {
		return nil, err
	}
	body, err := s.store.UpdateThread(ctx, project, id, m.apply)
	return body, wire.OrNoSuch(err, noun, id)
}

// List returns one page of the project's threads.
func (s *Service) List(ctx context.Context, project string, q Query) (wire.List, error) {
	return s.store.Threads(ctx, project, q)
}

// AddMessage adds a message at the end of a thread that no run holds.
func (s *Service) AddMessage(ctx context.Context, project, threadID string, n NewMessage) (json.RawMessage, error) {
	return s.addMessage(ctx, project, threadID, n, func(m *Message) (json.RawMessage, error) { return s.store.AddMessage(ctx, project, m) })
}

func (s *Service) addMessage(ctx context.Context, project, threadID string, n NewMessage, add func(*Message) (json.RawMessage, error)) (json.RawMessage, error) {
	messages := []NewMessage{n}
	if err := CheckMessages(ctx, project, s.files, messages); err != nil {
		return nil, err
	}
	now := s.now()
	m := messages[0].Build(wire.MinterOf(ctx).ID(MessagePrefix, now), threadID, now.Unix())
	body, err := add(m)
	if Attach([]*Message{m}) {
		s.files.Wake()
	}
	if busy, ok := errors.AsType[*BusyError](err); ok {
		return nil, wire.Invalidf("Can't add messages to %s while a run %s is active.", threadID, busy.RunID)
	}
	return body, wire.OrNoSuch(err, noun, threadID)
}

// Message returns one message as it is shown.
func (s *Service) Message(ctx context.Context, project, threadID, id string) (json.RawMessage, error) {
	body, err := s.store.Message(ctx, project, threadID, id)
	return body, wire.OrNoSuch(err, messageNoun, id)
}

// ModifyMessage replaces the metadata of a message; nil changes nothing.
func (s *Service) ModifyMessage(ctx context.Context, project, threadID, id string, metadata wire.Metadata) (json.RawMessage, error) {
	body, err := s.store.UpdateMessage(ctx, project, threadID, id, func(m *Message) {
		if metadata != nil {
			m.Metadata = metadata
		}
	})
	return body, wire.OrNoSuch(err, messageNoun, id)
}

// DeleteMessage removes a message, during a run as well.
func (s *Service) DeleteMessage(ctx context.Context, project, threadID, id string) error {
	return wire.OrNoSuch(s.store.DeleteMessage(ctx, project, threadID, id), messageNoun, id)
}

// Messages returns one page of a thread's messages.
func (s *Service) Messages(ctx context.Context, project, threadID, runID string, page wire.Page) (wire.List, error) {
	list, err := s.store.Messages(ctx, project, threadID, runID, page)
	return list, wire.OrNoSuch(err, noun, threadID)
}

// NoSuch is the API's 404 for a thread.
func NoSuch(id string) error { return wire.NoSuch(noun, id) }
