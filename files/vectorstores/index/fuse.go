package index

const (
	// fuseConstant is the k of reciprocal rank fusion: how little a first place counts above a second one. 60 is the
	// value of the method's authors (Cormack, Clarke and Büttcher, 2009).
	fuseConstant = 60

	// Each half ranks at least minDepth chunks, and depthPerHit for every hit that is asked for: what is outside both
	// rankings cannot be found.
	minDepth    = 100
	depthPerHit = 4
)

// fuse merges two rankings, the best first, by reciprocal rank fusion:
//
//	score = (wv·(k+1)/(k+vector rank) + wl·(k+1)/(k+lexical rank)) / (wv + wl)
//
// with ranks from 1 and nothing for a ranking that does not have the chunk. A score is 1 for a chunk that both halves put
// first, and at most a half's share of the weights for a chunk that only this half found. When a half ranks nothing at
// all, the other one decides alone.
func fuse(lexical, vector []ranked, w Weights) map[place]float64 {
	w = w.normal(len(lexical) > 0, len(vector) > 0)
	scores := make(map[place]float64, len(lexical)+len(vector))
	for _, half := range []struct {
		ranking []ranked
		weight  float64
	}{{lexical, w.Lexical}, {vector, w.Vector}} {
		if half.weight == 0 {
			continue
		}
		for i, r := range half.ranking {
			scores[r.place] += half.weight * (fuseConstant + 1) / float64(fuseConstant+1+i)
		}
	}
	return scores
}

// normal brings the weights of the halves that take part to a sum of 1.
func (w Weights) normal(lexical, vector bool) Weights {
	w = Weights{Vector: max(w.Vector, 0), Lexical: max(w.Lexical, 0)}
	if w == (Weights{}) {
		w = Weights{Vector: 1, Lexical: 1}
	}
	if !lexical {
		w.Lexical = 0
	}
	if !vector {
		w.Vector = 0
	}
	sum := w.Vector + w.Lexical
	if sum == 0 {
		return w
	}
	return Weights{Vector: w.Vector / sum, Lexical: w.Lexical / sum}
}
