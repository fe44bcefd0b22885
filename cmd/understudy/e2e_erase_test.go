package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"

	"understudy/store"
	"understudy/threads"
)

// testErase erases the threads of a user: nothing of them is left in the files
// of the database, the others are whole, and the receipt says what was done.
func testErase(t *testing.T, p program) {
	data := t.TempDir()
	s := p.serve(t, data, nil)
	attached := s.upload(t, "notes.txt", "notes")
	weather := s.assistant(t, function("get_weather", "city"))
	private := s.make(t, "/threads", map[string]any{"metadata": map[string]string{"user": "alice"}, "messages": []any{map[string]any{
		"role": "user", "content": "Weather in Xanaduville?", "attachments": []any{map[string]any{"file_id": attached, "tools": []any{map[string]string{"type": "code_interpreter"}}}},
	}}})
	called := s.begin(t, private, weather)
	s.submit(t, s.ends(t, called, openai.RunStatusRequiresAction), "Quicksilver rain in Xanaduville")
	s.ends(t, called, openai.RunStatusCompleted)
	other := s.thread(t, "Stay, please.")
	s.ends(t, s.begin(t, other, s.assistant(t)), openai.RunStatusCompleted)
	require.True(t, inFiles(t, data, "Xanaduville"))

	busy, code := p.run(t, nil, "erase", "--data="+data, "--user=alice")
	require.Equal(t, 1, code)
	require.Contains(t, busy.stderr.String(), "in use by another understudy")
	s.insist(t, syscall.SIGTERM)

	tried := erase(t, p, data, "--user=alice", "--dry-run")
	require.False(t, tried.Erased)
	require.Equal(t, []store.ErasedThread{{ID: private, Project: "default", Messages: 2, Runs: 1, Steps: 2, ModelCalls: 2, Files: []string{attached}, VectorStores: []string{}, Copies: []string{}}}, tried.Threads)
	require.True(t, inFiles(t, data, "Xanaduville"))
	require.Empty(t, erase(t, p, data, "--user=alice", "--older-than=1d").Threads)
	require.Empty(t, erase(t, p, data, "--user=alice", "--project=others").Threads)

	done := erase(t, p, data, "--user=alice")
	require.True(t, done.Erased)
	require.Equal(t, tried.Threads, done.Threads)
	require.False(t, inFiles(t, data, "Xanaduville"), "something is left")
	require.False(t, inFiles(t, data, "Quicksilver"), "something is left")
	require.Empty(t, erase(t, p, data, "--user=alice").Threads)

	lost, code := p.run(t, nil, "erase", "--data="+data, "--thread="+private)
	require.Equal(t, 1, code)
	require.Contains(t, lost.stdout.String(), `"not_found": [`)
	s = p.serve(t, data, nil)
	require.Equal(t, http.StatusNotFound, s.send(t, http.MethodGet, "/threads/"+private+"/messages", nil).status)
	require.Equal(t, http.StatusNotFound, s.send(t, http.MethodGet, "/threads/"+private+"/runs/"+called.ID, nil).status)
	require.Equal(t, []string{"user: Stay, please.", "assistant: Stay, please."}, s.conversation(t, other))
	fork := s.make(t, "/threads/"+other+"/fork", nil)
	again := s.make(t, "/threads/"+fork+"/fork", nil)
	s.insist(t, syscall.SIGTERM)
	require.Equal(t, []string{fork}, erase(t, p, data, "--thread="+other, "--thread="+again, "--dry-run").Threads[0].Copies, "the fork's fork goes, too")
	parted := erase(t, p, data, "--thread="+other)
	require.Len(t, parted.Threads, 1)
	require.Equal(t, []string{fork, again}, parted.Threads[0].Copies)
	require.Contains(t, parted.Elsewhere, "copies_in")
	require.Equal(t, []string{again}, erase(t, p, data, "--thread="+fork).Threads[0].Copies, "the original is gone")
	require.Empty(t, erase(t, p, data, "--thread="+again).Threads[0].Copies)
	require.False(t, inFiles(t, data, "Stay, please."), "something is left")
}

func erase(t *testing.T, p program, data string, flags ...string) (r receipt) {
	t.Helper()
	ran, code := p.run(t, nil, append([]string{"erase", "--data=" + data}, flags...)...)
	require.Zero(t, code, ran.stderr)
	require.NoError(t, json.Unmarshal([]byte(ran.stdout.String()), &r))
	return r
}

// inFiles looks for words in the raw files of a database.
func inFiles(t *testing.T, data, words string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(data, "understudy.db*"))
	require.NoError(t, err)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		if bytes.Contains(content, []byte(words)) {
			return true
		}
	}
	return false
}

func TestEraseConditions(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	text := func(s string) *string { return &s }
	day := int64(24 * 60 * 60)
	old := &threads.Thread{ID: "thread_1", Metadata: map[string]string{"user": "alice"}}
	for name, c := range map[string]struct {
		command EraseCmd
		last    int64 // seconds ago
		want    bool
	}{
		"its id":          {EraseCmd{Thread: []string{"thread_0", "thread_1"}}, 0, true},
		"another id":      {EraseCmd{Thread: []string{"thread_0"}}, 0, false},
		"its user":        {EraseCmd{User: text("alice")}, 0, true},
		"another user":    {EraseCmd{User: text("bob")}, 0, false},
		"nobody":          {EraseCmd{User: text("")}, 0, false},
		"old enough":      {EraseCmd{OlderThan: text("90d")}, 90*day + 1, true},
		"a second young":  {EraseCmd{OlderThan: text("90d")}, 90 * day, false},
		"hours":           {EraseCmd{OlderThan: text("36h")}, 36*60*60 + 1, true},
		"all must hold":   {EraseCmd{User: text("alice"), OlderThan: text("1d")}, 60, false},
		"another project": {EraseCmd{User: text("alice"), Project: text("q")}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			matches, err := c.command.condition(now)
			require.NoError(t, err)
			require.Equal(t, c.want, matches("p", old, now.Unix()-c.last))
		})
	}
	for _, bad := range []EraseCmd{{}, {Project: text("p")}, {OlderThan: text("")}, {OlderThan: text("d")}, {OlderThan: text("-1d")}, {OlderThan: text("0d")}, {OlderThan: text("90")}} {
		_, err := bad.condition(now)
		require.Error(t, err)
	}
}
