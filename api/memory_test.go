package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// resident reads what the process occupies from the kernel, in MiB: field is
// VmRSS (now) or VmHWM (the most since resetPeak).
func resident(t *testing.T, field string) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("there is no /proc here")
	}
	found := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found)
	kib, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kib >> 10
}

func resetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil {
		t.Skip("the peak cannot be measured here:", err)
	}
}

// TestMemoryOfLongAnswers has eight answers come at once that are nearly as long
// as any may be. They take turns, and what they occupy together stays below
// what docs/configuration.md says.
func TestMemoryOfLongAnswers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("memory is measured as the program has it: without -short and -race")
	}
	piece, _ := json.Marshal(strings.Repeat("word ", 2<<10))
	s := newServer(t, settings{model: func(w http.ResponseWriter, _ *http.Request) {
		for range 30 << 20 / len(piece) {
			_, _ = fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":{"content":%s}}]}`+"\n\n", piece)
		}
		_, _ = fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	}})
	a := s.post("/v1/assistants", `{"model":"m"}`).text("id")
	resetPeak(t)
	before := resident(t, "VmRSS")
	var waits []reply
	for range 8 {
		waits = append(waits, s.post("/v1/threads/runs", `{"assistant_id":"`+a+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	}
	for _, run := range waits {
		for path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id"); run.text("status") != "completed"; {
			run = s.call("GET", path, "", "Prefer", "wait=25").ok()
			require.NotEqual(t, "failed", run.text("status"), "%s", run.body)
		}
	}
	peak := resident(t, "VmHWM")
	require.Less(t, peak-before, 640)
	t.Logf("%d MiB before, %d MiB at most: %d MiB for eight answers of 30 MiB", before, peak, peak-before)
}
