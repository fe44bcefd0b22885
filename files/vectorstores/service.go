package vectorstores

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"understudy/api/wire"
	"understudy/files"
	"understudy/files/extract"
	"understudy/files/vectorstores/index"
)

// Service carries out the vector store routes, and indexes in the background.
type Service struct {
	Options
	changes    *board
	queue      *queue
	embedFails atomic.Bool // the last texts could not be embedded, however often it was tried
}

// Options are the service's neighbours and its settings.
type Options struct {
	Store     Store
	Files     *files.Service
	Extractor *extract.Extractor
	Index     *index.Index
	Embedder  Embedder // nil = files are found by their words only
	Logger    *slog.Logger
	Now       func() time.Time
	Workers   int // files indexed at once; default 2
}

// NewService returns a Service; Start lets it index.
func NewService(o Options) *Service {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	s := &Service{Options: o, changes: newBoard()}
	s.queue = newQueue(s)
	return s
}

// Create adds a store. id is the client's choice, or "" to mint one.
func (s *Service) Create(ctx context.Context, project, id string, c Create) (json.RawMessage, error) {
	if err := s.CheckSearchable(ctx, project, "file_ids", c.FileIDs); err != nil {
		return nil, err
	}
	if id == "" {
		id = NewID(wire.MinterOf(ctx))
	}
	body, err := s.Store.CreateVectorStore(ctx, project, c.Build(id, s.Now()))
	if err == nil {
		s.Wake()
	}
	return body, err
}

// Get returns the store as it is shown.
func (s *Service) Get(ctx context.Context, project, id string) (json.RawMessage, error) {
	if err := s.Expire(ctx); err != nil {
		return nil, err
	}
	body, err := s.Store.VectorStore(ctx, project, id)
	return body, wire.OrNoSuch(err, noun, id)
}

// List returns one page of the project's stores.
func (s *Service) List(ctx context.Context, project string, page wire.Page) (wire.List, error) {
	if err := s.Expire(ctx); err != nil {
		return wire.List{}, err
	}
	return s.Store.VectorStores(ctx, project, page)
}

// Modify changes a store and returns it.
func (s *Service) Modify(ctx context.Context, project, id string, m Modify) (json.RawMessage, error) {
	if err := s.Expire(ctx); err != nil {
		return nil, err
	}
	body, err := s.Store.UpdateVectorStore(ctx, project, id, m.apply)
	return body, wire.OrNoSuch(err, noun, id)
}

// Delete removes a store; its files stay in the project.
func (s *Service) Delete(ctx context.Context, project, id string) error {
	if err := s.Store.DeleteVectorStore(ctx, project, id); err != nil {
		return wire.OrNoSuch(err, noun, id)
	}
	s.changed(id)
	s.sweep()
	return nil
}

// Expire ends the stores whose time has come. It comes before every read, so
// that nobody sees a store that should have ended, and is meant to be called
// now and then.
func (s *Service) Expire(ctx context.Context) error {
	ended, err := s.Store.ExpireVectorStores(ctx, s.Now())
	if ended {
		s.sweep()
	}
	return err
}

// CheckStores answers the 404 for the first id the project has no store for.
func (s *Service) CheckStores(ctx context.Context, project string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	missing, err := s.Store.MissingVectorStore(ctx, project, ids)
	if err == nil && missing != "" {
		return wire.NoSuch(noun, missing)
	}
	return err
}

// CheckSearchable refuses files that do not exist, and files of which the name says
// that no text can be had of them; param names the field of the request.
func (s *Service) CheckSearchable(ctx context.Context, project, param string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	names, err := s.Store.FileNames(ctx, project, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		name, ok := names[id]
		if !ok {
			return s.Files.CheckFiles(ctx, project, []string{id})
		}
		if !extract.Supported(name) {
			return unsupported(param, name)
		}
	}
	return nil
}

// CheckFiles answers the API's 404 for the first id the project has no file for.
func (s *Service) CheckFiles(ctx context.Context, project string, ids []string) error {
	return s.Files.CheckFiles(ctx, project, ids)
}

// Searchable answers those of the files of which the name says that they have text.
func (s *Service) Searchable(ctx context.Context, project string, ids []string) ([]string, error) {
	names, err := s.Store.FileNames(ctx, project, ids)
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !extract.Supported(names[id]) }), err
}

// Attach adds a file to a store and returns it, in progress unless the store
// has it already.
func (s *Service) Attach(ctx context.Context, project, storeID string, f NewFile) (json.RawMessage, error) {
	if err := s.CheckSearchable(ctx, project, "file_id", []string{f.FileID}); err != nil {
		return nil, err
	}
	return s.attach(ctx, project, storeID, []NewFile{f}, nil)
}

