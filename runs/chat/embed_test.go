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
	vectors, err := h.Embed(t.Context(), []string{"a", "b"})
	require.NoError(t, err)
	require.Equal(t, [][]float32{{1, 2}, {3, 4.5}}, vectors)
	require.Len(t, h.waits, 2)
	chattest.Holds(t, s.sent[0], []chattest.Assertion{{Path: "model", Equals: "e"}, {Path: "input.1", Equals: "b"}})

	s.replies = []reply{refusedWith("no")}
	_, err = h.Embed(t.Context(), []string{"a"})
	require.ErrorContains(t, err, "no")
}

func TestEmbedWithoutAModel(t *testing.T) {
	h := newHarness(t, Config{}, map[string]http.Handler{"up": http.NotFoundHandler()})
	_, err := h.Embed(t.Context(), []string{"a"})
	require.ErrorContains(t, err, "embedding_model")
}
