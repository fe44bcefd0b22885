package index

import (
	"cmp"
	"slices"
)

const (
	// fuseConstant is the k of reciprocal rank fusion: how little a first place counts above a second one. The 60 of the
	// method's authors suits long rankings of equals; here strengths tell the places apart as well.
	fuseConstant = 10

	// Each half ranks at least minDepth chunks, and depthPerHit for every hit that is asked for: what is outside both
	// rankings cannot be found.
	minDepth    = 100
	depthPerHit = 4
)

// place is a chunk among the targets of a search.
type place struct {
	target int
	id     int64
}

// ranked is a chunk with what one half thinks of it.
type ranked struct {
	place
	score    float64 // orders the half's ranking; says nothing to the other half
	strength float64 // how sure the half is, from 0 to 1
}

// byScore orders the best first and leaves nothing to chance.
func byScore(a, b ranked) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.target, b.target), cmp.Compare(a.id, b.id))
}

// first are the best of a half, in order.
func first(all []ranked, depth int) []ranked {
	slices.SortFunc(all, byScore)
	return all[:min(len(all), depth)]
}

// fuse merges the halves' rankings, the best first, by reciprocal ranks, each weighed with the half's strength:
//
//	score = Σ weight · strength · (k+1)/(k+rank) / Σ weight
//
// over both halves, with ranks from 1 and nothing from a half that did not rank the chunk. A score is therefore 1 only for
// what both halves put first and are sure of; a chunk that one half alone has found scores at most its share of the
// weights; and when neither is sure of anything, all scores are low, which is what a threshold is for. A half that ranks
// nothing at all, because the question has no vector or no word of it occurs, leaves its weight to the other.
//
// Ranks alone would count a poor half, such as that of vectors which say little, as much as a good one.
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
			scores[r.place] += half.weight * r.strength * (fuseConstant + 1) / float64(fuseConstant+1+i)
		}
	}
	return scores
}

// normal brings the weights of the halves that take part to a sum of 1, or leaves 0 when none does that counts.
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
		return Weights{}
	}
	return Weights{Vector: w.Vector / sum, Lexical: w.Lexical / sum}
}
