package chunking

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/files/extract"
	"understudy/files/tokens"
)

// words returns n words of one token each.
func words(n int) string { return strings.TrimSpace(strings.Repeat(" word", n)) }

func document(blocks ...extract.Block) *extract.Document { return &extract.Document{Blocks: blocks} }

func split(t *testing.T, doc *extract.Document, size, overlap int) []Chunk {
	chunks, err := Split(context.Background(), doc, size, overlap)
	require.NoError(t, err)
	return chunks
}

func TestAShortDocumentIsOneChunk(t *testing.T) {
	doc := document(
		extract.Block{Text: "Title", Kind: extract.Heading, Page: 1},
		extract.Block{Text: "  Grüße aus Köln.", Page: 1},
		extract.Block{Text: "The end.", Page: 2},
	)
	require.Equal(t, []Chunk{{
		Text: "Title\n\n  Grüße aus Köln.\n\nThe end.", Tokens: tokens.Count(doc.Text()), Page: 1, Start: 0, End: 34,
	}}, split(t, doc, 800, 400))
}

func TestNothingIsNoChunk(t *testing.T) {
	require.Empty(t, split(t, document(), 800, 400))
}

// TestChunksEndAtTheDeepestBorder gives every document several borders in the
// second half of the first chunk.
func TestChunksEndAtTheDeepestBorder(t *testing.T) {
	paragraph := extract.Block{Text: words(60)}
	for name, test := range map[string]struct {
		blocks []extract.Block
		ends   string // of the first chunk
		begins string // the second chunk
	}{
		"heading rather than paragraph": {
			blocks: []extract.Block{paragraph, {Text: "New", Kind: extract.Heading}, {Text: words(20)}, paragraph},
			ends:   " word", begins: "New",
		},
		"with the text under a heading rather than between them": {
			blocks: []extract.Block{{Text: words(20)}, {Text: words(40)}, {Text: "New", Kind: extract.Heading}, {Text: words(90)}},
			ends:   " word", begins: "New",
		},
		"paragraph rather than sentence": {
			blocks: []extract.Block{{Text: words(60) + "."}, {Text: words(15) + ". " + words(90)}},
			ends:   " word.", begins: "word",
		},
		"sentence rather than word": {
			blocks: []extract.Block{{Text: words(60) + " last. First " + words(90)}},
			ends:   " last.", begins: "First",
		},
		"row rather than sentence": {
			blocks: []extract.Block{{Text: words(60) + "\nRow. " + words(90), Kind: extract.Table}},
			ends:   " word", begins: "Row.",
		},
		"Chinese sentence rather than comma": {
			blocks: []extract.Block{{Text: words(60) + "。王，" + words(90)}},
			ends:   "。", begins: "王",
		},
		"word rather than within one": {
			blocks: []extract.Block{{Text: words(95) + " " + strings.Repeat("x9", 90)}},
			ends:   " word", begins: "x9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			chunks := split(t, document(test.blocks...), 100, 0)
			require.True(t, strings.HasSuffix(chunks[0].Text, test.ends), chunks[0].Text)
			require.True(t, strings.HasPrefix(chunks[1].Text, test.begins), chunks[1].Text)
		})
	}
}

func TestAChunkIsOnThePageItBeginsOn(t *testing.T) {
	doc := document(extract.Block{Text: words(90), Page: 1}, extract.Block{Text: words(90), Page: 2}, extract.Block{Text: words(150), Page: 7})
	var pages []int
	for _, c := range split(t, doc, 100, 0) {
		pages = append(pages, c.Page)
	}
	require.Equal(t, []int{1, 2, 7, 7}, pages)
}

// TestCharactersAreNeverCut splits texts without spaces, whose characters are
// several code points or several tokens each.
func TestCharactersAreNeverCut(t *testing.T) {
	for name, character := range map[string]string{
		"family": "👩‍👩‍👧", "skin": "👍🏽", "flag": "🇩🇪", "accent": "e\u0301", "rare sign": "𠮷", "jamo": "\u1112\u1161\u11ab", "two marks": "q\u0323\u0307", "England": "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
	} {
		t.Run(name, func(t *testing.T) {
			const n = 1000
			chunks := split(t, document(extract.Block{Text: strings.Repeat(character, n)}), 100, 0)
			require.Greater(t, len(chunks), 2)
			total := 0
			for _, c := range chunks {
				total += strings.Count(c.Text, character)
				require.Equal(t, c.Text, strings.Repeat(character, len(c.Text)/len(character)))
			}
			require.Equal(t, n, total)
		})
	}
}

func TestTooManyTokens(t *testing.T) {
	_, err := Split(context.Background(), document(extract.Block{Text: strings.Repeat("1 ", MaxTokens/2+1)}), 4096, 0)
	var refused *extract.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "invalid_file", refused.Code)
	require.Equal(t, "The file could not be parsed because it is too large: it holds more than 5000000 tokens.", refused.Message)
}

var kinds = []extract.Kind{extract.Paragraph, extract.Heading, extract.List, extract.Table, extract.Code}

