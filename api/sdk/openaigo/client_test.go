//go:build sdk

// Package openaigo is the suite for openai-go.
package openaigo

import (
	"context"
	"slices"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"

	"understudy/api/sdk/sdktest"
)

// suite is a client with the calls that most tests begin with.
type suite struct {
	*testing.T
	openai.Client
	context context.Context
}

func start(t *testing.T, opts ...option.RequestOption) suite {
	t.Helper()
	server := sdktest.Running(t)
	opts = append([]option.RequestOption{option.WithBaseURL(server.BaseURL), option.WithAPIKey(server.APIKey)}, opts...)
	return suite{T: t, Client: openai.NewClient(opts...), context: sdktest.Context(t)}
}

// held asks the server to hold a GET of a run until the run waits or is over,
// as the poll helpers of the other SDKs do.
var held = option.WithHeader("X-Stainless-Poll-Helper", "true")

func offer(name string) openai.AssistantToolUnionParam {
	return openai.AssistantToolParamOfFunction(shared.FunctionDefinitionParam{
		Name:        name,
		Description: openai.String("The " + name + " of a city."),
		Parameters: shared.FunctionParameters{
			"type":       "object",
			"properties": map[string]any{"city": map[string]any{"type": "string"}},
			"required":   []string{"city"},
		},
	})
}

const (
	ask     = "What is the weather in Paris?"
	askBoth = "What are the weather and the population in Paris?"
)

func (s suite) assistant(model string, tools ...openai.AssistantToolUnionParam) *openai.Assistant {
	s.Helper()
	made, err := s.Beta.Assistants.New(s.context, openai.BetaAssistantNewParams{
		Model: model, Instructions: openai.String("Answer in one sentence."), Tools: tools,
	})
	require.NoError(s, err)
	return made
}

func (s suite) thread(texts ...string) *openai.Thread {
	s.Helper()
	var params openai.BetaThreadNewParams
	for _, text := range texts {
		params.Messages = append(params.Messages, openai.BetaThreadNewParamsMessage{
			Role: "user", Content: openai.BetaThreadNewParamsMessageContentUnion{OfString: openai.String(text)},
		})
	}
	made, err := s.Beta.Threads.New(s.context, params)
	require.NoError(s, err)
	return made
}

// run runs the assistant until it waits for outputs or is over.
func (s suite) run(thread, assistant string) *openai.Run {
	s.Helper()
	made, err := s.Beta.Threads.Runs.New(s.context, thread, openai.BetaThreadRunNewParams{AssistantID: assistant})
	require.NoError(s, err)
	return s.wait(made)
}

func (s suite) wait(run *openai.Run) *openai.Run {
	s.Helper()
	done, err := s.Beta.Threads.Runs.Get(s.context, run.ThreadID, run.ID, held)
	require.NoError(s, err)
	return done
}

// texts are those of a thread's messages, oldest first.
func (s suite) texts(thread string) []string {
	s.Helper()
	pager := s.Beta.Threads.Messages.ListAutoPaging(s.context, thread, openai.BetaThreadMessageListParams{
		Limit: openai.Int(7), Order: openai.BetaThreadMessageListParamsOrderAsc,
	})
	var texts []string
	for pager.Next() {
		texts = append(texts, pager.Current().Content[0].Text.Value)
	}
	require.NoError(s, pager.Err())
	return texts
}

// outputs answers each call that the run waits for.
func outputs(run *openai.Run) openai.BetaThreadRunSubmitToolOutputsParams {
	var params openai.BetaThreadRunSubmitToolOutputsParams
	for _, call := range run.RequiredAction.SubmitToolOutputs.ToolCalls {
		params.ToolOutputs = append(params.ToolOutputs, openai.BetaThreadRunSubmitToolOutputsParamsToolOutput{
			ToolCallID: openai.String(call.ID), Output: openai.String(call.Function.Name + ": 21"),
		})
	}
	return params
}

// read reads a stream to its end: the events, and their names with a row of
// equal ones as one.
func (s suite) read(stream *ssestream.Stream[openai.AssistantStreamEventUnion]) ([]openai.AssistantStreamEventUnion, []string) {
	s.Helper()
	defer stream.Close()
	var events []openai.AssistantStreamEventUnion
	var names []string
	for stream.Next() {
		events = append(events, stream.Current())
		names = append(names, stream.Current().Event)
	}
	require.NoError(s, stream.Err())
	return events, slices.Compact(names)
}
