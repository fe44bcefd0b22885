package chat

import (
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
}
