package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// How much garbage may lie around before it is collected: the runtime's default
// is as much as is in use, which on a small heap means to collect all the time.
// Up to spareGarbage bytes it may be as much as most percent of what is in use.
const (
	spareGarbage = 64 << 20
	usualPercent = 100
	mostPercent  = 400
)

// collectLessOften spares a process with a small heap most of its garbage
// collections, some 5 % of its CPU time under load.
var collectLessOften = sync.OnceFunc(afterNextCollection)

// cycle is garbage, found by the collection whose end is to be noticed.
type cycle struct{ _ [32]byte }

// afterNextCollection sets the percentage when a collection has found how much
// is in use, again and again.
func afterNextCollection() {
	runtime.SetFinalizer(&cycle{}, func(*cycle) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(gcPercent(live[0].Value.Uint64()))
		afterNextCollection()
	})
}

// gcPercent is how much garbage there may be, in percent of the bytes in use.
func gcPercent(live uint64) int {
	return int(min(max(spareGarbage*100/max(live, 1), usualPercent), mostPercent))
}
