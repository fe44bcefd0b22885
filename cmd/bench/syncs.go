package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// tracedSlice is how long flows run while their disk syncs are counted. It is
// not timed: tracing slows the server.
const tracedSlice = 2 * time.Second

var syncCalls = regexp.MustCompile(`(?m)^\s*\S+\s+\S+\s+\S+\s+(\d+)\s.*\bf(?:data)?sync$`)

// syncsPerFlow counts with strace how often the server waits for the disk; ok
// is false where there is no strace, or it may not trace.
func (b *bench) syncsPerFlow(ctx context.Context, workers int) (perFlow float64, ok bool) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return 0, false
	}
	counts := filepath.Join(b.dir, "strace")
	server := b.children[len(b.children)-1].Process.Pid
	tracer := exec.CommandContext(ctx, path, //nolint:gosec // strace, wherever it is
		"-f", "-c", "-e", "trace=fsync,fdatasync", "-o", counts, "-p", strconv.Itoa(server))
	said, err := tracer.StderrPipe()
	if err != nil || tracer.Start() != nil {
		return 0, false
	}
	var traced sample
	if _, err = said.Read(make([]byte, 1)); err == nil { // "Process … attached", or why not
		traced, err = offer(ctx, b.flows(), workers, tracedSlice)
	}
	_ = tracer.Process.Signal(syscall.SIGINT) // strace then writes its counts
	_ = tracer.Wait()                         // it ends with the signal
	table, readErr := os.ReadFile(counts)
	if err != nil || readErr != nil {
		return 0, false
	}
	syncs := 0
	for _, found := range syncCalls.FindAllSubmatch(table, -1) {
		n, _ := strconv.Atoi(string(found[1])) // digits
		syncs += n
	}
	return float64(syncs) / float64(traced.done), syncs > 0
}
