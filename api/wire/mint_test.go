package wire_test

import (
	"context"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestSeededIDsRepeat(t *testing.T) {
	at := time.Unix(7, 0)
	session := func(order ...string) map[string][]string {
		seeds := wire.NewSeeds()
		ids := map[string][]string{}
		for _, request := range order {
			m := seeds.Minter("POST", request)
			ids[request] = append(ids[request], m.ID("thread_", at), m.ID("msg_", at), m.ID("msg_", at), m.HexID("vs_"))
		}
		return ids
	}
	first := session("a", "b", "a")
	require.Equal(t, first, session("a", "b", "a"))
	require.Equal(t, first, session("b", "a", "a"), "requests that differ may overtake each other")
	seen := map[string]bool{}
	for _, ids := range first {
		for i, id := range ids {
			require.False(t, seen[id], id)
			seen[id] = true
			require.Regexp(t, []string{`^thread_[0-9A-Za-z]{24}$`, `^msg_[0-9A-Za-z]{24}$`, `^msg_[0-9A-Za-z]{24}$`, `^vs_[0-9a-f]{32}$`}[i%4], id)
		}
	}
	require.Len(t, seen, 12)
}

func TestWhatAMinterIsAboutCountsPartByPart(t *testing.T) {
	seeds := wire.NewSeeds()
	ids := map[string]bool{}
	for _, m := range []*wire.Minter{
		seeds.Minter("ab", "c"), seeds.Minter("a", "bc"), seeds.Minter("a").About("b", "c"), seeds.Minter("abc"), seeds.Minter("abc", ""),
	} {
		ids[m.ID("x_", time.Unix(7, 0))] = true
	}
	require.Len(t, ids, 5)
	require.Equal(t, wire.NewSeeds().Minter("a", "b").HexID("x_"), wire.NewSeeds().Minter("a").About("b").HexID("x_"))
}

func TestIDsDoNotFollowFromWhatIsIgnored(t *testing.T) {
	id := func(text string, ignore ...*regexp.Regexp) string {
		return wire.NewSeeds(ignore...).Minter("POST").AboutText(text).ID("thread_", time.Unix(7, 0))
	}
	dates, names := regexp.MustCompile(`\d{4}-\d\d-\d\d`), regexp.MustCompile(`Mr\. \w+`)
	require.NotEqual(t, id("on 2026-01-01"), id("on 2026-01-02"))
	require.Equal(t, id("on 2026-01-01, Mr. A", dates, names), id("on 2026-01-02, Mr. B", dates, names))
	require.NotEqual(t, id("on 2026-01-01", dates), id("at 2026-01-01", dates))
	require.Nil(t, (*wire.Minter)(nil).AboutText("a"))
	one := wire.NewSeeds(dates).Minter("2026-01-01").ID("x_", time.Unix(7, 0))
	require.NotEqual(t, one, wire.NewSeeds(dates).Minter("2026-01-02").ID("x_", time.Unix(7, 0)), "what a client did not write counts")
}

func TestEqualRequestsAtOnceHaveIDsOfTheirOwn(t *testing.T) {
	seeds := wire.NewSeeds()
	var mu sync.Mutex
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			id := seeds.Minter("POST").ID("run_", time.Unix(7, 0))
			mu.Lock()
			defer mu.Unlock()
			ids[id] = true
		})
	}
	wg.Wait()
	require.Len(t, ids, 50)
}

func TestWithoutSeedsIDsAreRandom(t *testing.T) {
	var none *wire.Seeds
	m := none.Minter("POST", "/v1/threads")
	require.Nil(t, m)
	require.Equal(t, t.Context(), wire.WithMinter(t.Context(), m))
	require.Nil(t, wire.MinterOf(t.Context()).About("more"))
	require.Regexp(t, `^run_[0-9A-Za-z]{24}$`, m.ID("run_", time.Now()))
	one, other := m.HexID("vs_"), m.HexID("vs_")
	require.NotEqual(t, one, other)

	seeded := wire.NewSeeds().Minter("POST")
	require.Same(t, seeded, wire.MinterOf(context.WithoutCancel(wire.WithMinter(t.Context(), seeded))))
}
