package uploads

import (
	"context"
	"crypto/md5" //nolint:gosec // clients check with it that nothing was damaged on the way
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"understudy/api/wire"
	"understudy/files"
)

// StoredPart is where the content of a part lies.
type StoredPart struct {
	ID   string
	Blob string
	Size int64 // bytes
}

// Record is an upload with what the server keeps beside the wire object.
type Record struct {
	Upload       *Upload
	ExpiresAfter int // of the file; as in Create
	Parts        []StoredPart
}

// Store keeps the rows of uploads. Every method that takes a project sees that
// project only and answers wire.ErrNotFound for what it does not have.
type Store interface {
	CreateUpload(ctx context.Context, project string, u *Upload, expiresAfter int) (json.RawMessage, error)
	Upload(ctx context.Context, project, id string) (Record, error)
	// AddPart asks decide about the upload as it is stored.
	AddPart(ctx context.Context, project string, p *Part, at StoredPart, decide func(*Upload) error) (json.RawMessage, error)
	// SettleUpload changes an upload to its final state and drops its parts, in
	// one transaction with the file it became, whose content is blob; file is nil
	// when it became none. It answers the blobs that nothing names any more.
	SettleUpload(ctx context.Context, project, id string, settle func(*Upload) error, file *files.File, blob string) (body json.RawMessage, freed []string, err error)
	// OverdueUploads lists the pending uploads of every project whose time is up.
	OverdueUploads(ctx context.Context, now time.Time) ([]Ref, error)
}

// Ref names an upload of any project.
type Ref struct{ Project, ID string }

// Service carries out the upload routes.
type Service struct {
	store     Store
	blobs     *files.Blobs
	now       func() time.Time
	partLimit int64 // bytes
}

// NewService returns a Service.
func NewService(store Store, blobs *files.Blobs, now func() time.Time) *Service {
	return &Service{store: store, blobs: blobs, now: now, partLimit: MaxPartBytes}
}

// Create begins an upload. id is the client's choice, or "" to mint one.
func (s *Service) Create(ctx context.Context, project, id string, c Create) (json.RawMessage, error) {
	if id == "" {
		id = wire.MinterOf(ctx).HexID(IDPrefix)
	}
	return s.store.CreateUpload(ctx, project, c.new(id, s.now().Unix()), c.ExpiresAfter)
}

// Receive streams the content of a part to the disk. The caller must Abort the
// draft; after a successful AddPart that does nothing.
func (s *Service) Receive(content io.Reader) (*files.Draft, error) {
	return s.blobs.Receive(content, s.partLimit, ErrPartTooLarge)
}

// Pending answers why an upload takes no part, so that a client hears it before
// it has sent the content.
func (s *Service) Pending(ctx context.Context, project, id string) error {
	r, err := s.store.Upload(ctx, project, id)
	if err != nil {
		return orNoSuch(err, id)
	}
	return r.Upload.takes(s.now().Unix())
}

// AddPart adds the draft to an upload.
func (s *Service) AddPart(ctx context.Context, project, uploadID string, d *files.Draft) (json.RawMessage, error) {
	size := d.Size()
	blob, err := d.Commit()
	if err != nil {
		return nil, err
	}
	at := s.now().Unix()
	p := &Part{ID: wire.MinterOf(ctx).HexID(PartPrefix), Object: "upload.part", CreatedAt: at, UploadID: uploadID}
	body, err := s.store.AddPart(context.WithoutCancel(ctx), project, p, StoredPart{ID: p.ID, Blob: blob, Size: size},
		func(u *Upload) error { return u.takes(at) })
	if err != nil {
		_ = s.blobs.Remove(blob) // no row names it; what stays is swept at the next start
		return nil, orNoSuch(err, uploadID)
	}
	return body, nil
}

