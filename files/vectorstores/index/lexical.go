package index

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
)

const (
	// maxTerms bounds the work that a long text asks for: later words say little that the first ones did not.
	maxTerms = 64

	// matchBudget is how many matches a search may have to score. Terms are taken from the rarest on until they fill it,
	// so that very common ones, which tell chunks apart least, are left out in large stores.
	matchBudget = 8000
)

// rankLexical ranks the chunks that share terms with the text.
func (x *Index) rankLexical(ctx context.Context, targets []target, text string, depth int) ([]ranked, error) {
	terms := distinct(Terms(text))
	if len(terms) == 0 {
		return nil, nil
	}
	var all []ranked
	for i := range targets {
		t := &targets[i]
		telling, err := x.tellingTerms(ctx, t, terms)
		if err != nil {
			return nil, err
		}
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
			all = append(all, ranked{place{i, id}, score})
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, byScore)
	return all[:min(len(all), depth)], nil
}

// tellingTerms are the terms that occur in a store, from the rarest on, within the budget.
func (x *Index) tellingTerms(ctx context.Context, t *target, terms []string) ([]string, error) {
	type counted struct {
		term  string
		count int
	}
	counts := make([]counted, 0, len(terms))
	for _, term := range terms {
		n, ok := t.view.counts.get(term)
		if !ok {
			var err error
			if n, err = x.store.CountTerm(ctx, t.first, t.last, term, matchBudget); err != nil {
				return nil, err
			}
			t.view.counts.put(term, n)
		}
		if n > 0 {
			counts = append(counts, counted{term, n})
		}
	}
	slices.SortFunc(counts, func(a, b counted) int {
		return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(a.term, b.term))
	})
	var telling []string
	total := 0
	for _, c := range counts {
		if total += c.count; total > matchBudget && len(telling) > 0 {
			break
		}
		telling = append(telling, c.term)
	}
	return telling, nil
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

// maxTermCounts bounds how many terms' counts are remembered of a store.
const maxTermCounts = 2048

// termCounts remembers in how many chunks of a view terms occur, because to count a common one takes long.
type termCounts struct {
	mutex  sync.Mutex
	counts map[string]int
}

func newTermCounts() *termCounts {
	return &termCounts{counts: map[string]int{}}
}

func (c *termCounts) get(term string) (int, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	n, ok := c.counts[term]
	return n, ok
}

// put remembers a count; when there is no room, in the place of any other.
func (c *termCounts) put(term string, n int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for other := range c.counts {
		if len(c.counts) < maxTermCounts {
			break
		}
		delete(c.counts, other)
	}
	c.counts[strings.Clone(term)] = n
}

// size is the memory in bytes, about.
func (c *termCounts) size() int64 {
	if c == nil {
		return 0
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return 64 * int64(len(c.counts))
}
