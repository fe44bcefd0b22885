package api_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRecorded sends sessions recorded from the hosted API again and compares
// the answers: status, content type, members and their JSON types and values,
// error bodies, the order of events. Ids are mapped and times are any time;
// whatever else differs is listed in acceptedDifferences with its reason, or
// fails.
func TestRecorded(t *testing.T) {
	dir := os.Getenv("REFERENCE_DIR")
	if dir == "" {
		report("recorded: skipped")
		t.Skip("REFERENCE_DIR does not name the folder with the recordings")
	}
	total, passed, later := 0, 0, 0
	used := make([]bool, len(acceptedDifferences))
	listed := map[string]bool{}
	for _, rec := range readRecordings(t, dir) {
		total += rec.sessions
		if reason := laterSessions[rec.name]; reason != "" {
			listed[rec.name] = true
			later += rec.sessions
			continue
		}
		if t.Run(rec.name, func(t *testing.T) {
			for _, d := range replayed(t, rec) {
				if !accepted(d, used) {
					t.Error(d)
				}
			}
		}) {
			passed += rec.sessions
		}
	}
	for name := range laterSessions {
		assert.True(t, listed[name], "laterSessions names %s, which is not recorded", name)
	}
	for i, rule := range acceptedDifferences {
		assert.True(t, used[i], "no answer has the accepted difference of %v %v: %s", rule.objects, rule.members, rule.reason)
	}
	report(fmt.Sprintf("recorded: %d/%d sessions, %d later", passed, total, later))
}
