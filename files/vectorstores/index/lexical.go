package index

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	// maxTerms bounds the work that a long text asks for: later words say little that the first ones did not.
	maxTerms = 64

	// matchBudget is how many matches a search may have to score, at about 2 µs each. Terms are taken from the rarest on
	// until they fill it, so that very common ones, which tell chunks apart least, are left out in large stores.
	matchBudget = 2000

	// leastRarity is what a term that is everywhere in a store still counts, and what a question needs to say anything.
	leastRarity = 1.0
)

// rankLexical ranks the chunks that share terms with the text. A chunk's strength is its score against the best one's,
// times the root of the share of the question that the best one holds.
func (x *Index) rankLexical(ctx context.Context, targets []target, text string, depth int) ([]ranked, error) {
	terms := distinct(Terms(text))
	if len(terms) == 0 {
		return nil, nil
	}
	var all []ranked
	weights := make([]map[string]float64, len(targets))
	for i := range targets {
		t := &targets[i]
		counts, err := x.countTerms(ctx, t, terms)
		if err != nil {
			return nil, err
		}
		weights[i] = rarities(counts, t.view.chunks)
		telling := tellingTerms(counts)
		if len(telling) == 0 {
			continue
		}
		found := 0
		err = x.store.MatchTerms(ctx, t.first, t.last, telling, func(id int64, score float64) bool {
			if !t.allows(fileOf(id)) {
				return true
			}
			// Those that score as the last one come along, or chance would choose among them.
			if found >= depth && score < all[len(all)-1].score {
				return false
			}
			found++
			all = append(all, ranked{place: place{i, id}, score: score})
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	all = first(all, depth)
	if len(all) == 0 {
		return nil, nil
	}
	held, err := x.share(ctx, all[0].id, weights[all[0].target])
	for i := range all {
		all[i].strength = math.Sqrt(held) * all[i].score / all[0].score
	}
	return all, err
}

// termCount is a term and in how many chunks it occurs.
type termCount struct {
	term  string
	count int
}

// countTerms counts in how many chunks of the store each term occurs, up to the budget.
func (x *Index) countTerms(ctx context.Context, t *target, terms []string) ([]termCount, error) {
	counts := make([]termCount, len(terms))
	for i, term := range terms {
		n, ok := t.view.counts.get(term)
		if !ok {
			var err error
			if n, err = x.store.CountTerm(ctx, t.first, t.last, term, matchBudget); err != nil {
				return nil, err
			}
			t.view.counts.put(term, n)
		}
		counts[i] = termCount{term, n}
	}
	return counts, nil
}

// tellingTerms are the terms that occur, from the rarest on, within the budget; the rarest one always. Common terms are
// among them only when no other occurs.
func tellingTerms(counts []termCount) []string {
	counts = slices.DeleteFunc(slices.Clone(counts), func(c termCount) bool { return c.count == 0 })
	slices.SortFunc(counts, func(a, b termCount) int {
		return cmp.Or(cmp.Compare(a.commonness(), b.commonness()), cmp.Compare(a.count, b.count), cmp.Compare(a.term, b.term))
	})
	var telling []string
	total := 0
	for _, c := range counts {
		total += c.count
		if len(telling) > 0 && (total > matchBudget || c.commonness() > counts[0].commonness()) {
			break
		}
		telling = append(telling, c.term)
	}
	return telling
}

// commonness is 1 for a common term and 0 for another one.
func (c termCount) commonness() int {
	if commonTerms[c.term] {
		return 1
	}
	return 0
}

// rarities weigh terms as BM25 does, as if there were unlikeChunks more, which hold the common terms: one that half of
// the chunks hold counts no more than leastRarity, and a common one nothing. A term that does not occur counts as if one
// chunk held it.
func rarities(counts []termCount, chunks int) map[string]float64 {
	weights := make(map[string]float64, len(counts))
	for _, c := range counts {
		all, n, least := float64(chunks+unlikeChunks), float64(min(max(c.count, 1), chunks)), leastRarity
		if commonTerms[c.term] {
			n, least = n+unlikeChunks, 0
		}
		weights[c.term] = max(math.Log((all-n+0.5)/(n+0.5)), least)
	}
	return weights
}

// share is which part of the terms, by their weights, a chunk holds. Of a question of common terms only it is about 0.
func (x *Index) share(ctx context.Context, id int64, weights map[string]float64) (float64, error) {
	chunks, err := x.store.ReadChunks(ctx, []int64{id})
	if err != nil {
		return 0, err
	}
	whole, held := 0.0, 0.0
	for _, weight := range weights {
		whole += weight
	}
	for _, term := range Terms(chunks[id].Text) {
		held += weights[term]
		delete(weights, term) // the next one like it counts no more
	}
	return held / max(whole, leastRarity), nil
}

// distinct keeps the first of equal terms, maxTerms of them at most.
func distinct(terms []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(terms, func(term string) bool {
		if seen[term] || len(seen) == maxTerms {
			return true
		}
		seen[term] = true
		return false
	})
}
