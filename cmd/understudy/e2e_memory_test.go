package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// longText is 16 MiB of an answer.
var longText = strings.Repeat("and so on, ", (16<<20)/11)

// longAnswers are answers of that length, each in another form.
var longAnswers = []func(http.ResponseWriter){
	func(w http.ResponseWriter) {
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":"stop"}]}`, longText)
	},
	func(w http.ResponseWriter) {
		fmt.Fprintf(w, `{"choices":[{"message":{"tool_calls":[{"function":{"name":"look","arguments":"{\"at\":\"%s\"}"}}]},"finish_reason":"tool_calls"}]}`, longText)
	},
	streamed(`{"content":%q}`, `{}`),
	streamed(`{"reasoning_content":%q}`, `{"content":"Yes."}`),
}

// streamed sends the text in pieces of 32 KiB, and something behind it.
func streamed(delta, last string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		const size = 32 << 10
		for at := 0; at < len(longText); at += size {
			fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":`+delta+"}]}\n\n", longText[at:min(at+size, len(longText))])
		}
		fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":%s,"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n", last)
	}
}

// testLongAnswers has many long answers come at once, and looks at the most that
// the server needed for them: without a bound it is twice as much.
func testLongAnswers(t *testing.T, p program) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux tells what a process has needed at most")
	}
	var asked atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		longAnswers[int(asked.Add(1))%len(longAnswers)](w)
	}))
	defer upstream.Close()
	config := filepath.Join(t.TempDir(), "understudy.yaml")
	text := "limits: {answers: 64MiB}\nupstreams: [{name: up, base_url: " + upstream.URL + "}]\n"
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	s := p.serve(t, t.TempDir(), nil, "--config="+config)
	assistant := s.assistant(t, function("look", "at"))
	before := s.peak(t)
	var begun []openai.Run
	for range 12 {
		begun = append(begun, s.begin(t, s.thread(t, "Tell me all."), assistant))
	}
	for _, run := range begun {
		require.Contains(t, []openai.RunStatus{openai.RunStatusCompleted, openai.RunStatusRequiresAction}, s.settle(t, run.ThreadID, run.ID).Status)
	}
	require.Less(t, s.peak(t)-before, 700, "MiB")
}

// peak is the most memory that the server has had, in MiB.
func (s *server) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Process.Pid))
	require.NoError(t, err)
	kib, err := strconv.Atoi(regexp.MustCompile(`VmHWM:\s+(\d+)`).FindStringSubmatch(string(status))[1])
	require.NoError(t, err)
	return kib >> 10
}
