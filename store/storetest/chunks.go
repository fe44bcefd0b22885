package storetest

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
)

// ChunkStore keeps chunks for the index.
type ChunkStore interface {
	index.Store

	AddChunks(ctx context.Context, storeID string, fileSeq int64, chunks []index.Chunk) error
	PublishChunks(ctx context.Context, fileSeq int64) error
	DropChunks(ctx context.Context, fileSeq int64) error
	DropStoreChunks(ctx context.Context, storeID string) error
	PurgeChunks(ctx context.Context) error
}

// numberedChunks hold a word of their own and one in common; every second one has a vector.
func numberedChunks(n int) []index.Chunk {
	chunks := make([]index.Chunk, n)
	for i := range chunks {
		chunks[i] = index.Chunk{Ordinal: i, Text: fmt.Sprintf("common word%d", i), Tokens: 2, Page: i + 1, Start: 10 * i, End: 10*i + 9}
		if i%2 == 0 {
			chunks[i].Vector = []float32{3, 4, float32(i)}
		}
	}
	return chunks
}

// published stores a file's chunks and answers the range of its store's ids.
func (s *suite) published(storeID string, fileSeq int64, n int) (first, last int64) {
	require.NoError(s, s.AddChunks(s.Context(), storeID, fileSeq, numberedChunks(n)))
	require.NoError(s, s.PublishChunks(s.Context(), fileSeq))
	state, err := s.ChunkState(s.Context(), storeID)
	require.NoError(s, err)
	return index.OfStore(state.Key)
}

// matched are the chunks in a range that hold a term, the best first.
func (s *suite) matched(first, last int64, terms ...string) []int64 {
	var ids []int64
	require.NoError(s, s.MatchTerms(s.Context(), first, last, terms, func(id int64, _ float64) bool {
		ids = append(ids, id)
		return true
	}))
	return ids
}

// scanned are the chunks in a range that have a vector.
func (s *suite) scanned(first, last int64) []int64 {
	var ids []int64
	require.NoError(s, s.ScanVectors(s.Context(), first, last, func(id int64, packed []byte) {
		require.Len(s, packed, 12)
		ids = append(ids, id)
	}))
	return ids
}

func (s *suite) chunks() {
	const many = 600 // more than is read or removed at a time
	first, last := s.published("vs_a", 1, many)
	otherFirst, otherLast := s.published("vs_b", 2, 3)

	require.Len(s, s.matched(first, last, "common"), many)
	require.Len(s, s.matched(otherFirst, otherLast, "common"), 3, "a store's range holds its own chunks only")
	best := s.matched(first, last, "common", "word7")
	require.Equal(s, 7, index.Ordinal(best[0]), "the rarer term counts more")
	require.Empty(s, s.matched(first, last, "missing"))
	for limit, want := range map[int]int{5: 5, 1000: many} {
		n, err := s.CountTerm(s.Context(), first, last, "common", limit)
		require.NoError(s, err)
		require.Equal(s, want, n)
	}

	vectors := s.scanned(first, last)
	require.Len(s, vectors, many/2)
	require.IsIncreasing(s, vectors)
	gone, err := index.ID(1, 1, many)
	require.NoError(s, err)
	var read []int64
	require.NoError(s, s.ReadVectors(s.Context(), []int64{vectors[3], gone, vectors[1]}, func(id int64, _ []byte) { read = append(read, id) }))
	require.ElementsMatch(s, []int64{vectors[3], vectors[1]}, read)
	read = nil
	require.NoError(s, s.ReadVectors(s.Context(), vectors, func(id int64, _ []byte) { read = append(read, id) }))
	require.ElementsMatch(s, vectors, read, "each of them once")
	chunks, err := s.ReadChunks(s.Context(), []int64{vectors[1], gone})
	require.NoError(s, err)
	require.Equal(s, map[int64]index.Chunk{vectors[1]: {Ordinal: 2, Text: "common word2", Tokens: 2, Page: 3, Start: 20, End: 29}}, chunks)
}

func (s *suite) chunkStates() {
	state, err := s.ChunkState(s.Context(), "vs_a")
	require.NoError(s, err)
	require.Zero(s, state, "nothing is known of a store without chunks")

	s.published("vs_a", 1, 2)
	require.NoError(s, s.AddChunks(s.Context(), "vs_a", 2, numberedChunks(3)))
	before, err := s.ChunkState(s.Context(), "vs_a")
	require.NoError(s, err)
	require.NoError(s, s.PublishChunks(s.Context(), 2))
	after, err := s.ChunkState(s.Context(), "vs_a")
	require.NoError(s, err)
	require.Greater(s, after.Published, before.Published)
	for from, want := range map[int64][]int64{0: {1, 2}, before.Published: {2}, after.Published: nil} {
		files, err := s.ChunkFiles(s.Context(), after.Key, from)
		require.NoError(s, err)
		var keys []int64
		for _, f := range files {
			keys = append(keys, f.Key)
		}
		require.Equal(s, want, keys)
	}

	require.NoError(s, s.DropChunks(s.Context(), 1))
	dropped, err := s.ChunkState(s.Context(), "vs_a")
	require.NoError(s, err)
	require.Greater(s, dropped.Dropped, after.Dropped)
	files, err := s.ChunkFiles(s.Context(), after.Key, 0)
	require.NoError(s, err)
	require.Len(s, files, 1)
}

func (s *suite) chunkPurge() {
	const many = 250
	first, last := s.published("vs_a", 1, many)
	s.published("vs_a", 2, 4)
	require.NoError(s, s.DropChunks(s.Context(), 1))
	require.NoError(s, s.PurgeChunks(s.Context()))
	require.Len(s, s.matched(first, last, "common"), 4)
	require.Len(s, s.scanned(first, last), 2)

	require.NoError(s, s.DropStoreChunks(s.Context(), "vs_a"))
	require.NoError(s, s.PurgeChunks(s.Context()))
	require.Empty(s, s.matched(first, last, "common"))
	require.Empty(s, s.scanned(first, last))
	state, err := s.ChunkState(s.Context(), "vs_a")
	require.NoError(s, err)
	require.Zero(s, state)
}
