package filesearch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// found are two searches of a thread: the first found two passages, the second
// one more.
func found() []*Search {
	return []*Search{
		{Done: true, Passages: []Passage{{Source: 4, Number: 0, FileID: "file-a", FileName: "notes.txt"}, {Source: 4, Number: 1, FileID: "file-b", FileName: "odd【1】\nname.md"}}},
		{Done: true, Passages: []Passage{{Source: 7, Number: 3, FileID: "file-c", FileName: "größe.pdf"}}},
	}
}

func TestCiter(t *testing.T) {
	for name, tc := range map[string]struct{ said, shown, cites string }{
		"nothing":                        {"", "", ""},
		"no marker":                      {"Cake.", "Cake.", ""},
		"a marker":                       {"Cake【4:0†notes.txt】.", "Cake【4:0†notes.txt】.", "file-a"},
		"a marker alone":                 {"【4:0†notes.txt】", "【4:0†notes.txt】", "file-a"},
		"one behind the other":           {"Cake【4:0†notes.txt】【7:3†größe.pdf】", "Cake【4:0†notes.txt】【7:3†größe.pdf】", "file-a file-c"},
		"twice the same":                 {"A【4:0†notes.txt】 B【4:0†notes.txt】", "A【4:0†notes.txt】 B【4:0†notes.txt】", "file-a file-a"},
		"another name in it":             {"Cake【4:0†source】", "Cake【4:0†notes.txt】", "file-a"},
		"lines behind the name":          {"Cake【4:0†notes.txt†L1-L9】", "Cake【4:0†notes.txt】", "file-a"},
		"no name":                        {"Cake【4:0】", "Cake【4:0†notes.txt】", "file-a"},
		"one number is the newest's":     {"Cake【3†source】", "Cake【7:3†größe.pdf】", "file-c"},
		"plain brackets":                 {"Cake[4:0†notes.txt]", "Cake【4:0†notes.txt】", "file-a"},
		"a name with brackets":           {"x【4:1†odd[1] name.md】", "x【4:1†odd[1] name.md】", "file-b"},
		"made up":                        {"Cake【9:9†notes.txt】.", "Cake.", ""},
		"made up between":                {"a【9:9†x】b【4:0†notes.txt】c", "ab【4:0†notes.txt】c", "file-a"},
		"brackets of the language":       {"【重要】请看", "【重要】请看", ""},
		"numbers in them":                {"第【1】条：【2024】【3】【9:9】", "第【1】条：【2024】【3】【9:9】", ""},
		"brackets of a list":             {"[1] see [link](x) [4:0]", "[1] see [link](x) [4:0]", ""},
		"cut off":                        {"Cake【4:0†no", "Cake【4:0†no", ""},
		"opened twice":                   {"【【4:0†notes.txt】", "【【4:0†notes.txt】", "file-a"},
		"a line break ends it":           {"【4:0†no\ntes】", "【4:0†no\ntes】", ""},
		"too long to be one":             {"【4:0†" + strings.Repeat("x", 600) + "】", "【4:0†" + strings.Repeat("x", 600) + "】", ""},
		"digits without end":             {"【" + strings.Repeat("4", 50), "【" + strings.Repeat("4", 50), ""},
		"characters, not bytes, counted": {"größer 😀【4:0†notes.txt】ß", "größer 😀【4:0†notes.txt】ß", "file-a"},
	} {
		t.Run(name, func(t *testing.T) {
			pieces := NewCiter(found()).all(tc.said)
			shown, cites := read(t, pieces)
			require.Equal(t, tc.shown, shown)
			require.Equal(t, tc.cites, strings.Join(cites, " "))
		})
	}
}

func (c *Citer) all(parts ...string) []Piece {
	var pieces []Piece
	for _, part := range parts {
		pieces = append(pieces, c.Write(part)...)
	}
	return append(pieces, c.Close()...)
}

// read joins the pieces and checks that each is where it says it is.
func read(t require.TestingT, pieces []Piece) (shown string, cites []string) {
	for _, p := range pieces {
		shown += p.Text
	}
	runes := []rune(shown)
	for _, p := range pieces {
		require.Equal(t, p.Text, string(runes[p.Start:p.End]))
		if p.Passage != nil {
			require.Equal(t, p.Passage.Marker(), p.Text)
			cites = append(cites, p.Passage.FileID)
		}
	}
	return shown, cites
}

// Text that cannot be part of a marker is shown at once.
func TestCiterHoldsBackNoMoreThanItMust(t *testing.T) {
	c := NewCiter(found())
	for _, tc := range []struct{ said, shown string }{
		{"Cake", "Cake"},
		{" and【", " and"},
		{"4:0†notes", ""},
		{".txt】 tea", "【4:0†notes.txt】 tea"},
		{"【重", "【重"},
		{"要\xe3\x80", "要"}, // two of the three bytes of a bracket
		{"\x90x", "【x"},
		{"[", ""},
		{"a](b)", "[a](b)"},
	} {
		shown := ""
		for _, p := range c.Write(tc.said) {
			shown += p.Text
		}
		require.Equal(t, tc.shown, shown, "after %q", tc.said)
	}
	require.Empty(t, c.Close())
}

// However an answer is cut into deltas, the same is shown and cited.
func TestCiterDoesNotDependOnTheCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{
			"【", "】", "[", "]", "4", "7", "9", ":", "0", "1", "3", "†", "notes.txt", "\n", "ß", "重", "😀", " ", "【4:0†notes.txt】", "【7:3†x】", "【5:5†x】",
		})).Draw(t, "parts")
		said := strings.Join(parts, "")
		whole, wholeCites := read(t, NewCiter(found()).all(said))
		var cuts []string
		for rest := said; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut") // in the middle of characters, too
			cuts = append(cuts, rest[:n])
			rest = rest[n:]
		}
		shown := ""
		var cites []string
		for _, p := range NewCiter(found()).all(cuts...) {
			shown += p.Text
			if p.Passage != nil {
				cites = append(cites, p.Passage.FileID)
			}
		}
		require.Equal(t, whole, shown)
		require.Equal(t, wholeCites, cites)
	})
}

func FuzzCiter(f *testing.F) {
	f.Add("Cake【4:0†notes.txt】 and [4:1†x] or 【重要】")
	f.Fuzz(func(t *testing.T, said string) {
		shown := ""
		for _, p := range NewCiter(found()).all(said) {
			shown += p.Text
		}
		if !strings.ContainsAny(said, "0123456789") {
			require.Equal(t, said, shown, "there is no marker in it")
		}
	})
}
