package index

import (
	"context"
	"slices"
)

const (
	// plainScan is up to how many chunks all vectors are read and compared: it is exact, needs no memory, and is about as
	// fast as codes are with as few.
	plainScan = 512

	// Each vector a search reads costs it about 10 µs. That many are read at least, and per chunk that it ranks.
	minExact      = 256
	exactPerDepth = 2
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
		compare := func(id int64, packed []byte) {
			if len(packed) == 4*len(question) && t.allows(fileOf(id)) {
				all = append(all, ranked{place{i, id}, float64(dotPacked(question, packed))})
			}
		}
		rank := x.rankAll
		if t.chunks > plainScan {
			rank = x.rankCandidates
		}
		if err := rank(ctx, t, question, depth, compare); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, byScore)
	return all[:min(len(all), depth)], nil
}

// rankAll compares all vectors of a target.
func (x *Index) rankAll(ctx context.Context, t *target, _ []float32, _ int, compare func(int64, []byte)) error {
	for _, r := range t.ranges() {
		if err := x.store.ScanVectors(ctx, r.first, r.last, compare); err != nil {
			return err
		}
	}
	return nil
}

// rankCandidates compares the vectors that their codes have chosen.
func (x *Index) rankCandidates(ctx context.Context, t *target, question []float32, depth int, compare func(int64, []byte)) error {
	view, err := t.withCodes(ctx, x.store)
	if err != nil {
		return err
	}
	codes := view.codes
	if codes == nil || codes.frame.dims != len(question) {
		return nil
	}
	n := max(minExact, exactPerDepth*depth)
	among := codes.stretches(t.allows)
	return x.store.ReadVectors(ctx, codes.candidates(question, among, n), compare)
}
