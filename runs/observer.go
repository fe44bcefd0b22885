package runs

import "context"

// Observer is told what becomes of runs, by the goroutines that make and drive
// them: it has to be quick, and safe for concurrent use.
type Observer interface {
	// Asked says that the request with this context gave a run something to do,
	// and that this is stored: the run was made, or its tool outputs came.
	Asked(ctx context.Context, runID string)
	// Driven says that a leg of a run begins, and returns the context it is
	// driven under.
	Driven(ctx context.Context, run *Run) context.Context
	// Rested says that a run ended, or waits for the client, and that this is stored.
	Rested(run *Run)
}

// unobserved is the Observer of an engine that has none.
type unobserved struct{}

func (unobserved) Asked(context.Context, string) {}

func (unobserved) Driven(ctx context.Context, _ *Run) context.Context { return ctx }

func (unobserved) Rested(*Run) {}
