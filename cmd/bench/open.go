package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// openLoop starts flows at a steady rate, whether those before have ended or
// not, as independent clients do.
type openLoop struct {
	make func() (*flow, error)
	rate int // per second

	mu   sync.Mutex
	idle []*flow // clients with nothing to do
	all  []*flow
}

func (o *openLoop) close() {
	for _, f := range o.all {
		f.close()
	}
}

// client returns one that is free.
func (o *openLoop) client() (*flow, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.idle); n > 0 {
		f := o.idle[n-1]
		o.idle = o.idle[:n-1]
		return f, nil
	}
	f, err := o.make()
	if err == nil {
		o.all = append(o.all, f)
	}
	return f, err
}

// offer implements load: the flows that begin within the slice.
func (o *openLoop) offer(ctx context.Context, slice time.Duration) (sample, error) {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		wholes []time.Duration
		failed error
	)
	tick := time.NewTicker(time.Second / time.Duration(o.rate))
	defer tick.Stop()
	began, started := time.Now(), 0
	for time.Since(began) < slice && ctx.Err() == nil {
		<-tick.C
		for due := int(time.Since(began).Seconds() * float64(o.rate)); started < due; started++ { // ticks may be late
			wg.Go(func() {
				f, err := o.client()
				var took times
				if err == nil {
					took, err = f.work(ctx)
				}
				mu.Lock()
				wholes, failed = append(wholes, took.whole), errors.Join(failed, err)
				mu.Unlock()
				if err == nil {
					o.mu.Lock()
					o.idle = append(o.idle, f)
					o.mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return sample{whole: quantilesOf(wholes), done: len(wholes), rate: float64(len(wholes)) / time.Since(began).Seconds()}, failed
}
