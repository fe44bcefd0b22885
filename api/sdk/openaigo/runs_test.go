//go:build sdk

package openaigo

import (
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"

	"understudy/api/sdk/sdktest"
)

var (
	textEvents = []string{
		"thread.run.created", "thread.run.queued", "thread.run.in_progress",
		"thread.run.step.created", "thread.run.step.in_progress",
		"thread.message.created", "thread.message.in_progress", "thread.message.delta", "thread.message.completed",
		"thread.run.step.completed", "thread.run.completed",
	}
	callEvents   = slices.Concat(textEvents[:5], []string{"thread.run.step.delta", "thread.run.requires_action"})
	outputEvents = slices.Concat([]string{"thread.run.step.completed"}, textEvents[1:])
)

func TestRunAnswers(t *testing.T) {
	s := start(t)
	thread, assistant := s.thread("Hello there."), s.assistant("gpt-4o")
	run := s.run(thread.ID, assistant.ID)
	require.Equal(t, openai.RunStatusCompleted, run.Status)
	require.Equal(t, []string{"Hello there.", "Hello there."}, s.texts(thread.ID))
	require.Equal(t, run.Usage.TotalTokens, run.Usage.PromptTokens+run.Usage.CompletionTokens)
	require.Empty(t, run.LastError.JSON.Code.Raw())
	for name, present := range map[string]bool{
		"instructions": run.JSON.Instructions.Valid(), "tools": run.JSON.Tools.Valid(), "model": run.JSON.Model.Valid(),
		"parallel_tool_calls": run.JSON.ParallelToolCalls.Valid(), "truncation_strategy": run.JSON.TruncationStrategy.Valid(),
	} {
		require.True(t, present, name)
	}
	updated, err := s.Beta.Threads.Runs.Update(s.context, thread.ID, run.ID, openai.BetaThreadRunUpdateParams{Metadata: map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.Equal(t, "v", updated.Metadata["k"])
}

func TestRunCallsFunctions(t *testing.T) {
	s := start(t)
	assistant := s.assistant("gpt-4o", offer("weather"), offer("population"))
	made, err := s.Beta.Threads.NewAndRun(s.context, openai.BetaThreadNewAndRunParams{
		AssistantID: assistant.ID,
		Thread: openai.BetaThreadNewAndRunParamsThread{Messages: []openai.BetaThreadNewAndRunParamsThreadMessage{{
			Role: "user", Content: openai.BetaThreadNewAndRunParamsThreadMessageContentUnion{OfString: openai.String(askBoth)},
		}}},
	})
	require.NoError(t, err)
	run := s.wait(made)
	require.Equal(t, openai.RunStatusRequiresAction, run.Status)
	require.Len(t, run.RequiredAction.SubmitToolOutputs.ToolCalls, 2)
	_, err = s.Beta.Threads.Runs.New(s.context, run.ThreadID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID})
	require.Contains(t, refused(t, err, 400, "", ""), "already has an active run "+run.ID+".")

	submitted, err := s.Beta.Threads.Runs.SubmitToolOutputs(s.context, run.ThreadID, run.ID, outputs(run))
	require.NoError(t, err)
	require.NotEqual(t, openai.RunStatusRequiresAction, submitted.Status)
	require.Equal(t, openai.RunStatusCompleted, s.wait(run).Status)
	require.Contains(t, s.texts(run.ThreadID)[1], `weather answered "weather: 21"`)

	pager := s.Beta.Threads.Runs.Steps.ListAutoPaging(s.context, run.ThreadID, run.ID, openai.BetaThreadRunStepListParams{
		Limit: openai.Int(1), Include: []openai.RunStepInclude{openai.RunStepIncludeStepDetailsToolCallsFileSearchResultsContent},
	})
	var steps []openai.RunStep
	for pager.Next() {
		steps = append(steps, pager.Current())
	}
	require.NoError(t, pager.Err())
	require.Len(t, steps, 2)
	require.Equal(t, "message_creation", steps[0].StepDetails.Type)
	require.Equal(t, "population: 21", steps[1].StepDetails.ToolCalls[1].Function.Output)
}

func TestStreamAnswers(t *testing.T) {
	s := start(t)
	thread, assistant := s.thread("Hello there, how are you?"), s.assistant("gpt-4o")
	events, names := s.read(s.Beta.Threads.Runs.NewStreaming(s.context, thread.ID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID}))
	require.Equal(t, textEvents, names)
	var text strings.Builder
	for _, event := range events {
		if delta, ok := event.AsAny().(openai.AssistantStreamEventThreadMessageDelta); ok {
			text.WriteString(delta.Data.Delta.Content[0].Text.Value)
		}
	}
	require.Equal(t, "Hello there, how are you?", text.String())
	last, ok := events[len(events)-1].AsAny().(openai.AssistantStreamEventThreadRunCompleted)
	require.True(t, ok)
	stored, err := s.Beta.Threads.Runs.Get(s.context, thread.ID, last.Data.ID)
	require.NoError(t, err)
	require.JSONEq(t, stored.RawJSON(), last.Data.RawJSON())
}