// Complete joins the named parts to a file.
func (s *Service) Complete(ctx context.Context, project, id string, c Complete) (json.RawMessage, error) {
	began := s.now()
	r, err := s.store.Upload(ctx, project, id)
	if err != nil {
		return nil, orNoSuch(err, id)
	}
	if err := r.Upload.takes(began.Unix()); err != nil {
		return nil, err
	}
	parts, err := r.choose(c.PartIDs)
	if err != nil {
		return nil, err
	}
	blob, err := s.join(ctx, parts, c.MD5)
	if errors.Is(err, fs.ErrNotExist) { // its parts are gone with the state it had
		return nil, errors.Join(s.Pending(ctx, project, id), err)
	}
	if err != nil {
		return nil, err
	}
	at := s.now()
	spec := files.Upload{Filename: r.Upload.Filename, Purpose: r.Upload.Purpose, ExpiresAfter: r.ExpiresAfter}
	file := spec.New(wire.MinterOf(ctx).ID(files.IDPrefix, at), r.Upload.Bytes, at.Unix())
	body, freed, err := s.store.SettleUpload(context.WithoutCancel(ctx), project, id, func(u *Upload) error {
		if err := u.takes(began.Unix()); err != nil { // cancelled or completed meanwhile
			return err
		}
		u.Status, u.File = completed, file
		return nil
	}, file, blob)
	if err != nil {
		freed = []string{blob}
	}
	s.remove(freed)
	return body, orNoSuch(err, id)
}

// choose lists the named parts in their order.
func (r Record) choose(ids []string) ([]StoredPart, error) {
	var chosen []StoredPart
	var size int64
	for i, id := range ids {
		at := slices.IndexFunc(r.Parts, func(p StoredPart) bool { return p.ID == id })
		if at < 0 {
			return nil, wire.InvalidValue("part_ids", "Invalid 'part_ids': upload '%s' has no part '%s'.", r.Upload.ID, wire.Shown(id))
		}
		if slices.Contains(ids[:i], id) {
			return nil, wire.InvalidValue("part_ids", "Invalid 'part_ids': the part '%s' is named more than once.", wire.Shown(id))
		}
		chosen = append(chosen, r.Parts[at])
		size += r.Parts[at].Size
	}
	if size != r.Upload.Bytes {
		return nil, wire.InvalidValue("part_ids", "The parts have %d bytes together, but the upload was created for %d bytes.", size, r.Upload.Bytes)
	}
	return chosen, nil
}

// join writes the parts' content one after the other, checks it, and returns
// its name.
func (s *Service) join(ctx context.Context, parts []StoredPart, sum string) (string, error) {
	d, err := s.blobs.Create()
	if err != nil {
		return "", err
	}
	defer d.Abort()
	check := md5.New() //nolint:gosec // as above
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := s.copyPart(d, check, p); err != nil {
			return "", err
		}
	}
	if got := hex.EncodeToString(check.Sum(nil)); sum != "" && !strings.EqualFold(sum, got) {
		return "", wire.InvalidValue("md5", "The content does not match 'md5': expected '%s', but it is '%s'.", sum, got)
	}
	return d.Commit()
}

func (s *Service) copyPart(d *files.Draft, check hash.Hash, p StoredPart) error {
	content, _, err := s.blobs.Open(p.Blob)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(io.MultiWriter(d, check), content)
	return err
}

// Cancel gives an upload up.
func (s *Service) Cancel(ctx context.Context, project, id string) (json.RawMessage, error) {
	body, freed, err := s.store.SettleUpload(ctx, project, id, func(u *Upload) error {
		if err := u.takes(s.now().Unix()); err != nil {
			return err
		}
		u.Status = cancelled
		return nil
	}, nil, "")
	s.remove(freed)
	return body, orNoSuch(err, id)
}

// Expire ends the uploads whose time is up. It is meant to be called now and
// then.
func (s *Service) Expire(ctx context.Context) error {
	overdue, err := s.store.OverdueUploads(ctx, s.now())
	for _, ref := range overdue {
		_, freed, failed := s.store.SettleUpload(ctx, ref.Project, ref.ID, func(u *Upload) error {
			if u.Status != pending {
				return errSettled
			}
			u.Status = expired
			return nil
		}, nil, "")
		if !errors.Is(failed, errSettled) {
			err = errors.Join(err, failed)
		}
		s.remove(freed)
	}
	return err
}

// errSettled says that an upload was completed or cancelled meanwhile.
var errSettled = errors.New("the upload is not pending")

// remove removes content that nothing names; what cannot be removed now is
// swept at the next start.
func (s *Service) remove(blobs []string) {
	for _, blob := range blobs {
		_ = s.blobs.Remove(blob)
	}
}

func orNoSuch(err error, id string) error {
	if errors.Is(err, wire.ErrNotFound) {
		return noSuch(id)
	}
	return err
}
