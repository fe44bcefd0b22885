package index

import (
	"cmp"
	"context"
	"slices"
)

const (
	// plainScan is up to how many chunks all vectors are read and compared: it is exact, needs no memory, and is about as
	// fast as codes are with as few.
	plainScan = 512

	// That many candidates there are at least, and per chunk that is ranked.
	minCandidates      = 256
	candidatesPerDepth = 2

	// readAtOnce is how many candidates' vectors are read, at about 10 µs each, before a look at whether they are enough.
	readAtOnce = 64
)

// rankVectors ranks chunks by the inner product of their vector with the question's, their cosine; the best of them, up
// to the limit, by nothing less. A chunk's strength is how far the cosine rises above that of any chunk of the store, the
// mean: there are models whose cosines are high for everything. Vectors of another length, from another model, cannot be
// compared and are left to the lexical half.
func (x *Index) rankVectors(ctx context.Context, targets []target, vector []float32, depth, limit int) ([]ranked, error) {
	question := normalise(vector)
	if question == nil {
		return nil, nil
	}
	var all []ranked
	for i := range targets {
		t := &targets[i]
		from := len(all)
		add := func(id int64, cosine float32) {
			all = append(all, ranked{place: place{i, id}, score: float64(cosine)})
		}
		floor, err := 0.0, error(nil)
		if t.chunks > plainScan {
			floor, err = x.compareCandidates(ctx, t, question, depth, limit, add)
		} else if err = x.compareAll(ctx, t, question, add); err == nil {
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
func (x *Index) compareAll(ctx context.Context, t *target, question []float32, add func(int64, float32)) error {
	for _, r := range t.ranges() {
		err := x.store.ScanVectors(ctx, r.first, r.last, func(id int64, packed []byte) {
			if len(packed) == 4*len(question) && t.allows(fileOf(id)) {
				add(id, dotPacked(question, packed))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compareCandidates compares the vectors that their codes have chosen, and answers the mean of the whole store. Vectors
// are read until none of those left can be among the best any more; what their codes say of these is good enough then.
func (x *Index) compareCandidates(ctx context.Context, t *target, question []float32, depth, limit int, add func(int64, float32)) (floor float64, err error) {
	view, err := t.withCodes(ctx, x.store)
	if err != nil || view.codes == nil || view.codes.frame.dims != len(question) {
		return 0, err
	}
	probe := view.codes.frame.newProbe(question)
	left := view.codes.candidates(probe, view.codes.stretches(t.allows), max(minCandidates, candidatesPerDepth*depth))
	var best []float32
	for len(left) > 0 && (len(best) < limit || left[0].atMost >= best[limit-1]) {
		ids := leading(left)
		left = left[len(ids):]
		if err := x.store.ReadVectors(ctx, ids, func(id int64, packed []byte) {
			cosine := dotPacked(question, packed)
			add(id, cosine)
			best = append(best, cosine)
		}); err != nil {
			return 0, err
		}
		slices.SortFunc(best, func(a, b float32) int { return cmp.Compare(b, a) })
		best = best[:min(len(best), limit)]
	}
	for _, c := range left {
		add(c.id, c.estimate)
	}
	return float64(probe.base), nil
}

// leading are the ids of the candidates to read next: equal ones are read together, so that they stay equal.
func leading(left []candidate) []int64 {
	var ids []int64
	for i, c := range left {
		if i >= readAtOnce && c.atMost < left[i-1].atMost {
			break
		}
		ids = append(ids, c.id)
	}
	return ids
}
