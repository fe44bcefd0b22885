package webhooks

import (
	"context"
	"errors"
	"sync"
	"time"

	"understudy/api/wire"
)

// What is sent at a time. A lane is a configured endpoint, or the host that runs
// name: one that is slow keeps nobody else waiting. Lanes that runs name share a
// bound, as clients can name many.
const (
	perLane  = 4
	byClient = 16
)

// Waits when the store does not answer.
const (
	readAgain   = 5 * time.Second
	settleAgain = time.Second
)

// queue sends what the store has to send. The rows are the queue; what is kept
// here is only where to look, and which of them are in hand.
type queue struct {
	service *Service
	told    chan struct{} // there is something to look at
	stopped chan struct{} // closed when Stop begins
	once    sync.Once
	ctx     context.Context // ends when Stop has run out of patience
	kill    context.CancelFunc
	loop    sync.WaitGroup
	workers sync.WaitGroup

	mu    sync.Mutex
	dirty map[string]bool // lanes that are to be looked at
	done  []*Delivery     // that have left the hands of their workers

	// The loop's own.
	inHand   map[row]bool
	lanes    map[string]int       // how many of a lane are
	byClient int                  // how many that runs name are
	planned  map[string]time.Time // when a lane is to be looked at
	crowded  map[string]bool      // lanes that runs name and for which there is no room
}

// row tells an event apart from one that was stored in its place once it was
// delivered, maybe in another lane, before its worker has said so.
type row struct {
	seq int64
	id  string
}

func rowOf(d *Delivery) row { return row{d.Seq, d.ID} }

func newQueue(s *Service) *queue {
	q := &queue{
		service: s, told: make(chan struct{}, 1), stopped: make(chan struct{}), dirty: map[string]bool{},
		inHand: map[row]bool{}, lanes: map[string]int{}, planned: map[string]time.Time{}, crowded: map[string]bool{},
	}
	q.ctx, q.kill = context.WithCancel(context.Background())
	return q
}

// Start begins to send, first what an earlier process left.
func (s *Service) Start() { s.queue.loop.Go(s.queue.run) }

// Stop delivers what can go at once, for as long as the grace time lasts, and
// leaves the rest to the next start. A second call waits for the first.
func (s *Service) Stop() {
	s.queue.once.Do(func() {
		close(s.queue.stopped)
		patience := time.AfterFunc(s.Grace, s.queue.kill)
		defer patience.Stop()
		s.queue.loop.Wait()
	})
	s.queue.loop.Wait()
	s.queue.kill()
	s.queue.workers.Wait()
	s.client.CloseIdleConnections()
}

// look has the loop look at lanes.
func (q *queue) look(lanes ...string) {
	q.mark(lanes...)
	q.poke()
}

func (q *queue) mark(lanes ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, lane := range lanes {
		q.dirty[lane] = true
	}
}

func (q *queue) poke() {
	select {
	case q.told <- struct{}{}:
	default: // as good as told
	}
}

// run sends until the queue is stopped and nothing is left that could go at once.
func (q *queue) run() {
	for everything := true; q.ctx.Err() == nil; {
		err := q.hand(everything)
		if everything = err != nil; everything && q.ctx.Err() == nil {
			if !errors.Is(err, wire.ErrUnavailable) { // the store's own are in its log
				q.service.Logger.Error("reading which webhooks are to be sent", "error", err)
			}
			q.takeDirty()                                  // all lanes are looked at then
			q.planned[""] = q.service.Now().Add(readAgain) // no lane has this name
		}
		if !q.wait() {
			return
		}
	}
}

// wait returns when there may be something to do, or false when the queue is
// stopped and has nothing in hand.
func (q *queue) wait() bool {
	stopped := q.stopped
	select {
	case <-stopped:
		if len(q.inHand) == 0 {
			return q.hasDirty() // it may have come behind the last look
		}
		stopped = nil
	default:
	}
	var planned <-chan time.Time
	if next := q.next(); !next.IsZero() {
		timer := time.NewTimer(next.Sub(q.service.Now()))
		defer timer.Stop()
		planned = timer.C
	}
	select {
	case <-q.told:
	case <-planned:
	case <-stopped:
	case <-q.ctx.Done():
	}
	return true
}

func (q *queue) hasDirty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.dirty) > 0
}

