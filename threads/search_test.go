package threads

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSnippet(t *testing.T) {
	is := func(want string) func(string) bool {
		return func(word string) bool { return strings.EqualFold(word, want) }
	}
	long := strings.Repeat("früher ", 40) + "Nadel" + strings.Repeat(" später", 60)
	for _, tc := range []struct{ text, word, want string }{
		{"", "x", ""},
		{"one two", "two", "one two"},
		{"one\n\n two", "none", "one two"},
		{"snake_case", "snake_case", "snake_case"},
	} {
		require.Equal(t, tc.want, Snippet(tc.text, is(tc.word)))
	}
	shown := Snippet(long, is("nadel"))
	require.Contains(t, shown, "Nadel")
	require.Less(t, len(shown), 260)
	require.True(t, strings.HasPrefix(shown, "…") && strings.HasSuffix(shown, "…"), shown)
	require.NotContains(t, shown, "\uFFFD")
}
