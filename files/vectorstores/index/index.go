// Package index finds the chunks of vector stores that answer a question.
//
// A search has two halves. The lexical half ranks the chunks that share words with the question by BM25; the vector half
// ranks chunks by the inner product of their vector with the question's. Both look only at the files the caller allows,
// and the two rankings are merged by the ranks they give (reciprocal rank fusion), so that neither half's scores need a
// meaning in the other.
//
// Chunks belong to a file of a store and are found once the file is published. The index reads them from a [Store] and
// keeps no truth of its own: what it holds in memory is made on a store's first search, follows the store's changes, and
// may be dropped at any time.
package index

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"sync"
)

// State tells whether what was read of a store is still what it holds.
type State struct {
	Key       int64 // the store's part of its chunks' ids; 0 when it never had chunks
	Published int64 // grows with every file that is published
	Dropped   int64 // grows with every file that is dropped
}

// File is a published file of a store.
type File struct {
	Number    int64 // its part of its chunks' ids
	Key       int64 // the key by which the rest of the server knows the file's place in this store
	Chunks    int
	Published int64 // the store's State.Published when it was published
}

// Store is what the index reads. Ids are those that [ID] makes; a range of them includes both ends.
type Store interface {
	// ChunkState answers the zero State for a store that has no chunks.
	ChunkState(ctx context.Context, storeID string) (State, error)

	// ChunkFiles answers the files of a store that were published after a State.Published, in the order of publication.
	ChunkFiles(ctx context.Context, store, after int64) ([]File, error)

	// ScanVectors calls fn with the packed vector of every chunk in a range that has one, in the order of ids. The
	// vector is valid until fn returns.
	ScanVectors(ctx context.Context, first, last int64, fn func(id int64, packed []byte)) error

	// ReadVectors is ScanVectors for single chunks, each named once, in any order. Chunks that are gone are left out.
	ReadVectors(ctx context.Context, ids []int64, fn func(id int64, packed []byte)) error

	// MatchTerms calls fn with every chunk in a range that holds at least one of the terms, the best first by BM25 (a
	// higher score is better), until fn answers false.
	MatchTerms(ctx context.Context, first, last int64, terms []string, fn func(id int64, score float64) bool) error

	// CountTerm answers how many chunks in a range hold a term, or limit when there are more.
	CountTerm(ctx context.Context, first, last int64, term string, limit int) (int, error)

	// ReadChunks answers chunks without their vectors. Chunks that are gone are left out.
	ReadChunks(ctx context.Context, ids []int64) (map[int64]Chunk, error)
}

// Query is a search. It has one or several questions, each a text, a vector or both; a chunk is as good as the question
// it answers best.
type Query struct {
	Scopes    []Scope
	Questions []Question
	Limit     int     // how many hits at most
	Threshold float64 // hits that score less are left out, 0-1
	Weights   Weights
}

// Scope is a store to search.
type Scope struct {
	StoreID string
	Files   []int64 // keys of the files to look at; nil means all of the store's
}

// Question is what is asked. An empty text, or one without letters and digits, leaves the answer to the vector half; a
// nil vector, or stores without vectors, leave it to the lexical half.
type Question struct {
	Text   string
	Vector []float32
}

// Weights say how much each half counts. The zero value means equal weights; negative ones count as 0.
type Weights struct {
	Vector, Lexical float64
}

// Hit is a chunk that was found.
type Hit struct {
	StoreID string
	File    int64 // the file's key
	Score   float64
	Chunk
}

// Options adjust an index. The zero value works.
type Options struct {
	// Memory bounds, in bytes, what is held for later searches; 0 means DefaultMemory. A store that is larger on its own
	// is held alone.
	Memory int64
}

// Index searches the chunks of a Store. It is safe for concurrent use.
type Index struct {
	store  Store
	memory int64

	mutex  sync.Mutex
	shards map[string]*list.Element // of recent, by store id
	recent *list.List               // of *shard, the one used last in front
	used   int64                    // the sizes of all shards
}

// New returns an index over what store holds.
func New(store Store, options Options) *Index {
	return &Index{store: store, memory: cmp.Or(options.Memory, DefaultMemory), shards: map[string]*list.Element{}, recent: list.New()}
}

// Search answers the best chunks for a query, the best first; among equals those of earlier scopes, files and places come
// first. Stores that do not exist hold nothing. A chunk that is in two stores is found in both.
func (x *Index) Search(ctx context.Context, q Query) ([]Hit, error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	defer x.settle(q.Scopes)
	targets, err := x.targets(ctx, q.Scopes)
	if err != nil {
		return nil, err
	}
	depth := max(minDepth, depthPerHit*q.Limit)
	best := map[place]float64{}
	for _, question := range q.Questions {
		lexical, vector, err := x.rank(ctx, targets, question, depth, q.Limit)
		if err != nil {
			return nil, err
		}
		for at, score := range fuse(lexical, vector, q.Weights) {
			best[at] = max(best[at], score)
		}
	}
	return x.hits(ctx, targets, best, q)
}

// rank has both halves rank at the same time.
func (x *Index) rank(ctx context.Context, targets []target, q Question, depth, limit int) (lexical, vector []ranked, err error) {
	var other sync.WaitGroup
	var failure error
	other.Go(func() { lexical, failure = x.rankLexical(ctx, targets, q.Text, depth) })
	vector, err = x.rankVectors(ctx, targets, q.Vector, depth, limit)
	other.Wait()
	return lexical, vector, errors.Join(failure, err)
}

// hits reads the chunks that are shown.
func (x *Index) hits(ctx context.Context, targets []target, scores map[place]float64, q Query) ([]Hit, error) {
	order := make([]ranked, 0, len(scores))
	for at, score := range scores {
		if score >= q.Threshold {
			order = append(order, ranked{place: at, score: score})
		}
	}
	order = first(order, len(order))
	var hits []Hit
	for len(hits) < q.Limit && len(order) > 0 { // again when chunks were removed meanwhile
		batch := order[:min(len(order), q.Limit-len(hits))]
		order = order[len(batch):]
		ids := make([]int64, len(batch))
		for i, r := range batch {
			ids[i] = r.id
		}
		chunks, err := x.store.ReadChunks(ctx, ids)
		if err != nil {
			return nil, err
		}
		for _, r := range batch {
			if chunk, ok := chunks[r.id]; ok {
				t := &targets[r.target]
				hits = append(hits, Hit{StoreID: t.storeID, File: t.files[fileOf(r.id)].Key, Score: r.score, Chunk: chunk})
			}
		}
	}
	return hits, nil
}
