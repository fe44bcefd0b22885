package index

import (
	"cmp"
	"context"
	"slices"
)

// target is a store as one search sees it.
type target struct {
	*shard
	view        *view
	first, last int64          // ids
	files       map[int64]File // those that may be looked at, by number
	chunks      int            // in files
}

// targets looks the scopes' stores up. One that holds nothing the search may look at is left out.
func (x *Index) targets(ctx context.Context, scopes []Scope) ([]target, error) {
	var targets []target
	for _, scope := range scopes {
		shard := x.shard(scope.StoreID)
		view, err := shard.current(ctx, x.store)
		if err != nil {
			return nil, err
		}
		t := target{shard: shard, view: view, files: view.byNumber}
		t.first, t.last = OfStore(view.state.Key)
		if scope.Files != nil {
			t.files = view.only(scope.Files)
		}
		for _, f := range t.files {
			t.chunks += f.Chunks
		}
		if t.chunks > 0 {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// only answers the files that the keys name, by number.
func (v *view) only(keys []int64) map[int64]File {
	files := make(map[int64]File, len(keys))
	for _, key := range keys {
		if number, ok := v.numbers[key]; ok {
			files[number] = v.byNumber[number]
		}
	}
	return files
}

// allows reports whether the search may look at a file.
func (t *target) allows(file int64) bool {
	_, ok := t.files[file]
	return ok
}

// idRange is a stretch of ids, both ends included.
type idRange struct{ first, last int64 }

// ranges cover the files that may be looked at and none of the others that are published.
func (t *target) ranges() []idRange {
	if len(t.files) == len(t.view.files) {
		return []idRange{{t.first, t.last}}
	}
	files := slices.SortedFunc(slices.Values(t.view.files), func(a, b File) int { return cmp.Compare(a.Number, b.Number) })
	var ranges []idRange
	open := false // the last range can go on
	for _, f := range files {
		if !t.allows(f.Number) {
			open = false
			continue
		}
		first, last := OfFile(t.view.state.Key, f.Number)
		if open {
			ranges[len(ranges)-1].last = last
		} else {
			ranges = append(ranges, idRange{first, last})
		}
		open = true
	}
	return ranges
}
