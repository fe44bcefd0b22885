package extract

import (
	"context"
	"errors"
	"sync"

	"github.com/klippa-app/go-pdfium"
)

// maxInstances is how many PDFs are read at once. Each may use MaxMemory.
const maxInstances = 4

// engines are one engine for each PDF that is read at a time. They could share a
// runtime, but for wazero (up to v1.12): what it knows of a function's type it
// works out at the first call from PDFium, without a lock.
type engines struct {
	places chan struct{} // holds a token for each engine in use

	mu   sync.Mutex
	free []*engine // the one that was used last is the last
	all  []*engine
}

func newEngines(options Options) *engines {
	e := &engines{places: make(chan struct{}, maxInstances)}
	for range maxInstances {
		e.all = append(e.all, &engine{options: options})
	}
	e.free = append(e.free, e.all...)
	return e
}

// instance is engine.instance of a free engine, which is waited for.
func (e *engines) instance(ctx context.Context) (pdfium.Pdfium, func(), error) {
	select {
	case e.places <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	one := e.take()
	instance, done, err := one.instance(ctx)
	if err != nil {
		e.giveBack(one)
		return nil, nil, err
	}
	return instance, func() {
		done()
		e.giveBack(one)
	}, nil
}

func (e *engines) take() *engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := len(e.free) - 1
	one := e.free[last]
	e.free = e.free[:last]
	return one
}

func (e *engines) giveBack(one *engine) {
	e.mu.Lock()
	e.free = append(e.free, one)
	e.mu.Unlock()
	<-e.places
}

// close stops the engines for good, each when its file has been read.
func (e *engines) close() error {
	var errs []error
	for _, one := range e.all {
		errs = append(errs, one.close())
	}
	return errors.Join(errs...)
}
