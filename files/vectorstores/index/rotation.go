package index

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// rotation turns vectors so that what they say is spread evenly over all their numbers. Embeddings hold most of it in few
// directions, and a code of one bit per number would spend most of its bits on noise.
//
// It is three times a random change of signs and a Walsh-Hadamard transform, which needs a power of two: the transforms
// take the first and the last such stretch of the vector in turn, so that they overlap where the length is none.
type rotation struct {
	signs  [3][]float32 // ±1, scaled so that lengths stay as they are
	window int
}

// newRotation makes the rotation for vectors of a length, the same one in every process.
func newRotation(dims int) *rotation {
	r := &rotation{window: 1 << (bits.Len(uint(dims)) - 1)}
	source := rand.NewPCG(uint64(dims), 0x5bd1e995) //nolint:gosec // a length
	scale := float32(1 / math.Sqrt(float64(r.window)))
	for pass := range r.signs {
		r.signs[pass] = make([]float32, r.window)
		for i := range r.signs[pass] {
			r.signs[pass][i] = scale
			if source.Uint64()&1 == 1 {
				r.signs[pass][i] = -scale
			}
		}
	}
	return r
}

// apply rotates v in place.
func (r *rotation) apply(v []float32) {
	for pass, signs := range r.signs {
		window := v[:r.window]
		if pass == 1 {
			window = v[len(v)-r.window:]
		}
		for i, s := range signs {
			window[i] *= s
		}
		hadamard(window)
	}
}

// hadamard is the Walsh-Hadamard transform, in place. The length is a power of two.
func hadamard(v []float32) {
	half := 1
	for quad := v; len(quad) >= 4; quad = quad[4:] { // the first two rounds at once: loops of one and two are slow
		a, b, c, d := quad[0]+quad[1], quad[0]-quad[1], quad[2]+quad[3], quad[2]-quad[3]
		quad[0], quad[1], quad[2], quad[3] = a+c, b+d, a-c, b-d
		half = 4
	}
	for ; half < len(v); half *= 2 {
		for rest := v; len(rest) > 0; rest = rest[2*half:] {
			low, high := rest[:half], rest[half:2*half]
			for i, a := range low {
				b := high[i]
				low[i], high[i] = a+b, a-b
			}
		}
	}
}
