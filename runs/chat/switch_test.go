package chat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

// family is a backend that is as particular about the history as its real
// model is. It calls get_time whenever the user spoke, and answers when there
// is an output.
type family struct {
	name    string
	members []string // of messages and calls, beside the usual ones, that it knows
	ids     *regexp.Regexp
	check   func(turn map[string]any, own bool) string // of a turn with calls; what is wrong with it
	call    func(n int) string                         // the message that makes call number n of the thread

	refused []string
	served  int
}

func (f *family) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Model    string
		Messages []map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Model != f.name+"-1" {
		http.Error(w, "wrong request", http.StatusNotFound)
		return
	}
	if wrong := f.wrong(body.Messages); wrong != "" {
		f.refused = append(f.refused, wrong)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(asRaw(map[string]any{"error": map[string]any{"message": wrong, "type": "invalid_request_error"}}))
		return
	}
	f.served++
	calls := 0
	for _, m := range body.Messages {
		calls += len(items(m["tool_calls"]))
	}
	if body.Messages[len(body.Messages)-1]["role"] == "user" {
		_, _ = io.WriteString(w, f.call(calls))
		return
	}
	_, _ = io.WriteString(w, message(`{"content":"It is noon, says `+f.name+`."}`))
}

func asRaw(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func items(v any) []any {
	l, _ := v.([]any)
	return l
}

// wrong says what the backend would refuse, "" for a request it takes.
func (f *family) wrong(messages []map[string]any) string {
	var open []string
	seen := map[string]bool{}
	for i, m := range messages {
		if (m["role"] == "system") != (i == 0) {
			return "there must be one system message, and it must come first"
		}
		for name := range m {
			if !slices.Contains([]string{"role", "content", "tool_calls", "tool_call_id"}, name) && !slices.Contains(f.members, name) {
				return fmt.Sprintf("Unknown name %q at 'messages[%d]': Cannot find field.", name, i)
			}
		}
		if m["role"] == "tool" {
			if len(open) == 0 || m["tool_call_id"] != open[0] {
				return "tool outputs must directly follow their calls, in order"
			}
			open = open[1:]
			continue
		}
		if len(open) > 0 {
			return "a call was not answered"
		}
		for _, c := range items(m["tool_calls"]) {
			call := c.(map[string]any)
			for name := range call {
				if !slices.Contains([]string{"id", "type", "function"}, name) && !slices.Contains(f.members, "tool_calls."+name) {
					return fmt.Sprintf("Unknown name %q at 'messages[%d].tool_calls': Cannot find field.", name, i)
				}
			}
			id := call["id"].(string)
			if seen[id] || !f.ids.MatchString(id) {
				return fmt.Sprintf("the tool call id %q is not valid", id)
			}
			seen[id] = true
			open = append(open, id)
		}
		if len(open) > 0 {
			if wrong := f.check(m, f.isOwn(m)); wrong != "" {
				return wrong
			}
		}
	}
	return ""
}

// isOwn tells whether the backend made the turn: each asks for the time zone of
// its own name.
func (f *family) isOwn(turn map[string]any) bool {
	function := items(turn["tool_calls"])[0].(map[string]any)["function"].(map[string]any)
	return strings.Contains(function["arguments"].(string), f.name)
}

func (f *family) arguments() string { return string(quoted(`{"tz":"` + f.name + `"}`)) }

// families returns the four, each with state of its own kind.
func families() []*family {
	openAI := &family{name: "openai", ids: regexp.MustCompile(`^.{1,40}$`)}
	openAI.call = func(n int) string {
		return deltas(fmt.Sprintf(`{"tool_calls":[{"index":0,"id":"call_%dabc","type":"function","function":{"name":"get_time","arguments":`, n) +
			openAI.arguments() + `}}]}`)
	}
	openAI.check = func(turn map[string]any, own bool) string {
		if id, _ := chattest.At(turn, "tool_calls.0.id"); own != strings.HasSuffix(id.(string), "abc") {
			return fmt.Sprintf("id %s", id)
		}
		return ""
	}

	claude := &family{name: "claude", ids: regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)}
	claude.call = func(n int) string { // two choices that are one answer
		return fmt.Sprintf(`{"choices":[{"index":0,"message":{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"sig-claude-%d"},`+
			`{"type":"text","text":"Let me look."}]},"finish_reason":"stop"},{"index":0,"message":{"role":"assistant","content":null,`+
			`"tool_calls":[{"id":"toolu_%d","type":"function","function":{"name":"get_time","arguments":%s}}]},"finish_reason":"tool_calls"}]}`, n, n, claude.arguments())
	}
	claude.check = func(turn map[string]any, own bool) string {
		id, _ := chattest.At(turn, "tool_calls.0.id")
		signature, _ := chattest.At(turn, "content.0.signature")
		number, native := strings.CutPrefix(id.(string), "toolu_")
		if own && (!native || signature != "sig-claude-"+number) || !own && (native || signature != nil) {
			return fmt.Sprintf("own %v, id %s, signature %s", own, id, signature)
		}
		return ""
	}

	gemini := &family{name: "gemini", ids: regexp.MustCompile(`.`), members: []string{"tool_calls.extra_content"}}
	gemini.call = func(n int) string {
		return deltas(fmt.Sprintf(`{"tool_calls":[{"id":"function-call-%d","type":"function","extra_content":{"google":{"thought_signature":"sig-gemini-%d"}},`+
			`"function":{"name":"get_time","arguments":%s}}]}`, n, n, gemini.arguments()))
	}
	gemini.check = func(turn map[string]any, own bool) string {
		id, _ := chattest.At(turn, "tool_calls.0.id")
		number, native := strings.CutPrefix(id.(string), "function-call-")
		switch signature, _ := chattest.At(turn, "tool_calls.0.extra_content.google.thought_signature"); {
		case signature == nil:
			return "Function call is missing a thought_signature in functionCall parts."
		case own && native && signature == "sig-gemini-"+number, !own && !native && signature == "skip_thought_signature_validator":
			return ""
		default:
			return fmt.Sprintf("own %v, id %s, signature %s", own, id, signature)
		}
	}

	kimi := &family{name: "kimi", ids: regexp.MustCompile(`.`), members: []string{"reasoning_content"}}
	kimi.call = func(n int) string {
		return deltas(`{"reasoning_content":"Which "}`, fmt.Sprintf(`{"reasoning_content":"zone? %d"}`, n),
			fmt.Sprintf(`{"tool_calls":[{"index":0,"id":"functions.get_time:%d","type":"function","function":{"name":"get_time","arguments":%s}}]}`, n, kimi.arguments()))
	}
	kimi.check = func(turn map[string]any, own bool) string {
		id, _ := chattest.At(turn, "tool_calls.0.id")
		number, native := strings.CutPrefix(id.(string), "functions.get_time:")
		switch reasoning, found := turn["reasoning_content"]; {
		case !found:
			return "thinking is enabled but reasoning_content is missing in an assistant tool call message"
		case own && native && reasoning == "Which zone? "+number, !own && !native && reasoning == "":
			return ""
		default:
			return fmt.Sprintf("own %v, id %s, reasoning %q", own, id, reasoning)
		}
	}
	return []*family{openAI, claude, gemini, kimi}
}