// anyDocument has prose, signs, emoji and long words, pages that go up, and
// blocks as extract makes them.
func anyDocument(t *rapid.T) *extract.Document {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"the", "Schmetterling", "don't", "3.14", "東京都は日本の首都である。", "👩‍👩‍👧🇩🇪", "a.", "\n", "\t", "  ", "e\u0301", "//", "!?"}),
		rapid.StringN(1, 12, -1),
		rapid.Map(rapid.IntRange(1, 400), func(n int) string { return strings.Repeat("xX9", n) }),
	)
	doc, page := &extract.Document{}, 0
	for _, words := range rapid.SliceOfN(rapid.SliceOfN(word, 1, 80), 0, 12).Draw(t, "blocks") {
		page += rapid.IntRange(0, 2).Draw(t, "pages")
		glue := rapid.SampledFrom([]string{" ", " ", "", "\n"}).Draw(t, "glue")
		text := strings.TrimSpace(strings.ToValidUTF8(strings.Join(words, glue), ""))
		if text != "" {
			doc.Blocks = append(doc.Blocks, extract.Block{Text: text, Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Page: page})
		}
	}
	return doc
}

func TestChunksAreWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDocument(t)
		size := rapid.IntRange(100, 900).Draw(t, "size")
		overlap := rapid.IntRange(0, size/2).Draw(t, "overlap")
		chunks, err := Split(context.Background(), doc, size, overlap)
		require.NoError(t, err)
		check(t, doc, chunks, size, overlap)
	})
}

// check holds chunks against everything that Split promises.
func check(t require.TestingT, doc *extract.Document, chunks []Chunk, size, overlap int) {
	text := []rune(doc.Text())
	pages := pagesOf(doc)
	covered := 0
	for i, c := range chunks {
		require.Equal(t, string(text[c.Start:c.End]), c.Text, "the offsets are wrong")
		require.Equal(t, tokens.Count(c.Text), c.Tokens)
		require.LessOrEqual(t, c.Tokens, size)
		require.Equal(t, strings.TrimSpace(c.Text), c.Text)
		require.Equal(t, pages[c.Start], c.Page)
		if c.Start > covered {
			require.Empty(t, strings.TrimSpace(string(text[covered:c.Start])), "text is missing before chunk %d", i)
		}
		if i > 0 {
			require.Greater(t, c.Start, chunks[i-1].Start)
			require.Greater(t, c.End, chunks[i-1].End)
			if c.Start < covered { // cutting at both ends may change a count a little
				require.LessOrEqual(t, tokens.Count(string(text[c.Start:covered])), overlap+4, "chunk %d repeats too much", i)
			}
		}
		covered = c.End
	}
	require.Empty(t, strings.TrimSpace(string(text[covered:])), "the end is missing")
}

// pagesOf returns the page of each character, a separator being on the one before.
func pagesOf(doc *extract.Document) []int {
	var pages []int
	for i, b := range doc.Blocks {
		n := utf8.RuneCountInString(b.Text)
		if i < len(doc.Blocks)-1 {
			n += len(extract.Separator)
		}
		for range n {
			pages = append(pages, b.Page)
		}
	}
	return pages
}

// TestProseOverlapsAsAsked: where words are short, a chunk repeats at least
// three quarters of what was asked for.
func TestProseOverlapsAsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := document(extract.Block{Text: words(5000)})
		size := rapid.IntRange(100, 1000).Draw(t, "size")
		overlap := rapid.IntRange(0, size/2).Draw(t, "overlap")
		chunks, err := Split(context.Background(), doc, size, overlap)
		require.NoError(t, err)
		text := doc.Text()
		for i := range chunks[1:] {
			shared := 0
			if from, to := chunks[i+1].Start, chunks[i].End; from < to {
				shared = tokens.Count(text[from:to])
			}
			require.LessOrEqual(t, shared, overlap)
			require.GreaterOrEqual(t, shared, overlap*3/4-1)
		}
	})
}

func TestChunksOfProseAreFull(t *testing.T) {
	chunks := split(t, document(extract.Block{Text: words(10_000)}), 800, 400)
	for _, c := range chunks[:len(chunks)-1] {
		require.Equal(t, 800, c.Tokens)
	}
	require.Len(t, chunks, 24)
}

func FuzzSplit(f *testing.F) {
	f.Add("# Title\n\nSome text.\n\n👩‍👩‍👧 東京都は日本の首都である。", 100, 50)
	f.Fuzz(func(t *testing.T, text string, size, overlap int) {
		doc := &extract.Document{}
		for i, block := range strings.Split(strings.ToValidUTF8(text, "?"), "\n\n") {
			if block = strings.TrimFunc(block, unicode.IsSpace); block != "" {
				doc.Blocks = append(doc.Blocks, extract.Block{Text: block, Kind: kinds[i%len(kinds)], Page: i})
			}
		}
		size = 100 + int(uint(size)%4000)
		overlap = int(uint(overlap) % uint(size/2))
		chunks, err := Split(context.Background(), doc, size, overlap)
		require.NoError(t, err)
		check(t, doc, chunks, size, overlap)
	})
}

func BenchmarkSplit(b *testing.B) {
	text := strings.Repeat("The Commission's 2024 report — 312 pages, übersetzt — says: \"Nothing in section 4.2 applies.\" ", 10)
	doc := &extract.Document{}
	for range 1000 {
		doc.Blocks = append(doc.Blocks, extract.Block{Text: strings.TrimSpace(text)})
	}
	b.SetBytes(int64(len(doc.Text())))
	for b.Loop() {
		if _, err := Split(context.Background(), doc, 800, 400); err != nil {
			b.Fatal(err)
		}
	}
}

// What takes too long, or is no longer wanted, is given up between two chunks.
func TestSplitIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Split(ctx, document(extract.Block{Text: "some text"}), 100, 0)
	require.ErrorIs(t, err, context.Canceled)
}
