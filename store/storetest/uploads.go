package storetest

import (
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/files"
	"understudy/files/uploads"
)

func (s *suite) uploads() {
	ctx := s.Context()
	u := &uploads.Upload{ID: "upload_a", Object: "upload", Bytes: 3, CreatedAt: made.Unix(), Filename: "a.txt", Status: "pending", ExpiresAt: made.Unix() + 60}
	created(s, u)(s.CreateUpload(ctx, ours, u, 3600))
	_, err := s.CreateUpload(ctx, theirs, u, 0)
	require.ErrorContains(s, err, "already in use")

	allow := func(*uploads.Upload) error { return nil }
	part := &uploads.Part{ID: "part_a", Object: "upload.part", UploadID: u.ID}
	stored := uploads.StoredPart{ID: part.ID, Blob: "blob1", Size: 3}
	created(s, part)(s.AddPart(ctx, ours, part, stored, allow))
	missing(s)(s.AddPart(ctx, theirs, part, stored, allow))
	refusal := errors.New("no")
	refuse := func(shown *uploads.Upload) error {
		require.Equal(s, u, shown)
		return refusal
	}
	_, err = s.AddPart(ctx, ours, part, stored, refuse)
	require.ErrorIs(s, err, refusal)

	got, err := s.Upload(ctx, ours, u.ID)
	require.NoError(s, err)
	require.Equal(s, uploads.Record{Upload: u, ExpiresAfter: 3600, Parts: []uploads.StoredPart{stored}}, got)
	missing(s)(s.Upload(ctx, theirs, u.ID))
	blobs, err := s.Blobs(ctx)
	require.NoError(s, err)
	require.Equal(s, []string{"blob1"}, blobs)

	overdue := func(at time.Time) []uploads.Ref {
		refs, err := s.OverdueUploads(ctx, at)
		require.NoError(s, err)
		return refs
	}
	require.Empty(s, overdue(made.Add(59*time.Second)))
	require.Equal(s, []uploads.Ref{{Project: ours, ID: u.ID}}, overdue(made.Add(time.Minute)))

	_, _, err = s.SettleUpload(ctx, ours, u.ID, refuse, nil, "")
	require.ErrorIs(s, err, refusal)
	_, _, err = s.SettleUpload(ctx, theirs, u.ID, allow, nil, "")
	s.missing(err)
	file := &files.File{Object: "file", ID: "file-a", CreatedAt: made.Unix()}
	u.Status, u.File = "completed", file
	body, freed, err := s.SettleUpload(ctx, ours, u.ID, func(shown *uploads.Upload) error {
		shown.Status, shown.File = u.Status, file
		return nil
	}, file, "blob2")
	same(s, u)(body, err)
	require.Equal(s, []string{"blob1"}, freed)
	require.Empty(s, overdue(made.Add(time.Hour)))
	shown, blob, err := s.File(ctx, ours, file.ID)
	same(s, file)(shown, err)
	require.Equal(s, "blob2", blob)
	blobs, err = s.Blobs(ctx)
	require.NoError(s, err)
	require.Equal(s, []string{"blob2"}, blobs)
}
