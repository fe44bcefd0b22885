package chat

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// ErrIdle is the cause of the end of an exchange in which nothing was heard for
// too long.
var ErrIdle = errors.New("nothing was heard for too long")

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleConnTimeout  = 90 * time.Second
	// Runs go to few hosts with many calls at a time; the two idle
	// connections of the default transport would make most of them dial.
	maxIdlePerHost = 256
	// headerPatience is how much longer than inside an answer silence may
	// last before it: a backend reads the whole prompt first. Where another
	// upstream waits to be asked, it has no such time.
	headerPatience = 10
	// drainTime is how long the end of a body behind [DONE] is waited for, so
	// that its connection can be used again.
	drainTime = 25 * time.Millisecond
)

// newTransport has no total timeout, as answers may stream for long. It must
// not set Accept-Encoding: only then does net/http undo gzip.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   handshakeTimeout,
		IdleConnTimeout:       idleConnTimeout,
		MaxIdleConnsPerHost:   maxIdlePerHost,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
}

// bySchemes sends requests to the round tripper of their URL's scheme.
type bySchemes struct {
	http.RoundTripper
	schemes map[string]http.RoundTripper
}

func (b bySchemes) RoundTrip(req *http.Request) (*http.Response, error) {
	if rt, ok := b.schemes[req.URL.Scheme]; ok {
		return rt.RoundTrip(req)
	}
	return b.RoundTripper.RoundTrip(req)
}

// CloseIdleConnections lets http.Client reach the network's connections.
func (b bySchemes) CloseIdleConnections() {
	if closer, ok := b.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// through is rt with what stands before it.
func (c Config) through(rt http.RoundTripper) http.RoundTripper {
	if c.Through == nil {
		return rt
	}
	return c.Through(rt)
}

// newHTTPClient does not follow redirects: they turn a POST into a GET, whose
// answer is some page.
func newHTTPClient(config Config) *http.Client {
	transport := config.Transport
	if transport == nil {
		transport = newTransport()
	}
	return &http.Client{
		Transport: config.through(bySchemes{transport, config.Schemes}),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// watchdog cancels an exchange when it is not fed in time.
type watchdog struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// newWatchdog derives the context of an exchange, which ends after first without
// a byte; reads feed it from then on.
func newWatchdog(ctx context.Context, first time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watchdog{
		cancel: cancel,
		timer:  time.AfterFunc(first, func() { cancel(ErrIdle) }),
	}
}

func (w *watchdog) feed(d time.Duration) { w.timer.Reset(d) }

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// watchedBody feeds the watchdog with every read; comments count as life. It
// reports ErrIdle when the watchdog ended the read.
type watchedBody struct {
	io.Reader
	ctx  context.Context
	dog  *watchdog
	idle time.Duration

	memory *Share
	kept   func() int // bytes that were kept of what was read
	read   int        // bytes
}

// copies is how often what an answer says is in memory, beside the body it came
// in, while it becomes a message or calls that are stored: gathered here, in the
// run, and encoded, each in a buffer that is larger than what is in it.
const copies = 6

// hold waits until there is room for so many bytes of the body and what becomes
// of them, if the rest says as much as what was read.
func (b *watchedBody) hold(size int) error {
	says := float64(b.kept()) / float64(max(b.read, 1))
	return b.memory.hold(b.ctx, size+int(copies*says*float64(size)))
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.dog.feed(b.idle)
	n, err := b.Reader.Read(p)
	b.read += n
	b.dog.timer.Stop() // what the reader does with it takes its own time
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), ErrIdle) {
		err = ErrIdle
	}
	return n, err
}

// drain reads the little that may stand behind the end of an answer.
func (b *watchedBody) drain() {
	b.idle = drainTime
	_, _ = io.CopyN(io.Discard, b, 4<<10)
}
