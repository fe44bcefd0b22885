package files

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"time"

	"understudy/api/wire"
)

// Store keeps the rows of files. Every method that takes a project sees that
// project only and answers wire.ErrNotFound for what it does not have. JSON is
// the object as it is shown; blob is the name of its content in Blobs.
type Store interface {
	CreateFile(ctx context.Context, project string, f *File, blob string) (json.RawMessage, error)
	File(ctx context.Context, project, id string) (body json.RawMessage, blob string, err error)
	DeleteFile(ctx context.Context, project, id string) (blob string, err error)
	Files(ctx context.Context, project string, q Query) (wire.List, error)
	// MissingFile answers the first of ids the project has no file for, "" when it has all.
	MissingFile(ctx context.Context, project string, ids []string) (missing string, err error)

	// ExpireFiles deletes the files of every project whose expires_at is not
	// after now and answers their blobs.
	ExpireFiles(ctx context.Context, now time.Time) (blobs []string, err error)
	// Blobs answers every blob that a row of any project names, parts of uploads
	// among them.
	Blobs(ctx context.Context) ([]string, error)
}

// Service carries out the file routes.
type Service struct {
	store Store
	blobs *Blobs
	now   func() time.Time
	limit int64 // bytes per file

	deleted func() // is told that files were deleted
}

// NewService returns a Service.
func NewService(store Store, blobs *Blobs, now func() time.Time) *Service {
	return &Service{store: store, blobs: blobs, now: now, limit: MaxBytes, deleted: func() {}}
}

// OnDelete has f called behind every deletion of files. It is called before the
// service is used.
func (s *Service) OnDelete(f func()) { s.deleted = f }

// Receive streams content to the disk. It comes before Upload because a form
// may carry the content ahead of the fields that say what it is. The caller
// must Abort the draft; after a successful Upload that does nothing. An error
// of content itself is returned as it is.
func (s *Service) Receive(content io.Reader) (*Draft, error) {
	return s.blobs.Receive(content, s.limit, ErrTooLarge)
}

// Upload adds a file whose content is the draft. id is the client's choice, or
// "" to mint one.
func (s *Service) Upload(ctx context.Context, project, id string, u Upload, d *Draft) (json.RawMessage, error) {
	now := s.now()
	if id == "" {
		id = wire.MinterOf(ctx).AboutText(u.Filename, u.Purpose).ID(IDPrefix, now)
	}
	blob, err := d.Commit()
	if err != nil {
		return nil, err
	}
	// A client that leaves now must not stop the commit half-way: an error has
	// to mean that no row names the blob, or it could not be removed.
	body, err := s.store.CreateFile(context.WithoutCancel(ctx), project, u.New(id, d.Size(), now.Unix()), blob)
	if err != nil {
		_ = s.blobs.Remove(blob) // or Sweep takes it
		return nil, err
	}
	return body, nil
}

// Get returns the file as it is shown.
func (s *Service) Get(ctx context.Context, project, id string) (json.RawMessage, error) {
	body, _, err := s.store.File(ctx, project, id)
	return body, orNoSuch(err, id)
}

// Content returns the file and its content, which the caller must close.
func (s *Service) Content(ctx context.Context, project, id string) (File, io.ReadSeekCloser, error) {
	body, blob, err := s.store.File(ctx, project, id)
	if err != nil {
		return File{}, nil, orNoSuch(err, id)
	}
	var f File
	if err := wire.Decode(body, &f); err != nil {
		return File{}, nil, err
	}
	content, _, err := s.blobs.Open(blob)
	if errors.Is(err, fs.ErrNotExist) {
		// Deleted between the row and the content, unless the row is still there.
		if _, gone := s.Get(ctx, project, id); gone != nil {
			return File{}, nil, gone
		}
		err = s.blobs.lost(blob, id, err)
	}
	if err != nil {
		return File{}, nil, err
	}
	return f, content, nil
}

// Delete removes a file. Content that cannot be removed now is no concern of
// the client: no row names it any more, and Sweep takes it.
func (s *Service) Delete(ctx context.Context, project, id string) error {
	blob, err := s.store.DeleteFile(ctx, project, id)
	if err != nil {
		return orNoSuch(err, id)
	}
	s.deleted()
	_ = s.blobs.Remove(blob)
	return nil
}

// List returns one page of the project's files.
func (s *Service) List(ctx context.Context, project string, q Query) (List, error) {
	list, err := s.store.Files(ctx, project, q)
	return List(list), orNoCursor(err)
}

// CheckFiles answers the 404 for the first id the project has no file for.
func (s *Service) CheckFiles(ctx context.Context, project string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	missing, err := s.store.MissingFile(ctx, project, ids)
	if err == nil && missing != "" {
		return noSuch(missing)
	}
	return err
}

// Expire deletes every file whose time has come and returns how many there
// were. It is meant to be called now and then.
func (s *Service) Expire(ctx context.Context) (int, error) {
	expired, err := s.store.ExpireFiles(ctx, s.now())
	if len(expired) > 0 {
		s.deleted()
	}
	for _, blob := range expired {
		err = errors.Join(err, s.blobs.Remove(blob))
	}
	return len(expired), err
}

// Sweep removes what a crash left on the disk and returns how many blobs and
// drafts that were. It is meant to be called once, at the start.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	referenced, err := s.store.Blobs(ctx)
	if err != nil {
		return 0, err
	}
	return s.blobs.Sweep(ctx, referenced)
}

func orNoSuch(err error, id string) error {
	if errors.Is(err, wire.ErrNotFound) {
		return noSuch(id)
	}
	return err
}
