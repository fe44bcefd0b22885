package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// fault is a way in which a server may fail its clients.
type fault string

// The faults that are counted, in the order they are printed.
const (
	lost       fault = "lost"       // acknowledged, and not there
	doubled    fault = "doubled"    // there twice, or there although refused
	disordered fault = "disordered" // not in the order it was acknowledged in
	stuck      fault = "stuck"      // a run that comes to no end
	locked     fault = "locked"     // a thread that takes nothing more
	misled     fault = "misled"     // an answer that cannot be right
	late       fault = "late"       // a promise of time broken
)

var faults = []fault{lost, doubled, disordered, stuck, locked, misled, late}

// verdict gathers what was found, and the slowest of what was timed.
type verdict struct {
	mu       sync.Mutex
	found    map[fault]int
	texts    []string
	counts   map[string]int
	resume   time.Duration // readiness to the model call of an interrupted run
	cancel   time.Duration // a cancel's answer to the end of the run
	restart  time.Duration // start to readiness
	resumed  int
	canceled int
}

func newVerdict() *verdict {
	return &verdict{found: map[fault]int{}, counts: map[string]int{}}
}

// blame notes a fault. The texts of the first few are kept.
func (v *verdict) blame(f fault, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found[f]++
	if len(v.texts) < 20 {
		v.texts = append(v.texts, string(f)+": "+fmt.Sprintf(format, args...))
	}
}

func (v *verdict) count(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counts[what]++
}

// time notes a duration of one of the kinds that are timed.
func (v *verdict) time(slowest *time.Duration, n *int, took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*slowest = max(*slowest, took)
	if n != nil {
		*n++
	}
}

// faulty reports whether anything is wrong.
func (v *verdict) faulty() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.found) > 0
}

// summary is the one line to print.
func (v *verdict) summary(what string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	parts := make([]string, len(faults))
	for i, f := range faults {
		parts[i] = fmt.Sprintf("%s %d", f, v.found[f])
	}
	return fmt.Sprintf("%s, %d writes acknowledged, %d cut off, %d refused, %d runs ended: %s; slowest start %v, resumption %v (of %d), cancel %v (of %d)",
		what, v.counts[acknowledged], v.counts[cutOff], v.counts[turnedDown], v.counts[ended], strings.Join(parts, ", "),
		v.restart.Round(time.Millisecond), v.resume.Round(time.Millisecond), v.resumed, v.cancel.Round(time.Millisecond), v.canceled)
}

// What is counted beside faults.
const (
	acknowledged = "acknowledged"
	cutOff       = "cut off"
	turnedDown   = "turned down"
	ended        = "ended"
)
