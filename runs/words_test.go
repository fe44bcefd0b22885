package runs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/runs"
)

func TestCompareWords(t *testing.T) {
	for name, c := range map[string]struct {
		a, b, diff           string
		kept, removed, added int
	}{
		"nothing":         {"", "", "", 0, 0, 0},
		"the same":        {"It is 7 degrees.", "It is 7 degrees.", "It is 7 degrees.", 5, 0, 0},
		"one word":        {"It is 7 degrees.", "It is 8 degrees.", "It is [-7-]{+8+} degrees.", 4, 1, 1},
		"only added":      {"", "Hello", "{+Hello+}", 0, 0, 1},
		"only removed":    {"Hello", "", "[-Hello-]", 0, 1, 0},
		"at the end":      {"one two", "one two three", "one two{+ three+}", 2, 0, 1},
		"spaces between":  {"the red car", "a blue car", "[-the red-]{+a blue+} car", 1, 2, 2},
		"lines":           {"a\nb\nc", "a\nx\nc", "a\n[-b-]{+x+}\nc", 2, 1, 1},
		"no spaces":       {"今日は雨", "今日は雪", "今日は[-雨-]{+雪+}", 3, 1, 1},
		"letters only":    {"naïve", "naive", "[-naïve-]{+naive+}", 0, 1, 1},
		"signs alone":     {"a,b", "a;b", "a[-,-]{+;+}b", 2, 1, 1},
		"nothing shared":  {"one two", "three four five", "[-one two-]{+three four five+}", 0, 2, 3},
		"moved":           {"x a b c", "a b c x", "[-x -]a b c{+ x+}", 3, 1, 1},
		"repeated in one": {"no no no", "no", "no[- no no-]", 1, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := runs.CompareWords(c.a, c.b)
			require.Equal(t, runs.Words{Same: c.a == c.b, Kept: c.kept, Removed: c.removed, Added: c.added, Diff: c.diff}, got)
		})
	}
}

var (
	removedWords = regexp.MustCompile(`\[-[^\]]*-\]`)
	addedWords   = regexp.MustCompile(`\{\+[^}]*\+\}`)
	marks        = strings.NewReplacer("[-", "", "-]", "", "{+", "", "+}", "")
)

// TestWordsRebuildBothTexts: without what was added the comparison is the first
// text, without what was removed it is the second, and no word is counted twice.
func TestWordsRebuildBothTexts(t *testing.T) {
	text := rapid.StringMatching(`([abc ,\n]|ab|é|雨){0,60}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		w := runs.CompareWords(a, b)
		require.Equal(t, a, marks.Replace(addedWords.ReplaceAllString(w.Diff, "")))
		require.Equal(t, b, marks.Replace(removedWords.ReplaceAllString(w.Diff, "")))
		require.Equal(t, w.Kept+w.Removed, runs.CompareWords(a, a).Kept)
		require.Equal(t, w.Kept+w.Added, runs.CompareWords(b, b).Kept)
	})
}

// TestLongTextsAreCompared: two texts that have nothing in common do not take for
// ever.
func TestLongTextsAreCompared(t *testing.T) {
	a, b := strings.Repeat("one two ", 30_000), strings.Repeat("three four ", 30_000)
	w := runs.CompareWords("Same. "+a+"End.", "Same. "+b+"End.")
	require.Equal(t, 4, w.Kept)
	require.Equal(t, 60_000, w.Removed)
	require.Equal(t, 60_000, w.Added)
}
