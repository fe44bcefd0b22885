package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// testCrashes is "make crash" with fewer rounds, on a machine that is busy with
// other tests. Its summaries go to the file that TEST_SUMMARY names.
func testCrashes(t *testing.T, p program) {
	harness := filepath.Join(t.TempDir(), "crash")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", harness, "../crash").CombinedOutput()
	require.NoError(t, err, string(built))
	said, err := exec.CommandContext(t.Context(), harness, "-kills=5", "-faults=3", "-timing=false", "-server="+string(p), "-dir="+t.TempDir()).CombinedOutput()
	require.NoError(t, err, string(said))
	if name := os.Getenv("TEST_SUMMARY"); name != "" {
		file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		defer file.Close()
		_, err = file.Write(said)
		require.NoError(t, err)
	}
}

// limit sets how large a file the server may make, in bytes: to the server it is
// a disk that is full.
func (s *server) limit(t *testing.T, bytes string) {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "prlimit", "--pid", strconv.Itoa(s.Process.Pid), "--fsize="+bytes+":unlimited").CombinedOutput()
	require.NoError(t, err, string(said))
}

// testFullDisk takes the server's disk away while it works, and gives it back.
func testFullDisk(t *testing.T, p program) {
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip("there is no prlimit to take the disk away with")
	}
	s := p.serve(t, t.TempDir(), nil)
	assistant := s.assistant(t)
	thread := s.thread(t, "Before.")
	require.Equal(t, http.StatusOK, s.probe(t, "/readyz"))

	s.limit(t, "4096")
	for range 5 {
		refused := s.send(t, http.MethodPost, "/threads/"+thread+"/messages", map[string]any{"role": "user", "content": "Lost."})
		require.Equal(t, http.StatusServiceUnavailable, refused.status, refused.body)
		require.Equal(t, "true", refused.header.Get("X-Should-Retry"))
		require.Contains(t, refused.body, "The server cannot use its database or disk at the moment.")
	}
	require.Equal(t, http.StatusServiceUnavailable, s.probe(t, "/readyz"))
	require.Equal(t, http.StatusOK, s.probe(t, "/healthz"))
	require.Equal(t, []string{"user: Before."}, s.conversation(t, thread), "what is stored can be read meanwhile")
	require.Equal(t, 1, strings.Count(s.stderr.String(), "advice="), "the log says what to do, and does not repeat it")

	s.limit(t, "unlimited")
	require.Equal(t, http.StatusOK, s.probe(t, "/readyz"))
	s.find(t, "the database can be written again")
	run := s.begin(t, thread, assistant)
	s.ends(t, run, "completed")
	require.Len(t, s.conversation(t, thread), 2)
}

// testVitals asks a serving process what it needs.
func testVitals(t *testing.T, p program) {
	s := p.serve(t, t.TempDir(), nil)
	s.signal(t, syscall.SIGUSR1)
	count, err := strconv.Atoi(s.find(t, `msg=vitals goroutines=(\d+) heap_live=\d+ runtime_total=\d+`))
	require.NoError(t, err)
	require.Positive(t, count)
	require.Equal(t, http.StatusOK, s.probe(t, "/readyz"), "asking does it no harm")
}
