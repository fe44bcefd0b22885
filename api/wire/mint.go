package wire

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"sync"
	"time"
)

// Seeds makes ids repeatable: two servers that are asked for the same things in
// the same order give them the same ids. What an id follows from is the request
// (or the turn of a run) that it is made in, and how many equal ones there were
// before; so requests that differ may overtake each other. The nil Seeds, which
// servers have unless they record or replay, leaves ids to chance.
type Seeds struct {
	ignore []*regexp.Regexp
	mu     sync.Mutex
	seen   map[[sha256.Size]byte]uint64
}

// NewSeeds returns Seeds that have seen nothing. What the patterns match in a
// client's text may be another each time: ids do not follow from it.
func NewSeeds(ignore ...*regexp.Regexp) *Seeds {
	return &Seeds{ignore: ignore, seen: map[[sha256.Size]byte]uint64{}}
}

// Minter returns the minter of what is described, nil when s is.
func (s *Seeds) Minter(about ...string) *Minter {
	if s == nil {
		return nil
	}
	return (&Minter{seeds: s}).About(about...)
}

// next counts what is alike.
func (s *Seeds) next(about [sha256.Size]byte) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[about]++
	return s.seen[about]
}

// Minter mints the ids of one request or one turn. The nil Minter mints random
// ones.
type Minter struct {
	seeds *Seeds
	mu    sync.Mutex
	about [sha256.Size]byte
	nth   uint64 // of its like; 0 = nothing was minted yet
	ids   uint64 // minted so far
}

type minterKey struct{}

// WithMinter returns a context whose ids m mints.
func WithMinter(ctx context.Context, m *Minter) context.Context {
	if m == nil {
		return ctx
	}
	return context.WithValue(ctx, minterKey{}, m)
}

// MinterOf returns the minter of a context, nil when it has none.
func MinterOf(ctx context.Context) *Minter {
	m, _ := ctx.Value(minterKey{}).(*Minter)
	return m
}

// About adds to what the minter's ids follow from. It comes before the first of
// them.
func (m *Minter) About(what ...string) *Minter {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, part := range what {
		sum := sha256.Sum256([]byte(part))
		m.about = sha256.Sum256(append(m.about[:], sum[:]...))
	}
	return m
}

// AboutText is About for what a client wrote.
func (m *Minter) AboutText(what ...string) *Minter {
	if m == nil {
		return nil
	}
	for _, text := range what {
		for _, pattern := range m.seeds.ignore {
			text = pattern.ReplaceAllLiteralString(text, "…")
		}
		m.About(text)
	}
	return m
}

// ID mints prefix + 24 alphanumerics, as NewID does.
func (m *Minter) ID(prefix string, at time.Time) string {
	if m == nil {
		return NewID(prefix, at)
	}
	sum := m.next(prefix)
	id := []byte(prefix)
	for _, b := range sum[:timeDigits+randomDigits] {
		id = append(id, alphanumerics[int(b)%len(alphanumerics)])
	}
	return string(id)
}

// HexID mints prefix + 32 hex digits, as NewHexID does.
func (m *Minter) HexID(prefix string) string {
	if m == nil {
		return NewHexID(prefix)
	}
	sum := m.next(prefix)
	return prefix + hex.EncodeToString(sum[:16])
}

// next is what the next id is made of.
func (m *Minter) next(prefix string) [sha256.Size]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nth == 0 {
		m.nth = m.seeds.next(m.about)
	}
	m.ids++
	seed := binary.BigEndian.AppendUint64(m.about[:], m.nth)
	seed = binary.BigEndian.AppendUint64(seed, m.ids)
	return sha256.Sum256(append(seed, prefix...))
}