// next is when a lane is to be looked at again; zero = not before something happens.
func (q *queue) next() (first time.Time) {
	for _, at := range q.planned {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// hand gives out what may be sent now: of all lanes, or of those in which
// something happened or is planned.
func (q *queue) hand(everything bool) error {
	for lane, at := range q.planned {
		if at.After(q.service.Now()) {
			continue
		}
		delete(q.planned, lane)
		if everything = everything || lane == ""; lane != "" {
			q.mark(lane)
		}
	}
	if everything {
		lanes, err := q.service.Store.WebhookLanes(q.ctx)
		if err != nil {
			return err
		}
		q.mark(lanes...)
	}
	for lane := range q.takeDirty() {
		if err := q.handLane(lane); err != nil {
			return err
		}
	}
	return nil
}

// takeDirty returns the lanes that are to be looked at. What is done is taken
// note of before they are read: a row that was just settled would else be taken
// for one that is still to be sent.
func (q *queue) takeDirty() map[string]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.done {
		delete(q.inHand, rowOf(d))
		if q.lanes[d.Lane]--; q.lanes[d.Lane] == 0 {
			delete(q.lanes, d.Lane)
		}
		if !d.configured() {
			q.byClient--
		}
		q.dirty[d.Lane] = true
	}
	if len(q.done) > 0 {
		for lane := range q.crowded {
			q.dirty[lane] = true
		}
		q.done, q.crowded = nil, map[string]bool{}
	}
	dirty := q.dirty
	q.dirty = map[string]bool{}
	return dirty
}

// handLane gives out what may be sent now of one lane. Where it has no room left,
// whoever ends makes some.
func (q *queue) handLane(lane string) error {
	delete(q.planned, lane)
	if q.lanes[lane] >= perLane {
		return nil
	}
	list, err := q.service.Store.NextDeliveries(q.ctx, lane, perLane+1) // at most perLane of them are in hand
	if err != nil {
		return err
	}
	for _, d := range list {
		switch {
		case q.inHand[rowOf(d)]:
		case d.Next.After(q.service.Now()):
			q.planned[lane] = d.Next
			return nil
		case q.lanes[lane] >= perLane:
			return nil
		case !d.configured() && q.byClient >= byClient:
			q.crowded[lane] = true
			return nil
		default:
			q.take(d)
		}
	}
	return nil
}

func (q *queue) take(d *Delivery) {
	q.inHand[rowOf(d)] = true
	q.lanes[d.Lane]++
	if !d.configured() {
		q.byClient++
	}
	q.workers.Go(func() {
		q.work(d)
		q.mu.Lock()
		q.done = append(q.done, d)
		q.mu.Unlock()
		q.poke()
	})
}

// work makes one attempt and stores how it ended. One that Stop breaks off did
// not take place.
func (q *queue) work(d *Delivery) {
	failed := q.service.send(q.ctx, d)
	if failed != nil && q.ctx.Err() != nil {
		return
	}
	o := q.service.outcome(d, failed)
	for { // the row stays in hand until the store knows, or it would be sent again at once
		err := q.service.Store.SettleDelivery(context.WithoutCancel(q.ctx), d, o)
		if err == nil {
			return
		}
		if !errors.Is(err, wire.ErrUnavailable) {
			q.service.Logger.Error("storing how a webhook was delivered", "event", d.ID, "error", err)
		}
		timer := time.NewTimer(settleAgain)
		select {
		case <-timer.C:
		case <-q.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// outcome decides what becomes of a delivery, and tells it.
func (s *Service) outcome(d *Delivery, failed *failure) Outcome {
	o := Outcome{At: s.Now(), Attempts: d.Attempts + 1}
	if failed == nil {
		s.Observer.Attempted("delivered")
		return o
	}
	o.Error = failed.text
	allowed := MaxAttempts
	if e, err := s.settings.Load().receiver(d); err == nil {
		allowed = e.attempts
	}
	about := []any{"event", d.ID, "type", d.Type, "run", d.RunID, "endpoint", d.Origin, "attempts", o.Attempts, "error", o.Error}
	if failed.final || o.Attempts >= allowed {
		o.Dead = true
		s.Observer.Attempted("dead")
		s.Logger.Warn("a webhook could not be delivered and is given up", about...)
		return o
	}
	o.Next = o.At.Add(wait(o.Attempts, failed.after))
	s.Observer.Attempted("failed")
	if o.Attempts == 1 { // the rest is told at the end
		s.Logger.Warn("a webhook was not taken and is tried again", about...)
	}
	return o
}
