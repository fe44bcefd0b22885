//go:build sdk

// Package goopenai is the suite for go-openai, which decodes strictly by Go
// types and has no streaming for assistants.
package goopenai

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/sashabaranov/go-openai/jsonschema"
	"github.com/stretchr/testify/require"

	"understudy/api/sdk/sdktest"
)

const ask = "What is the weather in Paris?"

var weather = openai.FunctionDefinition{
	Name: "weather",
	Parameters: jsonschema.Definition{
		Type:       jsonschema.Object,
		Properties: map[string]jsonschema.Definition{"city": {Type: jsonschema.String}},
		Required:   []string{"city"},
	},
}

// patient lets the server hold each GET until a run waits or is over: this SDK
// has no poll helper of its own.
type patient struct{}

func (patient) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		r.Header.Set("Prefer", "wait=20")
	}
	return http.DefaultClient.Do(r)
}

type suite struct {
	*testing.T
	*openai.Client
	context context.Context
}

// everywhere runs a test as the hosted API's client and as Azure's.
func everywhere(t *testing.T, test func(suite)) {
	server := sdktest.Running(t)
	azure := openai.DefaultAzureConfig(server.APIKey, server.Root())
	azure.APIVersion = "2024-05-01-preview"
	for name, config := range map[string]openai.ClientConfig{"hosted": hosted(server), "azure": azure} {
		config.HTTPClient = patient{}
		config.AssistantVersion = "v2"
		t.Run(name, func(t *testing.T) {
			test(suite{t, openai.NewClientWithConfig(config), sdktest.Context(t)})
		})
	}
}

func hosted(server sdktest.Server) openai.ClientConfig {
	config := openai.DefaultConfig(server.APIKey)
	config.BaseURL = server.BaseURL
	return config
}

func (s suite) assistant(model string, tools ...openai.AssistantTool) openai.Assistant {
	s.Helper()
	made, err := s.CreateAssistant(s.context, openai.AssistantRequest{Model: model, Instructions: new("Help."), Tools: tools})
	require.NoError(s, err)
	return made
}

func (s suite) thread(texts ...string) openai.Thread {
	s.Helper()
	var request openai.ThreadRequest
	for _, text := range texts {
		request.Messages = append(request.Messages, openai.ThreadMessage{Role: openai.ThreadMessageRoleUser, Content: text})
	}
	made, err := s.CreateThread(s.context, request)
	require.NoError(s, err)
	return made
}

// run runs the assistant until it waits for outputs or is over.
func (s suite) run(thread string, request openai.RunRequest) openai.Run {
	s.Helper()
	made, err := s.CreateRun(s.context, thread, request)
	require.NoError(s, err)
	done, err := s.RetrieveRun(s.context, thread, made.ID)
	require.NoError(s, err)
	return done
}

// noCode is what the SDK makes of a code that is null.
const noCode = 0

// refused asserts that the SDK made its own error of a refusal.
func refused(t *testing.T, err error, status int, param, code any) {
	t.Helper()
	var refusal *openai.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, status, refusal.HTTPStatusCode, refusal.Message)
	require.Equal(t, code, refusal.Code)
	if param == nil {
		require.Nil(t, refusal.Param)
		return
	}
	require.Equal(t, param, *refusal.Param)
}

func TestAssistants(t *testing.T) {
	everywhere(t, func(s suite) {
		made := s.assistant("gpt-4o", openai.AssistantTool{Type: openai.AssistantToolTypeFunction, Function: &weather})
		require.Equal(s, "weather", made.Tools[0].Function.Name)
		s.assistant("gpt-4o")
		again, err := s.RetrieveAssistant(s.context, made.ID)
		require.NoError(s, err)
		require.Equal(s, made.Tools, again.Tools)
		// The SDK sends "model":"" here.
		changed, err := s.ModifyAssistant(s.context, made.ID, openai.AssistantRequest{Name: new("Poet")})
		require.NoError(s, err)
		require.Equal(s, "gpt-4o", changed.Model)
		require.Equal(s, "Poet", *changed.Name)
		listed, err := s.ListAssistants(s.context, new(1), nil, nil, nil)
		require.NoError(s, err)
		require.Len(s, listed.Assistants, 1)
		require.True(s, listed.HasMore)
		deleted, err := s.DeleteAssistant(s.context, made.ID)
		require.NoError(s, err)
		require.True(s, deleted.Deleted)
		_, err = s.RetrieveAssistant(s.context, made.ID)
		refused(s.T, err, 404, nil, noCode)
	})
}

