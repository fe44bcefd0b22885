package api

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"understudy/api/wire"
)

// The server's patience with its clients, and its bound on the URL and headers of
// a request in bytes; net/http's own, whose refusal is no JSON, is twice that.
// Nothing has a total time, as uploads are long and runs stream: what counts
// is that it goes on.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10

	// bodyPatience is how long a body may bring nothing, or bring less than
	// leastPace says.
	bodyPatience = 30 * time.Second
	leastPace    = 1 << 10 // bytes a second, on average

	// What is answered before it has come is read on for so many bytes, or so long,
	// as long as it comes at this pace; see drain.
	drainBytes = 64 << 20
	drainTime  = 10 * time.Second
	drainPiece = 64 << 10 // bytes in each
	drainPace  = 2 * time.Second

	// readerPatience is how long a reader may take nothing of its answer. The
	// comments that keep a silent stream alive find out who is not there.
	readerPatience = 60 * time.Second
)

// Server is the handler behind its limits on headers and idle connections.
func (h *Handler) Server(logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 2 * headerBytes,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// boundHeaders refuses a request whose URL and headers are too large.
func (s *server) boundHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := len(r.RequestURI)
		for name, values := range r.Header {
			for _, value := range values {
				size += len(name) + len(value) + len(": \r\n")
			}
		}
		if size > headerBytes {
			s.fail(w, r, errHeadersTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errHeadersTooLarge = &wire.Error{Kind: wire.HeadersTooLarge, Message: "The URL and headers of the request are larger than 64 KiB."}

// rates count the requests of each key against its share. A request counts
// once, when it comes, however long it is held or its answer streams.
type rates struct {
	mu    sync.Mutex
	byKey map[string]*rate.Limiter
}

// errRateLimit is the hosted API's answer to a client that asks too often.
func errRateLimit(wait time.Duration) error {
	return &wire.Error{
		Kind: wire.RateLimited, Message: "You've exceeded the rate limit, please slow down and try again later.", Code: "rate_limit_exceeded", RetryAfter: wait,
	}
}

// take counts one request of a key ("" where there are none) and tells the
// client what is left. The allowance of a minute can be used at once, and comes
// back evenly.
func (r *rates) take(key string, perMinute int, now time.Time, h http.Header) error {
	if perMinute == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	perSecond := rate.Limit(float64(perMinute) / 60)
	l := r.byKey[key]
	if l == nil || l.Burst() != perMinute { // or the configuration has changed
		l = rate.NewLimiter(perSecond, perMinute)
		r.byKey[key] = l
	}
	allowed := l.AllowN(now, 1)
	left := l.TokensAt(now)
	h.Set("X-Ratelimit-Limit-Requests", strconv.Itoa(perMinute))
	h.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(int(math.Max(0, left))))
	h.Set("X-Ratelimit-Reset-Requests", untilTokens(l, float64(perMinute)-left).String())
	if allowed {
		return nil
	}
	return errRateLimit(max(time.Millisecond, untilTokens(l, 1-left)))
}

// untilTokens is how long it takes until so many tokens have come back.
func untilTokens(l *rate.Limiter, tokens float64) time.Duration {
	seconds := math.Max(0, tokens) / float64(l.Limit())
	return time.Duration(math.Ceil(seconds*1000)) * time.Millisecond
}

// pacedBody ends a body that comes too slowly. Each piece that comes moves the
// deadline.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	length  int64         // bytes; -1 = the client does not say
	asks    bool          // the client sends nothing before it is told to
	read    int64         // bytes
	waited  time.Duration // for them; what is done with them takes its own time
	over    bool          // nothing more can be read
}

// errSlowBody is the answer to a body that came too slowly; SDKs try again.
var errSlowBody = &wire.Error{Kind: wire.TooSlow, Message: "The request body came too slowly. Send it again, over a better connection or in smaller parts."}

// paced puts a body under a deadline; it is nil where there is none.
func paced(w http.ResponseWriter, r *http.Request) *pacedBody {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &pacedBody{
		ReadCloser: r.Body, control: http.NewResponseController(w), length: r.ContentLength,
		asks: strings.EqualFold(r.Header.Get("Expect"), "100-continue"),
	}
	r.Body = b
	return b
}

func (b *pacedBody) Read(p []byte) (int, error) {
	begun := time.Now()                                    //nolint:forbidigo // a socket knows the machine's clock only
	_ = b.control.SetReadDeadline(begun.Add(b.patience())) // not every transport has deadlines
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	b.over = err != nil
	b.waited += time.Since(begun) //nolint:forbidigo // as above
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlowBody
	case errors.Is(err, io.EOF): // what comes next on the connection has its own time
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// patience is how long the next piece may take.
func (b *pacedBody) patience() time.Duration {
	return min(bodyPatience, bodyPatience+time.Duration(b.read/leastPace)*time.Second-b.waited)
}

// drain reads what a handler left of a body, as it does when it refuses, within
// bounds: most clients read no answer before they have sent their request, and
// would report a lost connection instead of what is wrong with it. Nothing is
// read of a body that is too large for it, or that the client does not send
// before it is asked to. A nil body has no rest.
func (b *pacedBody) drain() {
	if b == nil || b.over || b.asks && b.read == 0 || b.length-b.read > drainBytes {
		return
	}
	until := time.Now().Add(drainTime) //nolint:forbidigo // as in Read
	for left := int64(drainBytes); left > 0 && !b.over; {
		deadline := time.Now().Add(drainPace) //nolint:forbidigo // as in Read
		if deadline.After(until) {
			deadline = until
		}
		_ = b.control.SetReadDeadline(deadline) // not every transport has deadlines
		n, err := io.CopyN(io.Discard, b.ReadCloser, drainPiece)
		left -= n
		b.over = err != nil
		if errors.Is(err, io.EOF) {
			_ = b.control.SetReadDeadline(time.Time{})
		}
	}
}

// memory is what large request bodies, and answers that wait to be taken, may
// occupy together, in bytes.
type memory struct {
	mu   sync.Mutex
	size int64 // of all of it
	held int64
}

const (
	// smallBody is what a body may occupy unasked, in bytes.
	smallBody = 256 << 10
	// defaultBodies is the bound on all others together, in bytes.
	defaultBodies = 256 << 20
)

// errCrowded is the answer to a large body while others fill the memory.
var errCrowded = &wire.Error{
	Kind: wire.Unavailable, Message: "The server is busy with other large requests. Try again in a moment.", RetryAfter: 2 * time.Second,
}

// hold takes n bytes, or refuses: to wait for others could be to wait for each
// other. Where nothing is held there is room for anything, as it would never be
// better.
func (m *memory) hold(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held > 0 && m.held+n > m.size {
		return errCrowded
	}
	m.held += n
	return nil
}

func (m *memory) release(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held -= n
}

// hold takes memory for n more bytes of the call's body.
func (c *call) hold(n int) error {
	c.bodyBytes += int64(n)
	if c.memory == nil || c.bodyBytes-c.bodyHeld <= smallBody {
		return nil
	}
	err := c.memory.hold(c.bodyBytes - c.bodyHeld)
	if err == nil {
		c.bodyHeld = c.bodyBytes
	}
	return err
}

// release gives back what the call holds; its body is done with.
func (c *call) release() {
	if c.bodyHeld > 0 {
		c.memory.release(c.bodyHeld)
	}
	c.bodyBytes, c.bodyHeld = 0, 0
}

// readAll is io.ReadAll within the memory there is.
func (c *call) readAll(r io.Reader) ([]byte, error) {
	return io.ReadAll(heldReader{r, c})
}

type heldReader struct {
	io.Reader
	call *call
}

func (h heldReader) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if refusal := h.call.hold(n); refusal != nil {
		return n, refusal
	}
	return n, err
}
