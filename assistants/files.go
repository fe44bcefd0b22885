package assistants

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// File is a file of an assistant, as version 1 of the API listed it. ID is the
// file's. Version 2 shows the same files under tool_resources.
type File struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	CreatedAt   int64  `json:"created_at"` // unix seconds; the assistant's
	AssistantID string `json:"assistant_id"`
}

const fileNoun = "assistant file"

func (a *Assistant) file(id string) File {
	return File{ID: id, Object: "assistant.file", CreatedAt: a.CreatedAt, AssistantID: a.ID}
}

// Files returns one page of an assistant's files.
func (s *Service) Files(ctx context.Context, project, id string, page wire.Page) (wire.List, error) {
	a, err := s.Load(ctx, project, id)
	if err != nil {
		return wire.List{}, err
	}
	return wire.PageOf(a.ToolResources.FileIDs(), page, func(fileID string) (json.RawMessage, error) {
		return wire.Marshal(a.file(fileID))
	})
}

// File returns one file of an assistant.
func (s *Service) File(ctx context.Context, project, id, fileID string) (File, error) {
	a, err := s.Load(ctx, project, id)
	if err != nil {
		return File{}, err
	}
	if !slices.Contains(a.ToolResources.FileIDs(), fileID) {
		return File{}, wire.NoSuch(fileNoun, fileID)
	}
	return a.file(fileID), nil
}

// ReadFileID reads the body of POST /assistants/{id}/files.
func ReadFileID(o *wire.Object) (string, error) {
	id := o.RequiredString("file_id", 0)
	if id != "" {
		o.Fail(wire.CheckID("file_id", id, "file"))
	}
	return id, o.Err()
}

// AttachFile gives an assistant a file; one it has already stays once.
func (s *Service) AttachFile(ctx context.Context, project, id, fileID string) (File, error) {
	a, err := s.Load(ctx, project, id)
	if err != nil {
		return File{}, err
	}
	check := s.files.CheckFiles
	if HasTool(a.Tools, FileSearch) {
		check = func(ctx context.Context, project string, ids []string) error {
			return s.files.CheckSearchable(ctx, project, "file_id", ids)
		}
	}
	if err := check(ctx, project, []string{fileID}); err != nil {
		return File{}, err
	}
	return s.changeFiles(ctx, project, id, fileID, func(ids []string) ([]string, error) {
		if slices.Contains(ids, fileID) {
			return ids, nil
		}
		if len(ids) >= maxCodeFiles {
			return ids, wire.Invalidf("An assistant has at most %d files.", maxCodeFiles)
		}
		return append(ids, fileID), nil
	})
}

// DetachFile takes a file from an assistant; the file itself stays.
func (s *Service) DetachFile(ctx context.Context, project, id, fileID string) error {
	_, err := s.changeFiles(ctx, project, id, fileID, func(ids []string) ([]string, error) {
		if !slices.Contains(ids, fileID) {
			return ids, wire.NoSuch(fileNoun, fileID)
		}
		return slices.DeleteFunc(ids, func(other string) bool { return other == fileID }), nil
	})
	return err
}

func (s *Service) changeFiles(ctx context.Context, project, id, fileID string, change func([]string) ([]string, error)) (File, error) {
	var refused error
	body, err := s.store.UpdateAssistant(ctx, project, id, func(a *Assistant) vectorstores.Change {
		before := a.retrieved()
		ids, err := change(slices.Clone(a.ToolResources.FileIDs()))
		if err != nil {
			refused = err
			return vectorstores.Change{}
		}
		a.ToolResources.CodeInterpreter = &CodeResources{FileIDs: ids}
		return a.keepRetrieved(before, wire.MinterOf(ctx), s.now())
	})
	s.files.Wake()
	if err = cmp.Or(err, refused); err != nil {
		return File{}, wire.OrNoSuch(err, noun, id)
	}
	var a Assistant
	if err := wire.Decode(body, &a); err != nil {
		return File{}, err
	}
	return a.file(fileID), nil
}
