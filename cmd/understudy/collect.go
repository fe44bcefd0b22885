package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// How much garbage may lie around before it is collected: the runtime's default
// is as much as is in use, which on a small heap means to collect all the time,
// and on a large one to take twice the memory that the limits name.
const (
	spareGarbage = 64 << 20  // bytes, up to mostPercent of what is in use
	mostGarbage  = 128 << 20 // bytes, down to leastPercent of what is in use
	mostPercent  = 400
	usualPercent = 100
	leastPercent = 25
)

// adaptCollections spares a process with a small heap most of its garbage
// collections, some 5 % of its CPU time under load, and has more of them when
// much is in use: that is long texts, which are quickly looked through.
var adaptCollections = sync.OnceFunc(afterNextCollection)

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
	share := func(garbage uint64) int { return int(min(garbage*100/max(live, 1), mostPercent)) }
	return max(share(spareGarbage), min(share(mostGarbage), usualPercent), leastPercent)
}
