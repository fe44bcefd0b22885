package index

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// frame is what the codes of a store have in common: vectors are coded by how they differ from the mean, as the rotation
// turns it. Embeddings of one model, and still more those of one store, lie to one side; without the mean most bits would
// be the same in all of them.
type frame struct {
	dims     int
	rotation *rotation
	mean     []float32 // rotated
}

func newFrame(dims int, mean []float32) *frame {
	f := &frame{dims: dims, rotation: newRotation(dims), mean: mean}
	f.rotation.apply(f.mean)
	return f
}

// words is how many words a code has.
func (f *frame) words() int {
	return (f.dims + 63) / 64
}

// codes are the signs of rotated vectors, with two numbers each that turn the likeness of signs into an inner product.
// For a vector x = mean + r and a question q = mean + p,
//
//	q·x = q·mean + p·r + r·mean,  and  p·r ≈ scale · Σ ±p,  scale = r·r / Σ|r|
//
// where the signs are those of r (the estimator of RaBitQ, Gao and Long, 2024): exact for p in the direction of r, and
// without bias for others. r·mean is kept as bias.
type codes struct {
	bits  []uint64 // words of the frame for each vector
	scale []float32
	bias  []float32
}

// encode writes the code of a packed vector to place i. room has dims numbers to work with.
func (f *frame) encode(packed []byte, c *codes, i int, room []float32) {
	for k := range room {
		room[k] = math.Float32frombits(binary.LittleEndian.Uint32(packed[4*k:]))
	}
	f.rotation.apply(room)
	var length, sum, bias float32
	words := c.bits[i*f.words() : (i+1)*f.words()]
	clear(words)
	for k, x := range room {
		m := f.mean[k]
		r := x - m
		length += r * r
		bias += r * m
		if r >= 0 {
			sum += r
			words[k/64] |= 1 << (k % 64)
		} else {
			sum -= r
		}
	}
	c.scale[i], c.bias[i] = 0, bias
	if sum > 0 {
		c.scale[i] = length / sum
	}
}

// probe is a question in the form that codes are compared with.
type probe struct {
	signs    []uint64
	likeness []float32      // what Σ ±p is expected to be when so many signs differ
	base     float32        // q·mean
	doubt    float32        // per unit of scale, what fine estimates are almost never wrong by
	table    [][256]float32 // for each byte of a code, what its signs add up to
}

// doubts is how many standard deviations of an estimate count as never.
const doubts = 3

// newProbe makes a question of a vector of length 1.
func (f *frame) newProbe(question []float32) *probe {
	p := append([]float32(nil), question...)
	f.rotation.apply(p)
	q := &probe{signs: make([]uint64, f.words()), likeness: make([]float32, f.dims+1), table: make([][256]float32, 8*f.words())}
	length := 0.0
	for k, m := range f.mean {
		q.base += p[k] * m
		p[k] -= m
		length += float64(p[k]) * float64(p[k])
		if p[k] >= 0 {
			q.signs[k/64] |= 1 << (k % 64)
		}
	}
	// The signs of r point |r|/scale/√dims = √(2/π) of the way to r. What of p lies across has the length that is left,
	// and adds |p|·√(1-2/π)·scale to the standard deviation of an estimate.
	//
	// At an angle a, a share of a/π of the signs differs, and Σ ±p is about |p|·√(2·dims/π)·cos a.
	full := math.Sqrt(length * 2 * float64(f.dims) / math.Pi)
	q.doubt = float32(doubts * math.Sqrt(length*(1-2/math.Pi)))
	for n := range q.likeness {
		q.likeness[n] = float32(full * math.Cos(math.Pi*float64(n)/float64(f.dims)))
	}
	for b := range q.table {
		row := &q.table[b]
		for k := 8 * b; k < min(8*b+8, f.dims); k++ {
			row[0] -= p[k]
		}
		for value := 1; value < 256; value++ {
			lowest := bits.TrailingZeros(uint(value))
			row[value] = row[value&(value-1)]
			if k := 8*b + lowest; k < f.dims {
				row[value] += 2 * p[k]
			}
		}
	}
	return q
}

// rough estimates the inner products with the codes from one place up to another, less q·mean, from signs alone.
func (q *probe) rough(c *codes, from, to int, estimates []float32) {
	words := len(q.signs)
	for i := from; i < to; i++ {
		differing := unlike(q.signs, c.bits[i*words:])
		estimates[i-from] = q.likeness[differing]*c.scale[i] + c.bias[i]
	}
}

// unlike counts the signs in which a code, at the start of code, differs from others.
func unlike(signs, code []uint64) int {
	code = code[:len(signs)]
	n, k := 0, 0
	for ; k+4 <= len(signs) && k+4 <= len(code); k += 4 {
		n += bits.OnesCount64(signs[k]^code[k]) + bits.OnesCount64(signs[k+1]^code[k+1]) +
			bits.OnesCount64(signs[k+2]^code[k+2]) + bits.OnesCount64(signs[k+3]^code[k+3])
	}
	for ; k < len(signs) && k < len(code); k++ {
		n += bits.OnesCount64(signs[k] ^ code[k])
	}
	return n
}

// fine estimates the inner product with one code from the question's numbers and the code's signs.
func (q *probe) fine(c *codes, i int) float32 {
	words := len(q.signs)
	var s0, s1 float32
	for k, word := range c.bits[i*words : (i+1)*words] {
		t := q.table[8*k : 8*k+8]
		s0 += t[0][word&255] + t[1][word>>8&255] + t[2][word>>16&255] + t[3][word>>24&255]
		s1 += t[4][word>>32&255] + t[5][word>>40&255] + t[6][word>>48&255] + t[7][word>>56]
	}
	return q.base + (s0+s1)*c.scale[i] + c.bias[i]
}
