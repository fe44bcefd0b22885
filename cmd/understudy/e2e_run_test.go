package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// function is a tool with string parameters.
func function(name string, parameters ...string) map[string]any {
	properties := map[string]any{}
	for _, p := range parameters {
		properties[p] = map[string]any{"type": "string"}
	}
	return map[string]any{"type": "function", "function": map[string]any{
		"name": name, "description": "The " + name + ".",
		"parameters": map[string]any{"type": "object", "properties": properties, "required": parameters},
	}}
}

// assistant makes an assistant with function tools.
func (s *server) assistant(t *testing.T, tools ...map[string]any) string {
	t.Helper()
	return s.make(t, "/assistants", map[string]any{"model": "gpt-4o", "instructions": "Be brief.", "tools": tools})
}

// thread makes a thread that begins with the user's words.
func (s *server) thread(t *testing.T, words string) string {
	t.Helper()
	thread, err := s.client.CreateThread(t.Context(), openai.ThreadRequest{
		Messages: []openai.ThreadMessage{{Role: openai.ThreadMessageRoleUser, Content: words}},
	})
	require.NoError(t, err)
	return thread.ID
}

// begin creates a run.
func (s *server) begin(t *testing.T, thread, assistant string) openai.Run {
	t.Helper()
	run, err := s.client.CreateRun(t.Context(), thread, openai.RunRequest{AssistantID: assistant})
	require.NoError(t, err)
	require.Equal(t, openai.RunStatusQueued, run.Status)
	return run
}

// settle waits, by held requests, until a run has ended or waits for outputs.
func (s *server) settle(t *testing.T, thread, run string) openai.Run {
	t.Helper()
	for started := time.Now(); time.Since(started) < patience; {
		held := s.send(t, http.MethodGet, "/threads/"+thread+"/runs/"+run, nil, "Prefer: wait=5")
		require.Equal(t, http.StatusOK, held.status, held.body)
		var found openai.Run
		require.NoError(t, json.Unmarshal([]byte(held.body), &found))
		switch found.Status {
		case openai.RunStatusQueued, openai.RunStatusInProgress, openai.RunStatusCancelling:
		default:
			return found
		}
	}
	require.FailNow(t, "the run never came to rest")
	return openai.Run{}
}

// ends waits for a run and checks how it ended.
func (s *server) ends(t *testing.T, run openai.Run, status openai.RunStatus) openai.Run {
	t.Helper()
	settled := s.settle(t, run.ThreadID, run.ID)
	require.Equal(t, status, settled.Status, "last_error: %+v", settled.LastError)
	return settled
}

// calls are the function calls a run waits for.
func calls(t *testing.T, run openai.Run) []openai.ToolCall {
	t.Helper()
	require.Equal(t, openai.RunStatusRequiresAction, run.Status, "last_error: %+v", run.LastError)
	require.Equal(t, openai.RequiredActionTypeSubmitToolOutputs, run.RequiredAction.Type)
	return run.RequiredAction.SubmitToolOutputs.ToolCalls
}

// outputs answers calls, in their order.
func outputs(calls []openai.ToolCall, texts ...string) openai.SubmitToolOutputsRequest {
	var body openai.SubmitToolOutputsRequest
	for i, c := range calls {
		body.ToolOutputs = append(body.ToolOutputs, openai.ToolOutput{ToolCallID: c.ID, Output: texts[i]})
	}
	return body
}

// submit sends the outputs of all calls a run waits for.
func (s *server) submit(t *testing.T, run openai.Run, texts ...string) {
	t.Helper()
	taken, err := s.client.SubmitToolOutputs(t.Context(), run.ThreadID, run.ID, outputs(calls(t, run), texts...))
	require.NoError(t, err)
	require.Equal(t, openai.RunStatusQueued, taken.Status)
}

// conversation is a thread as "role: text", oldest first.
func (s *server) conversation(t *testing.T, thread string) []string {
	t.Helper()
	order, limit := "asc", 100
	list, err := s.client.ListMessage(t.Context(), thread, &limit, &order, nil, nil, nil)
	require.NoError(t, err)
	var lines []string
	for _, m := range list.Messages {
		require.Len(t, m.Content, 1)
		lines = append(lines, m.Role+": "+m.Content[0].Text.Value)
	}
	return lines
}