// AttachBatch adds files to a store together and returns the batch. id is the
// client's choice, or "" to mint one.
func (s *Service) AttachBatch(ctx context.Context, project, storeID, id string, list []NewFile) (json.RawMessage, error) {
	if err := s.CheckSearchable(ctx, project, "file_ids", idsOf(list)); err != nil {
		return nil, err
	}
	if id == "" {
		id = wire.MinterOf(ctx).HexID(BatchPrefix)
	}
	return s.attach(ctx, project, storeID, list, newBatch(id, storeID, s.Now().Unix(), len(list)))
}

func (s *Service) attach(ctx context.Context, project, storeID string, list []NewFile, batch *FileBatch) (json.RawMessage, error) {
	if err := s.Expire(ctx); err != nil {
		return nil, err
	}
	body, err := s.Store.AttachFiles(ctx, project, storeID, list, batch, s.Now())
	if err != nil {
		return nil, wire.OrNoSuch(err, noun, storeID)
	}
	s.changed(storeID)
	s.Wake()
	s.sweep() // a file that was there before made way
	return body, nil
}

// File returns one file of a store.
func (s *Service) File(ctx context.Context, project, storeID, fileID string) (json.RawMessage, error) {
	body, err := s.Store.StoreFile(ctx, project, storeID, fileID)
	return body, s.orNoFile(ctx, err, project, storeID, fileID)
}

// orNoFile says what is missing, the file or its store.
func (s *Service) orNoFile(ctx context.Context, err error, project, storeID, fileID string) error {
	if !errors.Is(err, wire.ErrNotFound) {
		return err
	}
	if gone := s.CheckStores(ctx, project, []string{storeID}); gone != nil {
		return gone
	}
	return noSuchFile(storeID, fileID)
}

// ListFiles returns one page of a store's files, or of a batch's.
func (s *Service) ListFiles(ctx context.Context, project, storeID string, q FileQuery) (wire.List, error) {
	if q.BatchID != "" {
		if _, err := s.Batch(ctx, project, storeID, q.BatchID); err != nil {
			return wire.List{}, err
		}
	} else if err := s.CheckStores(ctx, project, []string{storeID}); err != nil {
		return wire.List{}, err
	}
	return s.Store.StoreFiles(ctx, project, storeID, q)
}

// SetAttributes replaces the attributes of a file of a store and returns it.
func (s *Service) SetAttributes(ctx context.Context, project, storeID, fileID string, a Attributes) (json.RawMessage, error) {
	body, err := s.Store.UpdateAttributes(ctx, project, storeID, fileID, a)
	return body, s.orNoFile(ctx, err, project, storeID, fileID)
}

// Detach takes a file from a store; the file itself stays.
func (s *Service) Detach(ctx context.Context, project, storeID, fileID string) error {
	if err := s.Store.DetachFile(ctx, project, storeID, fileID); err != nil {
		return s.orNoFile(ctx, err, project, storeID, fileID)
	}
	s.changed(storeID)
	s.sweep()
	return nil
}

// Content returns the text that was read from a file, "" until it is completed.
func (s *Service) Content(ctx context.Context, project, storeID, fileID string) (ContentPage, error) {
	text, err := s.Store.FileText(ctx, project, storeID, fileID)
	if err != nil {
		return ContentPage{}, s.orNoFile(ctx, err, project, storeID, fileID)
	}
	page := ContentPage{Object: "vector_store.file_content.page", Data: []Text{}}
	if text != "" {
		page.Data = append(page.Data, newText(text))
	}
	return page, nil
}

// Batch returns the batch as it is shown.
func (s *Service) Batch(ctx context.Context, project, storeID, id string) (json.RawMessage, error) {
	body, err := s.Store.FileBatch(ctx, project, storeID, id)
	return body, s.orNoBatch(ctx, err, project, storeID, id)
}

func (s *Service) orNoBatch(ctx context.Context, err error, project, storeID, id string) error {
	if !errors.Is(err, wire.ErrNotFound) {
		return err
	}
	if gone := s.CheckStores(ctx, project, []string{storeID}); gone != nil {
		return gone
	}
	return wire.NoSuch(batchNoun, id)
}

// CancelBatch cancels the files of a batch that are in progress; a batch that
// has ended is returned as it is.
func (s *Service) CancelBatch(ctx context.Context, project, storeID, id string) (json.RawMessage, error) {
	body, err := s.Store.CancelFileBatch(ctx, project, storeID, id)
	if err != nil {
		return nil, s.orNoBatch(ctx, err, project, storeID, id)
	}
	s.changed(storeID)
	s.sweep()
	return body, nil
}
