// Package threads holds threads and their messages. Order inside a thread is
// a sequence number given by the store, never the time.
//
// The package validates, fills in defaults and keeps its objects in a Store;
// it knows neither HTTP nor SQL.
package threads

import (
	"slices"

	"understudy/api/wire"
	"understudy/assistants"
)

// IDPrefix begins every thread id.
const IDPrefix = "thread_"

// Thread is the thread object on the wire (spec section 6). ToolResources is
// {} when there are none.
type Thread struct {
	ID            string                   `json:"id"`
	Object        string                   `json:"object"`
	CreatedAt     int64                    `json:"created_at"` // unix seconds
	Metadata      wire.Metadata            `json:"metadata"`
	ToolResources assistants.ToolResources `json:"tool_resources"`
}

// Create is the body of POST /threads, and the thread of POST /threads/runs.
type Create struct {
	Messages      []NewMessage
	ToolResources assistants.ToolResources
	Metadata      wire.Metadata
}

// ReadCreate reads the body of POST /threads.
func ReadCreate(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := Create{
		Messages:      ReadMessages(o, "messages", dialect),
		ToolResources: assistants.ReadResources(o),
		Metadata:      o.Metadata(dialect == wire.V1),
	}
	return c, o.Err()
}

// FileIDs lists every file the thread and its messages name.
func (c Create) FileIDs() []string {
	ids := c.ToolResources.FileIDs()
	for _, m := range c.Messages {
		ids = append(ids, m.FileIDs()...)
	}
	return ids
}

// Build makes the thread and its first messages as they will be stored.
func (c Create) Build(id string, createdAt int64, mint func() string) (*Thread, []*Message) {
	t := &Thread{ID: id, Object: "thread", CreatedAt: createdAt, Metadata: c.Metadata, ToolResources: c.ToolResources}
	messages := make([]*Message, len(c.Messages))
	for i, m := range c.Messages {
		messages[i] = m.Build(mint(), id, createdAt)
		t.Take(messages[i])
	}
	return t, messages
}

// Take gives the thread the files that a message attaches for code_interpreter,
// each once, and reports whether there was a new one (spec section 13).
func (t *Thread) Take(m *Message) bool {
	taken := false
	for _, a := range m.Attachments {
		have := t.ToolResources.FileIDs()
		if a.allows(assistants.CodeInterpreter) && !slices.Contains(have, a.FileID) {
			t.ToolResources.CodeInterpreter = &assistants.CodeResources{FileIDs: append(slices.Clone(have), a.FileID)}
			taken = true
		}
	}
	return taken
}

// Modify is the body of POST /threads/{id}; nil members change nothing.
type Modify struct {
	Metadata        wire.Metadata
	CodeInterpreter *assistants.CodeResources
	FileSearch      *assistants.SearchResources
}

// ReadModify reads the body of POST /threads/{id}.
func ReadModify(o *wire.Object, dialect wire.Dialect) (Modify, error) {
	resources := assistants.ReadResources(o)
	m := Modify{
		Metadata:        o.Metadata(dialect == wire.V1),
		CodeInterpreter: resources.CodeInterpreter,
		FileSearch:      resources.FileSearch,
	}
	return m, o.Err()
}

func (m Modify) fileIDs() []string {
	if m.CodeInterpreter == nil {
		return nil
	}
	return m.CodeInterpreter.FileIDs
}

func (m Modify) apply(t *Thread) {
	if m.Metadata != nil {
		t.Metadata = m.Metadata
	}
	if m.CodeInterpreter != nil {
		t.ToolResources.CodeInterpreter = m.CodeInterpreter
	}
	if m.FileSearch != nil {
		t.ToolResources.FileSearch = m.FileSearch
	}
}
