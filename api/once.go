package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"understudy/api/wire"
	"understudy/runs"
)

// Answers keeps the answers that were given under an Idempotency-Key.
type Answers interface {
	SaveAnswer(ctx context.Context, scope string, bodyHash, answer []byte, at time.Time) error
	// Answer answers wire.ErrNotFound for a scope without one.
	Answer(ctx context.Context, scope string) (bodyHash, answer []byte, err error)
}

// AnswerLife is how long an Idempotency-Key is remembered.
const AnswerLife = 24 * time.Hour

const idempotencyHeader = "Idempotency-Key"

// maxIdempotencyKey bounds the key a client may choose, in bytes.
const maxIdempotencyKey = 255

// undeliveredLife is how long an answer that its client never got waits for the
// client's retry.
const undeliveredLife = 10 * time.Minute

// underWayPatience is how long a call waits for the answer to the same call that
// came before it.
const underWayPatience = 20 * time.Second

// errUnderWay is the answer to a call that has waited for so long. SDKs try
// again.
var errUnderWay = &wire.Error{
	Kind: wire.RateLimited, Message: "The same request came before and is still being carried out. Try again in a moment to have its answer.",
	Code: "request_under_way", RetryAfter: 2 * time.Second,
}

// attempt is one POST that must not be carried out twice, from its arrival on.
type attempt struct {
	scope   string
	done    chan struct{} // closed when the answer is known, or there will be none
	settled bool          // done is closed; belongs to the first call
	hash    []byte        // of the body
	answer  json.RawMessage
	stream  again // instead of answer when the first call streams
	success bool
	expires time.Time // zero until it has ended and is kept

	answered bool // a retry got the answer
}

// settle lets those who wait have the answer, or carry the call out themselves.
// The first call may still be busy with sending it: a stream goes on for long.
func (at *attempt) settle() {
	if !at.settled {
		at.settled = true
		close(at.done)
	}
}

// attempts are the POSTs under way, and those whose answer was not delivered.
type attempts struct {
	mu      sync.Mutex
	byScope map[string]*attempt
	kept    []*attempt // those that have ended, the first to expire first
}

// enter returns the attempt of a scope, and whether the caller is its first.
func (a *attempts) enter(scope string, now time.Time) (*attempt, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.kept) > 0 && now.After(a.kept[0].expires) {
		a.drop(a.kept[0])
		a.kept[0], a.kept = nil, a.kept[1:]
	}
	if existing, ok := a.byScope[scope]; ok {
		return existing, false
	}
	at := &attempt{scope: scope, done: make(chan struct{})}
	a.byScope[scope] = at
	return at, true
}

// leave ends the first call; keep says whether its answer stays here for a while.
func (a *attempts) leave(at *attempt, now time.Time, keep bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if keep && !at.answered {
		at.expires = now.Add(undeliveredLife)
		a.kept = append(a.kept, at)
	} else {
		a.drop(at)
	}
	at.settle()
}

// forget lets go of an attempt that has ended. It reports whether it has: one
// that is under way stays, for those who retry it.
func (a *attempts) forget(at *attempt) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	ended := !at.expires.IsZero()
	if ended {
		a.drop(at)
	}
	return ended
}

// retried lets go of an attempt whose answer a retry got: a further retry of the
// same words is that of another call, whose first try never came here.
func (a *attempts) retried(at *attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at.answered = true
	a.drop(at)
}

// drop makes room for another attempt of the scope, unless it is there already.
func (a *attempts) drop(at *attempt) {
	if a.byScope[at.scope] == at {
		delete(a.byScope, at.scope)
	}
}

// once carries out a POST at most once: under an Idempotency-Key, and when an
// SDK retries a call whose answer it did not get. Only successes are kept, as a
// call that failed changed nothing.
func (s *server) once(h handler) handler {
	return func(c *call) error {
		if key := c.r.Header.Get(idempotencyHeader); key != "" {
			return s.underKey(c, key, h)
		}
		retries, err := strconv.Atoi(c.r.Header.Get("X-Stainless-Retry-Count"))
		if err != nil || s.Keys == nil || strings.HasPrefix(c.r.Header.Get("Content-Type"), "multipart/") {
			return h(c)
		}
		return s.retryable(c, retries, h)
	}
}

// scope names an attempt: the caller, the path, and what makes it the same.
func (c *call) scope(kind, what string) string {
	n := note(c.r.Context())
	sum := sha256.Sum256([]byte(strings.Join([]string{kind, c.project, n.keyID, c.r.URL.Path, what}, "\x00")))
	return hex.EncodeToString(sum[:])
}

func (s *server) underKey(c *call, key string, h handler) error {
	if len(key) > maxIdempotencyKey {
		return wire.InvalidValue(idempotencyHeader, "Invalid '%s': it has more than %d bytes.", idempotencyHeader, maxIdempotencyKey)
	}
	scope := c.scope("key", key)
	body := newHashedBody(c.r)
	c.r.Body = body
	for {
		at, first := s.attempts.enter(scope, s.Now())
		if first {
			return s.firstUnderKey(c, at, body, h)
		}
		if err := at.wait(c.r.Context()); err != nil {
			return err
		}
		if at.success {
			return c.replay(at, body.hash())
		}
	}
}

