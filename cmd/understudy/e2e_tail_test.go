package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"

	"understudy/runs"
)

// prints waits until standard output has the pattern.
func (r *process) prints(t *testing.T, pattern string) {
	t.Helper()
	for expression := regexp.MustCompile(pattern); ; {
		text, more := r.stdout.read()
		if expression.MatchString(text) {
			return
		}
		await(t, more, pattern)
	}
}

// testTail watches the runs of a server, over its restart, in lines and in JSON.
func testTail(t *testing.T, p program) {
	data, env := t.TempDir(), []string{}
	refused, code := p.run(t, env, "runs", "tail", "--data="+data)
	require.Equal(t, 1, code)
	require.Contains(t, refused.stderr.String(), "no server is at work on "+data+"; start one with understudy serve, or write --data or --url")

	s := p.serve(t, data, env)
	lines, objects := p.start(t, env, "runs", "tail", "--data="+data), p.start(t, env, "runs", "tail", "--json", "--url="+s.api)
	for _, follower := range []*process{lines, objects} {
		follower.find(t, "following the runs at (http://.*)\n")
	}
	run := s.begin(t, s.thread(t, "look at this"), s.assistant(t, function("look", "what")))
	waiting := s.settle(t, run.ThreadID, run.ID)
	lines.prints(t, run.ThreadID+"  "+run.ID+`  queued +\S+ +0\.\d{3}s\n`)
	lines.prints(t, run.ID+`  in_progress +\S+ +\d+\.\d{3}s\n`)
	lines.prints(t, run.ID+`  requires_action  \S+ +\d+\+\d+ +\d+\.\d{3}s  waits for look\n`)

	s.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, s.exit(t))
	lines.find(t, `the server went away \((.*)\); waiting for it`)
	s = p.serve(t, data, env, "--listen="+strings.TrimSuffix(strings.TrimPrefix(s.api, "http://"), "/v1"))
	lines.prints(t, `(?s)waits for look\n.*requires_action  \S+ +\d+\+\d+ +\d+\.\d{3}s  waits for look\n`) // it is told once more what there is
	objects.prints(t, `(?s)"requires_action".*"requires_action"`)
	s.submit(t, waiting, "blue")
	require.Equal(t, openai.RunStatusCompleted, s.settle(t, run.ThreadID, run.ID).Status)
	lines.prints(t, run.ID+`  completed +\S+ +\d+\+\d+ +\d+\.\d{3}s\n`)
	objects.prints(t, `"completed".*\n`)

	for _, follower := range []*process{lines, objects} {
		follower.signal(t, syscall.SIGINT)
		require.Equal(t, 0, follower.exit(t))
		require.NotContains(t, follower.stdout.String(), "\x1b", "no terminal, no colours")
	}
	for line := range strings.Lines(objects.stdout.String()) {
		var change runs.Progress
		require.NoError(t, json.Unmarshal([]byte(line), &change), line)
		require.Equal(t, "thread.run.progress", change.Object)
		require.Equal(t, run.ID, change.ID)
	}
}

// testTailWithKeys needs a key, and takes it from the environment.
func testTailWithKeys(t *testing.T, p program) {
	data := t.TempDir()
	made, code := p.run(t, nil, "keys", "create", "tail", "--data="+data)
	require.Equal(t, 0, code)
	key := strings.TrimSpace(made.stdout.String())
	s := p.serve(t, data, nil, "--auth=keys")
	for _, args := range [][]string{{"--data=" + data}, {"--url=" + s.api, "--key=wrong"}} {
		refused, code := p.run(t, nil, append([]string{"runs", "tail"}, args...)...)
		require.Equal(t, 1, code)
		require.Contains(t, refused.stderr.String(), "Write the key with --key or UNDERSTUDY_KEY.")
	}
	follower := p.start(t, []string{"UNDERSTUDY_KEY=" + key}, "runs", "tail", "--data="+data)
	follower.find(t, "following the runs at (http://.*)\n")
	follower.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, follower.exit(t))
}
