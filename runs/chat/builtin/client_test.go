package builtin

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// client is somebody else's client, talking to the model over HTTP.
func client(t *testing.T) *openai.Client {
	t.Helper()
	server := httptest.NewServer(New(Options{Now: func() time.Time { return time.Unix(1234, 0) }}))
	t.Cleanup(server.Close)
	config := openai.DefaultConfig("any key")
	config.BaseURL = server.URL + "/some/prefix/v1"
	config.HTTPClient = server.Client()
	return openai.NewClientWithConfig(config)
}

var weather = openai.Tool{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
	Name: "get_weather",
	Parameters: map[string]any{
		"type":       "object",
		"properties": map[string]any{"city": map[string]any{"type": "string"}},
		"required":   []string{"city"},
	},
}}

func question(text string) []openai.ChatCompletionMessage {
	return []openai.ChatCompletionMessage{{Role: "user", Content: text}}
}

func TestClientConversation(t *testing.T) {
	c := client(t)
	request := openai.ChatCompletionRequest{Model: "gpt-4o", Messages: question("The weather in Rome?"), Tools: []openai.Tool{weather}}
	first, err := c.CreateChatCompletion(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, int64(1234), first.Created)
	require.Equal(t, openai.FinishReasonToolCalls, first.Choices[0].FinishReason)
	calls := first.Choices[0].Message.ToolCalls
	require.Len(t, calls, 1)
	require.JSONEq(t, `{"city":"Rome"}`, calls[0].Function.Arguments)

	request.Messages = append(request.Messages, first.Choices[0].Message,
		openai.ChatCompletionMessage{Role: "tool", ToolCallID: calls[0].ID, Content: "22 degrees"})
	second, err := c.CreateChatCompletion(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, `The tool get_weather answered "22 degrees".`, second.Choices[0].Message.Content)
}

func TestClientStreams(t *testing.T) {
	for _, request := range []openai.ChatCompletionRequest{
		{Messages: question("one two three")},
		{Messages: question("Rome"), Tools: []openai.Tool{weather}},
	} {
		request.Model = Model
		request.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
		stream, err := client(t).CreateChatCompletionStream(t.Context(), request)
		require.NoError(t, err)
		var text, arguments []string
		var finish openai.FinishReason
		var counted *openai.Usage
		for {
			chunk, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			counted = chunk.Usage
			for _, choice := range chunk.Choices {
				if choice.Delta.Content != "" {
					text = append(text, choice.Delta.Content)
				}
				for _, call := range choice.Delta.ToolCalls {
					if call.Function.Arguments != "" {
						arguments = append(arguments, call.Function.Arguments)
					}
				}
				finish = choice.FinishReason
			}
		}
		require.NoError(t, stream.Close())
		require.NotNil(t, counted)
		require.Equal(t, counted.PromptTokens+counted.CompletionTokens, counted.TotalTokens)
		if request.Tools == nil {
			require.Equal(t, []string{"one", " two", " three"}, text)
			require.Equal(t, openai.FinishReasonStop, finish)
			continue
		}
		require.GreaterOrEqual(t, len(arguments), 2)
		require.JSONEq(t, `{"city":"Rome"}`, strings.Join(arguments, ""))
		require.Equal(t, openai.FinishReasonToolCalls, finish)
	}
}

func TestClientSeesErrors(t *testing.T) {
	_, err := client(t).CreateChatCompletion(t.Context(), openai.ChatCompletionRequest{Model: "m"})
	var apiErr *openai.APIError
	require.ErrorAs(t, err, &apiErr)
	require.Equal(t, 400, apiErr.HTTPStatusCode)
	require.Equal(t, "messages", *apiErr.Param)
}

func TestClientLists(t *testing.T) {
	list, err := client(t).ListModels(t.Context())
	require.NoError(t, err)
	require.Equal(t, Model, list.Models[0].ID)
}

func TestClientEmbeds(t *testing.T) {
	c := client(t)
	embed := func(input any, dimensions int) [][]float32 {
		request := openai.EmbeddingRequest{Model: "m", Input: input, Dimensions: dimensions}
		floats, err := c.CreateEmbeddings(t.Context(), request)
		require.NoError(t, err)
		request.EncodingFormat = openai.EmbeddingEncodingFormatBase64
		packed, err := c.CreateEmbeddings(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, floats.Data, packed.Data, "both encodings carry the same vector")
		require.Positive(t, floats.Usage.PromptTokens)
		var vectors [][]float32
		for _, item := range floats.Data {
			vectors = append(vectors, item.Embedding)
			require.InDelta(t, 1, dot(item.Embedding, item.Embedding), 1e-5)
		}
		return vectors
	}
	vectors := embed([]string{
		"The invoice of March is overdue.", "Which invoices are overdue?", "Cats sleep all day.", "?!",
	}, 0)
	require.Len(t, vectors, 4)
	require.Len(t, vectors[0], defaultDimensions)
	require.Greater(t, dot(vectors[0], vectors[1]), dot(vectors[0], vectors[2])+0.2)
	require.Equal(t, vectors[2], embed("Cats sleep all day.", 0)[0])
	require.Len(t, embed("x", 7)[0], 7)
	require.Equal(t, embed([]int{5, 6}, 0)[0], embed([][]int{{5, 6}, {7}}, 0)[0], "token numbers")
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