func TestThreadsAndMessages(t *testing.T) {
	everywhere(t, func(s suite) {
		var texts, found []string
		for i := range 105 {
			texts = append(texts, fmt.Sprint("message ", i))
		}
		thread := s.thread(texts...)
		// The SDK sends "metadata":null here.
		_, err := s.ModifyThread(s.context, thread.ID, openai.ModifyThreadRequest{})
		require.NoError(s, err)
		var after *string
		for more := true; more; {
			page, err := s.ListMessage(s.context, thread.ID, new(21), new("asc"), after, nil, nil)
			require.NoError(s, err)
			for _, message := range page.Messages {
				found = append(found, message.Content[0].Text.Value)
			}
			after, more = page.LastID, page.HasMore
		}
		require.Equal(s, texts, found)

		file, err := s.CreateFileBytes(s.context, openai.FileBytesRequest{Name: "notes.txt", Bytes: []byte("Sand."), Purpose: openai.PurposeAssistants})
		require.NoError(s, err)
		message, err := s.CreateMessage(s.context, thread.ID, openai.MessageRequest{
			Role: "user", Content: "Read.",
			Attachments: []openai.ThreadAttachment{{FileID: file.ID, Tools: []openai.ThreadAttachmentTool{{Type: "code_interpreter"}}}},
		})
		require.NoError(s, err)
		changed, err := s.ModifyMessage(s.context, thread.ID, message.ID, map[string]string{"k": "v"})
		require.NoError(s, err)
		require.Equal(s, "v", changed.Metadata["k"])
		_, err = s.DeleteMessage(s.context, thread.ID, message.ID)
		require.NoError(s, err)
		_, err = s.RetrieveMessage(s.context, thread.ID, message.ID)
		refused(s.T, err, 404, nil, noCode)
		_, err = s.DeleteThread(s.context, thread.ID)
		require.NoError(s, err)
	})
}

func TestRunThroughAFunctionCall(t *testing.T) {
	everywhere(t, func(s suite) {
		assistant := s.assistant("gpt-4o", openai.AssistantTool{Type: openai.AssistantToolTypeFunction, Function: &weather})
		made, err := s.CreateThreadAndRun(s.context, openai.CreateThreadAndRunRequest{
			RunRequest: openai.RunRequest{AssistantID: assistant.ID},
			Thread:     openai.ThreadRequest{Messages: []openai.ThreadMessage{{Role: openai.ThreadMessageRoleUser, Content: ask}}},
		})
		require.NoError(s, err)
		run, err := s.RetrieveRun(s.context, made.ThreadID, made.ID)
		require.NoError(s, err)
		require.Equal(s, openai.RunStatusRequiresAction, run.Status)
		call := run.RequiredAction.SubmitToolOutputs.ToolCalls[0]
		require.Equal(s, "weather", call.Function.Name)
		_, err = s.CreateRun(s.context, run.ThreadID, openai.RunRequest{AssistantID: assistant.ID})
		refused(s.T, err, 400, nil, noCode)

		_, err = s.SubmitToolOutputs(s.context, run.ThreadID, run.ID, openai.SubmitToolOutputsRequest{
			ToolOutputs: []openai.ToolOutput{{ToolCallID: call.ID, Output: "21 degrees"}},
		})
		require.NoError(s, err)
		run, err = s.RetrieveRun(s.context, run.ThreadID, run.ID)
		require.NoError(s, err)
		require.Equal(s, openai.RunStatusCompleted, run.Status)
		require.Equal(s, run.Usage.TotalTokens, run.Usage.PromptTokens+run.Usage.CompletionTokens)
		messages, err := s.ListMessage(s.context, run.ThreadID, nil, nil, nil, nil, &run.ID)
		require.NoError(s, err)
		require.Len(s, messages.Messages, 1)
		require.Contains(s, messages.Messages[0].Content[0].Text.Value, "21 degrees")

		steps, err := s.ListRunSteps(s.context, run.ThreadID, run.ID, openai.Pagination{})
		require.NoError(s, err)
		types := []openai.RunStepType{steps.RunSteps[0].Type, steps.RunSteps[1].Type}
		require.Equal(s, []openai.RunStepType{openai.RunStepTypeMessageCreation, openai.RunStepTypeToolCalls}, types)
		step, err := s.RetrieveRunStep(s.context, run.ThreadID, run.ID, steps.RunSteps[1].ID)
		require.NoError(s, err)
		require.Equal(s, call.ID, step.StepDetails.ToolCalls[0].ID)
		_, err = s.CancelRun(s.context, run.ThreadID, run.ID)
		refused(s.T, err, 400, nil, noCode)
		_, err = s.ModifyRun(s.context, run.ThreadID, run.ID, openai.RunModifyRequest{Metadata: map[string]any{"k": "v"}})
		require.NoError(s, err)
	})
}

func TestRunAnswersFailsAndIsCancelled(t *testing.T) {
	everywhere(t, func(s suite) {
		thread := s.thread("Hello.")
		run := s.run(thread.ID, openai.RunRequest{
			AssistantID: s.assistant("gpt-4o").ID, AdditionalInstructions: "Be brief.", ToolChoice: "none", ParallelToolCalls: false,
		})
		require.Equal(s, openai.RunStatusCompleted, run.Status)
		run = s.run(thread.ID, openai.RunRequest{AssistantID: s.assistant(sdktest.Broken).ID})
		require.Equal(s, openai.RunStatusFailed, run.Status)
		require.Equal(s, openai.RunErrorServerError, run.LastError.Code)
		made, err := s.CreateRun(s.context, thread.ID, openai.RunRequest{AssistantID: s.assistant(sdktest.Slow).ID})
		require.NoError(s, err)
		_, err = s.CancelRun(s.context, thread.ID, made.ID)
		require.NoError(s, err)
		run, err = s.RetrieveRun(s.context, thread.ID, made.ID)
		require.NoError(s, err)
		require.Equal(s, openai.RunStatusCancelled, run.Status)
		runs, err := s.ListRuns(s.context, thread.ID, openai.Pagination{Limit: new(2)})
		require.NoError(s, err)
		require.Len(s, runs.Runs, 2)
		require.Equal(s, made.ID, runs.Runs[0].ID)
	})
}

