package builtin

import (
	"encoding/json"
	"math/big"
)

// bounds is the range a numeric schema allows; nil means unlimited.
type bounds struct {
	low, high         *big.Rat
	lowOpen, highOpen bool
	step              *big.Rat // multipleOf
}

// boundsOf reads both spellings of exclusive bounds: a number of its own, and
// draft 4's boolean beside minimum or maximum.
func boundsOf(s schema) bounds {
	b := bounds{low: s.number("minimum"), high: s.number("maximum"), step: s.number("multipleOf")}
	b.lowOpen, _ = keyword[bool](s, "exclusiveMinimum")
	b.highOpen, _ = keyword[bool](s, "exclusiveMaximum")
	if open := s.number("exclusiveMinimum"); open != nil && (b.low == nil || open.Cmp(b.low) >= 0) {
		b.low, b.lowOpen = open, true
	}
	if open := s.number("exclusiveMaximum"); open != nil && (b.high == nil || open.Cmp(b.high) <= 0) {
		b.high, b.highOpen = open, true
	}
	if b.step != nil && b.step.Sign() <= 0 {
		b.step = nil
	}
	return b
}

// plausibleNumbers are numbers that may satisfy a schema, best first; each
// variant gives another one where the schema leaves room.
func plausibleNumbers(s schema, whole bool, variant int) []json.RawMessage {
	b := boundsOf(s)
	step := b.step
	switch {
	case step == nil:
		step = big.NewRat(1, 1)
	case whole && !step.IsInt():
		// A multiple of its numerator is whole and a multiple of the step.
		step = new(big.Rat).SetInt(step.Num())
	}
	shift := new(big.Rat).Mul(step, big.NewRat(int64(variant), 1))
	// One is the friendliest number, if the range has it; then its ends.
	list := []*big.Rat{new(big.Rat).Add(multipleFrom(big.NewRat(1, 1), step), shift)}
	if b.low != nil {
		first := multipleFrom(b.low, step)
		if b.lowOpen && first.Cmp(b.low) == 0 {
			first.Add(first, step)
		}
		list = append(list, first.Add(first, shift))
	}
	if b.high != nil {
		below := new(big.Rat).Neg(multipleFrom(new(big.Rat).Neg(b.high), step))
		if b.highOpen && below.Cmp(b.high) == 0 {
			below.Sub(below, step)
		}
		list = append(list, below.Sub(below, shift))
	}
	if b.low != nil && b.high != nil && !whole {
		// The range may be narrower than one step: take a part of it.
		share := big.NewRat(1, 2)
		if variant > 0 {
			share.SetFrac64(int64(variant), 1000)
		}
		part := new(big.Rat).Sub(b.high, b.low)
		part.Mul(part, share)
		list = append(list, part.Add(part, b.low))
	}
	encoded := make([]json.RawMessage, len(list))
	for i, r := range list {
		digits, _ := r.FloatPrec()
		encoded[i] = json.RawMessage(r.FloatString(digits))
	}
	return encoded
}

// multipleFrom is the smallest multiple of step that is not below r.
func multipleFrom(r, step *big.Rat) *big.Rat {
	quotient := new(big.Rat).Quo(r, step)
	whole := new(big.Int).Div(quotient.Num(), quotient.Denom())
	if !quotient.IsInt() {
		whole.Add(whole, big.NewInt(1))
	}
	return new(big.Rat).Mul(step, new(big.Rat).SetInt(whole))
}
