package index

import (
	"strings"
	"sync"
)

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
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return 64 * int64(len(c.counts))
}
