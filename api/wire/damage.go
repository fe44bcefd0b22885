package wire

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrDamaged is the ErrUnavailable of what was stored as JSON and is none any
// more: the file it is in is damaged.
var ErrDamaged = fmt.Errorf("%w: what is stored is damaged", ErrUnavailable)

// Decode reads JSON that was stored.
func Decode(stored []byte, into any) error {
	return Damaged(json.Unmarshal(stored, into))
}

// Damaged turns the error of reading, or showing, stored JSON into an
// ErrDamaged when it says that it is no JSON. Other errors stay as they are.
func Damaged(err error) error {
	if _, broken := errors.AsType[*json.SyntaxError](err); broken && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
