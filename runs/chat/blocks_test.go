package chat

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const pingCall = `{"tool_calls":[{"index":0,"id":"toolu_1","function":{"name":"ping","arguments":"{}"}}]}`

// Thoughts that carry a signature go back to whom they came from, in the form
// in which they came, and in front of the calls they led to.
func TestSignedThoughtsGoBack(t *testing.T) {
	for name, tc := range map[string]struct {
		answer    string
		reasoning string
		content   string // JSON that goes back
		blocks    string // JSON of thinking_blocks that goes back
	}{
		"Databricks, streamed": {
			answer: deltas(
				`{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"Let me "}]}]}`,
				`{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"see."}]}]}`,
				`{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"","signature":"EqoB/1=="}]}]}`,
				`{"content":[{"type":"text","text":"A mo"}]}`, `{"content":"ment."}`, pingCall),
			reasoning: "Let me see.",
			content: `[{"type":"reasoning","summary":[{"type":"summary_text","text":"Let me see.","signature":"EqoB/1=="}]},
				{"type":"text","text":"A moment."}]`,
		},
		"Databricks, whole": {
			answer: message(`{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"One","signature":"s1"}]},
				{"type":"reasoning","summary":[{"type":"summary_text","text":"Two","signature":"s2"}]}],
				"tool_calls":[{"id":"toolu_1","function":{"name":"ping","arguments":"{}"}}]}`),
			reasoning: "OneTwo",
			content: `[{"type":"reasoning","summary":[{"type":"summary_text","text":"One","signature":"s1"}]},
				{"type":"reasoning","summary":[{"type":"summary_text","text":"Two","signature":"s2"}]}]`,
		},
		"Anthropic's blocks in the content, streamed, one of them redacted": {
			answer: deltas(
				`{"content":[{"type":"thinking","thinking":"Hm","signature":""}]}`,
				`{"content":[{"type":"thinking","thinking":"m","signature":""}]}`,
				`{"content":[{"type":"thinking","thinking":"","signature":"s1"}]}`,
				`{"content":[{"type":"thinking","thinking":"Next","signature":"s2"}]}`,
				`{"content":[{"type":"redacted_thinking","data":"xyz"}]}`,
				`{"content":[{"type":"redacted_thinking","data":"abc"}]}`, pingCall),
			reasoning: "HmmNext",
			content: `[{"type":"thinking","thinking":"Hmm","signature":"s1"},{"type":"thinking","thinking":"Next","signature":"s2"},
				{"type":"redacted_thinking","data":"xyz"},{"type":"redacted_thinking","data":"abc"}]`,
		},
		"LiteLLM": {
			answer: deltas(
				`{"reasoning_content":"Hm","thinking_blocks":[{"type":"thinking","thinking":"Hm","signature":null}]}`,
				`{"reasoning_content":"m","thinking_blocks":[{"type":"thinking","thinking":"m","signature":null}]}`,
				`{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"s1"}]}`, `{"content":"Yes."}`, pingCall),
			reasoning: "Hmm",
			content:   `"Yes."`,
			blocks:    `[{"type":"thinking","thinking":"Hmm","signature":"s1"}]`,
		},
		"only blocks": {
			answer:    deltas(`{"thinking_blocks":[{"type":"thinking","thinking":"Hm","signature":"s1"}]}`, pingCall),
			reasoning: "Hm",
			content:   `null`,
			blocks:    `[{"type":"thinking","thinking":"Hm","signature":"s1"}]`,
		},
		"Mistral, which signs nothing": {
			answer:    deltas(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}`, `{"content":[{"type":"text","text":"Yes."}]}`, pingCall),
			reasoning: "Hm",
			content:   `"Yes."`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			own, other := &script{replies: []reply{{body: tc.answer}, ok("done")}}, &script{replies: []reply{ok("done")}}
			h := newHarness(t, Config{}, map[string]http.Handler{"own": own, "other": other})
			req := hello("own/m")
			req.Tools = []Tool{{Name: "ping"}}
			answer, err := h.Complete(t.Context(), req, nil)
			require.NoError(t, err)
			require.Equal(t, tc.reasoning, answer.Reasoning)
			require.Len(t, answer.Calls, 1)

			turn := Message{Role: Assistant, State: answer.State, Calls: answer.Calls}
			turn.Calls[0].ID = "call_1"
			if answer.Text != "" {
				turn.Content = []Part{{Text: answer.Text}}
			}
			req.Messages = append(req.Messages, turn, Message{Role: ToolRole, CallID: "call_1", Content: []Part{{Text: "pong"}}})
			_, err = h.Complete(t.Context(), req, nil)
			require.NoError(t, err)
			sent := own.sent[1]["messages"].([]any)[1].(map[string]any)
			require.JSONEq(t, tc.content, string(asJSON(t, sent["content"])))
			require.Equal(t, tc.blocks != "", sent["thinking_blocks"] != nil)
			if tc.blocks != "" {
				require.JSONEq(t, tc.blocks, string(asJSON(t, sent["thinking_blocks"])))
			}

			req.Model = "other/m"
			_, err = h.Complete(t.Context(), req, nil)
			require.NoError(t, err)
			raw := string(asJSON(t, other.sent[0]["messages"]))
			require.NotContains(t, raw, "signature")
			require.NotContains(t, raw, "thinking")
			require.NotContains(t, raw, "toolu_1")
		})
	}
}

func asJSON(t *testing.T, v any) []byte {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return raw
}

// Hostile nesting costs no more than it is long.
func TestBlocksAreBounded(t *testing.T) {
	deep := `"x"`
	for range 1000 {
		deep = `[{"type":"thinking","thinking":` + deep + `}]`
	}
	piece := json.RawMessage(deep[1 : len(deep)-1])
	f := &fold{streamed: true}
	joined := joinBlocks([]json.RawMessage{piece, piece, piece}, f.goesOn)
	require.NotEmpty(t, joined)
	require.Empty(t, signedOnes(joined))
}
