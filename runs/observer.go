package runs

import (
	"context"

	"understudy/assistants"
	"understudy/runs/chat"
)

// Observer is told what becomes of runs, by the goroutines that make and drive
// them: it has to be quick, and safe for concurrent use. What it is shown is
// not its own, and changes behind its back once it has returned.
type Observer interface {
	// Traced answers the trace that a new run belongs to. ctx is that of the
	// request which asks for it, and names the request's own trace.
	Traced(ctx context.Context, run *Run, of *assistants.Assistant) Trace
	// Under returns the context that the model and the tools are called under
	// for a run; ctx names the run's trace already.
	Under(ctx context.Context, rec *Record) context.Context
	// Asked says that the request with this context gave a run something to do,
	// and that this is stored: the run was made, or its tool outputs came, which
	// answered is the step of; nil = the run is new.
	Asked(ctx context.Context, rec *Record, answered *Step)
	// Driven says that a leg of a run begins.
	Driven(rec *Record)
	// Rested says that a run ended, or waits for the client, and that this is stored.
	Rested(rec *Record)
}

// Trace is the trace context that a run's calls are made under. It is kept with
// the run, so that whoever goes on with it, in whatever process, stays in the trace.
type Trace struct {
	chat.Trace
	Note string `json:"note,omitempty"` // the observer's own
}

// under returns the context that the model and the tools are called under.
func (e *Engine) under(ctx context.Context, rec *Record) context.Context {
	return e.observer.Under(chat.WithTrace(ctx, rec.Trace.Trace), rec)
}

type callKey struct{}

// withCall notes which call of the model a tool is at work for.
func withCall(ctx context.Context, callID string) context.Context {
	return context.WithValue(ctx, callKey{}, callID)
}

// CallOf returns the id of the call that a tool is at work for, "" outside of one.
func CallOf(ctx context.Context) string {
	id, _ := ctx.Value(callKey{}).(string)
	return id
}

// unobserved is the Observer of an engine that has none.
type unobserved struct{}

func (unobserved) Traced(ctx context.Context, _ *Run, _ *assistants.Assistant) Trace {
	return Trace{Trace: chat.TraceOf(ctx)}
}

func (unobserved) Under(ctx context.Context, _ *Record) context.Context { return ctx }

func (unobserved) Asked(context.Context, *Record, *Step) {}

func (unobserved) Driven(*Record) {}

func (unobserved) Rested(*Record) {}
