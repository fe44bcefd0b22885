package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// testOfflineFunctions runs the built-in model, as a first try without a key
// does: once by polling, once by streaming, and with two functions in one turn.
func testOfflineFunctions(t *testing.T, p program) {
	s := p.serve(t, t.TempDir(), nil)
	s.find(t, "no upstream is configured: the built-in offline model answers")
	const question = "What is the weather in Paris?"
	assistant := s.assistant(t, function("get_weather", "city"))

	thread := s.thread(t, question)
	run := s.settle(t, thread, s.begin(t, thread, assistant).ID)
	asked := calls(t, run)
	require.Len(t, asked, 1)
	require.Equal(t, "get_weather", asked[0].Function.Name)
	require.JSONEq(t, `{"city":"Paris"}`, asked[0].Function.Arguments)
	s.submit(t, run, "18 degrees, sunny")
	done := s.ends(t, run, openai.RunStatusCompleted)
	require.Nil(t, done.RequiredAction)
	require.Positive(t, done.Usage.CompletionTokens)
	require.Equal(t, done.Usage.TotalTokens, done.Usage.PromptTokens+done.Usage.CompletionTokens)
	spokenToUs := []string{"user: " + question, `assistant: The tool get_weather answered "18 degrees, sunny".`}
	require.Equal(t, spokenToUs, s.conversation(t, thread))
	require.Equal(t, []string{"tool_calls completed", "message_creation completed"}, s.steps(t, run))

	thread = s.thread(t, question)
	began := s.stream(t, "/threads/"+thread+"/runs", map[string]any{"assistant_id": assistant}).rest(t)
	require.Equal(t, streamedCalls, names(began))
	waiting := runOf(t, began[len(began)-2])
	went := s.stream(t, "/threads/"+thread+"/runs/"+waiting.ID+"/submit_tool_outputs", map[string]any{
		"tool_outputs": outputs(calls(t, waiting), "18 degrees, sunny").ToolOutputs,
	}).rest(t)
	require.Equal(t, streamedAnswer, names(went))
	require.Equal(t, `The tool get_weather answered "18 degrees, sunny".`, spoken(t, went))
	require.Equal(t, spokenToUs, s.conversation(t, thread))

	assistant = s.assistant(t, function("get_weather", "city"), function("get_time", "city"), function("play_music"))
	thread = s.thread(t, "Tell me the weather and the time in Lima")
	run = s.settle(t, thread, s.begin(t, thread, assistant).ID)
	asked = calls(t, run)
	require.Len(t, asked, 2)
	require.Equal(t, "get_weather", asked[0].Function.Name)
	require.Equal(t, "get_time", asked[1].Function.Name)
	s.submit(t, run, "fog", "noon")
	s.ends(t, run, openai.RunStatusCompleted)
	require.Equal(t, `assistant: The tools have answered: get_weather answered "fog", get_time answered "noon".`, s.conversation(t, thread)[1])
}

// The events of a leg that ends with function calls, and of one that begins
// with their outputs and ends with an answer. Deltas in a row count once.
var (
	streamedCalls = []string{
		"run.created", "run.queued", "run.in_progress", "run.step.created", "run.step.in_progress", "run.step.delta",
		"run.requires_action", "done",
	}
	streamedAnswer = []string{
		"run.step.completed", "run.queued", "run.in_progress", "run.step.created", "run.step.in_progress",
		"message.created", "message.in_progress", "message.delta", "message.completed", "run.step.completed", "run.completed", "done",
	}
)

