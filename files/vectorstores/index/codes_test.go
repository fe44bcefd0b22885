package index

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func gaussian(source *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(source.NormFloat64())
	}
	return v
}

func product(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestRotationKeepsInnerProducts(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for _, dims := range []int{1, 2, 3, 64, 96, 100, 256, 1536} {
		r := newRotation(dims)
		a, b := gaussian(source, dims), gaussian(source, dims)
		before, length := product(a, b), product(a, a)
		r.apply(a)
		r.apply(b)
		require.InEpsilon(t, length, product(a, a), 1e-4, dims)
		require.InDelta(t, before, product(a, b), 1e-3*float64(dims), dims)
	}
	spike := make([]float32, 1536)
	spike[7] = 1
	newRotation(1536).apply(spike)
	require.Less(t, slices.Max(spike), float32(0.2), "what was in one place is spread over all")
}

// TestCodesEstimateInnerProducts compares the estimates with the truth, for lengths that fill no whole words too.
func TestCodesEstimateInnerProducts(t *testing.T) {
	source := rand.New(rand.NewPCG(3, 4))
	for _, dims := range []int{64, 100, 768, 1536} {
		f := newFrame(dims, normalise(gaussian(source, dims)))
		c := &codes{bits: make([]uint64, f.words()), scale: make([]float32, 1), bias: make([]float32, 1)}
		rough := make([]float32, 1)
		for range 20 {
			q := normalise(gaussian(source, dims))
			near := gaussian(source, dims)
			for i := range near {
				near[i] = near[i]/float32(math.Sqrt(float64(dims))) + q[i]
			}
			x := Pack(near)
			f.encode(x, c, 0, make([]float32, dims))
			p := f.newProbe(q)
			truth := float64(dotPacked(q, x))
			require.InDelta(t, truth, p.fine(c, 0), 5/math.Sqrt(float64(dims)))
			require.InDelta(t, truth, p.fine(c, 0), float64(p.doubt*c.scale[0]), "what is called almost never")
			p.rough(c, 0, 1, rough)
			require.InDelta(t, truth, float64(rough[0]+p.base), 8/math.Sqrt(float64(dims)))
		}
	}
}

// TestBestAreTheLargest draws values with many equal ones.
func TestBestAreTheLargest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Map(rapid.IntRange(-50, 50), func(i int) float32 { return float32(i) / 7 }), 0, 300).Draw(t, "values")
		n := rapid.IntRange(0, 320).Draw(t, "n")
		indexes := best(values, n)
		require.GreaterOrEqual(t, len(indexes), min(n, len(values)))
		require.True(t, slices.IsSorted(indexes))
		chosen := map[int]bool{}
		smallest := float32(math.Inf(1))
		for _, i := range indexes {
			chosen[i] = true
			smallest = min(smallest, values[i])
		}
		for i, v := range values {
			require.True(t, chosen[i] || v < smallest, "%v was left out, %v was not", v, smallest)
		}
	})
}

// TestRoughEstimatesAreTheSameInParts compares a store's estimates, made by several goroutines, with those one by one.
func TestRoughEstimatesAreTheSameInParts(t *testing.T) {
	source := rand.New(rand.NewPCG(7, 8))
	const dims, n = 64, 4 * share
	f := newFrame(dims, make([]float32, dims))
	set := &codeset{frame: f, codes: codes{bits: make([]uint64, n), scale: make([]float32, n), bias: make([]float32, n)}}
	for i := range n {
		set.bits[i], set.scale[i], set.bias[i] = source.Uint64(), source.Float32(), source.Float32()
	}
	p := f.newProbe(normalise(gaussian(source, dims)))
	among := []stretch{{5, 9}, {20, 20 + share}, {2 * share, n}}
	estimates := set.rough(p, among)
	for _, s := range among {
		want := make([]float32, s.to-s.from)
		p.rough(&set.codes, s.from, s.to, want)
		require.Equal(t, want, estimates[:len(want)])
		estimates = estimates[len(want):]
	}
	require.Empty(t, estimates)
}

func TestPositionsOfStretches(t *testing.T) {
	among := []stretch{{3, 5}, {9, 10}, {20, 24}}
	require.Equal(t, []int{3, 4, 9, 20, 23}, positions(among, []int{0, 1, 2, 3, 6}))
}

func TestPack(t *testing.T) {
	require.Equal(t, []byte{0x9a, 0x99, 0x19, 0x3f, 0xcd, 0xcc, 0x4c, 0x3f}, Pack([]float32{3, 4}))
	nan := float32(math.NaN())
	for _, v := range [][]float32{nil, {}, {0, 0}, {nan, 1}, {float32(math.Inf(1)), 1}} {
		require.Nil(t, Pack(v), v)
	}
	require.Equal(t, float32(25), dotPacked([]float32{3, 4, 0, 0, 1}, packedRaw(3, 4, 7, 8, 0)))
}

// packedRaw is a packed vector that was not brought to length 1.
func packedRaw(v ...float32) []byte {
	var packed []byte
	for _, x := range v {
		bits := math.Float32bits(x)
		packed = append(packed, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	}
	return packed
}

func TestIDs(t *testing.T) {
	id, err := ID(3, 5, 7)
	require.NoError(t, err)
	require.Equal(t, int64(5), fileOf(id))
	require.Equal(t, 7, Ordinal(id))
	first, last := OfFile(3, 5)
	require.Equal(t, first+7, id)
	require.Less(t, id, last)
	first, last = OfStore(3)
	require.True(t, first < id && id < last)
	largest, err := ID(1<<storeBits-1, 1<<fileBits-1, 1<<ordinalBits-1)
	require.NoError(t, err)
	require.Equal(t, int64(math.MaxInt64), largest)
	for _, c := range []struct {
		store, file int64
		ordinal     int
	}{{1 << storeBits, 0, 0}, {0, 1 << fileBits, 0}, {0, 0, 1 << ordinalBits}, {-1, 0, 0}, {0, 0, -1}} {
		_, err := ID(c.store, c.file, c.ordinal)
		require.Error(t, err)
	}
}
