package wire_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestIDsLookLikeTheHostedOnes(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	require.Regexp(t, `^thread_[0-9A-Za-z]{24}$`, wire.NewID("thread_", at))
	require.Regexp(t, `^req_[0-9a-f]{32}$`, wire.NewHexID("req_"))
	require.Regexp(t, `^x[0-9A-Za-z]{24}$`, wire.NewID("x", time.Unix(0, 0)))
}

func TestLaterIDsSortLater(t *testing.T) {
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	before := wire.NewID("msg_", at)
	for _, step := range []time.Duration{time.Millisecond, time.Second, time.Hour, 24 * time.Hour, 9000 * time.Hour, 300_000 * time.Hour} {
		at = at.Add(step)
		next := wire.NewID("msg_", at)
		require.Less(t, before, next, step)
		before = next
	}
}

func TestIDsOfOneMomentDiffer(t *testing.T) {
	const workers, each = 8, 2000
	at := time.Now()
	minted := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				minted[w] = append(minted[w], wire.NewID("run_", at))
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	digits := map[byte]int{}
	for _, ids := range minted {
		for _, id := range ids {
			require.False(t, seen[id], id)
			seen[id] = true
			digits[id[len(id)-1]]++
		}
	}
	require.Len(t, digits, 62, "every digit occurs in the random part")
}

func TestMinted(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	good := wire.NewID("evt_", at)
	require.True(t, wire.Minted(good))
	for _, bad := range []string{"", "evt_", "evt_1", good + "x", good[:len(good)-1], good[:len(good)-1] + "-", good[4:]} {
		require.False(t, wire.Minted(bad), bad)
	}
}

func TestCheckID(t *testing.T) {
	require.NoError(t, wire.CheckID("step_id", "step_123", "step"))
	for _, id := range []string{"", "undefined", "Thread_1", " thread_1"} {
		e := apiError(t, wire.CheckID("thread_id", id, "thread"))
		require.Equal(t, "Invalid 'thread_id': '"+id+"'. Expected an ID that begins with 'thread'.", e.Message)
		require.Equal(t, [2]string{"thread_id", "invalid_value"}, [2]string{e.Param, e.Code})
	}
}
