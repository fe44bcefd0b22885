package index

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
)

// shard is what the index remembers of one store. Its view is replaced, never changed, so that a search works on the one
// it began with.
type shard struct {
	storeID string
	turn    chan struct{} // holds a token while someone makes a new view
	view    atomic.Pointer[view]
	size    int64 // as last counted; belongs to the Index
}

func newShard(storeID string) *shard {
	s := &shard{storeID: storeID, turn: make(chan struct{}, 1)}
	s.view.Store(&view{counts: newTermCounts()})
	return s
}

// view is a store at one moment.
type view struct {
	state    State
	files    []File          // in the order of publication
	byNumber map[int64]File  // the same
	numbers  map[int64]int64 // of files, by key
	codes    *codeset        // of the files that were coded so far, possibly none
	coded    bool            // codes holds all of them
	chunks   int             // in all files
	counts   *termCounts
}

// current answers the store as it is now: the remembered view, unless files were published or dropped since.
func (s *shard) current(ctx context.Context, store Store) (*view, error) {
	state, err := store.ChunkState(ctx, s.storeID)
	if err != nil {
		return nil, err
	}
	if v := s.view.Load(); v.shows(state) {
		return v, nil
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	old := s.view.Load()
	if old.shows(state) {
		return old, nil
	}
	v, err := old.next(ctx, store, state)
	if err != nil {
		return nil, err
	}
	s.view.Store(v)
	return v, nil
}

// shows reports whether the view is of the store in a state, or later.
func (v *view) shows(s State) bool {
	return v.state.Key == s.Key && v.state.Published >= s.Published && v.state.Dropped >= s.Dropped
}

// next reads what a store in a newer state holds. While nothing was dropped these are the new files only.
func (v *view) next(ctx context.Context, store Store, state State) (*view, error) {
	n := &view{state: state, byNumber: map[int64]File{}, numbers: map[int64]int64{}, counts: newTermCounts()}
	if state.Key == 0 {
		return n, nil
	}
	grown := v.state.Key == state.Key && v.state.Dropped == state.Dropped
	after := int64(0)
	if grown {
		after, n.chunks = v.state.Published, v.chunks
		n.files, n.byNumber, n.numbers = slices.Clip(v.files), maps.Clone(v.byNumber), maps.Clone(v.numbers)
	}
	files, err := store.ChunkFiles(ctx, state.Key, after)
	if err != nil {
		return nil, err
	}
	n.files = append(n.files, files...)
	for _, f := range files {
		n.byNumber[f.Number], n.numbers[f.Key] = f, f.Number
		n.chunks += f.Chunks
		n.state.Published = max(n.state.Published, f.Published)
	}
	switch {
	case grown:
		n.codes = v.codes
	case v.state.Key == state.Key:
		n.codes = v.codes.keep(n.byNumber)
	}
	return n, nil
}

// withCodes answers the store's view with the codes of all its files.
func (s *shard) withCodes(ctx context.Context, store Store) (*view, error) {
	if v := s.view.Load(); v.coded {
		return v, nil
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	v := *s.view.Load()
	if v.coded {
		return &v, nil
	}
	codes, err := v.codes.extend(ctx, store, v.state.Key, v.files)
	v.codes, v.coded = codes, err == nil
	s.view.Store(&v) // what was coded before an error is not coded again
	return &v, err
}

func (s *shard) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shard) unlock() {
	<-s.turn
}

// What a view costs beside its codes, in bytes: itself with its maps, and each file in them.
const (
	viewBytes = 1024
	fileBytes = 192
)

func (v *view) size() int64 {
	return viewBytes + fileBytes*int64(len(v.files)) + v.codes.size() + v.counts.size()
}
