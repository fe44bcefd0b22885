package tokens

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/stretchr/testify/require"
	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"
)

func TestCount(t *testing.T) {
	for text, want := range map[string]int{
		"":                      0,
		"hello world":           2,
		"你好":                    1,
		"Hello, how are you?":   6,
		strings.Repeat(" a", 3): 3,
	} {
		require.Equal(t, want, Count(text), "%q", text)
	}
}

// alphabet has characters of every class that the expression knows, and those
// that its lines treat in a special way.
var alphabet = []rune("aAzZsStTrReEvVmMlLdDſ''''  \t\n\r//!?.,-#0199½Ⅷ字かดʰǅßÉé\u0301\u0489\u00a0\u2028\u200d\u3000👩🏽🇩𝔄𐐨١\U0001F1E6\ufffd\x00")

// expression is o200k's own, in brackets so that it is interpreted: the code
// that codec has generated from it cuts "\n \n" in two.
var expression = regexp2.MustCompile("(?:"+
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`+
	`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?`+
	`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`+")", regexp2.None)

func TestPiecesAreThoseOfTheExpression(t *testing.T) {
	text := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 60, -1),
		rapid.String(),
		rapid.StringOfN(rapid.SampledFrom([]rune(" \n\ra")), 0, 300, -1),
		rapid.StringOfN(rapid.RuneFrom(nil, unicode.L, unicode.M), 0, 200, -1),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := text.Draw(t, "text")
		match, err := expression.FindStringMatch(text)
		for rest := text; rest != ""; {
			require.NoError(t, err)
			piece := rest[:pieceEnd(rest)]
			require.Equal(t, match.String(), piece, "%q", text)
			rest = rest[len(piece):]
			match, err = expression.FindNextMatch(match)
		}
	})
}

// TestTokensAreThoseOfTheCodec leaves out what codec gets wrong: mixed white
// space, and the character DEL.
func TestTokensAreThoseOfTheCodec(t *testing.T) {
	o200k := codec.NewO200kBase()
	text := rapid.OneOf(
		rapid.StringMatching(`( ?[A-Za-zäöüßéèñ]{1,12}[.,;:!?)]{0,2}){0,30}`),
		rapid.StringOfN(rapid.RuneFrom(nil, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S), 0, 200, -1),
		rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 400, -1),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := text.Draw(t, "text")
		_, want, err := o200k.Encode(text)
		require.NoError(t, err)
		require.Equal(t, len(want), Count(text), "%q", text)
		n := rapid.IntRange(0, len(want)+1).Draw(t, "n")
		require.Equal(t, strings.Join(want[:min(n, len(want))], ""), Cut(text, n), "%q", text)
	})
}

func TestStepsAddUp(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 500, -1)
	rapid.Check(t, func(t *rapid.T) {
		text := text.Draw(t, "text")
		at, total := 0, 0
		for scanner := NewScanner(text); ; {
			size, tokens := scanner.Next()
			if size == 0 {
				break
			}
			require.Positive(t, tokens)
			require.True(t, utf8.ValidString(text[at:at+size]), "a step ends inside a character")
			at, total = at+size, total+tokens
		}
		require.Equal(t, len(text), at)
		require.Equal(t, Count(text), total)
	})
}

func TestLongWordsAreTakenInParts(t *testing.T) {
	text := strings.Repeat("東京都は日本の首都である", 100)
	scanner := NewScanner(text)
	size, tokens := scanner.Next()
	require.Less(t, size, len(text))
	require.LessOrEqual(t, tokens, maxStep)
}

// TestHostileTextsAreCountedInTime counts texts that are made to take long; the
// square of a run's length would show.
func TestHostileTextsAreCountedInTime(t *testing.T) {
	for name, unit := range map[string]string{
		"mixed white space": " \n", "spaces": " ", "line ends": "\r\n", "one letter": "a", "capitals": "Aa", "punctuation": "!", "apostrophes": "'s",
		"marks": "\u0301", "digits": "1", "emoji": "👩‍👩‍👧", "NUL": "\x00", "no-break spaces": "\u00a0\n", "slashes": "/\n", "not UTF-8": "\x80",
		"a sign and capitals": "字A",
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(unit, 256_000/len([]rune(unit)))
			counted := make(chan int, 1)
			go func() { counted <- Count(text) }()
			select {
			case n := <-counted:
				require.Positive(t, n)
				require.LessOrEqual(t, n, len(text))
			case <-time.After(time.Minute):
				t.Fatal("counting takes too long")
			}
		})
	}
}

// prose is one megabyte with the words, numbers and line ends of a document.
var prose = strings.Repeat("The Commission's 2024 report — 312 pages, übersetzt — says:\n\n\t\"Nothing in section 4.2 applies.\"  ", 10_000)

func BenchmarkCount(b *testing.B) {
	Count("load the vocabulary")
	b.SetBytes(int64(len(prose)))
	for b.Loop() {
		Count(prose)
	}
}
