package extract

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
)

// engine is PDFium, compiled to WebAssembly. What it reads cannot leave its
// memory: it has no file system, no network, and a bound on memory. It starts
// with its first PDF and stops when none has come for a while, since it takes
// some 50 MB. It reads one file at a time.
type engine struct {
	options Options

	mu         sync.Mutex // held while the engine starts or stops
	pool       pdfium.Pool
	closeCache func() error // nil without a cache
	busy       bool
	idle       *time.Timer
	stopped    bool // for good
}

// wasmPage is the unit of a WebAssembly memory, in bytes.
const wasmPage = 64 << 10

var errStopped = errors.New("the extractor is closed")

// instance returns a PDFium of its own for one file, which is given up when ctx
// ends, whatever it is doing. The caller calls done.
func (e *engine) instance(ctx context.Context) (instance pdfium.Pdfium, done func(), err error) {
	pool, err := e.acquire() //nolint:contextcheck // the engine outlives the file it is started for
	if err != nil {
		return nil, nil, err
	}
	instance, err = pool.GetInstanceWithContext(ctx)
	if err != nil {
		e.release()
		return nil, nil, err
	}
	bind(instance, ctx)
	return instance, func() {
		_ = instance.Close() // its memory goes with it, even if it is broken
		e.release()
	}, nil
}

// bind makes ctx the context of everything that instance runs. PDFium has no
// way to stop a call, but wazero stops one whose context ends; go-pdfium keeps
// the context in an exported field of a type that it does not export.
func bind(instance pdfium.Pdfium, ctx context.Context) { //nolint:revive // ctx is the value that is set, not this call's own
	implementation := instance.(interface{ GetImplementation() any }).GetImplementation()
	reflect.ValueOf(implementation).Elem().FieldByName("Context").Set(reflect.ValueOf(ctx))
}

// acquire starts the engine if need be.
func (e *engine) acquire() (pdfium.Pool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, errStopped
	}
	if e.pool == nil {
		if err := e.start(); err != nil {
			return nil, err
		}
	}
	if e.idle != nil {
		e.idle.Stop()
	}
	e.busy = true
	return e.pool, nil
}

func (e *engine) start() error {
	config := wazero.NewRuntimeConfig().
		WithMemoryLimitPages(uint32(e.options.MaxMemory / wasmPage)). //nolint:gosec // WebAssembly has 65,536 pages at most
		WithCloseOnContextDone(true)
	if e.options.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(e.options.CacheDir)
		if err != nil {
			return err
		}
		e.closeCache = func() error { return cache.Close(context.Background()) }
		config = config.WithCompilationCache(cache)
	}
	pool, err := webassembly.Init(webassembly.Config{
		MaxTotal:      1,
		FSConfig:      wazero.NewFSConfig(), // without this the host's root is mounted
		RuntimeConfig: config,
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
	if err != nil {
		return errors.Join(err, e.forgetCache())
	}
	e.pool = pool
	return nil
}

func (e *engine) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = false
	if e.stopped {
		_ = e.stop()
		return
	}
	e.idle = time.AfterFunc(e.options.IdleAfter, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.busy {
			_ = e.stop()
		}
	})
}

// stop frees the engine, which nobody uses. The next PDF starts it again.
func (e *engine) stop() error {
	if e.pool == nil {
		return nil
	}
	err := errors.Join(e.pool.Close(), e.forgetCache())
	e.pool = nil
	return err
}

func (e *engine) forgetCache() error {
	if e.closeCache == nil {
		return nil
	}
	err := e.closeCache()
	e.closeCache = nil
	return err
}

// close stops the engine for good, when its file has been read.
func (e *engine) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	if e.idle != nil {
		e.idle.Stop()
	}
	if e.busy {
		return nil
	}
	return e.stop()
}
