//go:build sdk

package openaigo

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/stretchr/testify/require"
)

// refused asserts that the SDK made its own error of a refusal, and returns the
// message.
func refused(t *testing.T, err error, status int, parameter, code string) string {
	t.Helper()
	var refusal *openai.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, status, refusal.StatusCode, refusal.Message)
	require.Equal(t, parameter, refusal.Param)
	require.Equal(t, code, refusal.Code)
	require.Equal(t, "invalid_request_error", refusal.Type)
	return refusal.Message
}

func TestAssistantKeepsEveryField(t *testing.T) {
	s := start(t)
	made, err := s.Beta.Assistants.New(s.context, openai.BetaAssistantNewParams{
		Model: "gpt-4o", Name: openai.String("Meteorologist"), Description: openai.String("Knows the weather."),
		Instructions: openai.String("Help."), Tools: []openai.AssistantToolUnionParam{offer("weather")},
		Metadata: map[string]string{"team": "sky"}, Temperature: openai.Float(0.5), TopP: openai.Float(0.25),
	})
	require.NoError(t, err)
	require.Equal(t, "Meteorologist", made.Name)
	require.Equal(t, map[string]string{"team": "sky"}, map[string]string(made.Metadata))
	require.InDelta(t, 0.5, made.Temperature, 0)
	require.Equal(t, "weather", made.Tools[0].Function.Name)
	again, err := s.Beta.Assistants.Get(s.context, made.ID)
	require.NoError(t, err)
	require.JSONEq(t, made.RawJSON(), again.RawJSON())

	updated, err := s.Beta.Assistants.Update(s.context, made.ID, openai.BetaAssistantUpdateParams{Name: openai.String("Poet")})
	require.NoError(t, err)
	require.Equal(t, "Poet", updated.Name)
	require.Equal(t, "Help.", updated.Instructions)
	deleted, err := s.Beta.Assistants.Delete(s.context, made.ID)
	require.NoError(t, err)
	require.True(t, deleted.Deleted)
	_, err = s.Beta.Assistants.Get(s.context, made.ID)
	require.Contains(t, refused(t, err, 404, "", ""), "No assistant found with id '"+made.ID+"'.")
}

func TestAssistantsArePaged(t *testing.T) {
	s := start(t)
	var made []string
	for range 105 {
		made = append(made, s.assistant("gpt-4o").ID)
	}
	pager := s.Beta.Assistants.ListAutoPaging(s.context, openai.BetaAssistantListParams{Limit: openai.Int(10)})
	var found []string
	for pager.Next() {
		if id := pager.Current().ID; slices.Contains(made, id) {
			found = append(found, id)
		}
		if len(found) == len(made) {
			break
		}
	}
	require.NoError(t, pager.Err())
	slices.Reverse(found)
	require.Equal(t, made, found)
}

