package index

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

// candidates answers the ids of about n vectors, or of all if there are fewer, among which the best for a question are
// almost surely: by signs alone first, and the best of those by the question's numbers.
func (c *codeset) candidates(probe *probe, among []stretch, n int) []int64 {
	total := 0
	for _, s := range among {
		total += s.to - s.from
	}
	estimates := make([]float32, total)
	at := 0
	for _, s := range among {
		probe.rough(&c.codes, s.from, s.to, estimates[at:])
		at += s.to - s.from
	}
	chosen := positions(among, best(estimates, roughPerFine*n))
	fine := make([]float32, len(chosen))
	for i, at := range chosen {
		fine[i] = probe.fine(&c.codes, at)
	}
	var ids []int64
	for _, i := range best(fine, n) {
		ids = append(ids, c.ids[chosen[i]])
	}
	return ids
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
