package runs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/chat"
)

// stream is a watch with what it has told so far.
type stream struct {
	*runs.Watch
	events []runs.Event
}

func streamOf(w *runs.Watch) *stream {
	if w == nil {
		return nil
	}
	return &stream{Watch: w}
}

// next reads what is ready, after waiting for it, and reports whether more may come.
func (s *stream) next() bool {
	for {
		fresh, ended := s.Read()
		for _, e := range fresh { // which are good until the next reading
			e.Data = slices.Clone(e.Data)
			s.events = append(s.events, e)
		}
		if ended || len(fresh) > 0 {
			return !ended
		}
		<-s.More()
	}
}

// read reads a stream to its end, as the HTTP stream does.
func read(s *stream) []runs.Event {
	for s.next() {
	}
	return s.events
}

// untilText reads a stream until the model has begun to speak.
func untilText(s *stream) {
	for !slices.ContainsFunc(s.events, func(e runs.Event) bool { return e.Name == "thread.message.delta" }) && s.next() {
	}
}

// payload is the members of an event that a client goes by.
type payload struct {
	ID                string                   `json:"id"`
	Object            string                   `json:"object"`
	Status            string                   `json:"status"`
	Type              string                   `json:"type"`
	Content           []json.RawMessage        `json:"content"`
	Usage             *runs.Usage              `json:"usage"`
	StepDetails       *runs.StepDetails        `json:"step_details"`
	IncompleteDetails *struct{ Reason string } `json:"incomplete_details"`
	LastError         *runs.LastError          `json:"last_error"`
	RequiredAction    *runs.RequiredAction     `json:"required_action"`
	Delta             struct {
		Content     []json.RawMessage `json:"content"`
		StepDetails struct {
			ToolCalls []json.RawMessage `json:"tool_calls"`
		} `json:"step_details"`
	} `json:"delta"`
}

// tell writes an event in one line: its name, without thread., and what a
// client goes by. Ids are checked, not shown.
func tell(t *testing.T, e runs.Event) string {
	t.Helper()
	var p payload
	require.NoError(t, json.Unmarshal(e.Data, &p))
	name := strings.TrimPrefix(e.Name, "thread.")
	switch {
	case name == "message.delta":
		require.Equal(t, "thread.message.delta", p.Object)
		return name + " " + string(p.Delta.Content[0])
	case name == "run.step.delta":
		require.Equal(t, "thread.run.step.delta", p.Object)
		return name + " " + withoutID(p.Delta.StepDetails.ToolCalls[0])
	case name == "error":
		return name
	case strings.HasPrefix(name, "run.step."):
		require.Equal(t, "thread.run.step", p.Object)
		name += " " + p.Type + tellCalls(p.StepDetails)
	case strings.HasPrefix(name, "message."):
		require.Equal(t, "thread.message", p.Object)
		name += " " + tellContent(t, p.Content)
	case strings.HasPrefix(name, "run."):
		require.Equal(t, "thread.run", p.Object)
		require.Equal(t, name == "run.requires_action", p.RequiredAction != nil)
	}
	if !strings.HasSuffix(e.Name, "."+p.Status) && !strings.HasSuffix(e.Name, ".created") {
		name += " status=" + p.Status
	}
	if p.IncompleteDetails != nil {
		name += " reason=" + p.IncompleteDetails.Reason
	}
	if p.LastError != nil {
		name += " error=" + p.LastError.Code
	}
	if p.Usage != nil {
		name += fmt.Sprintf(" usage=%d", p.Usage.TotalTokens)
	}
	return name
}

func withoutID(raw json.RawMessage) string {
	text := string(raw)
	if at := strings.Index(text, `"call_`); at >= 0 {
		text = text[:at] + `"CALL"` + text[at+len(`"call_`)+24+1:]
	}
	return text
}

func tellCalls(d *runs.StepDetails) string {
	if d.Type == runs.MessageCreation {
		return ""
	}
	var calls []string
	for _, c := range d.ToolCalls {
		output := "null"
		if c.Function.Output != nil {
			output = *c.Function.Output
		}
		calls = append(calls, c.Function.Name+"="+output)
	}
	return "[" + strings.Join(calls, " ") + "]"
}

func tellContent(t *testing.T, parts []json.RawMessage) string {
	t.Helper()
	texts := []string{}
	for _, raw := range parts {
		part := decode[struct {
			Text *struct {
				Value       string
				Annotations []json.RawMessage
			}
			Refusal *string
		}](t, raw)
		switch {
		case part.Text != nil:
			require.NotNil(t, part.Text.Annotations)
			texts = append(texts, part.Text.Value)
		case part.Refusal != nil:
			texts = append(texts, "refusal:"+*part.Refusal)
		}
	}
	return "[" + strings.Join(texts, "|") + "]"
}

func story(t *testing.T, events []runs.Event) []string {
	t.Helper()
	lines := []string{}
	for _, e := range events {
		requireWire(t, e)
		lines = append(lines, tell(t, e))
	}
	return lines
}

// requireWire checks what spec section 9 says of every event.
func requireWire(t *testing.T, e runs.Event) {
	t.Helper()
	members := *decode[map[string]json.RawMessage](t, e.Data)
	require.NotContains(t, string(e.Data), "\n")
	if e.Name == "error" {
		require.Contains(t, members, "error")
		for _, key := range []string{"code", "message", "param", "type"} {
			require.Contains(t, members, key)
		}
		return
	}
	require.True(t, strings.HasPrefix(e.Name, "thread."), e.Name)
	require.NotContains(t, members, "error", "SDKs raise on it")
}

