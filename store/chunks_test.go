package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
)

// chunkRows counts the rows of every table that chunks are kept in.
func chunkRows(t *testing.T, db *DB) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range []string{"chunk_stores", "chunk_files", "chunks", "chunk_vectors", "chunk_terms_docsize"} {
		var n int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
		counts[table] = n
	}
	return counts
}

func numbered(from, n int) []index.Chunk {
	chunks := make([]index.Chunk, n)
	for i := range chunks {
		chunks[i] = index.Chunk{Ordinal: from + i, Text: fmt.Sprintf("chunk number %d", from+i), Vector: []float32{1, float32(i)}}
	}
	return chunks
}

// matches are the ids under a store's key that hold a term.
func matches(t *testing.T, db *DB, storeID, term string) []int64 {
	t.Helper()
	state, err := db.ChunkState(t.Context(), storeID)
	require.NoError(t, err)
	first, last := index.OfStore(state.Key)
	var ids []int64
	require.NoError(t, db.MatchTerms(t.Context(), first, last, []string{term}, func(id int64, score float64) bool {
		require.Positive(t, score)
		ids = append(ids, id)
		return true
	}))
	return ids
}

// TestChunksAreAddedInBatches adds a file in two batches, the second one twice.
func TestChunksAreAddedInBatches(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	for _, from := range []int{0, 3} {
		stored, err := countChunks(db.Read(t.Context()), 7)
		require.NoError(t, err)
		require.Equal(t, from, stored, "where to go on after a restart")
		require.NoError(t, db.AddChunks(t.Context(), "vs_a", 7, numbered(from, 3)))
	}
	require.Error(t, db.AddChunks(t.Context(), "vs_a", 7, numbered(3, 3)), "no chunk comes twice")
	require.Equal(t, map[string]int{"chunk_stores": 1, "chunk_files": 1, "chunks": 6, "chunk_vectors": 6, "chunk_terms_docsize": 6}, chunkRows(t, db))

	chunks, err := readChunks(db.Read(t.Context()), 7, 4, 9)
	require.NoError(t, err)
	require.Equal(t, []index.Chunk{{Ordinal: 4, Text: "chunk number 4"}, {Ordinal: 5, Text: "chunk number 5"}}, chunks)

	state, err := db.ChunkState(t.Context(), "vs_a")
	require.NoError(t, err)
	require.Zero(t, state.Published)
	for range 2 { // the second time there is nothing to publish
		require.NoError(t, db.PublishChunks(t.Context(), 7))
		files, err := db.ChunkFiles(t.Context(), state.Key, 0)
		require.NoError(t, err)
		require.Equal(t, []index.File{{Number: 1, Key: 7, Chunks: 6, Published: 1}}, files)
	}
}

// TestDroppedChunksArePurged drops a file that is longer than a purge's batch, attaches it again and drops the store.
func TestDroppedChunksArePurged(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	require.NoError(t, db.AddChunks(t.Context(), "vs_a", 1, numbered(0, 2*chunkPurgeBatch)))
	require.NoError(t, db.AddChunks(t.Context(), "vs_a", 2, numbered(0, 3)))
	require.NoError(t, db.AddChunks(t.Context(), "vs_b", 3, numbered(0, 4)))
	for seq := range int64(3) {
		require.NoError(t, db.PublishChunks(t.Context(), seq+1))
	}

	require.NoError(t, db.DropChunks(t.Context(), 1))
	require.NoError(t, db.AddChunks(t.Context(), "vs_a", 1, numbered(0, 1)), "the key is free for a new file at once")
	before, err := db.ChunkState(t.Context(), "vs_a")
	require.NoError(t, err)
	require.Equal(t, int64(1), before.Dropped)
	operations := db.Stats().Operations
	require.NoError(t, db.PurgeChunks(t.Context()))
	require.Equal(t, int64(3), db.Stats().Operations-operations, "two full pieces and an empty one")
	require.NoError(t, db.PurgeChunks(t.Context()))
	require.Equal(t, int64(3), db.Stats().Operations-operations, "nothing is written when nothing is left")
	require.Equal(t, map[string]int{"chunk_stores": 2, "chunk_files": 3, "chunks": 8, "chunk_vectors": 8, "chunk_terms_docsize": 8}, chunkRows(t, db))
	require.Len(t, matches(t, db, "vs_a", "number"), 4)

	require.NoError(t, db.DropStoreChunks(t.Context(), "vs_a"))
	require.NoError(t, db.PurgeChunks(t.Context()))
	require.Equal(t, map[string]int{"chunk_stores": 1, "chunk_files": 1, "chunks": 4, "chunk_vectors": 4, "chunk_terms_docsize": 4}, chunkRows(t, db))
	require.Len(t, matches(t, db, "vs_b", "number"), 4)

	require.NoError(t, db.AddChunks(t.Context(), "vs_a", 9, numbered(0, 1)))
	after, err := db.ChunkState(t.Context(), "vs_a")
	require.NoError(t, err)
	require.Greater(t, after.Key, before.Key, "keys are not used twice: a search may still remember the old store")
}

// TestChunkStatementsUseIndexes asks SQLite how it carries out everything that is asked about chunks.
func TestChunkStatementsUseIndexes(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	require.NoError(t, db.AddChunks(t.Context(), "vs_a", 1, numbered(0, 3)))
	require.NoError(t, db.PublishChunks(t.Context(), 1))
	matches(t, db, "vs_a", "number")
	_, err := db.ChunkFiles(t.Context(), 1, 0)
	require.NoError(t, err)
	_, err = db.CountTerm(t.Context(), 0, 1<<62, "number", 1)
	require.NoError(t, err)
	_, err = db.ReadChunks(t.Context(), []int64{1})
	require.NoError(t, err)
	require.NoError(t, db.ReadVectors(t.Context(), []int64{1}, func(int64, []byte) {}))
	require.NoError(t, db.ScanVectors(t.Context(), 0, 1<<62, func(int64, []byte) {}))
	require.NoError(t, db.DropChunks(t.Context(), 1))
	require.NoError(t, db.DropStoreChunks(t.Context(), "vs_a"))
	require.NoError(t, db.PurgeChunks(t.Context()))
	for _, statement := range prepared(db) {
		requireIndexed(t, db, statement)
	}
}
