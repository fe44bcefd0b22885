// Package chunking cuts the text of a document into overlapping chunks of at
// most so many tokens, as static chunking of vector stores asks for (spec
// section 12.1).
package chunking

import (
	"context"
	"fmt"

	"understudy/files/extract"
)

// MaxTokens is how many tokens one file may hold (spec section 13).
const MaxTokens = 5_000_000

// Chunk is a part of a document. Text is what stands in the document's text
// from the character Start up to the character End, and Tokens is its exact
// length. It neither begins nor ends with white space. Page is the one it
// begins on, 0 in a document without pages.
type Chunk struct {
	Text       string
	Tokens     int
	Page       int
	Start, End int
}

// Split cuts a document into chunks of at most size tokens. A chunk repeats up
// to overlap tokens from the end of the one before, and at least three quarters
// of that if it can. size is at least 100 and overlap at most half of it.
//
// A chunk ends where the text has its deepest border in the second half of what
// the chunk does not repeat: before a heading rather than between paragraphs,
// there rather than after a sentence, there rather than between words.
// Characters, and those that are shown as one, are never cut. White space
// between chunks is left out; everything else is in at least one.
//
// The error is an *extract.Error if the document has more than MaxTokens, or the
// cause of the context's end.
func Split(ctx context.Context, doc *extract.Document, size, overlap int) ([]Chunk, error) {
	w := &window{text: doc.Text(), source: newUnits(doc)}
	var chunks []Chunk
	for w.fill(size); len(w.units) > 0; w.fill(size) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		end := w.end(size, overlap)
		chunk, end := w.chunk(end, size)
		if chunk.Text != "" {
			chunks = append(chunks, chunk)
		}
		if end == len(w.units) && w.source.ended() {
			break
		}
		w.advance(w.next(end, overlap))
	}
	if w.source.tokens > MaxTokens {
		return nil, &extract.Error{Code: extract.InvalidFile, Message: fmt.Sprintf(
			"The file could not be parsed because it is too large: it holds more than %d tokens.", MaxTokens)}
	}
	return chunks, nil
}