// testPolledFunctions goes through two rounds of calls with a backend that is
// held at each point a poll can see.
func testPolledFunctions(t *testing.T, p program) {
	b := startBackend(t)
	s := p.serve(t, t.TempDir(), nil, "--upstream-url="+b.url)
	const question = "Plan my day."
	thread := s.thread(t, question)
	run := s.begin(t, thread, s.assistant(t, function("get_weather", "city"), function("get_mail")))

	first := b.next(t, question)
	seen, err := s.client.RetrieveRun(t.Context(), thread, run.ID)
	require.NoError(t, err)
	require.Equal(t, openai.RunStatusInProgress, seen.Status)
	require.NotNil(t, seen.StartedAt)
	_, err = s.client.CreateMessage(t.Context(), thread, openai.MessageRequest{Role: "user", Content: "Hurry!"})
	require.Equal(t, "Can't add messages to "+thread+" while a run "+run.ID+" is active.", apiError(t, err).Message)
	first.call(t, `get_weather({"city":"Rome"})`, `get_mail({})`)

	run = s.settle(t, thread, run.ID)
	asked := calls(t, run)
	require.Len(t, asked, 2)
	require.NotEqual(t, asked[0].ID, asked[1].ID)
	require.Equal(t, openai.FunctionCall{Name: "get_weather", Arguments: `{"city":"Rome"}`}, asked[0].Function)
	require.Equal(t, openai.FunctionCall{Name: "get_mail", Arguments: `{}`}, asked[1].Function)
	_, err = s.client.SubmitToolOutputs(t.Context(), thread, run.ID, outputs(asked[:1], "rain"))
	require.Contains(t, apiError(t, err).Message, "Expected tool outputs for call_ids ['"+asked[0].ID+"', '"+asked[1].ID+"'], got ['"+asked[0].ID+"']")
	s.submit(t, run, "rain", "no mail")

	b.next(t, question).call(t, `get_weather({"city":"Oslo"})`)
	run = s.settle(t, thread, run.ID)
	again := calls(t, run)
	require.Len(t, again, 1)
	s.submit(t, run, "snow")
	last := b.next(t, question)
	last.reply(t, "Stay in bed.")

	done := s.ends(t, run, openai.RunStatusCompleted)
	require.Equal(t, 3*promptTokens, done.Usage.PromptTokens)
	require.Equal(t, 3*completionTokens, done.Usage.CompletionTokens)
	require.Equal(t, 3*(promptTokens+completionTokens), done.Usage.TotalTokens)
	require.Equal(t, []string{"user: " + question, "assistant: Stay in bed."}, s.conversation(t, thread))
	require.Equal(t, []string{"tool_calls completed", "tool_calls completed", "message_creation completed"}, s.steps(t, run))
	b.idle(t, question)
	require.Equal(t, []openai.ChatCompletionMessage{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: question},
		{Role: "assistant", ToolCalls: []openai.ToolCall{backendCall("up_1", asked[0]), backendCall("up_2", asked[1])}},
		{Role: "tool", Content: "rain", ToolCallID: "up_1"},
		{Role: "tool", Content: "no mail", ToolCallID: "up_2"},
		{Role: "assistant", ToolCalls: []openai.ToolCall{backendCall("up_3", again[0])}},
		{Role: "tool", Content: "snow", ToolCallID: "up_3"},
	}, last.Messages)
}

// backendCall is a call as the backend that made it gets it back: under its own id.
func backendCall(id string, c openai.ToolCall) openai.ToolCall {
	return openai.ToolCall{ID: id, Type: c.Type, Function: c.Function}
}

// testStreamedFunctions checks that events come while the backend still talks,
// and in the order the hosted API had.
func testStreamedFunctions(t *testing.T, p program) {
	b := startBackend(t)
	s := p.serve(t, t.TempDir(), nil, "--upstream-url="+b.url)
	assistant := s.assistant(t, function("get_weather", "city"))
	const question = "Which coat?"
	began := s.stream(t, "/threads/runs", map[string]any{
		"assistant_id": assistant, "thread": map[string]any{"messages": []any{map[string]any{"role": "user", "content": question}}},
	})
	call := b.next(t, question)
	call.say(t, "Let me ")
	events := began.until(t, "thread.message.delta")
	call.say(t, "look.")
	call.ask(t, `get_weather({"city":"Bern"})`, `get_weather({"city":"Genf"})`)
	call.finish(t, openai.FinishReasonToolCalls)
	events = append(events, began.rest(t)...)
	require.Equal(t, []string{
		"created", "run.created", "run.queued", "run.in_progress",
		"run.step.created", "run.step.in_progress", "message.created", "message.in_progress", "message.delta", "message.completed", "run.step.completed",
		"run.step.created", "run.step.in_progress", "run.step.delta", "run.requires_action", "done",
	}, names(events))
	require.Equal(t, "Let me look.", spoken(t, events))

	run := runOf(t, events[len(events)-2])
	asked := calls(t, run)
	require.Len(t, asked, 2)
	submitted := s.stream(t, "/threads/"+run.ThreadID+"/runs/"+run.ID+"/submit_tool_outputs", map[string]any{
		"tool_outputs": outputs(asked, "cold", "warm").ToolOutputs,
	})
	again := b.next(t, question)
	require.Equal(t, []openai.ChatCompletionMessage{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: question},
		{Role: "assistant", Content: "Let me look.", ToolCalls: []openai.ToolCall{backendCall("up_1", asked[0]), backendCall("up_2", asked[1])}},
		{Role: "tool", Content: "cold", ToolCallID: "up_1"},
		{Role: "tool", Content: "warm", ToolCallID: "up_2"},
	}, again.Messages)
	again.say(t, "The red ")
	events = submitted.until(t, "thread.message.delta")
	require.Equal(t, "The red ", spoken(t, events))
	again.say(t, "one.")
	again.finish(t, openai.FinishReasonStop)
	events = append(events, submitted.rest(t)...)
	require.Equal(t, streamedAnswer, names(events))
	require.Equal(t, "The red one.", spoken(t, events))
	require.Equal(t, []string{"user: " + question, "assistant: Let me look.", "assistant: The red one."}, s.conversation(t, run.ThreadID))
}

