package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// actor is a backend whose models look up what the user names and tell what they
// found; the model "new" does some things in another way than "old" does.
type actor struct {
	url     string
	hanging chan struct{} // gets a value when the model "slow" is asked, which never answers
	left    chan struct{} // gets a value when its caller has left
}

func startActor(t *testing.T) *actor {
	t.Helper()
	a := &actor{hanging: make(chan struct{}, 100), left: make(chan struct{}, 100)}
	listening := httptest.NewServer(a)
	t.Cleanup(listening.Close)
	a.url = listening.URL + "/v1"
	return a
}

// ServeHTTP plays a scene by the user's first words.
func (a *actor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Model    string
		Messages []openai.ChatCompletionMessage
	}
	if json.NewDecoder(r.Body).Decode(&request) != nil || len(request.Messages) == 0 {
		http.Error(w, "no such thing here", http.StatusNotFound)
		return
	}
	if request.Model == "slow" {
		a.hanging <- struct{}{}
		<-r.Context().Done()
		a.left <- struct{}{}
		return
	}
	user, instructed := "", ""
	for _, m := range request.Messages {
		switch m.Role {
		case openai.ChatMessageRoleUser:
			user = m.Content
		case openai.ChatMessageRoleSystem, "developer":
			instructed = m.Content
		}
	}
	isNew, told := request.Model == "new", request.Messages[len(request.Messages)-1]
	call := func(name, arguments string) {
		fmt.Fprintf(w, `{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":%q,"arguments":%q}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":100,"completion_tokens":10}}`, name, arguments)
	}
	say := func(text string) {
		fmt.Fprintf(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10}}`, text)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case told.Role == openai.ChatMessageRoleTool && isNew && user == "more":
		call("look", `{"what":"even more"}`)
	case told.Role == openai.ChatMessageRoleTool && isNew:
		say("There it was: " + told.Content)
	case told.Role == openai.ChatMessageRoleTool:
		say("It was " + told.Content)
	case user == "json" && isNew:
		say("Here is the JSON you asked for: {\"n\":1}")
	case user == "json":
		say(`{"n":1}`)
	case user == "arguments" && isNew:
		call("look", `{"what":"all the arguments"}`)
	case instructed == "Never look." && isNew:
		say("I do not look.")
	default:
		call("look", `{"what": "`+user+`"}`)
	}
}

// testRehearse tries another model on past runs, the way a user does.
func testRehearse(t *testing.T, p program) {
	a := startActor(t)
	s := p.serve(t, t.TempDir(), nil, "--upstream-url="+a.url)
	assistant := s.make(t, "/assistants", map[string]any{"model": "old", "tools": []any{function("look", "what")}})
	var originals []openai.Run
	for _, words := range []string{"same", "json", "arguments", "more"} {
		originals = append(originals, s.finished(t, assistant, words))
	}
	before := s.send(t, http.MethodGet, "/threads?limit=100", nil).body
	rehearse := func(args ...string) (*process, int) {
		return p.run(t, []string{"UNDERSTUDY_URL=" + s.api}, append([]string{"rehearse", "--from=old"}, args...)...)
	}

	t.Run("for people", func(t *testing.T) {
		r, code := rehearse("--to=new")
		require.Equal(t, 1, code)
		require.Contains(t, r.stderr.String(), "rehearsed 4 of 4 runs")
		require.Contains(t, r.stderr.String(), "understudy: the new model does not hold: 3 of 4 runs came out worse")
		shown := r.stdout.String()
		require.Contains(t, shown, "1 of 4 runs of old hold with new\n")
		for _, line := range []string{
			`completed +4 +3`, `same tool calls +2 of 4`, `other arguments +1`, `other calls +1, of which 1 stopped`,
			`valid JSON, of 1 +1 +0`, `the same text +0`, `prompt tokens +700 +700`, `completion tokens +70 +70`,
			`\. ` + originals[3].ID + ` on ` + originals[3].ThreadID + `\n +stopped at a call that was never recorded: look\({"what":"even more"}\)`,
			`\. ` + originals[1].ID + ` on ` + originals[1].ThreadID + `\n +the answer is no valid JSON`,
			`3\. ` + originals[2].ID + ` .*\n +other arguments: look\({"what": "arguments"}\) -> look\({"what":"all the arguments"}\)`,
			`4\. ` + originals[0].ID + ` .*\n +\[-It -\]{\+There it \+}was{\+:\+} found`,
		} {
			require.Regexp(t, line, shown)
		}
		require.Equal(t, before, s.send(t, http.MethodGet, "/threads?limit=100", nil).body, "nothing of it is seen")
	})
	t.Run("for programs", func(t *testing.T) {
		r, code := rehearse("--to=new", "--json", "--last=2", "--tolerate=100", "--concurrency=1")
		require.Equal(t, 0, code)
		var made report
		require.NoError(t, json.Unmarshal([]byte(r.stdout.String()), &made))
		require.Equal(t, []int{2, 0}, []int{made.Rehearsed, made.Held}, "the two newest")
		require.Equal(t, originals[3].ID, made.Runs[0].RunID)
		require.Equal(t, 1, made.Summary.Unrecorded)
		require.Equal(t, http.StatusNotFound, s.send(t, http.MethodGet, "/threads/"+made.Runs[0].Diff.B.ThreadID, nil).status, "the fork is gone")
	})
	t.Run("the same model", func(t *testing.T) {
		r, code := rehearse("--to=old", "--keep", "--json")
		require.Equal(t, 0, code, r.stderr)
		var made report
		require.NoError(t, json.Unmarshal([]byte(r.stdout.String()), &made))
		require.Equal(t, []int{4, 4, 4}, []int{made.Rehearsed, made.Held, made.Summary.SameText})
		require.Equal(t, http.StatusOK, s.send(t, http.MethodGet, "/threads/"+made.Runs[0].Diff.B.ThreadID, nil).status)
	})
	t.Run("by the data directory", func(t *testing.T) {
		r, code := p.run(t, nil, "rehearse", "--from=old", "--to=old", "--last=1", "--data="+s.data)
		require.Equal(t, 0, code, r.stderr)
	})
	t.Run("other instructions", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "instructions.txt")
		require.NoError(t, os.WriteFile(file, []byte("Never look."), 0o600))
		r, code := rehearse("--to=new", "--last=1", "--instructions="+file)
		require.Equal(t, 1, code)
		require.Contains(t, r.stdout.String(), `other tool calls: look({"what": "more"}) -> no call`)
	})
	t.Run("interrupted", func(t *testing.T) { testInterruptedRehearsal(t, a, rehearsing(t, p, s)) })
	t.Run("mistakes", func(t *testing.T) { testRehearseMistakes(t, p, s) })
}

// finished makes a run that is brought to its end.
func (s *server) finished(t *testing.T, assistant, words string) openai.Run {
	t.Helper()
	thread := s.make(t, "/threads", map[string]any{"messages": []any{map[string]string{"role": "user", "content": words}}})
	run, err := s.client.CreateRun(t.Context(), thread, openai.RunRequest{AssistantID: assistant})
	require.NoError(t, err)
	held := func() {
		answer := s.send(t, http.MethodGet, "/threads/"+thread+"/runs/"+run.ID, nil, "Prefer: wait=20")
		require.NoError(t, json.Unmarshal([]byte(answer.body), &run), answer.body)
	}
	held()
	if run.RequiredAction != nil {
		_, err := s.client.SubmitToolOutputs(t.Context(), thread, run.ID, openai.SubmitToolOutputsRequest{
			ToolOutputs: []openai.ToolOutput{{ToolCallID: run.RequiredAction.SubmitToolOutputs.ToolCalls[0].ID, Output: "found"}},
		})
		require.NoError(t, err)
		held()
	}
	require.Equal(t, openai.RunStatusCompleted, run.Status)
	return run
}

// rehearsing starts a rehearsal without waiting for its end.
func rehearsing(t *testing.T, p program, s *server) *process {
	t.Helper()
	return p.start(t, nil, "rehearse", "--from=old", "--to=slow", "--url="+s.api)
}

// testInterruptedRehearsal: what was begun is taken back, so that the backend is
// not asked any longer.
func testInterruptedRehearsal(t *testing.T, a *actor, r *process) {
	for range 4 {
		await(t, a.hanging, "a call of the model")
	}
	r.signal(t, syscall.SIGINT)
	require.Equal(t, 1, r.exit(t))
	for range 4 {
		await(t, a.left, "the end of the call")
	}
	require.Empty(t, r.stdout.String())
}

func testRehearseMistakes(t *testing.T, p program, s *server) {
	keyed := p.serve(t, t.TempDir(), nil, "--auth=keys")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such model":  {[]string{"--from=gone", "--to=new", "--url=" + s.api}, 1, `no run of the model "gone" has ended by itself; the last runs asked for old`},
		"no model":       {[]string{"--from=old"}, 2, "--to=MODEL"},
		"from nothing":   {[]string{"--from=", "--to=new", "--url=" + s.api}, 2, "--from: the model has no name"},
		"to nothing":     {[]string{"--from=old", "--to=", "--url=" + s.api}, 2, "--to: the model has no name"},
		"no server":      {[]string{"--from=old", "--to=new", "--url=http://127.0.0.1:1"}, 1, "no server is reached at http://127.0.0.1:1: "},
		"no address":     {[]string{"--from=old", "--to=new"}, 1, "no server is at work on ./data; start one with understudy serve, or write --data or --url"},
		"no URL":         {[]string{"--from=old", "--to=new", "--url=localhost"}, 2, "this is not the URL of a server"},
		"another server": {[]string{"--from=old", "--to=new", "--url=" + strings.TrimSuffix(s.api, "/v1") + "/elsewhere"}, 1, "it is older than this command, or no understudy"},
		"no key":         {[]string{"--from=old", "--to=new", "--url=" + keyed.api}, 1, "API key"},
		"no runs":        {[]string{"--from=old", "--to=new", "--last=0", "--url=" + s.api}, 2, "--last and --concurrency are at least 1"},
		"no file":        {[]string{"--from=old", "--to=new", "--instructions=none.txt", "--url=" + s.api}, 2, "none.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			r, code := p.run(t, nil, append([]string{"rehearse"}, c.args...)...)
			require.Equal(t, c.code, code, r.stderr)
			require.Contains(t, r.stderr.String(), c.says)
			require.Empty(t, r.stdout.String())
		})
	}
}
