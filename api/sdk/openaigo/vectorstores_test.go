//go:build sdk

package openaigo

import (
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/stretchr/testify/require"
)

func TestVectorStoreHelpers(t *testing.T) {
	s := start(t)
	made, err := s.VectorStores.New(s.context, openai.VectorStoreNewParams{Name: openai.String("facts")})
	require.NoError(t, err)
	upload := func(name, text string) openai.FileNewParams {
		return openai.FileNewParams{File: openai.File(strings.NewReader(text), name, "text/plain"), Purpose: openai.FilePurposeAssistants}
	}
	first, err := s.VectorStores.Files.UploadAndPoll(s.context, made.ID, upload("food.txt", "Filip likes pizza."), 0)
	require.NoError(t, err)
	require.Equal(t, openai.VectorStoreFileStatusCompleted, first.Status)

	uploaded, err := s.Files.New(s.context, upload("city.md", "# Berlin"))
	require.NoError(t, err)
	second, err := s.VectorStores.Files.NewAndPoll(s.context, made.ID, openai.VectorStoreFileNewParams{
		FileID:     uploaded.ID,
		Attributes: map[string]openai.VectorStoreFileNewParamsAttributeUnion{"kind": {OfString: openai.String("city")}},
	}, 0)
	require.NoError(t, err)
	require.Equal(t, "city", second.Attributes["kind"].OfString)

	batch, err := s.VectorStores.FileBatches.UploadAndPoll(s.context, made.ID, []openai.FileNewParams{upload("a.txt", "a"), upload("b.txt", "b")}, nil, 0)
	require.NoError(t, err)
	require.Equal(t, openai.VectorStoreFileBatchStatusCompleted, batch.Status)
	require.EqualValues(t, 2, batch.FileCounts.Completed)

	found, err := s.VectorStores.Search(s.context, made.ID, openai.VectorStoreSearchParams{
		Query: openai.VectorStoreSearchParamsQueryUnion{OfString: openai.String("What does Filip like?")}, MaxNumResults: openai.Int(1),
	})
	require.NoError(t, err)
	require.Len(t, found.Data, 1)
	require.Equal(t, "food.txt", found.Data[0].Filename)
	require.Equal(t, "Filip likes pizza.", found.Data[0].Content[0].Text)
}
