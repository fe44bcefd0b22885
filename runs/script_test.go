package runs_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat"
)

// turn is one scripted model call.
type turn func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error)

// script is a model that plays turns in their order and records what it was sent.
type script struct {
	t        require.TestingT
	window   int                     // tokens; 0 = 100,000
	called   chan struct{}           // has a value for each call that began, as far as it has room
	choose   func(chat.Request) turn // instead of the script; nil = none
	mu       sync.Mutex
	turns    []turn
	requests []chat.Request
	places   map[string]int // of upstreams
}

func newScript(t require.TestingT, turns ...turn) *script {
	return &script{t: t, turns: turns, called: make(chan struct{}, 1000)}
}

func (s *script) Complete(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
	s.mu.Lock()
	shown := req
	shown.Memory = nil
	s.requests = append(s.requests, shown)
	next := fails(chat.ServerError, "the script has no turn for this call")
	switch {
	case s.choose != nil:
		next = s.choose(req)
	case len(s.turns) > 0:
		next, s.turns = s.turns[0], s.turns[1:]
	}
	s.mu.Unlock()
	select {
	case s.called <- struct{}{}:
	default:
	}
	started := time.Now()
	given, err := next(ctx, req, sink)
	answer := *given // a turn may give the same one to many
	answer.Exchange = chat.Exchange{Upstream: "script", Model: req.Model, Request: rendered(req), Response: []byte(answer.Text), Status: 200, Started: started, Ended: time.Now()}
	return &answer, err
}

func (s *script) Render(_ context.Context, req chat.Request) (chat.Exchange, error) {
	return chat.Exchange{Upstream: "script", Model: req.Model, Request: rendered(req), Started: time.Now(), Ended: time.Now()}, nil
}

// rendered is what a request looks like on the tape.
func rendered(req chat.Request) []byte {
	sent, _ := json.Marshal(map[string]any{"model": req.Model, "messages": req.Messages}) // they encode
	return sent
}

func (s *script) ContextWindow(string) int {
	if s.window == 0 {
		return 100_000
	}
	return s.window
}

// UpstreamOf takes models by the name of their upstream, as in "a/m".
func (s *script) UpstreamOf(chosen, model string) string {
	if name, _, named := strings.Cut(model, "/"); chosen == "" && named {
		return name
	}
	return chosen
}

func (s *script) Places() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places
}

func (s *script) setPlaces(places map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places = places
}

// add puts further turns at the end.
func (s *script) add(turns ...turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns = append(s.turns, turns...)
}

// play forgets what was and begins a new script.
func (s *script) play(turns ...turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns, s.requests = turns, nil
}

// sent returns the requests so far.
func (s *script) sent() []chat.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]chat.Request{}, s.requests...)
}

// perTurn is what every scripted turn uses.
var perTurn = chat.Usage{PromptTokens: 10, CompletionTokens: 5, CachedTokens: 2, ReasoningTokens: 1}

// says streams the pieces of a text.
func says(pieces ...string) turn {
	return func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		text := ""
		for _, piece := range pieces {
			sink.Text(piece)
			text += piece
		}
		return &chat.Answer{Text: text, Finish: chat.FinishStop, Usage: perTurn}, nil
	}
}

// calls asks for functions, each with the arguments {"n":1}, {"n":2} …
func calls(names ...string) turn {
	return saysAndCalls("", names...)
}

func saysAndCalls(text string, names ...string) turn {
	return func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
		answer := &chat.Answer{Finish: chat.FinishStop, Usage: perTurn}
		if text != "" {
			answer, _ = says(text)(ctx, req, sink)
		}
		for i, name := range names {
			arguments, _ := json.Marshal(map[string]int{"n": i + 1}) // it encodes
			answer.Calls = append(answer.Calls, chat.Call{Name: name, Arguments: string(arguments)})
		}
		answer.State = json.RawMessage(`{"echo":1}`)
		return answer, nil
	}
}

// settles answers without streaming.
func settles(answer *chat.Answer) turn {
	return func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) { return answer, nil }
}

func refuses(pieces ...string) turn {
	return func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		refusal := ""
		for _, piece := range pieces {
			sink.Refusal(piece)
			refusal += piece
		}
		return &chat.Answer{Refusal: refusal, Finish: chat.FinishStop, Usage: perTurn}, nil
	}
}

// ends streams a text that ends for a reason.
func ends(finish chat.Finish, text string) turn {
	return func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		sink.Text(text)
		return &chat.Answer{Text: text, Finish: finish, Usage: perTurn}, nil
	}
}

// fails streams pieces and breaks.
func fails(code chat.ErrorCode, message string, pieces ...string) turn {
	return func(_ context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		text := ""
		for _, piece := range pieces {
			sink.Text(piece)
			text += piece
		}
		return &chat.Answer{Text: text, Usage: chat.Usage{PromptTokens: 3}}, &chat.Error{Code: code, Message: message}
	}
}

func overflows() turn {
	return func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) {
		return &chat.Answer{}, &chat.Error{Code: chat.InvalidPrompt, Message: "prompt is too long", Overflow: true}
	}
}

// hangs streams pieces and then answers nothing until its context ends.
func hangs(pieces ...string) turn {
	return func(ctx context.Context, _ chat.Request, sink chat.Sink) (*chat.Answer, error) {
		for _, piece := range pieces {
			sink.Text(piece)
		}
		<-ctx.Done()
		return &chat.Answer{}, &chat.Error{Code: chat.ServerError, Message: "broken off"}
	}
}

// waits plays a turn when the gate opens, whatever becomes of its context.
func waits(gate <-chan struct{}, then turn) turn {
	return func(ctx context.Context, req chat.Request, sink chat.Sink) (*chat.Answer, error) {
		<-gate
		return then(ctx, req, sink)
	}
}
