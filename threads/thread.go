// Package threads holds threads and their messages. Order inside a thread is
// a sequence number given by the store, never the time.
//
// The package validates, fills in defaults and keeps its objects in a Store;
// it knows neither HTTP nor SQL.
package threads

import (
	"context"
	"slices"
	"time"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files/vectorstores"
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

	store *vectorstores.Create // to be made along, nil = none
}

// ReadCreate reads the body of POST /threads.
func ReadCreate(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := Create{Messages: ReadMessages(o, "messages", dialect), Metadata: o.Metadata(dialect == wire.V1)}
	c.ToolResources, c.store = assistants.ReadNewResources(o)
	return c, o.Err()
}

// Check refuses a thread of which something that it names does not exist, or
// cannot be searched. It completes what version 1 of the API left open.
func (c *Create) Check(ctx context.Context, project string, files assistants.Files) error {
	if err := files.CheckFiles(ctx, project, c.ToolResources.FileIDs()); err != nil {
		return err
	}
	if err := files.CheckStores(ctx, project, c.ToolResources.StoreIDs()); err != nil {
		return err
	}
	if c.store != nil {
		if err := files.CheckSearchable(ctx, project, assistants.HelperFiles, c.store.FileIDs); err != nil {
			return err
		}
	}
	return CheckMessages(ctx, project, files, c.Messages)
}

// Build makes the thread and its first messages as they will be stored, and the
// vector store that it has for itself: because it asks for one, or because a
// message attaches files for file_search and the thread names no store.
func (c Create) Build(id string, now time.Time, ids *wire.Minter) (*Thread, []*Message, *vectorstores.New) {
	t := &Thread{ID: id, Object: "thread", CreatedAt: now.Unix(), Metadata: c.Metadata, ToolResources: c.ToolResources}
	messages := make([]*Message, len(c.Messages))
	var searched []string
	for i, m := range c.Messages {
		messages[i] = m.Build(ids.ID(MessagePrefix, now), id, now.Unix())
		t.Take(messages[i])
		searched = append(searched, messages[i].Searched()...)
	}
	create := vectorstores.Of(nil)
	switch {
	case c.store != nil:
		create = *c.store
	case len(searched) == 0 || len(t.ToolResources.StoreIDs()) > 0:
		return t, messages, nil
	}
	store := create.With(searched).ForThread(ids, now)
	t.ToolResources = t.ToolResources.WithStore(store.Store.ID)
	return t, messages, &store
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

// resources are those that the request names.
func (m Modify) resources() assistants.ToolResources {
	return assistants.ToolResources{CodeInterpreter: m.CodeInterpreter, FileSearch: m.FileSearch}
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