// steps are the steps of a run as "type status", oldest first.
func (s *server) steps(t *testing.T, run openai.Run) []string {
	t.Helper()
	order := "asc"
	list, err := s.client.ListRunSteps(t.Context(), run.ThreadID, run.ID, openai.Pagination{Order: &order})
	require.NoError(t, err)
	var lines []string
	for _, step := range list.RunSteps {
		lines = append(lines, string(step.Type)+" "+string(step.Status))
	}
	return lines
}

// event is one server-sent event.
type event struct{ name, data, id string } // id "" = none

// eventStream reads server-sent events as they come.
type eventStream struct {
	lines  *bufio.Reader
	header http.Header
	leave  func()
}

// stream posts a body with "stream": true.
func (s *server) stream(t *testing.T, path string, body map[string]any) *eventStream {
	t.Helper()
	body["stream"] = true
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	response, err := s.http.Do(s.request(ctx, t, http.MethodPost, path, body))
	if err != nil {
		cancel()
	}
	require.NoError(t, err)
	leave := func() {
		cancel()
		_ = response.Body.Close() // what is left of it does not matter
	}
	t.Cleanup(leave)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", response.Header.Get("Content-Type"))
	return &eventStream{bufio.NewReader(response.Body), response.Header, leave}
}

// next reads an event.
func (e *eventStream) next(t *testing.T) event {
	t.Helper()
	var fields [2]string
	id := ""
	for i, prefix := range []string{"event: ", "data: ", ""} {
		line, err := e.lines.ReadString('\n')
		require.NoError(t, err, "the stream ended early")
		if number, ok := strings.CutPrefix(line, "id: "); ok && i == 0 { // a stored event has it in front
			id = strings.TrimSuffix(number, "\n")
			line, err = e.lines.ReadString('\n')
			require.NoError(t, err, "the stream ended early")
		}
		value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), prefix)
		require.True(t, ok, "expected %q, got %q", prefix, line)
		if i < len(fields) {
			fields[i] = value
		}
	}
	return event{fields[0], fields[1], id}
}

// until reads up to an event with this name and returns all that came.
func (e *eventStream) until(t *testing.T, name string) []event {
	t.Helper()
	for came := []event(nil); ; {
		came = append(came, e.next(t))
		if last := came[len(came)-1]; last.name == name {
			return came
		} else if last.name == "done" {
			require.FailNow(t, "the stream ended without "+name, "%v", came)
		}
	}
}

// rest reads to the end of the stream, which must come right after "done".
func (e *eventStream) rest(t *testing.T) []event {
	t.Helper()
	came := e.until(t, "done")
	require.Equal(t, "[DONE]", came[len(came)-1].data)
	left, err := e.lines.ReadString('\n')
	require.Error(t, err, "after done came %q", left)
	return came
}

// names are the names of events without their "thread." and, of several
// deltas in a row, one.
func names(events []event) []string {
	var list []string
	for _, e := range events {
		name := strings.TrimPrefix(e.name, "thread.")
		if strings.HasSuffix(name, ".delta") && len(list) > 0 && list[len(list)-1] == name {
			continue
		}
		list = append(list, name)
	}
	return list
}

// spoken is the text that message deltas carry.
func spoken(t *testing.T, events []event) string {
	t.Helper()
	text := ""
	for _, e := range events {
		if e.name != "thread.message.delta" {
			continue
		}
		var delta struct {
			Delta struct {
				Content []struct{ Text struct{ Value string } }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(e.data), &delta))
		for _, part := range delta.Delta.Content {
			text += part.Text.Value
		}
	}
	return text
}

// runOf is the run that an event carries.
func runOf(t *testing.T, e event) openai.Run {
	t.Helper()
	var run openai.Run
	require.NoError(t, json.Unmarshal([]byte(e.data), &run))
	return run
}
