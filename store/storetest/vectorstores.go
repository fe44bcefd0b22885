package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/vectorstores"
	"understudy/files/vectorstores/index"
)

// vectorStore stores a vector store of new files.
func (s *suite) vectorStore(id string, fileIDs ...string) *vectorstores.VectorStore {
	s.Helper()
	for _, fileID := range fileIDs {
		f := &files.File{Object: "file", ID: fileID, Purpose: "assistants", Filename: fileID + ".txt"}
		created(s, f)(s.CreateFile(s.Context(), ours, f, "blob-"+fileID))
	}
	n := vectorstores.Of(fileIDs).Build(id, made)
	return created(s, n.Store)(s.CreateVectorStore(s.Context(), ours, n))
}

func (s *suite) readStore(id string) (v vectorstores.VectorStore) {
	s.Helper()
	body, err := s.VectorStore(s.Context(), ours, id)
	require.NoError(s, err)
	require.NoError(s, json.Unmarshal(body, &v))
	return v
}

// storeFiles lists the ids of a store's files, oldest first.
func (s *suite) storeFiles(id string, q vectorstores.FileQuery) []string {
	s.Helper()
	q.Page = wire.Page{Limit: 100, Asc: true, After: q.After}
	list, err := s.StoreFiles(s.Context(), ours, id, q)
	require.NoError(s, err)
	return idsOf(list)
}

func (s *suite) vectorStores() {
	ctx := s.Context()
	v := s.vectorStore("vs_a", "file-a", "file-b")
	same(s, v)(s.VectorStore(ctx, ours, v.ID))
	require.Equal(s, vectorstores.FileCounts{InProgress: 2, Total: 2}, v.FileCounts)
	missing(s)(s.VectorStore(ctx, theirs, v.ID))
	_, err := s.CreateVectorStore(ctx, theirs, vectorstores.Of(nil).Build(v.ID, made))
	require.ErrorContains(s, err, "already in use")
	rename := func(v *vectorstores.VectorStore) error { v.Name = wire.Ptr("n"); return nil }
	missing(s)(s.UpdateVectorStore(ctx, theirs, v.ID, rename))
	require.NoError(s, rename(v))
	same(s, v)(s.UpdateVectorStore(ctx, ours, v.ID, rename))
	_, err = s.UpdateVectorStore(ctx, ours, v.ID, func(v *vectorstores.VectorStore) error { v.Name = nil; return wire.ErrBadJSON })
	require.ErrorIs(s, err, wire.ErrBadJSON)
	same(s, v)(s.VectorStore(ctx, ours, v.ID))

	none, err := s.MissingVectorStore(ctx, ours, []string{v.ID, "vs_none"})
	require.NoError(s, err)
	require.Equal(s, "vs_none", none)
	names, err := s.FileNames(ctx, ours, []string{"file-a", "file-none"})
	require.NoError(s, err)
	require.Equal(s, map[string]string{"file-a": "file-a.txt"}, names)

	s.missing(s.DeleteVectorStore(ctx, theirs, v.ID))
	require.NoError(s, s.DeleteVectorStore(ctx, ours, v.ID))
	s.missing(s.DeleteVectorStore(ctx, ours, v.ID))
	missing(s)(s.StoreFile(ctx, ours, v.ID, "file-a"))
	_, err = s.AttachFiles(ctx, ours, v.ID, []vectorstores.NewFile{{FileID: "file-a"}}, nil, made)
	s.missing(err)
	w, err := s.NextFile(ctx, "", nil)
	require.NoError(s, err)
	require.Nil(s, w, "what is deleted is not indexed")
	require.NoError(s, s.PurgeVectorStores(ctx))
	require.NoError(s, s.PurgeVectorStores(ctx))
}

