package vectorstores

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores/index"
)

// Store keeps vector stores, their files and the batches these came in. Every
// method that takes a project sees that project only and answers
// wire.ErrNotFound for what it does not have. JSON is the object as it is
// shown. Whatever changes a file's status changes the counts of its store and
// batch in the same transaction.
type Store interface {
	CreateVectorStore(ctx context.Context, project string, n New) (json.RawMessage, error)
	VectorStore(ctx context.Context, project, id string) (json.RawMessage, error)
	VectorStores(ctx context.Context, project string, page wire.Page) (wire.List, error)
	UpdateVectorStore(ctx context.Context, project, id string, update func(*VectorStore) error) (json.RawMessage, error)
	// DeleteVectorStore removes a store; what it held goes with PurgeVectorStores.
	DeleteVectorStore(ctx context.Context, project, id string) error
	// MissingVectorStore answers the first of ids the project has no store for, "" when it has all.
	MissingVectorStore(ctx context.Context, project string, ids []string) (missing string, err error)
	// ExpireVectorStores ends the stores of every project whose expires_at is
	// not after now, and answers whether there was one.
	ExpireVectorStores(ctx context.Context, now time.Time) (bool, error)

	// AttachFiles adds files to a store. One that it has keeps its attributes
	// unless there are new ones. One that is completed stays so, when its chunking
	// is the same and vectors are not lacking; one in progress goes on, for all
	// who attached it; every other is begun anew. The batch is nil for a file that
	// came alone, or counts all files as in progress. It answers the batch, or the
	// file.
	AttachFiles(ctx context.Context, project, storeID string, list []NewFile, batch *FileBatch, now time.Time) (json.RawMessage, error)
	StoreFile(ctx context.Context, project, storeID, fileID string) (json.RawMessage, error)
	StoreFiles(ctx context.Context, project, storeID string, q FileQuery) (wire.List, error)
	UpdateAttributes(ctx context.Context, project, storeID, fileID string, a Attributes) (json.RawMessage, error)
	DetachFile(ctx context.Context, project, storeID, fileID string) error
	// FileNames answers the names of files by their ids, without those the project does not have.
	FileNames(ctx context.Context, project string, ids []string) (map[string]string, error)
	// FileText answers the text of a completed file of a store.
	FileText(ctx context.Context, project, storeID, fileID string) (string, error)

	FileBatch(ctx context.Context, project, storeID, id string) (json.RawMessage, error)
	// CancelFileBatch cancels the files of a batch that are in progress, except
	// those that were attached without it too, which leave it and go on.
	CancelFileBatch(ctx context.Context, project, storeID, id string) (json.RawMessage, error)

	// Embedding answers what the vectors of a store are of, the zero value
	// before the first.
	Embedding(ctx context.Context, storeID string) (Embedding, error)
	// FilesByAttributes answers the keys of the completed files of a store that match.
	FilesByAttributes(ctx context.Context, storeID string, match func(Attributes) bool) ([]int64, error)
	// FoundFiles answers the completed files with these keys, without those that
	// are gone.
	FoundFiles(ctx context.Context, project string, keys []int64) (map[int64]FoundFile, error)

	// NextFile takes up a file in progress that is not among the rows in hand:
	// of the first store behind the one named, in a circle. Nil when none waits.
	NextFile(ctx context.Context, behind string, inHand []int64) (*Work, error)
	// StoreChunks stores chunks of a file behind those it has, or instead of them
	// when the first is the file's first, and pins the store's embedding to
	// theirs unless none has a vector. It answers ErrLost, and stores nothing, when
	// the work is no longer the caller's, and ErrOtherVectors when the store has
	// vectors of something else.
	StoreChunks(ctx context.Context, w *Work, of Embedding, chunks []index.Chunk) error
	// FinishFile ends the work on a file: completed, or failed when lastError is set.
	FinishFile(ctx context.Context, w *Work, done Done) error

	// PurgeVectorStores removes what deleted stores and files held, in pieces.
	PurgeVectorStores(ctx context.Context) error
}

// FoundFile is what a search shows of a file.
type FoundFile struct {
	FileID     string
	Filename   string
	Attributes Attributes
}

// Work is a file that is being indexed.
type Work struct {
	Seq      int64 // the row's key
	Epoch    int64 // how often the row was taken up; it fences every write
	Project  string
	StoreID  string
	FileID   string
	Chunking Chunking
	Stored   int       // chunks that are stored
	End      int       // where the last of them ends in the file's text, in characters
	Of       Embedding // the store's
}

// Done is what came of the work on a file.
type Done struct {
	Usage   int64 // bytes of text and vectors
	Lexical bool  // vectors were wanted and could not be had
	Foreign bool  // because what embeds now makes others than the store has
	Err     *LastError
}

// Embedding says what vectors are of. Vectors can be compared only when it is
// the same; the zero value is of nothing.
type Embedding struct {
	Model      string // as the Embedder names it
	Dimensions int
}

var (
	// ErrLost says that a file is no longer the caller's to index: it was
	// detached, cancelled, or taken up by somebody else.
	ErrLost = errors.New("the file is no longer to be indexed")
	// ErrOtherVectors says that a store has vectors of another model.
	ErrOtherVectors = errors.New("the store has vectors of another embedding")
)

// Embedder turns texts into vectors.
type Embedder interface {
	// Embed answers a vector for each text, in their order, and what they are
	// of. model is what an earlier answer named, to have vectors that can be
	// compared with those, or "" for the configured model. An error that is
	// ErrNoEmbedding or ErrRefused means that trying again is of no use.
	Embed(ctx context.Context, model string, texts []string) (vectors [][]float32, of string, err error)
}

var (
	// ErrNoEmbedding says that nothing can embed with the model that was asked
	// for, or at all.
	ErrNoEmbedding = errors.New("no embedding model is configured")
	// ErrRefused says that the embedding model does not take the request.
	ErrRefused = errors.New("the embedding was refused")
)
