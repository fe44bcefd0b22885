package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
)

// recipe makes the rows of a store, always the same ones.
//
// Clustered rows are what embeddings look like: all lie to one side (a common offset), topics of 100 chunks lie around
// centres of their own, and the numbers fall off like a power, so that few directions hold most of what there is to say.
// Isotropic rows have no structure at all: everything is about as far from everything else, and no code can be right.
type recipe struct {
	n, dims  int
	offset   []float32
	spectrum []float32 // nil for isotropic rows
	centres  [][]float32
}

const (
	topicSize     = 100
	topicSpread   = 0.7 // of a row around its centre, in the centres' own spread
	spectrumFalls = 0.5 // the power
	recipeSeed    = 1
)

func clusteredRecipe(n, dims int) *recipe {
	r := &recipe{n: n, dims: dims, spectrum: make([]float32, dims), centres: make([][]float32, max(n/topicSize, 1))}
	for i := range r.spectrum {
		r.spectrum[i] = float32(math.Pow(float64(i+1), -spectrumFalls))
	}
	source := rand.New(rand.NewPCG(recipeSeed, uint64(n))) //nolint:gosec // the same rows every time
	r.offset = r.draw(source)
	for i := range r.centres {
		r.centres[i] = r.draw(source)
	}
	return r
}

func isotropicRecipe(n, dims int) *recipe {
	return &recipe{n: n, dims: dims}
}

// draw makes a random vector of the recipe's spectrum.
func (r *recipe) draw(source *rand.Rand) []float32 {
	v := make([]float32, r.dims)
	for i := range v {
		v[i] = float32(source.NormFloat64())
		if r.spectrum != nil {
			v[i] *= r.spectrum[i]
		}
	}
	return v
}

// vector makes one row, of length 1. Numbers from n on are rows that are not stored: questions.
func (r *recipe) vector(i int) []float32 {
	source := rand.New(rand.NewPCG(recipeSeed+1, uint64(i))) //nolint:gosec // the same rows every time
	v := r.draw(source)
	if r.spectrum != nil {
		centre := r.centres[r.topic(i)]
		for k := range v {
			v[k] = r.offset[k] + centre[k] + topicSpread*v[k]
		}
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	scale := float32(1 / math.Sqrt(sum))
	for k := range v {
		v[k] *= scale
	}
	return v
}

// topic is a row's topic. Rows of a topic are scattered over the store.
func (r *recipe) topic(i int) int {
	return i * 7919 % max(len(r.centres), 1)
}

// rows makes all vectors, one behind the other.
func (r *recipe) rows() []float32 {
	flat := make([]float32, r.n*r.dims)
	var workers sync.WaitGroup
	for worker := range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := worker; i < r.n; i += runtime.GOMAXPROCS(0) {
				copy(flat[i*r.dims:], r.vector(i))
			}
		})
	}
	workers.Wait()
	return flat
}

const (
	chunkWords    = 120
	questionWords = 8
)

// text makes a text: every fourth word is one of a topic's twenty, the others are of the language, common ones often, as
// Zipf found.
func (r *recipe) text(i, words int) string {
	source := rand.New(rand.NewPCG(recipeSeed+2, uint64(i))) //nolint:gosec // the same rows every time
	language := rand.NewZipf(source, 1.1, 4, 50_000)
	var text strings.Builder
	for k := range words {
		if k%4 == 0 {
			fmt.Fprintf(&text, "topic%dword%d ", r.topic(i), source.IntN(20))
		} else {
			fmt.Fprintf(&text, "w%s ", letters(language.Uint64()))
		}
	}
	return text.String()
}

// letters writes a number in letters.
func letters(n uint64) string {
	word := ""
	for ; n > 0 || word == ""; n /= 26 {
		word += string(rune('a' + n%26))
	}
	return word
}