func (s *suite) vectorStoreFiles() {
	ctx := s.Context()
	s.vectorStore("vs_a", "file-a", "file-b", "file-c")
	s.vectorStore("vs_b")
	attach := func(storeID string, batch *vectorstores.FileBatch, ids ...string) {
		var list []vectorstores.NewFile
		for _, id := range ids {
			list = append(list, vectorstores.NewFile{FileID: id, Chunking: vectorstores.DefaultChunking, Attributes: vectorstores.Attributes{"id": id}})
		}
		_, err := s.AttachFiles(ctx, ours, storeID, list, batch, made)
		require.NoError(s, err)
	}
	batch := &vectorstores.FileBatch{ID: "vsfb_a", VectorStoreID: "vs_b"}
	batch.Count(vectorstores.InProgress, 2)
	attach("vs_b", batch, "file-a", "file-b")
	attach("vs_b", nil, "file-c")
	require.Equal(s, []string{"file-a", "file-b", "file-c"}, s.storeFiles("vs_b", vectorstores.FileQuery{}))
	require.Equal(s, []string{"file-a", "file-b"}, s.storeFiles("vs_b", vectorstores.FileQuery{BatchID: "vsfb_a"}))
	require.Empty(s, s.storeFiles("vs_b", vectorstores.FileQuery{BatchID: "vsfb_a", Status: vectorstores.Failed}))
	require.Len(s, s.storeFiles("vs_b", vectorstores.FileQuery{Status: vectorstores.InProgress}), 3)
	keys, err := s.FilesByAttributes(ctx, "vs_b", func(vectorstores.Attributes) bool { return true })
	require.NoError(s, err)
	require.Empty(s, keys, "only completed files are found")

	missing(s)(s.StoreFile(ctx, theirs, "vs_b", "file-a"))
	missing(s)(s.FileBatch(ctx, theirs, "vs_b", "vsfb_a"))
	missing(s)(s.FileBatch(ctx, ours, "vs_a", "vsfb_a"))
	missing(s)(s.UpdateAttributes(ctx, theirs, "vs_b", "file-a", nil))
	s.missing(s.DetachFile(ctx, theirs, "vs_b", "file-a"))
	missing(s)(s.CancelFileBatch(ctx, theirs, "vs_b", "vsfb_a"))

	require.NoError(s, s.DetachFile(ctx, ours, "vs_b", "file-a"))
	s.missing(s.DetachFile(ctx, ours, "vs_b", "file-a"))
	body, err := s.FileBatch(ctx, ours, "vs_b", "vsfb_a")
	require.NoError(s, err)
	require.Contains(s, string(body), `"in_progress":1,"completed":0,"failed":0,"cancelled":1,"total":2`)
	attach("vs_b", nil, "file-a")
	require.Equal(s, []string{"file-b", "file-c", "file-a"}, s.storeFiles("vs_b", vectorstores.FileQuery{}))
	require.Empty(s, s.storeFiles("vs_b", vectorstores.FileQuery{Page: wire.Page{After: "file-a"}}), "of a file that was there twice the later place counts")
	_, err = s.CancelFileBatch(ctx, ours, "vs_b", "vsfb_a")
	require.NoError(s, err)
	require.Equal(s, []string{"file-b"}, s.storeFiles("vs_b", vectorstores.FileQuery{Status: vectorstores.Cancelled}))
	require.Equal(s, vectorstores.FileCounts{InProgress: 2, Cancelled: 1, Total: 3}, s.readStore("vs_b").FileCounts)

	_, err = s.DeleteFile(ctx, ours, "file-a")
	require.NoError(s, err)
	require.Equal(s, []string{"file-b", "file-c"}, s.storeFiles("vs_a", vectorstores.FileQuery{}))
	require.Equal(s, vectorstores.FileCounts{InProgress: 1, Cancelled: 1, Total: 2}, s.readStore("vs_b").FileCounts)
}

