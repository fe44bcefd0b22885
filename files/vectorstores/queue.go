package vectorstores

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// defaultWorkers is how many files are indexed at once: reading a file is work
// for a processor, and runs need theirs.
const defaultWorkers = 2

// retryAfter is how long a worker leaves a store alone that did not answer.
const retryAfter = 5 * time.Second

// queue lets a few workers index what the store has in progress. The rows are
// the queue; what is kept here is only which of them are in hand.
type queue struct {
	service *Service
	ctx     context.Context // ends when Stop begins
	cancel  context.CancelFunc
	waiting chan struct{} // one entry for each worker that may find something
	purging chan struct{}
	once    sync.Once
	wg      sync.WaitGroup

	mu     sync.Mutex
	inHand map[int64]bool // by the row's key
	last   string         // the store that was served last
}

func newQueue(s *Service) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	return &queue{
		service: s, ctx: ctx, cancel: cancel, inHand: map[int64]bool{},
		waiting: make(chan struct{}, s.Workers), purging: make(chan struct{}, 1),
	}
}

// Start begins to index, first what an earlier process left.
func (s *Service) Start() {
	for range s.Workers {
		s.queue.wg.Go(s.queue.work)
	}
	s.queue.wg.Go(s.queue.purge)
	s.sweep()
}

// Stop breaks off what is being indexed, which the next start takes up again,
// and answers everybody who waits. A second call waits for the first.
func (s *Service) Stop() {
	s.queue.once.Do(func() {
		s.queue.cancel()
		s.changes.close()
	})
	s.queue.wg.Wait()
}

// Wake tells the workers that there may be files to index. It is called behind
// every commit that attached some.
func (s *Service) Wake() {
	for range s.Workers {
		poke(s.queue.waiting)
	}
}

// sweep lets what is gone be removed. It is called behind every commit that may
// have taken something out of a store.
func (s *Service) sweep() { poke(s.queue.purging) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // as good as told
	}
}

// work indexes one file after another until the queue stops.
func (q *queue) work() {
	for q.ctx.Err() == nil {
		w, err := q.next()
		if err == nil && w != nil {
			err = q.service.indexFile(q.ctx, w)
			q.release(w)
		}
		switch {
		case q.ctx.Err() != nil:
			return
		case err != nil:
			q.service.Logger.Error("indexing files", "error", err)
			q.wait(retryAfter)
		case w == nil:
			q.wait(0)
		}
	}
}

// wait returns when there may be work, or after a while unless that is 0.
func (q *queue) wait(atMost time.Duration) {
	var over <-chan time.Time
	if atMost > 0 {
		timer := time.NewTimer(atMost)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-q.waiting:
	case <-over:
	case <-q.ctx.Done():
	}
}

// next takes a file in hand, nil when there is none. Stores take turns, so that
// a thread's one file does not wait behind somebody's thousand.
func (q *queue) next() (*Work, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w, err := q.service.Store.NextFile(q.ctx, q.last, slices.Collect(maps.Keys(q.inHand)))
	if err != nil || w == nil {
		return nil, err
	}
	q.inHand[w.Seq], q.last = true, w.StoreID
	return w, nil
}

func (q *queue) release(w *Work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.inHand, w.Seq)
}

// purgeAgain is when a purge that failed is tried again.
const purgeAgain = time.Minute

// purge removes what is gone, whenever something may have gone.
func (q *queue) purge() {
	var again <-chan time.Time
	for {
		select {
		case <-q.purging:
		case <-again:
		case <-q.ctx.Done():
			return
		}
		again = nil
		if err := q.service.Store.PurgeVectorStores(q.ctx); err != nil && !errors.Is(err, context.Canceled) {
			q.service.Logger.Error("removing what deleted vector stores held; it will be tried again", "error", err)
			again = time.After(purgeAgain)
		}
	}
}
