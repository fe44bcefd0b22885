package chat

import (
	"context"
	"sync"
)

// Memory bounds what long answers occupy together, from when they are read until
// they are stored. Short ones are not counted. An answer that finds no room
// waits, and its backend with it. The only one that does not wait may always go
// on, lest all wait for each other: the bound is passed by one answer at most.
type Memory struct {
	mu    sync.Mutex
	left  int64
	busy  int           // shares that hold something and do not wait
	freed chan struct{} // closed and replaced when there is more room
}

// uncounted is what an answer may occupy without a share, in bytes.
const uncounted = 1 << 20

// NewMemory returns a bound in bytes.
func NewMemory(bytes int64) *Memory { return &Memory{left: bytes, freed: make(chan struct{})} }

// Share is what one answer holds of a Memory; nil is unbounded. It is used by
// one goroutine.
type Share struct {
	memory *Memory
	held   int64
}

// Share returns a share that holds nothing.
func (m *Memory) Share() *Share { return &Share{memory: m} }

// hold makes the share as large as an answer of size bytes needs, and waits
// until it can. The error is the cause of the context's end.
func (s *Share) hold(ctx context.Context, size int) error {
	if s == nil || size <= uncounted || int64(size) <= s.held {
		return nil
	}
	m, more := s.memory, int64(size)-s.held
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.held > 0 {
		m.busy--
	}
	var err error
	for err == nil && more > m.left && m.busy > 0 {
		freed := m.freed
		m.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		m.mu.Lock()
	}
	if err == nil {
		m.left -= more
		s.held += more
	}
	if s.held > 0 {
		m.busy++
	}
	return err
}

// Release gives back what the share holds. It can be used again.
func (s *Share) Release() {
	if s == nil || s.held == 0 {
		return
	}
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += s.held
	s.held = 0
	m.busy--
	close(m.freed)
	m.freed = make(chan struct{})
}
