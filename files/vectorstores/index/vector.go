package index

import "context"

const (
	// plainScan is up to how many chunks all vectors are read and compared: it is exact, needs no memory, and is about as
	// fast as codes are with as few.
	plainScan = 512

	// Each vector a search reads costs it about 10 µs. That many are read at least, and per chunk that it ranks.
	minExact      = 256
	exactPerDepth = 2
)

// rankVectors ranks chunks by the inner product of their vector with the question's, their cosine. A chunk's strength is
// how far the cosine rises above that of any chunk of the store, the mean: there are models whose cosines are high for
// everything. Vectors of another length, from another model, cannot be compared and are left to the lexical half.
func (x *Index) rankVectors(ctx context.Context, targets []target, vector []float32, depth int) ([]ranked, error) {
	question := normalise(vector)
	if question == nil {
		return nil, nil
	}
	var all []ranked
	for i := range targets {
		t := &targets[i]
		from := len(all)
		compare := func(id int64, packed []byte) {
			if len(packed) == 4*len(question) && t.allows(fileOf(id)) {
				all = append(all, ranked{place: place{i, id}, score: float64(dotPacked(question, packed))})
			}
		}
		floor, err := 0.0, error(nil)
		if t.chunks > plainScan {
			floor, err = x.compareCandidates(ctx, t, question, depth, compare)
		} else if err = x.compareAll(ctx, t, compare); err == nil {
			floor = mean(all[from:])
		}
		if err != nil {
			return nil, err
		}
		floor = min(max(floor, 0), 0.99)
		for k := range all[from:] {
			r := &all[from+k]
			r.strength = min(max((r.score-floor)/(1-floor), 0), 1)
		}
	}
	return first(all, depth), nil
}

// unlikeChunks is how many chunks that have nothing to do with a question are thought to be in every store: without them, the
// only chunk of a store would be its own measure.
const unlikeChunks = 16

// mean is the mean score.
func mean(all []ranked) float64 {
	sum := 0.0
	for _, r := range all {
		sum += r.score
	}
	return sum / float64(len(all)+unlikeChunks)
}

// compareAll compares all vectors of a target.
func (x *Index) compareAll(ctx context.Context, t *target, compare func(int64, []byte)) error {
	for _, r := range t.ranges() {
		if err := x.store.ScanVectors(ctx, r.first, r.last, compare); err != nil {
			return err
		}
	}
	return nil
}

// compareCandidates compares the vectors that their codes have chosen, and answers the mean of the whole store.
func (x *Index) compareCandidates(ctx context.Context, t *target, question []float32, depth int, compare func(int64, []byte)) (floor float64, err error) {
	view, err := t.withCodes(ctx, x.store)
	if err != nil || view.codes == nil || view.codes.frame.dims != len(question) {
		return 0, err
	}
	probe := view.codes.frame.newProbe(question)
	among := view.codes.stretches(t.allows)
	ids := view.codes.candidates(probe, among, max(minExact, exactPerDepth*depth))
	return float64(probe.base), x.store.ReadVectors(ctx, ids, compare)
}
