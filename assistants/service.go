package assistants

import (
	"context"
	"encoding/json"
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// Store keeps assistants. Every method sees one project only and answers
// wire.ErrNotFound for what that project does not have. JSON is the object as
// it is shown.
type Store interface {
	// CreateAssistant adds the assistant with the vector store it asked for; nil when it did not.
	CreateAssistant(ctx context.Context, project string, a *Assistant, store *vectorstores.New) (json.RawMessage, error)
	Assistant(ctx context.Context, project, id string) (json.RawMessage, error)
	UpdateAssistant(ctx context.Context, project, id string, update func(*Assistant) vectorstores.Change) (json.RawMessage, error)
	DeleteAssistant(ctx context.Context, project, id string) error
	Assistants(ctx context.Context, project string, page wire.Page) (wire.List, error)
}

// Files tells which files and vector stores exist; *vectorstores.Service does.
type Files interface {
	// CheckFiles answers the API's 404 for the first id the project has no file for.
	CheckFiles(ctx context.Context, project string, ids []string) error
	// CheckStores answers the API's 404 for the first id the project has no vector store for.
	CheckStores(ctx context.Context, project string, ids []string) error
	// CheckSearchable is CheckFiles that also refuses files that cannot be
	// searched; param names the field of the request.
	CheckSearchable(ctx context.Context, project, param string, ids []string) error
	// Searchable answers those of the files that can be searched.
	Searchable(ctx context.Context, project string, ids []string) ([]string, error)
	// Wake says, behind a commit, that stores have files to be indexed.
	Wake()
}

// Models refuses models that cannot be served.
type Models interface {
	// CheckModel answers a 400 saying why no upstream takes the model.
	CheckModel(model string) error
}

// Service carries out the assistant routes.
type Service struct {
	store  Store
	files  Files
	models Models
	now    func() time.Time
}

// NewService returns a Service.
func NewService(store Store, files Files, models Models, now func() time.Time) *Service {
	return &Service{store: store, files: files, models: models, now: now}
}

const noun = "assistant"

// Create adds an assistant. id is the client's choice, or "" to mint one.
func (s *Service) Create(ctx context.Context, project, id string, c Create) (json.RawMessage, error) {
	if err := s.models.CheckModel(c.Model); err != nil {
		return nil, err
	}
	if err := s.checkResources(ctx, project, c.ToolResources); err != nil {
		return nil, err
	}
	if c.store != nil {
		if err := s.files.CheckSearchable(ctx, project, c.storeParam, c.store.FileIDs); err != nil {
			return nil, err
		}
	}
	now := s.now()
	if id == "" {
		id = wire.MinterOf(ctx).ID(IDPrefix, now)
	}
	a := c.new(id, now.Unix())
	var store *vectorstores.New
	if c.store != nil {
		store = wire.Ptr(c.store.Build(vectorstores.NewID(wire.MinterOf(ctx)), now))
		a.ToolResources = a.ToolResources.WithStore(store.Store.ID)
	}
	body, err := s.store.CreateAssistant(ctx, project, a, store)
	if store != nil {
		s.files.Wake()
	}
	return body, err
}

// checkResources answers the 404 for the first file or vector store that does
// not exist.
func (s *Service) checkResources(ctx context.Context, project string, r ToolResources) error {
	if err := s.files.CheckFiles(ctx, project, r.FileIDs()); err != nil {
		return err
	}
	return s.files.CheckStores(ctx, project, r.StoreIDs())
}

// Get returns the assistant as it is shown.
func (s *Service) Get(ctx context.Context, project, id string) (json.RawMessage, error) {
	body, err := s.store.Assistant(ctx, project, id)
	return body, wire.OrNoSuch(err, noun, id)
}

// Load returns the assistant to make a run from.
func (s *Service) Load(ctx context.Context, project, id string) (*Assistant, error) {
	body, err := s.Get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	var a Assistant
	return &a, wire.Decode(body, &a)
}

// Modify changes an assistant and returns it.
func (s *Service) Modify(ctx context.Context, project, id string, m Modify) (json.RawMessage, error) {
	if m.model != "" {
		if err := s.models.CheckModel(m.model); err != nil {
			return nil, err
		}
	}
	if err := s.checkResources(ctx, project, m.resources); err != nil {
		return nil, err
	}
	body, err := s.store.UpdateAssistant(ctx, project, id, func(a *Assistant) vectorstores.Change { return m.apply(a, wire.MinterOf(ctx), s.now()) })
	s.files.Wake()
	return body, wire.OrNoSuch(err, noun, id)
}

// Delete removes an assistant; runs made from it go on.
func (s *Service) Delete(ctx context.Context, project, id string) error {
	return wire.OrNoSuch(s.store.DeleteAssistant(ctx, project, id), noun, id)
}

// List returns one page of the project's assistants.
func (s *Service) List(ctx context.Context, project string, page wire.Page) (wire.List, error) {
	return s.store.Assistants(ctx, project, page)
}
