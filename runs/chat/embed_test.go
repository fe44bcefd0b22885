package chat

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

func TestEmbed(t *testing.T) {
	s := &script{replies: []reply{
		{status: 500},
		{body: `{"data":[]}`},
		{body: `{"data":[{"index":1,"embedding":[3,4.5]},{"index":0,"embedding":"AACAPwAAAEA="}]}`},
	}}
	h := newHarness(t, Config{Upstreams: []Upstream{{Name: "other"}, {Name: "up", EmbeddingModel: "e"}}},
		map[string]http.Handler{"up": s, "other": http.NotFoundHandler()})
	vectors, of, err := h.Embed(t.Context(), "", []string{"a", "b"})
	require.NoError(t, err)
	require.Equal(t, "up/e", of)
	require.Equal(t, [][]float32{{1, 2}, {3, 4.5}}, vectors)
	require.Len(t, h.waits, 2)
	chattest.Holds(t, s.sent[0], []chattest.Assertion{{Path: "model", Equals: "e"}, {Path: "input.1", Equals: "b"}})

	s.replies = []reply{refusedWith("no")}
	_, _, err = h.Embed(t.Context(), "", []string{"a"})
	require.ErrorContains(t, err, "no")
}

// TestEmbedSaysWhatMayPass: only what may pass is repeated, here and by callers.
func TestEmbedSaysWhatMayPass(t *testing.T) {
	for name, c := range map[string]struct {
		reply
		passing bool
	}{
		"unknown model": {reply{status: 404, body: `{"error":{"message":"The model e does not exist","code":"model_not_found"}}`}, false},
		"bad request":   {reply{status: 400, body: `{"error":{"message":"input is invalid"}}`}, false},
		"other number":  {reply{body: `{"data":[{"embedding":[1]},{"embedding":[2]}]}`}, false},
		"rate limit":    {reply{status: 429, body: `{"error":{"message":"Rate limit reached"}}`}, true},
		"broken":        {reply{status: 503}, true},
		"cut off":       {reply{body: `{"data":[{"embedd`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			for range 10 {
				s.replies = append(s.replies, c.reply)
			}
			h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", EmbeddingModel: "e", MaxRetries: 1}}}, map[string]http.Handler{"up": s})
			_, _, err := h.Embed(t.Context(), "", []string{"a"})
			failed, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Equal(t, c.passing, failed.Passing, err)
			require.Equal(t, c.passing, len(s.sent) > 1)
		})
	}
}

func TestEmbedWithoutAModel(t *testing.T) {
	h := newHarness(t, Config{}, map[string]http.Handler{"up": http.NotFoundHandler()})
	_, _, err := h.Embed(t.Context(), "", []string{"a"})
	require.ErrorIs(t, err, ErrNoEmbedding)
	require.ErrorContains(t, err, "embedding_model")
}

// TestEmbedAsBefore: vectors can be compared with those of a store, whatever
// the configuration says since.
func TestEmbedAsBefore(t *testing.T) {
	s := &script{}
	h := newHarness(t, Config{Upstreams: []Upstream{{Name: "new", EmbeddingModel: "n"}, {Name: "up", EmbeddingModel: "e", EmbeddingDimensions: 2}}},
		map[string]http.Handler{"up": s, "new": s})
	for _, c := range []struct {
		name, of, model string
		dimensions      any
	}{
		{"", "new/n", "n", nil},
		{"up/org/older", "up/org/older", "org/older", nil},
		{"up/e#3", "up/e#3", "e", 3.0},
	} {
		s.replies = []reply{{body: `{"data":[{"index":0,"embedding":[1]}]}`}}
		_, of, err := h.Embed(t.Context(), c.name, []string{"a"})
		require.NoError(t, err)
		require.Equal(t, c.of, of)
		sent := s.sent[len(s.sent)-1]
		require.Equal(t, c.model, sent["model"])
		require.Equal(t, c.dimensions, sent["dimensions"])
	}
	_, _, err := h.Embed(t.Context(), "gone/e", []string{"a"})
	require.ErrorIs(t, err, ErrNoEmbedding)
	s.replies = []reply{{status: 404, body: `{"error":{"message":"The model older does not exist","code":"model_not_found"}}`}}
	_, _, err = h.Embed(t.Context(), "up/older", []string{"a"})
	require.ErrorIs(t, err, ErrNoEmbedding, "its upstream has the model no more")
}
