package vectorstores

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"understudy/api/wire"
	"understudy/files/extract"
	"understudy/files/vectorstores/chunking"
	"understudy/files/vectorstores/index"
)

// chunkBatch is how many chunks are embedded and stored together: as many as
// fit into one request to an upstream, and a transaction others hardly notice.
const chunkBatch = 64

// indexFile brings a file to its end: completed, failed, or gone. The error is
// the store's or the disk's, and leaves the file in progress.
func (s *Service) indexFile(ctx context.Context, w *Work) error {
	done, err := s.read(ctx, w)
	fault, bad := errors.AsType[*extract.Error](err)
	apiErr, refused := errors.AsType[*wire.Error](err)
	switch {
	case errors.Is(err, ErrLost):
		return nil
	case ctx.Err() != nil || errors.Is(err, wire.ErrUnavailable):
		return err
	case refused && apiErr.Kind == wire.NotFound: // the file was deleted, and takes its place in the store along
		if err := s.Store.DetachFile(ctx, w.Project, w.StoreID, w.FileID); err != nil && !errors.Is(err, wire.ErrNotFound) {
			return err
		}
		s.changed(w.StoreID)
		return nil
	case bad:
		done = Done{Err: &LastError{Code: fault.Code, Message: fault.Message}}
	case err != nil:
		s.Logger.Error("indexing a file", "vector_store", w.StoreID, "file", w.FileID, "error", err)
		done = Done{Err: &LastError{Code: ServerError, Message: "An internal error occurred."}}
	}
	if err := s.Store.FinishFile(ctx, w, done); err != nil && !errors.Is(err, ErrLost) {
		return err
	}
	s.changed(w.StoreID)
	return nil
}

// read extracts a file and stores its chunks. A fault of ours that a file
// uncovers is that file's alone.
func (s *Service) read(ctx context.Context, w *Work) (_ Done, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
		}
	}()
	text, chunks, err := s.extract(ctx, w)
	if err != nil {
		return Done{}, err
	}
	if w.Stored > len(chunks) || w.Stored > 0 && chunks[w.Stored-1].End != w.End {
		w.Stored = 0 // another version of this program cut the file differently
	}
	job := filing{service: s, work: w, vectors: w.Stored}
	if w.Of == (Embedding{}) {
		job.vectors = 0
	}
	for batch := range slices.Chunk(chunks[w.Stored:], chunkBatch) {
		if err := job.add(ctx, batch); err != nil {
			return Done{}, err
		}
	}
	const floatBytes = 4
	usage := int64(text) + int64(job.vectors)*int64(w.Of.Dimensions)*floatBytes
	return Done{Usage: usage, Lexical: job.lexical, Foreign: job.foreign}, nil
}

// extract returns the size of a file's text in bytes, and its chunks.
func (s *Service) extract(ctx context.Context, w *Work) (int, []index.Chunk, error) {
	file, content, err := s.Files.Content(ctx, w.Project, w.FileID)
	if err != nil {
		return 0, nil, err
	}
	defer content.Close()
	doc, err := s.Extractor.Extract(ctx, file.Filename, content, file.Bytes)
	if err != nil {
		return 0, nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, cuttingTime, errCuttingTakesTooLong)
	defer cancel()
	pieces, err := chunking.Split(limited, doc, w.Chunking.Static.Size, w.Chunking.Static.Overlap)
	if err != nil {
		return 0, nil, err
	}
	chunks := make([]index.Chunk, len(pieces))
	for i, p := range pieces {
		chunks[i] = index.Chunk{Ordinal: i, Text: p.Text, Tokens: p.Tokens, Page: p.Page, Start: p.Start, End: p.End}
	}
	return len(doc.Text()), chunks, nil
}

// cuttingTime is how long a file's text may take to be cut into chunks: text
// without words or lines is slow to count, and others wait.
const cuttingTime = 2 * time.Minute

var errCuttingTakesTooLong = &extract.Error{
	Code: extract.InvalidFile, Message: fmt.Sprintf("The file could not be parsed because it is too large: cutting its text takes more than %s.", cuttingTime),
}

