package chat

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

// wireBody is the request as the backend decodes it.
func wireBody(t *testing.T, req Request, p profile) map[string]any {
	raw, err := marshal(buildRequest(req, Target{"up", "m"}, p))
	require.NoError(t, err)
	var body map[string]any
	require.NoError(t, json.Unmarshal(raw, &body))
	return body
}

func TestRequestSendsOnlyWhatWasAsked(t *testing.T) {
	raw, err := marshal(buildRequest(hello("x"), Target{"up", "m"}, profile{}))
	require.NoError(t, err)
	require.Equal(t, `{"model":"m","messages":[{"role":"user","content":"hello"}],"stream":false}`, string(raw))
}

func TestRequestKeepsZeros(t *testing.T) {
	req := hello("x")
	req.Temperature, req.TopP = new(float64), new(float64)
	req.Tools = []Tool{{Name: "ping", Description: "<b>"}}
	req.ToolChoice = ToolChoice{Mode: "required"}
	body := wireBody(t, req, profile{stream: true})
	chattest.Holds(t, body, []chattest.Assertion{
		{Path: "temperature", Equals: 0.0},
		{Path: "top_p", Equals: 0.0},
		{Path: "tool_choice", Equals: "required"},
		{Path: "stream_options.include_usage", Equals: true},
		{Path: "tools.0.function.parameters.type", Equals: "object"},
		{Path: "tools.0.function.parameters.properties", Exists: true},
		{Path: "tools.0.function.description", Equals: "<b>"},
	})
}

func TestConversation(t *testing.T) {
	say := func(role Role, text string) Message { return Message{Role: role, Content: []Part{{Text: text}}} }
	output := func(id, text string) Message {
		return Message{Role: ToolRole, CallID: id, Content: []Part{{Text: text}}}
	}
	calls := Message{Role: Assistant, Calls: []Call{
		{ID: "1", Name: "a", Arguments: `{"x":`}, {ID: "2", Name: "b"}, {ID: "3", Name: "c", Arguments: `{"y":[1`},
	}}
	req := Request{Messages: []Message{
		say(System, "one"), say(User, "hi"), say(Assistant, ""), calls, output("3", "c"), say(User, "and?"),
		output("1", ""), output("9", "whose?"), say(System, "two"), say(System, ""), say(User, " "),
	}}
	raw, err := marshal(buildRequest(req, Target{"up", "m"}, profile{}).Messages)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"role":"system","content":"one\n\ntwo"},
		{"role":"user","content":"hi"},
		{"role":"assistant","content":null,"tool_calls":[
			{"id":"1","type":"function","function":{"name":"a","arguments":"{}"}},
			{"id":"2","type":"function","function":{"name":"b","arguments":"{}"}},
			{"id":"3","type":"function","function":{"name":"c","arguments":"{\"y\":[1]}"}}]},
		{"role":"tool","tool_call_id":"1","content":""},
		{"role":"tool","tool_call_id":"2","content":"(the call was not answered)"},
		{"role":"tool","tool_call_id":"3","content":"c"},
		{"role":"user","content":"and?"}]`, string(raw))
}

func TestConversationOfNothing(t *testing.T) {
	req := Request{Messages: []Message{{Role: User}}}
	chattest.Holds(t, wireBody(t, req, profile{}), []chattest.Assertion{{Path: "messages.0.content", Equals: emptyUser}})
}

func TestImages(t *testing.T) {
	const data = "data:image/png;base64,iVBORw0KGgo="
	req := Request{Messages: []Message{{Role: User, Content: []Part{
		{Text: "what is this?"}, {Text: ""}, {ImageURL: data, Detail: "low"}, {ImageURL: "https://x/y.png"},
	}}}}
	chattest.Holds(t, wireBody(t, req, profile{}), []chattest.Assertion{
		{Path: "messages.0.content.0.text", Equals: "what is this?"},
		{Path: "messages.0.content.1.image_url.url", Equals: data},
		{Path: "messages.0.content.1.image_url.detail", Equals: "low"},
		{Path: "messages.0.content.2.image_url.detail", Absent: true},
	})
}

func TestStateGoesBackToItsFamilyOnly(t *testing.T) {
	state := json.RawMessage(`{"upstream":"up","model":"m","ids":["functions.a:0","0","0"],` +
		`"extras":[{"extra_content":{"google":{"thought_signature":"s"}}},null,null],` +
		`"reasoning_name":"reasoning","reasoning":"hm","reasoning_details":[{"type":"t"}],"extra_content":{"k":1}}`)
	req := Request{Messages: []Message{user("hi"), {Role: Assistant, State: state, Calls: []Call{
		{ID: "call_1", Name: "a"}, {ID: "call_2", Name: "b"}, {ID: "call_3", Name: "c"},
	}}}}
	chattest.Holds(t, wireBody(t, req, profile{}), []chattest.Assertion{
		{Path: "messages.1.tool_calls.0.id", Equals: "functions.a:0"},
		{Path: "messages.1.tool_calls.1.id", Equals: "0"},
		{Path: "messages.1.tool_calls.2.id", Equals: "call_3"}, // an id is never used twice
		{Path: "messages.4.tool_call_id", Equals: "call_3"},
		{Path: "messages.1.tool_calls.0.extra_content.google.thought_signature", Equals: "s"},
		{Path: "messages.1.reasoning", Equals: "hm"},
		{Path: "messages.1.reasoning_details.0.type", Equals: "t"},
		{Path: "messages.1.extra_content.k", Equals: 1.0},
	})
	raw, err := marshal(buildRequest(req, Target{"up", "other"}, profile{}).Messages)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "hm")
	require.NotContains(t, string(raw), "extra_content")
	require.Contains(t, string(raw), `"tool_call_id":"call_1"`)
}

func TestReasoningDetailsAreJoined(t *testing.T) {
	pieces := []json.RawMessage{
		json.RawMessage(`{"type":"reasoning.text","text":"a","index":0}`),
		json.RawMessage(`{"type":"reasoning.text","text":"b","index":0,"signature":null}`),
		json.RawMessage(`{"type":"reasoning.text","index":0,"signature":"s"}`),
		json.RawMessage(`{"type":"reasoning.encrypted","data":"x","index":1}`),
	}
	raw, err := marshal(joinBlocks(pieces, sameIndex))
	require.NoError(t, err)
	require.JSONEq(t, `[{"type":"reasoning.text","text":"ab","index":0,"signature":"s"},
		{"type":"reasoning.encrypted","data":"x","index":1}]`, string(raw))
}