func TestThreadAndMessages(t *testing.T) {
	s := start(t)
	thread := s.thread()
	_, err := s.Beta.Threads.Update(s.context, thread.ID, openai.BetaThreadUpdateParams{Metadata: map[string]string{"color": "blue"}})
	require.NoError(t, err)
	again, err := s.Beta.Threads.Get(s.context, thread.ID)
	require.NoError(t, err)
	require.Equal(t, "blue", again.Metadata["color"])

	notes, err := s.Files.New(s.context, openai.FileNewParams{
		File: openai.File(bytes.NewBufferString("Sand."), "notes.txt", "text/plain"), Purpose: openai.FilePurposeAssistants,
	})
	require.NoError(t, err)
	message, err := s.Beta.Threads.Messages.New(s.context, thread.ID, openai.BetaThreadMessageNewParams{
		Role: openai.BetaThreadMessageNewParamsRoleUser,
		Content: openai.BetaThreadMessageNewParamsContentUnion{OfArrayOfContentParts: []openai.MessageContentPartParamUnion{
			openai.MessageContentPartParamOfText("Look."),
			openai.MessageContentPartParamOfImageURL(openai.ImageURLParam{URL: "https://example.com/a.png"}),
		}},
		Attachments: []openai.BetaThreadMessageNewParamsAttachment{{
			FileID: param.NewOpt(notes.ID),
			Tools: []openai.BetaThreadMessageNewParamsAttachmentToolUnion{
				{OfCodeInterpreter: &openai.CodeInterpreterToolParam{}},
			},
		}},
	})
	require.NoError(t, err)
	require.Equal(t, "Look.", message.Content[0].Text.Value)
	require.Equal(t, openai.ImageURLDetailAuto, message.Content[1].ImageURL.Detail)
	require.Equal(t, notes.ID, message.Attachments[0].FileID)
	_, err = s.Beta.Threads.Messages.Delete(s.context, thread.ID, message.ID)
	require.NoError(t, err)
	_, err = s.Beta.Threads.Messages.Get(s.context, thread.ID, message.ID)
	refused(t, err, 404, "", "")
	_, err = s.Beta.Threads.Delete(s.context, thread.ID)
	require.NoError(t, err)
}

func TestMessagesArePaged(t *testing.T) {
	s := start(t)
	var texts []string
	for i := range 105 {
		texts = append(texts, fmt.Sprint("message ", i))
	}
	require.Equal(t, texts, s.texts(s.thread(texts...).ID))
}

func TestFileRoundTrip(t *testing.T) {
	s := start(t)
	content := bytes.Repeat([]byte("abcdefg\x00"), 1<<17)
	made, err := s.Files.New(s.context, openai.FileNewParams{
		File: openai.File(bytes.NewReader(content), "data.bin", "application/octet-stream"), Purpose: openai.FilePurposeUserData,
	})
	require.NoError(t, err)
	require.EqualValues(t, len(content), made.Bytes)
	response, err := s.Files.Content(s.context, made.ID)
	require.NoError(t, err)
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, read))
	pager := s.Files.ListAutoPaging(s.context, openai.FileListParams{Purpose: openai.String("user_data"), Limit: openai.Int(1)})
	require.True(t, pager.Next())
	require.Equal(t, made.ID, pager.Current().ID)
	_, err = s.Files.Delete(s.context, made.ID)
	require.NoError(t, err)
	_, err = s.Files.Get(s.context, made.ID)
	refused(t, err, 404, "id", "")
}

func TestModelsAreListed(t *testing.T) {
	s := start(t)
	models, err := s.Models.List(s.context)
	require.NoError(t, err)
	require.NotEmpty(t, models.Data)
	model, err := s.Models.Get(s.context, models.Data[0].ID)
	require.NoError(t, err)
	require.Equal(t, models.Data[0].ID, model.ID)
}

func TestBadRequestsNameWhatIsWrong(t *testing.T) {
	s := start(t)
	create := func(opts ...option.RequestOption) error {
		_, err := s.Beta.Assistants.New(s.context, openai.BetaAssistantNewParams{Model: "gpt-4o"}, opts...)
		return err
	}
	refused(t, create(option.WithJSONSet("model", 4)), 400, "model", "invalid_type")
	refused(t, create(option.WithJSONSet("colour", 1)), 400, "colour", "unknown_parameter")
	refused(t, create(option.WithJSONSet("top_p", 2)), 400, "top_p", "decimal_above_max_value")
	_, err := s.Beta.Assistants.List(s.context, openai.BetaAssistantListParams{Limit: openai.Int(101)})
	refused(t, err, 400, "limit", "integer_above_max_value")
	_, err = s.Beta.Threads.Get(s.context, "undefined")
	refused(t, err, 400, "thread_id", "invalid_value")
	_, err = s.Beta.Threads.Runs.New(s.context, s.thread("x").ID, openai.BetaThreadRunNewParams{AssistantID: "asst_none"})
	refused(t, err, 404, "", "")
}
