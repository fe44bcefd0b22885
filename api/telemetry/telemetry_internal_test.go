package telemetry

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLabelsAreBounded: clients name models, and could name any number.
func TestLabelsAreBounded(t *testing.T) {
	var n names
	for i := range 3 * maxModels {
		name := fmt.Sprint("model-", i)
		if i < maxModels {
			require.Equal(t, name, n.label(name))
		} else {
			require.Equal(t, other, n.label(name))
		}
	}
	require.Equal(t, "model-5", n.label("model-5"), "a model that has a label keeps it")
	require.Equal(t, other, knownMethod("BREW"))
	require.Equal(t, "POST", knownMethod("POST"))
}

// TestLegsAreBounded forgets the runs that were not heard of for longest.
func TestLegsAreBounded(t *testing.T) {
	var l legs
	known := func(id string) (known bool) {
		l.change(id, func(leg *leg) bool {
			known = !leg.asked.IsZero()
			return known
		})
		return known
	}
	set := func(id string) {
		l.change(id, func(leg *leg) bool {
			leg.asked = leg.asked.AddDate(1, 0, 0)
			return true
		})
	}
	set("old")
	set("steady")
	for i := range 3 * maxLegs {
		set(fmt.Sprint("run-", i))
		if i%1000 == 0 {
			require.True(t, known("steady"))
		}
	}
	require.False(t, known("old"))
	require.True(t, known("steady"))
	require.LessOrEqual(t, len(l.recent)+len(l.older), 2*maxLegs)
}