func TestFilesAndModels(t *testing.T) {
	everywhere(t, func(s suite) {
		content := bytes.Repeat([]byte("abcdefg\x00"), 1<<16)
		made, err := s.CreateFileBytes(s.context, openai.FileBytesRequest{Name: "data.bin", Bytes: content, Purpose: openai.PurposeAssistants})
		require.NoError(s, err)
		require.Equal(s, len(content), made.Bytes)
		body, err := s.GetFileContent(s.context, made.ID)
		require.NoError(s, err)
		defer body.Close()
		read, err := io.ReadAll(body)
		require.NoError(s, err)
		require.True(s, bytes.Equal(content, read))
		files, err := s.ListFiles(s.context)
		require.NoError(s, err)
		require.True(s, slices.ContainsFunc(files.Files, func(f openai.File) bool { return f.ID == made.ID }))
		require.NoError(s, s.DeleteFile(s.context, made.ID))
		_, err = s.GetFile(s.context, made.ID)
		refused(s.T, err, 404, "id", noCode)
		models, err := s.ListModels(s.context)
		require.NoError(s, err)
		model, err := s.GetModel(s.context, models.Models[0].ID)
		require.NoError(s, err)
		require.Equal(s, models.Models[0].ID, model.ID)
	})
}

func TestVersionOne(t *testing.T) {
	server := sdktest.Running(t)
	config := hosted(server)
	config.AssistantVersion, config.HTTPClient = "v1", patient{}
	s := suite{t, openai.NewClientWithConfig(config), sdktest.Context(t)}
	file, err := s.CreateFileBytes(s.context, openai.FileBytesRequest{Name: "notes.txt", Bytes: []byte("Sand."), Purpose: openai.PurposeAssistants})
	require.NoError(t, err)
	assistant, err := s.CreateAssistant(s.context, openai.AssistantRequest{
		Model: "gpt-4o", Instructions: new("Help."), FileIDs: []string{file.ID},
		Tools: []openai.AssistantTool{{Type: openai.AssistantToolTypeRetrieval}},
	})
	require.NoError(t, err)
	require.Equal(t, []string{file.ID}, assistant.FileIDs)
	files, err := s.ListAssistantFiles(s.context, assistant.ID, nil, nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, file.ID, files.AssistantFiles[0].ID)
	require.NoError(t, s.DeleteAssistantFile(s.context, assistant.ID, file.ID))
	_, err = s.RetrieveAssistantFile(s.context, assistant.ID, file.ID)
	refused(t, err, 404, nil, noCode)

	thread := s.thread()
	message, err := s.CreateMessage(s.context, thread.ID, openai.MessageRequest{Role: "user", Content: "Read.", FileIds: []string{file.ID}})
	require.NoError(t, err)
	require.Equal(t, []string{file.ID}, message.FileIds)
	attached, err := s.RetrieveMessageFile(s.context, thread.ID, message.ID, file.ID)
	require.NoError(t, err)
	require.Equal(t, message.ID, attached.MessageID)
	require.Equal(t, openai.RunStatusCompleted, s.run(thread.ID, openai.RunRequest{AssistantID: assistant.ID}).Status)
}

func TestBadRequestsAndKeys(t *testing.T) {
	server := sdktest.Running(t)
	s := suite{t, openai.NewClientWithConfig(hosted(server)), sdktest.Context(t)}
	_, err := s.ListAssistants(s.context, new(101), nil, nil, nil)
	refused(t, err, 400, "limit", "integer_above_max_value")
	_, err = s.CreateAssistant(s.context, openai.AssistantRequest{Model: "gpt-4o", Temperature: new(float32(3))})
	refused(t, err, 400, "temperature", "decimal_above_max_value")
	_, err = s.RetrieveThread(s.context, "undefined")
	refused(t, err, 400, "thread_id", "invalid_value")

	config := hosted(server)
	config.BaseURL = server.KeysBaseURL
	_, err = openai.NewClientWithConfig(config).CreateThread(s.context, openai.ThreadRequest{})
	require.NoError(t, err)
	wrong := openai.DefaultConfig("sk-wrong")
	wrong.BaseURL = server.KeysBaseURL
	_, err = openai.NewClientWithConfig(wrong).CreateThread(s.context, openai.ThreadRequest{})
	refused(t, err, 401, nil, "invalid_api_key")
}
