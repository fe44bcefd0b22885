package tokens

import (
	"hash/maphash"
	"math"

	"github.com/tiktoken-go/tokenizer/codec"
)

// vocabulary finds the rank of a token: an open hash table over the strings
// that the binary holds already, a third of a map's size.
type vocabulary struct {
	seed   maphash.Seed
	tokens []string // by rank; "" where there is none
	slots  []uint32 // rank + 1, 0 is free
}

// ranks is more than o200k's highest rank.
const ranks = 200_000

func load() *vocabulary {
	v := &vocabulary{seed: maphash.MakeSeed(), tokens: make([]string, ranks), slots: make([]uint32, 1<<19)}
	o200k := codec.NewO200kBase()
	for rank := range v.tokens {
		token, err := o200k.Decode([]uint{uint(rank)})
		if err != nil { // a rank that is not given
			continue
		}
		v.tokens[rank] = token
		slot := v.slot(token)
		for v.slots[slot] != 0 {
			slot = (slot + 1) % len(v.slots)
		}
		v.slots[slot] = uint32(rank) + 1
	}
	return v
}

func (v *vocabulary) slot(token string) int {
	return int(maphash.String(v.seed, token) % uint64(len(v.slots))) //nolint:gosec // less than the length of a slice
}

// none is the rank of what is no token.
const none = math.MaxUint32

func (v *vocabulary) rank(text string) uint32 {
	for slot := v.slot(text); ; slot = (slot + 1) % len(v.slots) {
		switch r := v.slots[slot]; {
		case r == 0:
			return none
		case v.tokens[r-1] == text:
			return r - 1
		}
	}
}

// merger cuts pieces into tokens. It keeps its memory from piece to piece.
type merger struct {
	parts []part
	heap  []pair
}

// part is a stretch of the piece that begins at its index and ends where the
// next one begins.
type part struct {
	previous, next int32
	rank           uint32 // of this part and the next one together
}

// pair is two neighbouring parts that make a token of the given rank.
type pair struct {
	rank  uint32
	start int32
}

func (p pair) before(q pair) bool {
	return p.rank < q.rank || p.rank == q.rank && p.start < q.start
}

// count returns how many tokens piece is.
func (m *merger) count(piece string) int {
	if loaded().rank(piece) != none {
		return 1
	}
	m.merge(piece)
	count := 0
	for i := int32(0); int(i) < len(piece); i = m.parts[i].next {
		count++
	}
	return count
}

// lengths appends the length in bytes of each token of piece.
func (m *merger) lengths(lengths []int, piece string) []int {
	if loaded().rank(piece) != none {
		return append(lengths, len(piece))
	}
	m.merge(piece)
	for i := int32(0); int(i) < len(piece); i = m.parts[i].next {
		lengths = append(lengths, int(m.parts[i].next-i))
	}
	return lengths
}

// merge joins neighbouring parts, bytes at first, lowest rank first and from
// the left, until no two make a token.
func (m *merger) merge(piece string) {
	m.parts = m.parts[:0]
	m.heap = m.heap[:0]
	for i := range int32(len(piece)) { //nolint:gosec // maxPiece bytes at most
		m.parts = append(m.parts, part{previous: i - 1, next: i + 1})
	}
	for i := range int32(len(piece)) { //nolint:gosec // maxPiece bytes at most
		m.consider(piece, i)
	}
	for len(m.heap) > 0 {
		best := m.pop()
		here := &m.parts[best.start]
		if here.rank != best.rank { // merged since
			continue
		}
		m.parts[here.next].rank = none
		here.next = m.parts[here.next].next
		if int(here.next) < len(piece) {
			m.parts[here.next].previous = best.start
		}
		m.consider(piece, best.start)
		if here.previous >= 0 {
			m.consider(piece, here.previous)
		}
	}
}

// consider ranks the part at start together with the next one.
func (m *merger) consider(piece string, start int32) {
	here := &m.parts[start]
	here.rank = none
	if int(here.next) == len(piece) {
		return
	}
	here.rank = loaded().rank(piece[start:m.parts[here.next].next])
	if here.rank != none {
		m.push(pair{here.rank, start})
	}
}

// push and pop keep the heap ordered. They are written out because
// container/heap would allocate for each pair.
func (m *merger) push(p pair) {
	m.heap = append(m.heap, p)
	i := len(m.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !m.heap[i].before(m.heap[parent]) {
			break
		}
		m.heap[i], m.heap[parent] = m.heap[parent], m.heap[i]
		i = parent
	}
}

func (m *merger) pop() pair {
	top, last := m.heap[0], len(m.heap)-1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if right := child + 1; right < last && m.heap[right].before(m.heap[child]) {
			child = right
		}
		if !m.heap[child].before(m.heap[i]) {
			return top
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}
