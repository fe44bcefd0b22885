//go:build unix

package main

import (
	"os"
	"os/signal"
	"runtime/metrics"
	"syscall"
)

// tellVitals writes what this process needs at the moment to the log, whenever
// the operator asks with SIGUSR1, until close.
func (a *app) tellVitals() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	a.tasks.Go(func() {
		defer signal.Stop(asked)
		for {
			select {
			case <-asked:
				a.logger.Info("vitals", vitals()...)
			case <-a.stop:
				return
			}
		}
	})
}

// vitals are the goroutines there are, the bytes that were live on the heap at
// the end of the last collection, and the bytes the Go runtime holds in all.
func vitals() []any {
	read := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(read)
	return []any{"goroutines", read[0].Value.Uint64(), "heap_live", read[1].Value.Uint64(), "runtime_total", read[2].Value.Uint64()}
}
