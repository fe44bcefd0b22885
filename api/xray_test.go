package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/store"
)

// counted is a model that answers and counts its calls.
func counted(n *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"Fine."}}],"usage":{"prompt_tokens":40,"completion_tokens":2}}`)
	}
}

// rows counts what is in every table.
func rows(t testing.TB, db *store.DB) map[string]int {
	t.Helper()
	counts := map[string]int{}
	require.NoError(t, db.View(t.Context(), func(r store.Reader) error {
		tables, err := r.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'chunk_terms_%'")
		if err != nil {
			return err
		}
		for tables.Next() {
			var name string
			require.NoError(t, tables.Scan(&name))
			counts[name] = 0
		}
		for name := range counts {
			var n int
			if err := r.QueryRow("SELECT COUNT(*) FROM " + name).Scan(&n); err != nil {
				return err
			}
			counts[name] = n
		}
		return tables.Err()
	}))
	require.Contains(t, counts, "answers")
	return counts
}

// TestDryRun asks for what runs would send, in every way: no model hears of it
// and no table has another row.
func TestDryRun(t *testing.T) {
	var calls atomic.Int64
	s := newServer(t, settings{model: counted(&calls)})
	assistant := s.post("/v1/assistants", `{"model":"m","instructions":"Be brief.","tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{}}}}]}`).text("id")
	thread := s.post("/v1/threads", `{"messages":[{"role":"user","content":"Hello"}]}`).text("id")
	s.settle(s.post("/v1/threads/"+thread+"/runs", `{"assistant_id":"`+assistant+`"}`))
	before, asked := rows(t, s.db), calls.Load()
	commits := s.db.Stats().Commits

	dry := s.with("Understudy-Dry-Run", "true", "Idempotency-Key", "k1")
	body := `{"assistant_id":"` + assistant + `","stream":true,"additional_messages":[{"role":"user","content":"And you?"}],"metadata":{"a":"b"}}`
	for range 2 { // nothing is remembered of the first
		shown := dry.post("/v1/threads/"+thread+"/runs", body)
		require.Equal(t, "application/json", shown.header.Get("Content-Type"), "a dry run is never streamed")
		require.Equal(t, []any{"thread.run.context", thread, nil, true}, []any{shown.at("object"), shown.at("thread_id"), shown.at("run_id"), shown.at("dry_run")})
		require.Equal(t, []any{"test", "m", 0.0, "", nil}, []any{
			shown.at("model_calls.0.upstream"), shown.at("model_calls.0.model"), shown.at("model_calls.0.status"), shown.at("model_calls.0.response"), shown.at("model_calls.0.error"),
		})
		texts := []string{}
		for i := range 4 {
			texts = append(texts, shown.text(fmt.Sprintf("model_calls.0.request.messages.%d.content", i)))
		}
		require.Equal(t, []string{"Be brief.", "Hello", "Fine.", "And you?"}, texts)
		require.Equal(t, "add", shown.at("model_calls.0.request.tools.0.function.name"))
		require.Positive(t, shown.at("model_calls.0.tokens.tools"))
		require.Empty(t, shown.header.Get("Idempotent-Replayed"))
	}
	fresh := dry.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"New"}]}}`)
	require.Nil(t, fresh.at("thread_id"))
	require.Equal(t, "New", fresh.at("model_calls.0.request.messages.1.content"))

	dry.call("POST", "/v1/threads/thread_none/runs", body).refused(404, "", "")
	dry.call("POST", "/v1/threads/"+thread+"/runs", `{"assistant_id":"asst_none"}`).refused(404, "", "")
	dry.call("POST", "/v1/threads/"+thread+"/runs", `{"assistant_id":"`+assistant+`","tool_choice":{"type":"function","function":{"name":"sub"}}}`).refused(400, "tool_choice", "invalid_value")
	s.call("POST", "/v1/threads/"+thread+"/runs", body, "Understudy-Dry-Run", "yes").refused(400, "Understudy-Dry-Run", "invalid_value")
	require.Equal(t, asked, calls.Load(), "no model was asked")
	require.Equal(t, before, rows(t, s.db))
	require.Equal(t, commits, s.db.Stats().Commits, "nothing was written at all")

	// The same key is still good for the run itself, which sends what was foreseen.
	foreseen := dry.post("/v1/threads/"+thread+"/runs", strings.Replace(body, `"stream":true,`, "", 1))
	run := s.settle(s.call("POST", "/v1/threads/"+thread+"/runs", strings.Replace(body, `"stream":true,`, "", 1), "Idempotency-Key", "k1", "Understudy-Dry-Run", "false").ok())
	done := s.get("/v1/threads/" + thread + "/runs/" + run.text("id") + "/context")
	require.Equal(t, false, done.at("dry_run"))
	require.Equal(t, foreseen.at("model_calls.0.request"), done.at("model_calls.0.request"))
	require.Equal(t, foreseen.at("model_calls.0.tokens"), done.at("model_calls.0.tokens"))
	require.Equal(t, 40.0, done.at("model_calls.0.usage.prompt_tokens"))
}

// TestContextTellsOfRetries has a backend refuse a parameter, break down and then
// answer in a stream.
func TestContextTellsOfRetries(t *testing.T) {
	var n atomic.Int64
	s := newServer(t, settings{retries: 3, model: func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n.Add(1) {
		case 1:
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":{"message":"temperature is not supported with this model"}}`)
		case 2:
			w.Header().Set("Retry-After-Ms", "10")
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `{"error":{"message":"Overloaded. Key sk-123456789 waits."}}`)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
		}
	}})
	assistant := s.post("/v1/assistants", `{"model":"m","instructions":"Be brief.","temperature":0.5}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+assistant+`","thread":{"messages":[{"role":"user","content":"Hello"}]}}`))
	require.Equal(t, "completed", run.text("status"))
	shown := s.get("/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id") + "/context")
	var call struct {
		Calls []struct {
			Retries []struct {
				Status         int
				Error, Changed string
				Waited         float64
				StartedAt      string `json:"started_at"`
			} `json:"retries"`
			First    *float64 `json:"time_to_first_token"`
			Duration float64
		} `json:"model_calls"`
	}
	require.NoError(t, json.Unmarshal(shown.body, &call))
	require.Len(t, call.Calls, 1)
	tries := call.Calls[0].Retries
	require.Len(t, tries, 2)
	require.Equal(t, []any{400, "temperature is not supported with this model", "sends no temperature", 0.0}, []any{tries[0].Status, tries[0].Error, tries[0].Changed, tries[0].Waited})
	require.Equal(t, []any{503, "Overloaded. Key [key] waits.", "", 0.01}, []any{tries[1].Status, tries[1].Error, tries[1].Changed, tries[1].Waited})
	require.NotEmpty(t, tries[0].StartedAt)
	require.NotNil(t, call.Calls[0].First)
	require.LessOrEqual(t, *call.Calls[0].First, call.Calls[0].Duration)
}
