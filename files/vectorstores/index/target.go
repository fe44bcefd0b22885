package index

import (
	"context"
	"slices"
)

// target is a store as one search sees it.
type target struct {
	storeID     string
	first, last int64          // ids
	files       map[int64]File // those that may be looked at, by number
	chunks      int            // in files
}

// targets looks the scopes' stores up. One that holds nothing the search may look at is left out.
func (x *Index) targets(ctx context.Context, scopes []Scope) ([]target, error) {
	var targets []target
	for _, scope := range scopes {
		state, err := x.store.ChunkState(ctx, scope.StoreID)
		if err != nil {
			return nil, err
		}
		if state.Key == 0 {
			continue
		}
		files, err := x.store.ChunkFiles(ctx, state.Key, 0)
		if err != nil {
			return nil, err
		}
		t := target{storeID: scope.StoreID, files: map[int64]File{}}
		t.first, t.last = OfStore(state.Key)
		for _, file := range files {
			if scope.Files == nil || slices.Contains(scope.Files, file.Key) {
				t.files[file.Number] = file
				t.chunks += file.Chunks
			}
		}
		if t.chunks > 0 {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// allows reports whether the search may look at a chunk.
func (t *target) allows(id int64) bool {
	_, ok := t.files[fileOf(id)]
	return ok
}