// opening is how every streamed run begins.
var opening = []string{"run.created", "run.queued", "run.in_progress"}

// spoken is a message step, from its creation to the run's end.
func spoken(pieces ...string) []string {
	lines := []string{
		"run.step.created message_creation", "run.step.in_progress message_creation",
		"message.created []", "message.in_progress []",
	}
	for i, piece := range pieces {
		annotations := ""
		if i == 0 {
			annotations = `,"annotations":[]`
		}
		lines = append(lines, `message.delta {"index":0,"type":"text","text":{"value":`+quote(piece)+annotations+`}}`)
	}
	return append(lines, "message.completed ["+strings.Join(pieces, "")+"]", "run.step.completed message_creation usage=15")
}

func concat(parts ...[]string) (all []string) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// TestStreams checks the events of each flow of spec section 9 in their order.
func TestStreams(t *testing.T) {
	started := spoken("so far")[:5]
	called := func(name string, index int) []string {
		i := fmt.Sprint(index)
		return []string{
			`run.step.delta {"index":` + i + `,"id":"CALL","type":"function","function":{"name":"` + name + `","arguments":"","output":null}}`,
			`run.step.delta {"index":` + i + `,"type":"function","function":{"arguments":"{\"n\":` + fmt.Sprint(index+1) + `}"}}`,
		}
	}
	calling := []string{"run.step.created tool_calls[]", "run.step.in_progress tool_calls[]"}
	w := open(t, worldOptions{})
	for _, tc := range []struct {
		name string
		turn turn
		want []string
	}{
		{"plain", says("Hel", "lo"), concat(spoken("Hel", "lo"), []string{"run.completed usage=15"})},
		{"not streamed", settles(&chat.Answer{Text: "Hello", Finish: chat.FinishStop, Usage: perTurn}), concat(spoken("Hello"), []string{"run.completed usage=15"})},
		{"nothing said", says(), concat(spoken(), []string{"run.completed usage=15"})},
		{"calls", calls("add", "sub"), concat(calling, called("add", 0), called("sub", 1), []string{"run.requires_action"})},
		{
			"text beside a call", saysAndCalls("I add.", "add"),
			concat(spoken("I add.")[:6], []string{"run.step.completed message_creation usage=0"}, calling, called("add", 0), []string{"run.requires_action"}),
		},
		{"refusal", refuses("No", "."), []string{
			"run.step.created message_creation", "run.step.in_progress message_creation", "message.created []", "message.in_progress []",
			`message.delta {"index":0,"type":"refusal","refusal":"No"}`, `message.delta {"index":0,"type":"refusal","refusal":"."}`,
			"message.completed [refusal:No.]", "run.step.completed message_creation usage=15", "run.completed usage=15",
		}},
		{"length", ends(chat.FinishLength, "so far"), concat(started, []string{
			"message.incomplete [so far] reason=max_tokens", "run.step.completed message_creation usage=15", "run.incomplete reason=max_completion_tokens usage=15",
		})},
		{"content filter", ends(chat.FinishContentFilter, "so far"), concat(started, []string{
			"message.incomplete [so far] reason=content_filter", "run.step.completed message_creation usage=15", "run.incomplete reason=content_filter usage=15",
		})},
		{"failure", fails(chat.RateLimitExceeded, "slow down"), []string{"run.failed error=rate_limit_exceeded usage=3"}},
		{"failure after deltas", fails(chat.ServerError, "broken", "so far"), concat(started, []string{
			"message.incomplete [so far] reason=run_failed", "run.step.failed message_creation error=server_error", "run.failed error=server_error usage=3",
		})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.model.play(tc.turn)
			_, log := w.stream(w.thread("Hi"))
			require.Equal(t, concat(opening, tc.want), story(t, read(log)))
		})
	}
}

// TestStreamOfSubmit streams two rounds of outputs and then the answer.
func TestStreamOfSubmit(t *testing.T) {
	w := open(t, worldOptions{}, calls("add"), calls("sub"), says("3"))
	r := w.settled(w.run(w.thread("1+2")))
	_, log, err := w.submit(r, true, "three")
	require.NoError(t, err)
	require.Equal(t, []string{
		"run.step.completed tool_calls[add=three] usage=15", "run.queued", "run.in_progress",
		"run.step.created tool_calls[]", "run.step.in_progress tool_calls[]",
		`run.step.delta {"index":0,"id":"CALL","type":"function","function":{"name":"sub","arguments":"","output":null}}`,
		`run.step.delta {"index":0,"type":"function","function":{"arguments":"{\"n\":1}"}}`,
		"run.requires_action",
	}, story(t, read(log)))
	_, log, err = w.submit(w.settled(r), true, "3")
	require.NoError(t, err)
	require.Equal(t, concat(
		[]string{"run.step.completed tool_calls[sub=3] usage=15", "run.queued", "run.in_progress"}, spoken("3"), []string{"run.completed usage=45"},
	), story(t, read(log)))
}

// TestStreamOfThreadAndRun has the thread in front.
func TestStreamOfThreadAndRun(t *testing.T) {
	w := open(t, worldOptions{}, says("Hello"))
	create, err := runs.ReadCreateWithThread(object(t, `{"assistant_id":`+quote(w.assistant)+`,"stream":true,"thread":{"messages":[{"role":"user","content":"Hi"}]}}`), 0)
	require.NoError(t, err)
	_, watch, err := w.runs.Create(w.ctx, project, "", create)
	require.NoError(t, err)
	lines := story(t, read(streamOf(watch)))
	require.Equal(t, concat([]string{"created"}, opening, spoken("Hello"), []string{"run.completed usage=15"}), lines)
}
