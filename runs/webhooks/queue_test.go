package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/webhooks"
)

// TestSlowEndpoint: one that does not answer has its own few at work, and nobody
// else waits for it.
func TestSlowEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := all()
		c.Endpoints = append(c.Endpoints, webhooks.Endpoint{URL: "https://slow.example.com", Secret: secret, Events: webhooks.Statuses()})
		w := open(t, c)
		var atWork, most atomic.Int64
		free := make(chan struct{})
		w.internet.answer = func(a attempt) (int, http.Header) {
			if !strings.Contains(a.url, "slow") {
				return http.StatusOK, nil
			}
			most.Store(max(most.Load(), atWork.Add(1)))
			<-free
			atWork.Add(-1)
			return http.StatusOK, nil
		}
		const n = 20
		for i := range n {
			w.run(fmt.Sprintf("run_%02d", i), "")
		}
		synctest.Wait()
		quick := 0
		for _, a := range w.internet.attempts() {
			if !strings.Contains(a.url, "slow") {
				quick++
			}
		}
		require.Equal(t, n, quick)
		require.Equal(t, int64(4), most.Load())
		close(free)
		synctest.Wait()
		require.Empty(t, w.waiting())
		require.Len(t, w.internet.attempts(), 2*n, "each was sent once")
		require.LessOrEqual(t, most.Load(), int64(4))
	})
}

// TestStop sends what can go at once, breaks off what hangs, and leaves the rest
// to the next start.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.options.Grace = time.Second
		w.restart()
		var hang atomic.Bool
		hang.Store(true)
		w.internet.answer = func(a attempt) (int, http.Header) {
			if hang.Load() && a.run.ID == "run_hangs" {
				return 0, nil
			}
			return http.StatusOK, nil
		}
		w.run("run_hangs", "")
		w.next()
		w.run("run_quick", "")
		begun := time.Now()
		w.stop()
		require.Equal(t, time.Second, time.Since(begun), "the grace time")
		require.Equal(t, []string{"run_hangs queued", "run_quick queued"}, w.internet.types())
		hang.Store(false)
		w.start()
		synctest.Wait()
		require.Equal(t, []string{"run_hangs queued", "run_quick queued", "run_hangs queued"}, w.internet.types())
		attempts := w.internet.attempts()
		require.Equal(t, attempts[0].event.ID, attempts[2].event.ID)
		require.Empty(t, w.waiting())
		require.Equal(t, map[string]int{"delivered": 2}, w.seen.counted(), "what was broken off does not count")
	})
}

// TestRestart: attempts and their times outlive the process.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(attempt) (int, http.Header) { return http.StatusServiceUnavailable, nil }
		w.run("run_a", "")
		w.next()
		w.next() // after 5 s
		synctest.Wait()
		w.restart()
		begun := time.Now()
		w.next()
		require.Greater(t, time.Since(begun), 4*time.Minute)
		synctest.Wait()
		require.Equal(t, map[string]string{"run_a queued": "pending HTTP status 503"}, w.waiting())
	})
}

// TestConfigure: what waits goes where the configuration says when it is sent.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(attempt) (int, http.Header) { return http.StatusBadGateway, nil }
		w.run("run_a", "")
		w.next()
		synctest.Wait()
		require.NoError(t, w.service.Configure(webhooks.Config{}))
		w.moves("run_a", runs.Completed) // of which nobody wants to know now
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, map[string]string{"run_a queued": "pending the endpoint is no longer configured"}, w.waiting())

		again := all()
		again.Endpoints[0].Secret = "whsec_" + strings.Repeat("QUFB", 8)
		require.NoError(t, w.service.Configure(again))
		a := w.next()
		key, err := webhooks.ParseSecret(again.Endpoints[0].Secret)
		require.NoError(t, err)
		require.Equal(t, webhooks.Sign(key, a.event.ID, a.at, []byte(a.body)), a.header.Get("Webhook-Signature"), "the new secret")

		again.Endpoints[0].Secret = "secret"
		require.ErrorIs(t, w.service.Configure(again), webhooks.ErrBadSecret)
	})
}

// TestDeletedThread: what was to be told of it is gone with it.
func TestDeletedThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(attempt) (int, http.Header) { return http.StatusBadGateway, nil }
		w.run("run_a", "")
		w.run("run_b", "")
		w.next()
		w.next()
		synctest.Wait()
		require.NoError(t, w.db.DeleteThread(t.Context(), project, "thread_run_a"))
		require.Len(t, w.waiting(), 1)
		require.Equal(t, "run_b", w.next().run.ID)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, w.internet.attempts(), 3)
	})
}

// sick is a store whose next calls fail.
type sick struct {
	webhooks.Store
	lanes, reads, settles atomic.Int64 // calls that are left to fail
}

func (s *sick) WebhookLanes(ctx context.Context) ([]string, error) {
	if s.lanes.Add(-1) >= 0 {
		return nil, errors.New("a fault")
	}
	return s.Store.WebhookLanes(ctx)
}

func (s *sick) NextDeliveries(ctx context.Context, lane string, limit int) ([]*webhooks.Delivery, error) {
	if s.reads.Add(-1) >= 0 {
		return nil, wire.ErrUnavailable
	}
	return s.Store.NextDeliveries(ctx, lane, limit)
}

func (s *sick) SettleDelivery(ctx context.Context, d *webhooks.Delivery, o webhooks.Outcome) error {
	if s.settles.Add(-1) >= 0 {
		return wire.ErrUnavailable
	}
	return s.Store.SettleDelivery(ctx, d, o)
}

// TestSickStore: what cannot be read is read again, and what cannot be written
// down is not sent again for that.
func TestSickStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.run("run_a", "")
		w.next()
		w.stop()
		store := &sick{}
		store.lanes.Store(1)
		store.reads.Store(2)
		store.settles.Store(3)
		w.stored = func(s webhooks.Store) webhooks.Store { store.Store = s; return store }
		w.start()
		begun := time.Now()
		w.run("run_b", "")
		require.Equal(t, "run_b", w.next().run.ID)
		require.GreaterOrEqual(t, time.Since(begun), 5*time.Second)
		require.Equal(t, map[string]string{"run_b queued": "pending"}, w.waiting())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Empty(t, w.waiting())
		require.Len(t, w.internet.attempts(), 2, "each event was sent once")

		var tries atomic.Int64
		w.internet.answer = func(attempt) (int, http.Header) {
			return []int{http.StatusBadGateway, http.StatusOK}[min(tries.Add(1)-1, 1)], nil
		}
		w.run("run_c", "")
		begun = w.next().at
		synctest.Wait()
		store.reads.Store(3)
		require.GreaterOrEqual(t, w.next().at.Sub(begun), 15*time.Second, "the store is given time")
		require.Contains(t, w.logs.String(), `msg="reading which webhooks are to be sent" error="a fault"`)
	})
}