func TestStreamCallsFunctions(t *testing.T) {
	s := start(t)
	thread, assistant := s.thread(ask), s.assistant("gpt-4o", offer("weather"))
	events, names := s.read(s.Beta.Threads.Runs.NewStreaming(s.context, thread.ID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID}))
	require.Equal(t, callEvents, names)
	run := events[len(events)-1].AsThreadRunRequiresAction().Data
	var arguments, calls string
	for _, event := range events {
		if delta, ok := event.AsAny().(openai.AssistantStreamEventThreadRunStepDelta); ok {
			call := delta.Data.Delta.StepDetails.ToolCalls[0]
			arguments += call.Function.Arguments
			calls += call.ID + call.Function.Name
			require.Equal(t, "function", call.Type)
		}
	}
	waiting := run.RequiredAction.SubmitToolOutputs.ToolCalls[0]
	require.Equal(t, waiting.Function.Arguments, arguments)
	require.Equal(t, waiting.ID+"weather", calls, "the id and the name come once")

	events, names = s.read(s.Beta.Threads.Runs.SubmitToolOutputsStreaming(s.context, thread.ID, run.ID, outputs(&run)))
	require.Equal(t, outputEvents, names)
	step := events[0].AsThreadRunStepCompleted().Data
	require.Equal(t, "weather: 21", step.StepDetails.ToolCalls[0].Function.Output)
}

func TestStreamCreatesTheThread(t *testing.T) {
	s := start(t)
	_, names := s.read(s.Beta.Threads.NewAndRunStreaming(s.context, openai.BetaThreadNewAndRunParams{
		AssistantID: s.assistant("gpt-4o").ID,
		Thread: openai.BetaThreadNewAndRunParamsThread{Messages: []openai.BetaThreadNewAndRunParamsThreadMessage{{
			Role: "user", Content: openai.BetaThreadNewAndRunParamsThreadMessageContentUnion{OfString: openai.String("Hi.")},
		}}},
	}))
	require.Equal(t, slices.Concat([]string{"thread.created"}, textEvents), names)
}

func TestStreamOfAFailedRun(t *testing.T) {
	s := start(t)
	thread, assistant := s.thread("Hi."), s.assistant(sdktest.Broken)
	events, names := s.read(s.Beta.Threads.Runs.NewStreaming(s.context, thread.ID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID}))
	require.Equal(t, slices.Concat(textEvents[:3], []string{"thread.run.failed"}), names)
	require.Equal(t, "server_error", events[3].AsThreadRunFailed().Data.LastError.Code)
}

func TestCancel(t *testing.T) {
	s := start(t)
	thread, assistant := s.thread("Hi."), s.assistant(sdktest.Slow)
	stream := s.Beta.Threads.Runs.NewStreaming(s.context, thread.ID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID})
	defer stream.Close()
	var names []string
	for stream.Next() {
		event := stream.Current()
		names = append(names, event.Event)
		if event.Event == "thread.run.in_progress" {
			_, err := s.Beta.Threads.Runs.Cancel(s.context, thread.ID, event.AsThreadRunInProgress().Data.ID)
			require.NoError(t, err)
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, slices.Concat(textEvents[:3], []string{"thread.run.cancelling", "thread.run.cancelled"}), names)
	require.Equal(t, openai.RunStatusCompleted, s.run(thread.ID, s.assistant("gpt-4o").ID).Status, "the thread is free again")
}

func TestRefusedRequestsAreSentAgain(t *testing.T) {
	proxy := sdktest.NewProxy(t, sdktest.Running(t), 500, 429)
	s := start(t, option.WithBaseURL(proxy.BaseURL))
	thread := s.thread("once")
	require.Equal(t, 3, proxy.Count("POST /v1/threads"))
	require.Equal(t, []string{"once"}, s.texts(thread.ID))
	proxy.Fail(429)
	_, err := s.Beta.Assistants.List(s.context, openai.BetaAssistantListParams{}, option.WithMaxRetries(0))
	var refusal *openai.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 429, refusal.StatusCode)
}

func TestPollIsHeld(t *testing.T) {
	s := start(t)
	thread, assistant := s.thread("Hi."), s.assistant(sdktest.Delayed)
	require.Equal(t, openai.RunStatusCompleted, s.run(thread.ID, assistant.ID).Status)
}

func TestKeysAreChecked(t *testing.T) {
	server := sdktest.Running(t)
	s := start(t, option.WithBaseURL(server.KeysBaseURL))
	s.thread()
	_, err := s.Beta.Threads.New(s.context, openai.BetaThreadNewParams{}, option.WithAPIKey("sk-wrong"))
	refused(t, err, 401, "", "invalid_api_key")
}
