package chat

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxEmbedded is how many texts go into one request; every known backend
// takes as many.
const maxEmbedded = 64

// ErrNoEmbedding says that no upstream is configured to embed, or not the one
// that the texts should be embedded by.
var ErrNoEmbedding = errors.New("no upstream can embed")

// embedding is an upstream, its model, and how long vectors shall be; 0 = as
// long as the model makes them.
type embedding struct {
	upstream   *Upstream
	model      string
	dimensions int
}

// String is the name under which the same embedding is found again.
func (e embedding) String() string {
	name := e.upstream.Name + "/" + e.model
	if e.dimensions > 0 {
		name += dimensionsMark + strconv.Itoa(e.dimensions)
	}
	return name
}

// dimensionsMark stands before the dimensions in an embedding's name.
const dimensionsMark = "#"

// Embed turns texts into vectors, in their order, and answers the name of what
// made them. The zero name asks for the embedding model of the first upstream
// that has one; a name that was answered before asks for vectors that can be
// compared with those, whatever is configured since. The error is an *Error,
// which says whether it may pass, or ErrNoEmbedding, or the cause of the
// context's end.
func (c *Client) Embed(ctx context.Context, name string, texts []string) (vectors [][]float32, of string, err error) {
	e, err := c.embedding(name)
	if err != nil {
		return nil, "", err
	}
	vectors = make([][]float32, 0, len(texts))
	for batch := range slices.Chunk(texts, maxEmbedded) {
		part, f := c.embed(ctx, e, batch)
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		if f != nil {
			return nil, "", e.refused(name, f)
		}
		vectors = append(vectors, part...)
	}
	return vectors, e.String(), nil
}

// embedding finds what a name stands for.
func (c *Client) embedding(name string) (embedding, error) {
	for i := range c.config.Upstreams {
		u := &c.config.Upstreams[i]
		if name == "" && u.EmbeddingModel != "" {
			return embedding{u, u.EmbeddingModel, u.EmbeddingDimensions}, nil
		}
		rest, ok := strings.CutPrefix(name, u.Name+"/")
		if name == "" || !ok {
			continue
		}
		model, digits, _ := strings.Cut(rest, dimensionsMark)
		dimensions, _ := strconv.Atoi(digits) // what String wrote
		return embedding{u, model, dimensions}, nil
	}
	if name == "" {
		return embedding{}, fmt.Errorf("%w: none has an embedding_model in the server's configuration", ErrNoEmbedding)
	}
	return embedding{}, fmt.Errorf("%w as %q: its upstream is not configured any more", ErrNoEmbedding, name)
}

// refused is the error for a request that failed. Who asks for vectors as
// before of a model that its upstream has no more can have none.
func (e embedding) refused(name string, f *failure) error {
	err := &Error{Code: f.code, Message: redact(f.message, e.upstream.secrets()), Overflow: f.overflow, Passing: f.retry}
	if name != "" && f.unknown {
		return fmt.Errorf("%w as %q: %w", ErrNoEmbedding, name, err)
	}
	return err
}

// embed makes one request and repeats it while that is worth it.
func (c *Client) embed(ctx context.Context, e embedding, texts []string) ([][]float32, *failure) {
	request := map[string]any{"model": e.model, "input": texts}
	if e.dimensions > 0 {
		request["dimensions"] = e.dimensions
	}
	u := e.upstream
	body, err := marshal(request)
	if err != nil {
		return nil, unwritable()
	}
	retries := newRetries(u.MaxRetries, c.config)
	for try := 1; ; try++ {
		var vectors [][]float32
		x := c.exchange(u)
		f := x.post(ctx, "/embeddings", body, false, func(answer *watchedBody) {
			vectors, err = readVectors(answer, len(texts))
		})
		if f == nil && err != nil {
			f = &failure{code: ServerError, retry: !errors.Is(err, errVectorsCount), message: fmt.Sprintf(
				"The upstream %q answered with no usable embeddings: %s.", u.Name, err)}
		}
		if ctx.Err() == nil {
			x.gate.judge(ctx, try, f)
		}
		if f == nil || ctx.Err() != nil {
			return vectors, f
		}
		wait, again := retries.next(f)
		if !again || c.config.Sleep(ctx, wait) != nil {
			return nil, f
		}
	}
}

var (
	errNoVectors    = errors.New("the answer is not a list of vectors")
	errVectorsCount = errors.New("the number of vectors is not the number of texts")
)

// readVectors reads an answer with n vectors, which may come in any order, as
// numbers or as base64 of little-endian float32.
func readVectors(body io.Reader, n int) ([][]float32, error) {
	raw, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil || !json.Valid(raw) {
		return nil, errNoVectors
	}
	vectors := make([][]float32, n)
	next := 0
	members(raw, func(key, value []byte) {
		if string(key) != "data" {
			return
		}
		elements(value, func(entry []byte) {
			index := next
			next++
			var vector []float32
			members(entry, func(key, value []byte) {
				switch string(key) {
				case "index":
					if i, ok := intOf(value); ok {
						index = i
					}
				case "embedding":
					vector = readVector(value)
				}
			})
			if index >= 0 && index < n {
				vectors[index] = vector
			}
		})
	})
	switch {
	case next == 0:
		return nil, errNoVectors
	case next != n || slices.ContainsFunc(vectors, func(v []float32) bool { return len(v) == 0 }):
		return nil, errVectorsCount
	}
	return vectors, nil
}

func readVector(raw []byte) []float32 {
	var vector []float32
	if isString(raw) {
		data, err := base64.StdEncoding.DecodeString(stringOf(raw))
		if err != nil {
			return nil
		}
		for ; len(data) >= 4; data = data[4:] {
			vector = append(vector, math.Float32frombits(binary.LittleEndian.Uint32(data)))
		}
		return vector
	}
	if json.Unmarshal(raw, &vector) != nil {
		return nil
	}
	return vector
}