// filing stores the chunks of one file.
type filing struct {
	service *Service
	work    *Work
	vectors int  // chunks stored with one
	lexical bool // vectors cannot be had any more
	foreign bool // because what embeds now makes others than the store has
}

// add embeds and stores a batch of chunks.
func (f *filing) add(ctx context.Context, batch []index.Chunk) error {
	w := f.work
	of, err := f.embed(ctx, batch)
	if err != nil {
		return err
	}
	err = f.service.Store.StoreChunks(ctx, w, of, batch)
	if errors.Is(err, ErrOtherVectors) { // the settings changed, and another file of the store was first
		if w.Of, err = f.service.Store.Embedding(ctx, w.StoreID); err != nil {
			return err
		}
		return f.add(ctx, batch)
	}
	if err != nil {
		return err
	}
	w.Stored += len(batch)
	if of != (Embedding{}) {
		w.Of = of
		f.vectors += len(batch)
	}
	return nil
}

// embed gives a batch of chunks their vectors and answers what these are of; or
// it leaves them without, for good, when there are none to be had that fit the
// store's.
func (f *filing) embed(ctx context.Context, batch []index.Chunk) (Embedding, error) {
	s, w := f.service, f.work
	for i := range batch {
		batch[i].Vector = nil
	}
	if s.Embedder == nil || f.lexical {
		return Embedding{}, nil
	}
	texts := make([]string, len(batch))
	for i, c := range batch {
		texts[i] = c.Text
	}
	vectors, of, err := s.embedPatiently(ctx, w.Of.Model, texts)
	switch {
	case ctx.Err() != nil:
		return Embedding{}, ctx.Err()
	case errors.Is(err, ErrNoEmbedding) && w.Of == (Embedding{}): // nobody promised any
		return Embedding{}, nil
	case err == nil:
		if err = fits(vectors, of, w.Of, len(batch)); err == nil {
			for i, vector := range vectors {
				batch[i].Vector = vector
			}
			return of, nil
		}
	}
	s.Logger.Warn("the text of a file could not be embedded, so it is found by its words only",
		"vector_store", w.StoreID, "file", w.FileID, "error", err)
	f.lexical, f.foreign = true, errors.Is(err, ErrNoEmbedding) || errors.Is(err, ErrOtherVectors)
	return Embedding{}, nil
}

// patience is how long to wait between attempts to embed, beside what the
// embedder does by itself: a file that has no vectors has none for good.
var patience = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute}

// embedPatiently embeds texts and answers what their vectors are of. It tries
// again only after what may pass, such as an upstream that is down. When all
// attempts failed, the next texts have one each until one succeeds: a backend
// that is down for good must not hold up every file.
func (s *Service) embedPatiently(ctx context.Context, model string, texts []string) ([][]float32, Embedding, error) {
	for try := 0; ; try++ {
		vectors, name, err := s.Embedder.Embed(ctx, model, texts)
		if err == nil {
			s.embedFails.Store(false)
			of := Embedding{Model: name}
			if len(vectors) > 0 {
				of.Dimensions = len(vectors[0])
			}
			return vectors, of, nil
		}
		if errors.Is(err, ErrNoEmbedding) || errors.Is(err, ErrRefused) || ctx.Err() != nil || s.embedFails.Load() {
			return nil, Embedding{}, err
		}
		if try == len(patience) {
			s.embedFails.Store(true)
			return nil, Embedding{}, err
		}
		timer := time.NewTimer(patience[try])
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, Embedding{}, ctx.Err()
		}
	}
}

// fits refuses vectors that cannot be compared with those of the store.
func fits(vectors [][]float32, of, store Embedding, n int) error {
	if len(vectors) != n || of.Dimensions == 0 ||
		slices.ContainsFunc(vectors, func(v []float32) bool { return len(v) != of.Dimensions }) {
		return fmt.Errorf("the embedding model %s did not answer one vector of one size for each text", of.Model)
	}
	if store != (Embedding{}) && of != store {
		return fmt.Errorf("%w: of %s with %d dimensions, and these are of %s with %d", ErrOtherVectors, store.Model, store.Dimensions, of.Model, of.Dimensions)
	}
	return nil
}
