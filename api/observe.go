package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"understudy/api/telemetry"
	"understudy/api/wire"
	"understudy/runs/chat"
)

const requestIDHeader = "X-Request-Id"

var requestID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// notes are what handlers add to the one line a request is logged with.
type notes struct {
	route   string // its template; empty = none of ours
	keyID   string
	project string
	err     error
	body    *pacedBody // nil = none, or it is an upstream's by now
}

type notesKey struct{}

// note returns the notes of the request that ctx belongs to.
func note(ctx context.Context) *notes {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		return n
	}
	return &notes{}
}

// observe gives every answer its headers and every request its line in the
// log: no content, no keys. A fault in a handler is a 500.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.Now()
		id := r.Header.Get(requestIDHeader)
		if !requestID.MatchString(id) {
			id = wire.NewHexID("req_")
		}
		n := &notes{}
		r = r.WithContext(context.WithValue(chat.WithTrace(r.Context(), chat.ReadTrace(r.Header)), notesKey{}, n))
		n.body = paced(w, r)
		answer := &recorder{ResponseWriter: w, notes: n, started: started, now: s.Now, telemetry: s.Telemetry}
		answer.allowTime()
		h := answer.Header()
		h.Set(requestIDHeader, id)
		h.Set("Openai-Version", "2020-10-01")
		defer func() {
			fault := recover()
			if fault != nil {
				s.Logger.Error("a fault in a handler", "request", id, "fault", fault, "stack", string(debug.Stack()))
			}
			begun := answer.status != 0
			if fault != nil && !begun {
				s.fail(answer, r, errFault)
			}
			s.logRequest(r, answer, id, n)
			s.count(r, answer, n)
			if fault != nil && begun { // half an answer must not pass for a whole one
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

var errFault = errors.New("a fault in a handler")

func (s *server) logRequest(r *http.Request, answer *recorder, id string, n *notes) {
	level := slog.LevelInfo
	if answer.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("request", id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", answer.status),
		slog.Float64("ms", float64(s.Now().Sub(answer.started).Microseconds())/1000), slog.Int64("bytes", answer.bytes),
	}
	if n.project != "" {
		attrs = append(attrs, slog.String("project", n.project))
	}
	if n.keyID != "" {
		attrs = append(attrs, slog.String("key", n.keyID))
	}
	if n.err != nil {
		attrs = append(attrs, slog.String("error", n.err.Error()))
	}
	s.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// count tells telemetry of a request that was answered.
func (s *server) count(r *http.Request, answer *recorder, n *notes) {
	if answer.streams {
		s.Telemetry.Streaming(-1)
	}
	s.Telemetry.Answered(cmp.Or(n.route, "other"), r.Method, answer.status, s.Now().Sub(answer.started))
}

// recorder remembers the status for the log and stamps the time the answer took.
type recorder struct {
	http.ResponseWriter
	notes   *notes
	started time.Time
	now     func() time.Time
	status  int
	bytes   int64
	allowed time.Time // when the reader was last given time

	telemetry *telemetry.Telemetry
	streams   bool // it is an event stream
}

// allowTime gives the reader time to take what is written next, and what was
// written and not sent yet.
func (w *recorder) allowTime() {
	if now := time.Now(); now.Sub(w.allowed) >= time.Second { //nolint:forbidigo // as for the socket's deadline
		w.allowed = now
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(readerPatience)) // not every transport has deadlines
	}
}

// maxWrite is how many bytes a reader is given time for at once.
const maxWrite = 64 << 10

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.notes.body.drain() // net/http would wait for the rest of it without an end
		w.status = status
		if w.streams = strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream"); w.streams {
			w.telemetry.Streaming(1)
		}
		if w.Header().Get("Openai-Processing-Ms") == "" { // a relayed answer may bring its own
			w.Header().Set("Openai-Processing-Ms", strconv.FormatInt(w.now().Sub(w.started).Milliseconds(), 10))
		}
	}
	w.allowTime()
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	written := 0
	for part := range slices.Chunk(p, maxWrite) {
		w.allowTime()
		n, err := w.ResponseWriter.Write(part)
		w.bytes += int64(n)
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
