package index

import (
	"context"
	"slices"
)

// rankVectors ranks chunks by the inner product of their vector with the question's. Vectors of another length, from
// another embedding model, cannot be compared and are left to the lexical half.
func (x *Index) rankVectors(ctx context.Context, targets []target, vector []float32, depth int) ([]ranked, error) {
	question := normalise(vector)
	if question == nil {
		return nil, nil
	}
	var all []ranked
	for i := range targets {
		t := &targets[i]
		err := x.store.ScanVectors(ctx, t.first, t.last, func(id int64, packed []byte) {
			if len(packed) == 4*len(question) && t.allows(id) {
				all = append(all, ranked{place{i, id}, float64(dotPacked(question, packed))})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, byScore)
	return all[:min(len(all), depth)], nil
}
