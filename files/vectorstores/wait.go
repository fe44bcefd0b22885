package vectorstores

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"understudy/api/wire"
)

// board tells who waits for a store that something changed in it.
type board struct {
	mu     sync.Mutex
	closed bool
	posts  map[string]*post // by the store
}

// post is one store's: changed is closed with its next change.
type post struct {
	changed chan struct{}
	readers int
}

func newBoard() *board { return &board{posts: map[string]*post{}} }

// watch returns what is closed with the store's next change; leave must be
// called when nobody waits for it any more.
func (b *board) watch(storeID string) (changed <-chan struct{}, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.posts[storeID]
	if p == nil {
		p = &post{changed: make(chan struct{})}
		b.posts[storeID] = p
	}
	if b.closed {
		closeOnce(p)
	}
	p.readers++
	return p.changed, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if p.readers--; p.readers == 0 && b.posts[storeID] == p {
			delete(b.posts, storeID)
		}
	}
}

// post wakes everybody who waits for the store.
func (b *board) post(storeID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.posts[storeID]; p != nil {
		closeOnce(p)
		delete(b.posts, storeID)
	}
}

// postAll wakes everybody.
func (b *board) postAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.posts {
		closeOnce(p)
	}
	clear(b.posts)
}

// close wakes everybody, now and from now on.
func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, p := range b.posts {
		closeOnce(p)
	}
}

func (b *board) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func closeOnce(p *post) {
	select {
	case <-p.changed:
	default:
		close(p.changed)
	}
}

// changed tells who waits for a store; it is called behind a commit.
func (s *Service) changed(storeID string) { s.changes.post(storeID) }

// FilesDeleted is called when files were deleted, which took them out of every
// store.
func (s *Service) FilesDeleted() {
	s.changes.postAll()
	s.sweep()
}

// await reads again with every change of the store until the answer is settled
// or ctx ends, and returns the last answer. A service that stops answers at once.
func (s *Service) await(ctx context.Context, storeID string, read func() (settled bool, err error)) error {
	for {
		changed, leave := s.changes.watch(storeID)
		settled, err := read()
		if err != nil || settled || s.changes.isClosed() {
			leave()
			return err
		}
		select {
		case <-changed:
			leave()
		case <-ctx.Done():
			leave()
			return context.Cause(ctx)
		}
	}
}

// WaitFile is File that is held until the file is no longer in progress, wait
// at most.
func (s *Service) WaitFile(ctx context.Context, project, storeID, fileID string, wait time.Duration) (json.RawMessage, error) {
	return s.held(ctx, storeID, wait, func() (json.RawMessage, error) { return s.File(ctx, project, storeID, fileID) })
}

// WaitBatch is Batch that is held until the batch is no longer in progress,
// wait at most.
func (s *Service) WaitBatch(ctx context.Context, project, storeID, id string, wait time.Duration) (json.RawMessage, error) {
	return s.held(ctx, storeID, wait, func() (json.RawMessage, error) { return s.Batch(ctx, project, storeID, id) })
}

func (s *Service) held(ctx context.Context, storeID string, wait time.Duration, read func() (json.RawMessage, error)) (body json.RawMessage, err error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err = s.await(limited, storeID, func() (bool, error) {
		if body, err = read(); err != nil {
			return false, err
		}
		var object struct{ Status Status }
		err = wire.Decode(body, &object)
		return object.Status != InProgress, err
	})
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return body, nil // the time is up, and this is how far it got
	}
	return body, err
}

// AwaitIndexed returns when no file of the stores is in progress any more, or
// with the cause of ctx's end. Stores that do not exist hold nothing.
func (s *Service) AwaitIndexed(ctx context.Context, project string, stores []string) error {
	for _, id := range unique(stores) {
		err := s.await(ctx, id, func() (bool, error) {
			v, err := s.load(ctx, project, id)
			if e, ok := errors.AsType[*wire.Error](err); ok && e.Kind == wire.NotFound {
				return true, nil
			}
			if err != nil {
				return false, err
			}
			return v.FileCounts.InProgress == 0 || v.Status == Expired, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
