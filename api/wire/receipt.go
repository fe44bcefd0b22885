package wire

import (
	"context"
	"encoding/json"
	"time"
)

// Receipt is the wish to have the answer to a call kept in the same commit as
// what the call changes: a crash between the two would have the call carried
// out again. It travels in the context. A store that does not know it changes
// nothing; the answer is then kept behind the commit.
type Receipt struct {
	Scope    string // names the call
	At       time.Time
	BodyHash func() []byte // of the request; it may read what is left of it
	// Render makes the answer of the object that the call is answered with; nil
	// when nothing is to be kept.
	Render func(object json.RawMessage) (json.RawMessage, error)
	// Kept is the answer that was committed, nil before. The store sets it.
	Kept json.RawMessage
}

type receiptKey struct{}

// WithReceipt returns a context that carries the receipt.
func WithReceipt(ctx context.Context, r *Receipt) context.Context {
	return context.WithValue(ctx, receiptKey{}, r)
}

// WantedReceipt returns the receipt that is still to be filled, nil when there
// is none.
func WantedReceipt(ctx context.Context) *Receipt {
	if r, ok := ctx.Value(receiptKey{}).(*Receipt); ok && r.Render != nil && r.Kept == nil {
		return r
	}
	return nil
}
