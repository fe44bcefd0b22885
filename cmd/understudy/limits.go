package main

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"understudy/runs"
)

// Limits bound what is done at once. Zero fields stand for their defaults, and
// for no bound where none is named.
type Limits struct {
	Runs              int // driven at once; default runs.DefaultRuns
	RunsPerProject    int
	Queue             int // runs of a project that wait; default runs.DefaultQueue
	RequestsPerMinute int // of a key, or of everybody where there are no keys
	Connections       int // default defaultConnections
	Bodies            int // bytes of large request bodies in memory; default defaultBodies
	Answers           int // bytes of large model answers in memory; default runs.DefaultAnswers
}

const (
	defaultConnections = 4096
	defaultBodies      = 256 << 20
)

// String shows the limits as they are written in the file.
func (l Limits) String() string {
	return fmt.Sprintf("{runs: %d, runs_per_project: %d, queue: %d, requests_per_minute: %d, connections: %d, bodies: %d, answers: %d}",
		l.Runs, l.RunsPerProject, l.Queue, l.RequestsPerMinute, l.Connections, l.Bodies, l.Answers)
}

// fixed shows the limits that a reload does not change.
func (l Limits) fixed() string {
	l.RequestsPerMinute = 0
	return l.String()
}

// ofRuns are the engine's.
func (l Limits) ofRuns() runs.Limits {
	return runs.Limits{Runs: l.Runs, PerProject: l.RunsPerProject, Queue: l.Queue, Answers: l.Answers}
}

// readLimits takes what is written and leaves the rest at its default.
func readLimits(r *reader, n *yaml.Node) Limits {
	l := Limits{}
	number := func(target *int, key string, example int) func(*yaml.Node) {
		return func(n *yaml.Node) { *target, _ = r.integer(n, key, 1, example) }
	}
	size := func(target *int, key, example string) func(*yaml.Node) {
		return func(n *yaml.Node) { *target = r.size(n, key, example) }
	}
	r.mapping(n, "limits", "limits: {runs: 256}", fields{
		"runs":                number(&l.Runs, "runs", runs.DefaultRuns),
		"runs_per_project":    number(&l.RunsPerProject, "runs_per_project", runs.DefaultRuns/4),
		"queue":               number(&l.Queue, "queue", runs.DefaultQueue),
		"requests_per_minute": number(&l.RequestsPerMinute, "requests_per_minute", 600),
		"connections":         number(&l.Connections, "connections", defaultConnections),
		"bodies":              size(&l.Bodies, "bodies", "256MiB"),
		"answers":             size(&l.Answers, "answers", "512MiB"),
	})
	return l
}

// leastSize is what a bound of memory must let through: the longest body and
// the longest answer there may be.
const leastSize = 32 << 20

// size reads a number of bytes, with its unit.
func (r *reader) size(n *yaml.Node, key, example string) int {
	value, ok := r.scalar(n, key, "a size", example)
	if !ok {
		return 0
	}
	for _, unit := range []struct {
		name  string
		bytes int
	}{{"MiB", 1 << 20}, {"GiB", 1 << 30}} {
		number, found := strings.CutSuffix(value, unit.name)
		if count, err := strconv.Atoi(strings.TrimSpace(number)); found && err == nil && count > 0 && count <= 1<<20 && count*unit.bytes >= leastSize {
			return count * unit.bytes
		}
	}
	r.fail(n, "%s: %q is not a size of 32MiB or more, in MiB or GiB; write %s: %s instead", key, n.Value, key, example)
	return 0
}
