package index

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Chunk is a piece of a file's text.
type Chunk struct {
	Ordinal int    // its number in the file, from 0
	Text    string // what is searched and shown
	Tokens  int    // of Text
	Page    int    // the page it begins on, from 1; 0 when the format has no pages

	// Start and End are characters (Unicode code points) of the file's extracted text.
	Start, End int

	// Vector is the embedding of Text, of any length but zero; nil means that the chunk is found by its words only.
	Vector []float32
}

// An id is the place of a chunk: the store's key in the highest bits, below it the file's number in the store, then the
// chunk's number in the file. Order by id is therefore order by store, file and place in the file.
const (
	ordinalBits = 19 // 524,288 chunks in a file
	fileBits    = 21 // 2,097,152 files attached to a store during its life
	storeBits   = 63 - fileBits - ordinalBits
)

// ID answers the id of a chunk, or says which number is too large for it.
func ID(store, file int64, ordinal int) (int64, error) {
	switch {
	case store < 0 || store >= 1<<storeBits:
		return 0, fmt.Errorf("the database holds %d vector stores at most over its life", int64(1)<<storeBits)
	case file < 0 || file >= 1<<fileBits:
		return 0, fmt.Errorf("a vector store takes %d files at most over its life", 1<<fileBits)
	case ordinal < 0 || ordinal >= 1<<ordinalBits:
		return 0, fmt.Errorf("a file has %d chunks at most", 1<<ordinalBits)
	}
	return store<<(fileBits+ordinalBits) | file<<ordinalBits | int64(ordinal), nil
}

// OfStore answers the first and the last id that chunks of a store can have.
func OfStore(store int64) (first, last int64) {
	first = store << (fileBits + ordinalBits)
	return first, first | (1<<(fileBits+ordinalBits) - 1)
}

// OfFile answers the first and the last id that chunks of a file can have.
func OfFile(store, file int64) (first, last int64) {
	first = store<<(fileBits+ordinalBits) | file<<ordinalBits
	return first, first | (1<<ordinalBits - 1)
}

// fileOf is the file's number in an id.
func fileOf(id int64) int64 {
	return id >> ordinalBits & (1<<fileBits - 1)
}

// Ordinal is the chunk's number in its file, as its id tells.
func Ordinal(id int64) int {
	return int(id & (1<<ordinalBits - 1))
}

// Pack brings a vector to length 1 and into the form it is stored in, little-endian float32. A vector without a
// direction, because it is all zeros or holds something that is no number, is packed into nil.
func Pack(vector []float32) []byte {
	unit := normalise(vector)
	if unit == nil {
		return nil
	}
	packed := make([]byte, 0, 4*len(unit))
	for _, x := range unit {
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(x))
	}
	return packed
}

// normalise answers a copy of length 1, or nil for a vector without a direction.
func normalise(vector []float32) []float32 {
	sum := 0.0
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return nil
	}
	unit := make([]float32, len(vector))
	scale := 1 / math.Sqrt(sum)
	for i, x := range vector {
		unit[i] = float32(float64(x) * scale)
	}
	return unit
}

// addPacked adds the numbers of a packed vector to a sum.
func addPacked(sum []float64, packed []byte) {
	for i := range sum {
		sum[i] += float64(math.Float32frombits(binary.LittleEndian.Uint32(packed[4*i:])))
	}
}

// dotPacked is the inner product of a vector with a packed one of the same length.
func dotPacked(a []float32, packed []byte) float32 {
	var s0, s1, s2, s3 float32
	packed = packed[:4*len(a)]
	for len(a) >= 4 && len(packed) >= 16 {
		s0 += a[0] * math.Float32frombits(binary.LittleEndian.Uint32(packed))
		s1 += a[1] * math.Float32frombits(binary.LittleEndian.Uint32(packed[4:]))
		s2 += a[2] * math.Float32frombits(binary.LittleEndian.Uint32(packed[8:]))
		s3 += a[3] * math.Float32frombits(binary.LittleEndian.Uint32(packed[12:]))
		a, packed = a[4:], packed[16:]
	}
	for i, x := range a {
		s0 += x * math.Float32frombits(binary.LittleEndian.Uint32(packed[4*i:]))
	}
	return s0 + s1 + s2 + s3
}
