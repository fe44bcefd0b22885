package threads

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCountTokens(t *testing.T) {
	for text, want := range map[string]int{
		"":                      0,
		"hello world":           2,
		"你好":                    1,
		"Hello, how are you?":   6,
		strings.Repeat(" a", 3): 3,
	} {
		require.Equal(t, want, CountTokens(text), "%q", text)
	}
}

// TestLongTextsCountLikeTheirWords: cutting a long text at its spaces changes
// nothing, and cutting where there are none changes little.
func TestLongTextsCountLikeTheirWords(t *testing.T) {
	sentence := "The quick brown fox jumps over the lazy dog and runs away from it"
	long := sentence + strings.Repeat(" "+sentence, 999)
	whole, err := o200k().Count(long)
	require.NoError(t, err)
	require.Equal(t, whole, CountTokens(long))

	kanji := strings.Repeat("東京都は日本の首都である。", 1000)
	whole, err = o200k().Count(kanji)
	require.NoError(t, err)
	require.InEpsilon(t, whole, CountTokens(kanji), 0.02)
}

// TestHostileTextsAreCountedInTime counts texts that are made to take long; the
// square of a run's length would show.
func TestHostileTextsAreCountedInTime(t *testing.T) {
	for name, unit := range map[string]string{
		"mixed white space": " \n", "spaces": " ", "line ends": "\r\n", "one letter": "a", "capitals": "Aa", "punctuation": "!", "apostrophes": "'s",
		"marks": "\u0301", "digits": "1", "emoji": "👩‍👩‍👧", "NUL": "\x00", "no-break spaces": "\u00a0\n", "slashes": "/\n", "not UTF-8": "\x80",
	} {
		t.Run(name, func(t *testing.T) {
			length := maxContent / 8
			if name == "mixed white space" { // the one that takes the codec more than a minute
				length = maxContent
			}
			text := strings.Repeat(unit, length/len([]rune(unit)))
			counted := make(chan int, 1)
			go func() { counted <- CountTokens(text) }()
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

func TestMessagesCostWhatTheyHold(t *testing.T) {
	message := func(parts ...Part) *Message { return &Message{Content: parts} }
	require.Equal(t, messageOverhead, message().CountTokens())
	require.Equal(t, messageOverhead+2, message(NewText("hello world")).CountTokens())
	require.Equal(t, messageOverhead+lowDetailTokens+highDetailTokens, message(
		Part{Type: ImageURLPart, ImageURL: &ImageURL{Detail: "low"}},
		Part{Type: ImageFilePart, ImageFile: &ImageFile{Detail: "auto"}},
	).CountTokens())
}
