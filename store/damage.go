package store

import "understudy/api/wire"

// witness is told of damage that SQLite did not notice: it keeps no sums over what it stores.
type witness interface {
	// damaged notes err when it is a wire.ErrDamaged, as what SQLite says of a damaged file is noted, and answers it.
	damaged(err error) error
}

// decode reads stored JSON.
func decode(w witness, stored []byte, into any) error {
	if err := wire.Decode(stored, into); err != nil {
		return w.damaged(err)
	}
	return nil
}

func (h *health) damaged(err error) error {
	h.failed(err)
	return err
}

// Damaged notes that what was read here turned out to be damaged where it was used.
func (db *DB) Damaged(err error) { db.writer.health.failed(err) }

// looksSound tells JSON as it is stored, an object without blanks, from most of what a damaged page makes of it, at a
// fraction of the cost of reading it. NULL is sound. What it doubts may be JSON all the same.
func looksSound(body []byte) bool {
	if body == nil {
		return true
	}
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return false
	}
	for _, c := range body {
		if c < ' ' {
			return false
		}
	}
	return true
}
