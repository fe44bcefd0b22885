package chat

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A schema that had to become any JSON object is still a promise of JSON.
func TestSchemaAskedByWeakerMeans(t *testing.T) {
	const refused = `{"error":{"message":"This response_format type is unavailable now","type":"invalid_request_error"}}`
	request := func() Request {
		r := hello("m")
		r.ResponseFormat = json.RawMessage(`{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}`)
		return r
	}
	for name, c := range map[string]struct {
		answers []string
		text    string
		fails   string
	}{
		"JSON at once":         {[]string{`{"content":"{\"a\":1}"}`}, `{"a":1}`, ""},
		"JSON when reminded":   {[]string{`{"content":"No."}`, `{"content":"{\"a\":1}"}`}, `{"a":1}`, ""},
		"JSON in a code fence": {[]string{"{\"content\":\"```json\\n{\\\"a\\\":1}\\n```\"}"}, `{"a":1}`, ""},
		"never JSON":           {[]string{`{"content":"I will not do JSON"}`}, "", "did not answer with JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			replies := []reply{{status: http.StatusBadRequest, body: refused}}
			for _, a := range c.answers {
				replies = append(replies, reply{body: message(a)})
			}
			h := newHarness(t, Config{}, map[string]http.Handler{"up": &script{replies: replies}})
			var shown recorder
			answer, err := h.Complete(t.Context(), request(), &shown)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				require.Empty(t, shown.text.String(), "nothing is shown that was not promised")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.text, answer.Text)
		})
	}
}

// One client's wrong value must not cost the next client a right one.
func TestOneEffortRefusedIsNotTheParameter(t *testing.T) {
	s := &script{replies: []reply{
		{status: http.StatusBadRequest, body: `{"error":{"message":"Unsupported value: 'reasoning_effort' does not support 'high' with this model. Supported values are: 'low'.","type":"invalid_request_error","param":"reasoning_effort","code":"unsupported_value"}}`},
		{body: message(`{"content":"hi"}`)},
	}}
	h := newHarness(t, Config{}, map[string]http.Handler{"up": s})
	high, low := hello("m"), hello("m")
	high.ReasoningEffort, low.ReasoningEffort = "high", "low"
	_, err := h.Complete(t.Context(), high, nil)
	require.ErrorContains(t, err, "does not support 'high'")
	answer, err := h.Complete(t.Context(), low, nil)
	require.NoError(t, err)
	require.Contains(t, string(answer.Exchange.Request), `"reasoning_effort":"low"`)
}

// An upstream that says nothing is passed over while the run still has its life
// before it.
func TestSilentUpstreamIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		h := patient(t, Config{Models: []Mapping{{"m", "silent/a|well/b"}}}, map[string]http.Handler{"silent": silent, "well": newFlaky(http.StatusOK)})
		begun := time.Now()
		answer, err := h.Complete(t.Context(), hello("m"), nil)
		require.NoError(t, err)
		require.Equal(t, "hi", answer.Text)
		require.Less(t, time.Since(begun), 3*DefaultIdleTimeout)
	})
}