// firstUnderKey answers from an earlier process's record, or carries the call
// out and records its answer before it is sent.
func (s *server) firstUnderKey(c *call, at *attempt, body *hashedBody, h handler) error {
	keep := false // once recorded, the answer is read from the store
	defer func() { s.attempts.leave(at, s.Now(), keep) }()
	recorded, answer, err := s.Answers.Answer(c.r.Context(), at.scope)
	if err == nil {
		at.hash, at.answer, at.stream, at.success = recorded, answer, s.streamFrom(c.project, answer), true
		at.settle()
		return c.replay(at, body.hash())
	}
	if !errors.Is(err, wire.ErrNotFound) {
		return err
	}
	c.receipt = &wire.Receipt{Scope: at.scope, At: s.Now(), BodyHash: body.hash, Render: c.render}
	c.r = c.r.WithContext(wire.WithReceipt(c.r.Context(), c.receipt))
	c.keep = func(answer json.RawMessage, stream again) error {
		at.hash, at.answer, at.stream, at.success = body.hash(), answer, stream, true
		defer at.settle()
		if stream != nil { // it can be opened again: as long as this process lives, if the store does not know it
			keep = c.receipt.Kept == nil
			return nil
		}
		if bytes.Equal(answer, c.receipt.Kept) { // in the same commit as the change
			return nil
		}
		err := s.Answers.SaveAnswer(context.WithoutCancel(c.r.Context()), at.scope, at.hash, answer, s.Now())
		keep = err != nil // carried out all the same: the retry must find it
		return err
	}
	return h(c)
}

// streamStart is what is kept of an answer that is a stream: where it begins.
type streamStart struct {
	Stream *runs.Start `json:"stream"`
}

// startOfStream renders a new run as the stream of it, which is as in runs.Start.
func startOfStream(texts, withThread bool) func(json.RawMessage) (json.RawMessage, error) {
	return func(object json.RawMessage) (json.RawMessage, error) {
		var run runs.Run
		if err := wire.Decode(object, &run); err != nil {
			return nil, err
		}
		return wire.Marshal(streamStart{&runs.Start{ThreadID: run.ThreadID, RunID: run.ID, Texts: texts, WithThread: withThread}})
	}
}

// streamFrom opens the stream that was kept, nil when something else was.
func (s *server) streamFrom(project string, kept json.RawMessage) again {
	var start streamStart
	if json.Unmarshal(kept, &start) != nil || start.Stream == nil {
		return nil
	}
	return s.rewatch(project, *start.Stream)
}

// retryable lets the retry of a call whose client hung up on the answer have it.
// An answer that went out is not kept: a chat's runs are created in the same
// words at each turn, and a retry of a later one must not be given an old run.
func (s *server) retryable(c *call, retries int, h handler) error {
	data, err := c.readAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	c.r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), failing{err}))
	scope := c.scope("retry", string(data))
	for {
		at, first := s.attempts.enter(scope, s.Now())
		switch {
		case first:
			return s.firstTry(c, at, h)
		case retries == 0: // the same call again, but no retry: it is meant
			if s.attempts.forget(at) {
				continue // and what is retried from now on is this one
			}
			return h(c)
		}
		if err := at.wait(c.r.Context()); err != nil {
			return err
		}
		if at.success {
			err := c.replay(at, nil)
			if c.delivered(err) {
				s.attempts.retried(at)
			}
			return err
		}
	}
}

// delivered reports whether the client was there to the end of an answer that
// was sent with this error. A proxy may have lost it all the same.
func (c *call) delivered(err error) bool { return err == nil && c.r.Context().Err() == nil }

func (s *server) firstTry(c *call, at *attempt, h handler) error {
	c.keep = func(answer json.RawMessage, stream again) error {
		at.answer, at.stream, at.success = answer, stream, true
		at.settle()
		return nil
	}
	delivered := false
	defer func() { s.attempts.leave(at, s.Now(), at.success && !delivered) }()
	err := h(c)
	delivered = c.delivered(err)
	return err
}

// wait waits until the answer is known, or it is known that there is none.
func (at *attempt) wait(ctx context.Context) error {
	patience := time.NewTimer(underWayPatience)
	defer patience.Stop()
	select {
	case <-at.done:
		return nil
	case <-patience.C:
		return errUnderWay
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replay answers what was answered before, provided the body is the same.
func (c *call) replay(at *attempt, bodyHash []byte) error {
	if bodyHash != nil && !bytes.Equal(bodyHash, at.hash) {
		return &wire.Error{
			Message: "Keys for idempotent requests can only be used with the same parameters they were first used with.",
			Param:   idempotencyHeader, Code: "idempotency_key_reused",
		}
	}
	if at.stream != nil {
		watch, err := at.stream(c.r.Context())
		if err != nil {
			return err
		}
		defer watch.Close()
		return c.stream(watch)
	}
	c.w.Header().Set("Idempotent-Replayed", "true")
	return writeJSON(c.w, http.StatusOK, at.answer)
}

// failing ends a body that could not be read with the error that it met.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
