package threads

import (
	"context"
	"encoding/json"

	"understudy/api/wire"
)

// MessageFile is a file attached to a message, as version 1 of the API listed
// it. ID is the file's.
type MessageFile struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	CreatedAt int64  `json:"created_at"` // unix seconds; the message's
	MessageID string `json:"message_id"`
}

// AttachedFiles lists the files of attachments, each once.
func AttachedFiles(attachments []Attachment) []string {
	ids := []string{}
	seen := map[string]bool{}
	for _, a := range attachments {
		if !seen[a.FileID] {
			ids = append(ids, a.FileID)
			seen[a.FileID] = true
		}
	}
	return ids
}

// MessageFiles returns one page of the files attached to a message.
func (s *Service) MessageFiles(ctx context.Context, project, threadID, id string, page wire.Page) (wire.List, error) {
	m, err := s.load(ctx, project, threadID, id)
	if err != nil {
		return wire.List{}, err
	}
	return wire.PageOf(AttachedFiles(m.Attachments), page, func(fileID string) (json.RawMessage, error) {
		return wire.Marshal(m.file(fileID))
	})
}

// MessageFile returns one file attached to a message.
func (s *Service) MessageFile(ctx context.Context, project, threadID, id, fileID string) (MessageFile, error) {
	m, err := s.load(ctx, project, threadID, id)
	if err != nil {
		return MessageFile{}, err
	}
	for _, attached := range AttachedFiles(m.Attachments) {
		if attached == fileID {
			return m.file(fileID), nil
		}
	}
	return MessageFile{}, wire.NoSuch("message file", fileID)
}

func (m *Message) file(id string) MessageFile {
	return MessageFile{ID: id, Object: "thread.message.file", CreatedAt: m.CreatedAt, MessageID: m.ID}
}

func (s *Service) load(ctx context.Context, project, threadID, id string) (*Message, error) {
	body, err := s.Message(ctx, project, threadID, id)
	if err != nil {
		return nil, err
	}
	var m Message
	return &m, wire.Decode(body, &m)
}