func (s *suite) indexing() {
	ctx := s.Context()
	s.vectorStore("vs_a", "file-a", "file-b")
	of := vectorstores.Embedding{Model: "m", Dimensions: 2}
	var inHand []int64
	for _, fileID := range []string{"file-a", "file-b"} {
		w, err := s.NextFile(ctx, "vs_a", inHand)
		require.NoError(s, err)
		require.Equal(s, fileID, w.FileID)
		require.Equal(s, ours, w.Project)
		inHand = append(inHand, w.Seq)
		for i := range 3 {
			chunk := index.Chunk{Ordinal: i, Text: fmt.Sprintf("part %d", i), Start: 7 * i, End: 7*i + 6, Vector: []float32{1, 2}}
			require.NoError(s, s.StoreChunks(ctx, w, of, []index.Chunk{chunk}))
		}
	}
	w, err := s.NextFile(ctx, "", inHand[1:])
	require.NoError(s, err)
	require.Equal(s, []any{"file-a", 3, 20, int64(2), of}, []any{w.FileID, w.Stored, w.End, w.Epoch, w.Of}, "where an earlier process stopped")
	text, err := s.FileText(ctx, ours, "vs_a", "file-a")
	require.NoError(s, err)
	require.Empty(s, text, "until it is completed")
	require.NoError(s, s.FinishFile(ctx, w, vectorstores.Done{Usage: 10, Lexical: true}))
	require.ErrorIs(s, s.FinishFile(ctx, w, vectorstores.Done{}), vectorstores.ErrLost)
	text, err = s.FileText(ctx, ours, "vs_a", "file-a")
	require.NoError(s, err)
	require.Equal(s, "part 0\n\npart 1\n\npart 2", text)

	second, err := s.NextFile(ctx, "", nil)
	require.NoError(s, err)
	require.NoError(s, s.FinishFile(ctx, second, vectorstores.Done{Err: &vectorstores.LastError{Code: vectorstores.InvalidFile, Message: "m"}}))
	v := s.readStore("vs_a")
	require.Equal(s, vectorstores.FileCounts{Completed: 1, Failed: 1, Total: 2}, v.FileCounts)
	require.Equal(s, int64(10), v.UsageBytes)
	require.NotEmpty(s, v.StatusDetails)

	found, err := s.FoundFiles(ctx, ours, inHand)
	require.NoError(s, err)
	require.Equal(s, map[int64]vectorstores.FoundFile{inHand[0]: {FileID: "file-a", Filename: "file-a.txt", Attributes: vectorstores.Attributes{}}}, found)
	found, err = s.FoundFiles(ctx, theirs, inHand)
	require.NoError(s, err)
	require.Empty(s, found)
	_, err = s.UpdateAttributes(ctx, ours, "vs_a", "file-a", vectorstores.Attributes{"k": "v"})
	require.NoError(s, err)
	keys, err := s.FilesByAttributes(ctx, "vs_a", func(a vectorstores.Attributes) bool { return a["k"] == "v" })
	require.NoError(s, err)
	require.Equal(s, inHand[:1], keys)

	require.NoError(s, s.DetachFile(ctx, ours, "vs_a", "file-a"))
	v = s.readStore("vs_a")
	require.Zero(s, v.UsageBytes)
	require.Empty(s, v.StatusDetails)
	kept, err := s.Embedding(ctx, "vs_a")
	require.NoError(s, err)
	require.Equal(s, of, kept)
}

func (s *suite) vectorStoreExpiry() {
	ctx := s.Context()
	c := vectorstores.Of(nil)
	c.ExpiresAfter = &vectorstores.ExpiresAfter{Anchor: "last_active_at", Days: 1}
	brief := c.Build("vs_brief", made)
	created(s, brief.Store)(s.CreateVectorStore(ctx, ours, brief))
	s.vectorStore("vs_long")
	expire := func(after time.Duration) bool {
		ended, err := s.ExpireVectorStores(ctx, made.Add(after))
		require.NoError(s, err)
		return ended
	}
	require.False(s, expire(24*time.Hour-time.Second))
	require.True(s, expire(24*time.Hour))
	require.False(s, expire(1000*time.Hour), "once")
	require.Equal(s, vectorstores.Expired, s.readStore("vs_brief").Status)
	_, err := s.AttachFiles(ctx, ours, "vs_brief", nil, nil, made)
	require.ErrorContains(s, err, "has expired")
	require.NoError(s, s.DeleteVectorStore(ctx, ours, "vs_brief"))
}

// storesAlong makes vector stores in the transaction of what names them.
func (s *suite) storesAlong() {
	ctx := s.Context()
	s.vectorStore("vs_a", "file-a", "file-b")
	a := s.assistant()
	n := vectorstores.Of([]string{"file-a"}).Build("vs_new", made)
	_, err := s.UpdateAssistant(ctx, ours, a.ID, func(a *assistants.Assistant) vectorstores.Change {
		a.ToolResources = a.ToolResources.WithStore("vs_new")
		return vectorstores.Change{New: &n}
	})
	require.NoError(s, err)
	require.Equal(s, []string{"file-a"}, s.storeFiles("vs_new", vectorstores.FileQuery{}))
	_, err = s.UpdateAssistant(ctx, ours, a.ID, func(*assistants.Assistant) vectorstores.Change {
		return vectorstores.Keeping("vs_new", []string{"file-a"}, []string{"file-b"}, nil, made)
	})
	require.NoError(s, err)
	require.Equal(s, []string{"file-b"}, s.storeFiles("vs_new", vectorstores.FileQuery{}))
	_, err = s.CreateAssistant(ctx, ours, a, wire.Ptr(vectorstores.Of(nil).Build("vs_lost", made)))
	require.ErrorContains(s, err, "already in use")
	missing(s)(s.VectorStore(ctx, ours, "vs_lost"))
}
