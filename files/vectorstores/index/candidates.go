package index

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
)

const (
	// roughPerFine is how many codes are looked at by signs alone for each that is looked at with the question's numbers.
	roughPerFine = 4

	// buckets is how finely estimates are told apart when the best are looked for.
	buckets = 1 << 12
)

// stretch is a row of codes.
type stretch struct{ from, to int }

// stretches are the codes of the files that are allowed, neighbours joined.
func (c *codeset) stretches(allowed func(file int64) bool) []stretch {
	var list []stretch
	for _, s := range c.spans {
		if !allowed(s.file) {
			continue
		}
		if n := len(list); n > 0 && list[n-1].to == s.from {
			list[n-1].to = s.to
		} else {
			list = append(list, stretch{s.from, s.to})
		}
	}
	return list
}

// candidate is a vector that may be among the best.
type candidate struct {
	id       int64
	estimate float32 // of its inner product with the question
	atMost   float32 // what that almost never exceeds
}

// candidates answers about n vectors, or all if there are fewer, among which the best for a question are almost surely:
// by signs alone first, and the best of those by the question's numbers. Those that can be best come first.
func (c *codeset) candidates(probe *probe, among []stretch, n int) []candidate {
	chosen := positions(among, best(c.rough(probe, among), roughPerFine*n))
	fine := make([]float32, len(chosen))
	for i, at := range chosen {
		fine[i] = probe.fine(&c.codes, at)
	}
	var list []candidate
	for _, i := range best(fine, n) {
		at := chosen[i]
		list = append(list, candidate{id: c.ids[at], estimate: fine[i], atMost: fine[i] + probe.doubt*c.scale[at]})
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.atMost, a.atMost), cmp.Compare(a.id, b.id))
	})
	return list
}

// share is how many codes are worth a goroutine.
const share = 1 << 14

// rough estimates by signs alone, on as many processors as the codes are worth.
func (c *codeset) rough(probe *probe, among []stretch) []float32 {
	total := 0
	for _, s := range among {
		total += s.to - s.from
	}
	estimates := make([]float32, total)
	rest := estimates
	var workers sync.WaitGroup
	part := max(total/runtime.GOMAXPROCS(0)+1, share)
	for _, s := range among {
		for from := s.from; from < s.to; from += part {
			to := min(from+part, s.to)
			room := rest[:to-from]
			rest = rest[to-from:]
			if to-from < share {
				probe.rough(&c.codes, from, to, room)
			} else {
				workers.Go(func() { probe.rough(&c.codes, from, to, room) })
			}
		}
	}
	workers.Wait()
	return estimates
}

// positions turns indexes into what the stretches hold, in ascending order, into indexes of codes.
func positions(among []stretch, indexes []int) []int {
	before, k := 0, 0
	for i, index := range indexes {
		for index-before >= among[k].to-among[k].from {
			before += among[k].to - among[k].from
			k++
		}
		indexes[i] = among[k].from + index - before
	}
	return indexes
}

// best answers, in ascending order, the indexes of the n largest values, and of a few that are hardly smaller than the
// smallest of them, so that chance does not choose among equals.
func best(values []float32, n int) []int {
	if len(values) == 0 {
		return nil
	}
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	scale := float32(0)
	if high > low {
		scale = (buckets - 1) / (high - low)
	}
	bucket := func(v float32) int { return int((v - low) * scale) }
	var counts [buckets]int
	for _, v := range values {
		counts[bucket(v)]++
	}
	limit, found := buckets, 0
	for limit > 0 && found < n {
		limit--
		found += counts[limit]
	}
	indexes := make([]int, 0, found)
	for i, v := range values {
		if bucket(v) >= limit {
			indexes = append(indexes, i)
		}
	}
	return indexes
}