// testBackendRequest shows, to the byte where it matters, what a run with every
// parameter sends to the backend, and that a run's own settings win.
func testBackendRequest(t *testing.T, p program) {
	b := startBackend(t)
	s := p.serve(t, t.TempDir(), nil, "--upstream-url="+b.url, "--upstream-key=backend-key-1")
	assistant := s.make(t, "/assistants", map[string]any{
		"model": "gpt-4o", "instructions": "Overridden.", "temperature": 1.5, "top_p": 0.5, "tools": []any{function("unused")},
	})
	thread := s.thread(t, "Hello")
	run := s.make(t, "/threads/"+thread+"/runs", map[string]any{
		"assistant_id": assistant, "model": "o-mini", "instructions": "Be a clerk.", "additional_instructions": "Be kind.",
		"additional_messages": []any{map[string]any{"role": "assistant", "content": "Yes?"}, map[string]any{"role": "user", "content": "Book it"}},
		"tools":               []any{function("book", "what")},
		"temperature":         0.25, "top_p": 0.75, "reasoning_effort": "low", "max_completion_tokens": 99,
		"tool_choice":         map[string]any{"type": "function", "function": map[string]any{"name": "book"}},
		"parallel_tool_calls": false, "response_format": map[string]any{"type": "json_object"},
	})
	call := b.next(t, "Book it")
	require.JSONEq(t, `{
		"model": "o-mini", "stream": true, "stream_options": {"include_usage": true},
		"messages": [
			{"role": "system", "content": "Be a clerk.\n\nBe kind."},
			{"role": "user", "content": "Hello"},
			{"role": "assistant", "content": "Yes?"},
			{"role": "user", "content": "Book it"}
		],
		"tools": [{"type": "function", "function": {
			"name": "book", "description": "The book.",
			"parameters": {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}
		}}],
		"temperature": 0.25, "top_p": 0.75, "reasoning_effort": "low", "max_tokens": 99,
		"tool_choice": {"type": "function", "function": {"name": "book"}},
		"parallel_tool_calls": false, "response_format": {"type": "json_object"}
	}`, call.body)
	require.Equal(t, "Bearer backend-key-1", call.header.Get("Authorization"))
	require.Equal(t, "application/json", call.header.Get("Content-Type"))
	require.Contains(t, call.header.Get("User-Agent"), "understudy")
	require.Empty(t, call.header.Get("OpenAI-Beta"), "that is the clients' header")

	// The backend ignores parallel_tool_calls; the server holds to it all the same.
	call.call(t, `book({"what":"a"})`, `book({"what":"b"})`)
	waiting := s.settle(t, thread, run)
	require.Len(t, calls(t, waiting), 1)
	s.submit(t, waiting, "done")
	last := b.next(t, "Book it")
	var body struct {
		MaxTokens  int             `json:"max_tokens"`
		ToolChoice json.RawMessage `json:"tool_choice"`
	}
	require.NoError(t, json.Unmarshal([]byte(last.body), &body))
	require.Equal(t, 99-completionTokens, body.MaxTokens, "the limit is the run's, not the call's")
	require.Empty(t, body.ToolChoice, "a choice forced again would never come to an end")
	last.reply(t, `{"booked":true}`)
	s.ends(t, waiting, openai.RunStatusCompleted)

	tape := s.send(t, http.MethodGet, "/threads/"+thread+"/runs/"+run+"/context", nil)
	var shown struct {
		Calls []struct {
			Request  json.RawMessage `json:"request"`
			Response string          `json:"response"`
		} `json:"model_calls"`
	}
	require.NoError(t, json.Unmarshal([]byte(tape.body), &shown))
	require.Len(t, shown.Calls, 2)
	require.JSONEq(t, call.body, string(shown.Calls[0].Request))
	require.JSONEq(t, last.body, string(shown.Calls[1].Request))
	require.Contains(t, shown.Calls[1].Response, "data: [DONE]")
}