// conversationOf is a thread as runs keep it.
type conversationOf struct {
	t        *testing.T
	h        *harness
	messages []Message
	ids      int
}

// turn makes one model call and stores what came of it.
func (c *conversationOf) turn(model string) []Call {
	answer, err := c.h.Complete(c.t.Context(), Request{Model: model, Messages: c.messages, Tools: []Tool{{Name: "get_time"}}}, nil)
	require.NoError(c.t, err)
	m := Message{Role: Assistant, State: answer.State}
	if answer.Text != "" {
		m.Content = []Part{{Text: answer.Text}}
	}
	for _, call := range answer.Calls {
		c.ids++
		call.ID = fmt.Sprintf("call_%024d", c.ids)
		m.Calls = append(m.Calls, call)
	}
	c.messages = append(c.messages, m)
	return m.Calls
}

// run lets caller make a call and answerer go on behind its output.
func (c *conversationOf) run(caller, answerer *family) {
	c.messages = append(c.messages, user("What time is it?"))
	calls := c.turn(caller.name + "/" + caller.name + "-1")
	require.Len(c.t, calls, 1)
	require.JSONEq(c.t, `{"tz":"`+caller.name+`"}`, calls[0].Arguments)
	c.messages = append(c.messages, Message{Role: ToolRole, CallID: calls[0].ID, Content: []Part{{Text: "12:00"}}})
	require.Empty(c.t, c.turn(answerer.name+"/"+answerer.name+"-1"))
	require.Equal(c.t, "It is noon, says "+answerer.name+".", textOf(c.messages[len(c.messages)-1].Content))
}

// A thread goes from model to model, in every order, and even in the middle of
// a run. Each backend refuses what is not as it should be: it gets back what it
// made itself, to the letter, and nothing of the others'.
func TestModelsSwitchInsideAThread(t *testing.T) {
	all := families()
	backends := map[string]http.Handler{}
	for _, f := range all {
		backends[f.name] = f
	}
	c := &conversationOf{t: t, h: newHarness(t, Config{}, backends)}
	c.messages = []Message{{Role: System, Content: []Part{{Text: "You tell the time."}}}}
	for range 2 {
		for _, caller := range all {
			for _, answerer := range all {
				c.run(caller, answerer)
			}
		}
	}
	for _, f := range all {
		require.Equal(t, 2*2*len(all), f.served, f.name)
		switch f.name {
		case "gemini", "kimi": // what they want for the calls of others is learnt from one refusal
			require.Len(t, f.refused, 1, "%s: %q", f.name, f.refused)
			require.Contains(t, f.refused[0], "missing")
		default:
			require.Empty(t, f.refused, f.name)
		}
	}
	require.Equal(t, 2, strings.Count(c.h.log.String(), "learnt from a refused request"))
}
