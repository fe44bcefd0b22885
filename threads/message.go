package threads

import (
	"context"
	"slices"
	"strings"

	"understudy/api/wire"
	"understudy/assistants"
)

// MessagePrefix begins every message id.
const MessagePrefix = "msg_"

// The roles a message can have.
const (
	User      = "user"
	Assistant = "assistant"
)

// The states of a message.
const (
	InProgress = "in_progress"
	Completed  = "completed"
	Incomplete = "incomplete"
)

// Message is the message object on the wire (spec section 6). AssistantID and
// RunID are null unless a run made it. Status and its companions are sent on
// REST answers too, which hosted left out and its SDKs require.
type Message struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	CreatedAt         int64              `json:"created_at"` // unix seconds
	AssistantID       *string            `json:"assistant_id"`
	ThreadID          string             `json:"thread_id"`
	RunID             *string            `json:"run_id"`
	Status            string             `json:"status"`
	IncompleteDetails *IncompleteDetails `json:"incomplete_details"`
	IncompleteAt      *int64             `json:"incomplete_at"`
	CompletedAt       *int64             `json:"completed_at"`
	Role              string             `json:"role"`
	Content           []Part             `json:"content"`
	Attachments       []Attachment       `json:"attachments"`
	Metadata          wire.Metadata      `json:"metadata"`
}

// IncompleteDetails says why a message is incomplete: content_filter,
// max_tokens, run_cancelled, run_expired or run_failed.
type IncompleteDetails struct {
	Reason string `json:"reason"`
}

// Attachment gives a file to tools of the thread.
type Attachment struct {
	FileID string           `json:"file_id"`
	Tools  []AttachmentTool `json:"tools"`
}

// AttachmentTool is code_interpreter or file_search.
type AttachmentTool struct {
	Type string `json:"type"`
}

func (a Attachment) allows(tool string) bool {
	return slices.Contains(a.Tools, AttachmentTool{Type: tool})
}

// Searched lists the files that the message attaches for file_search, each once.
func (m *Message) Searched() []string {
	return AttachedFiles(slices.DeleteFunc(slices.Clone(m.Attachments), func(a Attachment) bool { return !a.allows(assistants.FileSearch) }))
}

// Attach reports whether one of the messages attaches files for file_search,
// which are then to be indexed.
func Attach(messages []*Message) bool {
	return slices.ContainsFunc(messages, func(m *Message) bool { return len(m.Searched()) > 0 })
}

// Text joins the text parts, refusals included, a line each.
func (m *Message) Text() string {
	var texts []string
	for _, p := range m.Content {
		switch {
		case p.Text != nil:
			texts = append(texts, p.Text.Value)
		case p.Refusal != nil:
			texts = append(texts, *p.Refusal)
		}
	}
	return strings.Join(texts, "\n")
}

// NewMessage is a message to be added, as a request describes it.
type NewMessage struct {
	Role        string
	Content     []Part
	Attachments []Attachment
	Metadata    wire.Metadata

	version1 bool // the attachments are version 1's file_ids
}

// CheckMessages refuses messages that name a file that does not exist, or one
// for file_search that cannot be searched. Version 1 of the API gave a message's
// files to whatever tool could use them: they are searched if they can be.
func CheckMessages(ctx context.Context, project string, files assistants.Files, messages []NewMessage) error {
	for i := range messages {
		m := &messages[i]
		if err := files.CheckFiles(ctx, project, m.FileIDs()); err != nil {
			return err
		}
		if !m.version1 {
			if err := files.CheckSearchable(ctx, project, "attachments", m.Build("", "", 0).Searched()); err != nil {
				return err
			}
			continue
		}
		searchable, err := files.Searchable(ctx, project, AttachedFiles(m.Attachments))
		if err != nil {
			return err
		}
		for j, a := range m.Attachments {
			if slices.Contains(searchable, a.FileID) {
				m.Attachments[j].Tools = []AttachmentTool{{Type: assistants.FileSearch}}
			}
		}
	}
	return nil
}

// Build makes the message as it will be stored.
func (n NewMessage) Build(id, threadID string, createdAt int64) *Message {
	m := &Message{
		ID: id, Object: "thread.message", CreatedAt: createdAt, ThreadID: threadID,
		Status: Completed, CompletedAt: &createdAt,
		Role: n.Role, Content: n.Content, Attachments: n.Attachments, Metadata: n.Metadata,
	}
	if m.Attachments == nil {
		m.Attachments = []Attachment{}
	}
	return m
}

// FileIDs lists every file the message names.
func (n NewMessage) FileIDs() []string {
	var ids []string
	for _, p := range n.Content {
		if p.ImageFile != nil {
			ids = append(ids, p.ImageFile.FileID)
		}
	}
	for _, a := range n.Attachments {
		ids = append(ids, a.FileID)
	}
	return ids
}

// ReadMessage reads the body of POST /threads/{id}/messages.
func ReadMessage(o *wire.Object, dialect wire.Dialect) (NewMessage, error) {
	m := readMessage(o, dialect)
	return m, o.Err()
}

// maxMessages bounds the messages of one request, which are stored in one
// transaction: every other write waits for it.
const maxMessages = 5000

// ReadMessages reads a list of messages inside a body.
func ReadMessages(o *wire.Object, name string, dialect wire.Dialect) []NewMessage {
	objects := o.Objects(name, maxMessages)
	messages := make([]NewMessage, 0, len(objects))
	for _, obj := range objects {
		messages = append(messages, readMessage(obj, dialect))
		_ = obj.Err()
	}
	return messages
}

func readMessage(o *wire.Object, dialect wire.Dialect) NewMessage {
	var m NewMessage
	if o.Require("role") {
		m.Role = o.Enum("role", User, Assistant)
	}
	m.Content = readContent(o)
	m.Attachments, m.version1 = readAttachments(o, dialect), dialect == wire.V1
	m.Metadata = o.Metadata(dialect == wire.V1)
	return m
}

// maxFileIDs bounds version 1's file_ids of a message.
const maxFileIDs = 10

// readAttachments reads attachments. Version 1's file_ids are attachments
// without tools; version 2 clients that still send file_ids are not refused.
func readAttachments(o *wire.Object, dialect wire.Dialect) []Attachment {
	if dialect == wire.V1 {
		var attachments []Attachment
		for _, id := range o.Strings("file_ids", maxFileIDs) {
			if err := wire.CheckID(o.Path("file_ids"), id, "file"); err != nil {
				o.Fail(err)
			}
			attachments = append(attachments, Attachment{FileID: id, Tools: []AttachmentTool{}})
		}
		return attachments
	}
	o.Ignore("file_ids")
	var attachments []Attachment
	for _, obj := range o.Objects("attachments", 0) {
		attachments = append(attachments, readAttachment(obj))
	}
	return attachments
}

func readAttachment(o *wire.Object) Attachment {
	a := Attachment{FileID: o.RequiredString("file_id", 0), Tools: []AttachmentTool{}}
	if a.FileID != "" {
		if err := wire.CheckID(o.Path("file_id"), a.FileID, "file"); err != nil {
			o.Fail(err)
		}
	}
	for _, t := range o.Objects("tools", 0) {
		if t.Require("type") {
			a.Tools = append(a.Tools, AttachmentTool{Type: t.Enum("type", assistants.CodeInterpreter, assistants.FileSearch)})
		}
		_ = t.Err()
	}
	_ = o.Err()
	return a
}
