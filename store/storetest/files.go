package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/keys"
	"understudy/api/wire"
	"understudy/files"
)

func (s *suite) files() {
	ctx := s.Context()
	plain := &files.File{Object: "file", ID: "file-plain", Purpose: "assistants", Filename: "a.txt", Bytes: 3, CreatedAt: made.Unix(), Status: "processed"}
	brief := &files.File{Object: "file", ID: "file-brief", Purpose: "vision", CreatedAt: made.Unix(), ExpiresAt: wire.Ptr(made.Unix() + 60)}
	created(s, plain)(s.CreateFile(ctx, ours, plain, "blob1"))
	created(s, brief)(s.CreateFile(ctx, theirs, brief, "blob2"))
	_, err := s.CreateFile(ctx, theirs, plain, "blob3")
	require.ErrorContains(s, err, "already in use")

	body, blob, err := s.File(ctx, ours, plain.ID)
	same(s, plain)(body, err)
	require.Equal(s, "blob1", blob)
	blobs, err := s.Blobs(ctx)
	require.NoError(s, err)
	require.ElementsMatch(s, []string{"blob1", "blob2"}, blobs)
	for _, tc := range []struct {
		ids  []string
		want string
	}{{nil, ""}, {[]string{plain.ID}, ""}, {[]string{plain.ID, brief.ID, "file-no"}, brief.ID}, {[]string{"file-no"}, "file-no"}} {
		absent, err := s.MissingFile(ctx, ours, tc.ids)
		require.NoError(s, err)
		require.Equal(s, tc.want, absent)
	}

	expired := func(at time.Time) []string {
		blobs, err := s.ExpireFiles(ctx, at)
		require.NoError(s, err)
		return blobs
	}
	require.Empty(s, expired(made.Add(59*time.Second)))
	require.Equal(s, []string{"blob2"}, expired(made.Add(time.Minute)))
	require.Empty(s, expired(made.Add(time.Hour)))
	_, _, err = s.File(ctx, theirs, brief.ID)
	s.missing(err)

	blob, err = s.DeleteFile(ctx, ours, plain.ID)
	require.NoError(s, err)
	require.Equal(s, "blob1", blob)
	missing(s)(s.DeleteFile(ctx, ours, plain.ID))
	blobs, err = s.Blobs(ctx)
	require.NoError(s, err)
	require.Empty(s, blobs)
}

func (s *suite) keys() {
	ctx := s.Context()
	old := keys.Key{ID: "b", Project: ours, Name: "old", Hash: []byte{1, 0, 255}, CreatedAt: made}
	recent := keys.Key{ID: "a", Project: theirs, Name: "recent", Hash: []byte{2}, CreatedAt: made.Add(time.Second)}
	require.NoError(s, s.CreateKey(ctx, recent))
	require.NoError(s, s.CreateKey(ctx, old))
	require.Error(s, s.CreateKey(ctx, old))

	got, err := s.Key(ctx, "b")
	require.NoError(s, err)
	require.Equal(s, old, got)
	missing(s)(s.Key(ctx, "unknown"))
	all, err := s.Keys(ctx)
	require.NoError(s, err)
	require.Equal(s, []keys.Key{old, recent}, all)

	revoked := made.Add(time.Hour)
	require.NoError(s, s.RevokeKey(ctx, "b", revoked))
	s.missing(s.RevokeKey(ctx, "b", revoked.Add(time.Hour)))
	s.missing(s.RevokeKey(ctx, "unknown", revoked))
	got, err = s.Key(ctx, "b")
	require.NoError(s, err)
	require.Equal(s, &revoked, got.RevokedAt)
}
