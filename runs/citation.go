package runs

import (
	"encoding/json"

	"understudy/api/wire"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// citation is a file_citation annotation (spec sections 9 and 12.1). Its place is
// in characters of the text, end exclusive.
type citation struct {
	Index      *int      `json:"index,omitempty"` // among the annotations; in streams only
	Type       string    `json:"type"`            // file_citation
	Text       string    `json:"text"`            // the marker
	StartIndex int       `json:"start_index"`
	EndIndex   int       `json:"end_index"`
	File       citedFile `json:"file_citation"`
}

// citedFile names what is cited. Quote and the members below it, which say where
// in the file it stands, are an addition for those who ask for them.
type citedFile struct {
	FileID string  `json:"file_id"`
	Quote  *string `json:"quote,omitempty"`
	*place
}

type place struct {
	Page  *int       `json:"page,omitempty"` // from 1; absent where the format has no pages
	Start int        `json:"start"`          // characters into the file's text
	End   int        `json:"end"`
	Score wire.Float `json:"score"` // 0 to 1
}

// citer returns what finds the citations in an answer, nil for a run without
// file_search.
func (r *Run) citer(searches []*filesearch.Search) *filesearch.Citer {
	if r.searchTool() == nil {
		return nil
	}
	return filesearch.NewCiter(searches)
}

// newCitation is the annotation of a piece, with the whole passage as its quote
// where quotes are wanted.
func newCitation(piece filesearch.Piece, quotes bool) citation {
	p := piece.Passage
	c := citation{Type: "file_citation", Text: piece.Text, StartIndex: piece.Start, EndIndex: piece.End, File: citedFile{FileID: p.FileID}}
	if quotes {
		c.File.Quote = &p.Text
		c.File.place = &place{Start: p.Start, End: p.End, Score: wire.Float(p.Score)}
		if p.Page > 0 {
			c.File.Page = &p.Page
		}
	}
	return c
}

// encoded is the annotation as a message has it.
func (c citation) encoded() json.RawMessage {
	raw, err := wire.Marshal(c)
	if err != nil { // only this package makes citations, and all of them encode
		panic(err)
	}
	return raw
}

// streamed is the annotation as a delta has it: with its index, and a quote, be
// it empty.
func (c citation) streamed(index int) citation {
	c.Index = &index
	if c.File.Quote == nil {
		c.File.Quote = new(string)
	}
	return c
}

// annotated tells a text again, with its citations as they were told: each a
// delta of its own, between what stands before and behind it.
func (l *Log) annotated(messageID string, index int, text *threads.Text) {
	told, at := 0, 0 // of the text, in characters and in bytes
	for i, raw := range text.Annotations {
		var c citation
		if json.Unmarshal(raw, &c) != nil || c.StartIndex < told || c.EndIndex < c.StartIndex {
			continue // not one of ours: it is in the message as a whole
		}
		start, inside := behind(text.Value, at, c.StartIndex-told)
		end, whole := behind(text.Value, start, c.EndIndex-c.StartIndex)
		if !inside || !whole {
			continue
		}
		if start > at {
			l.text(messageID, index, false, text.Value[:start], at)
		}
		l.citation(messageID, text.Value[start:end], c.streamed(i))
		told, at = c.EndIndex, end
	}
	if at < len(text.Value) {
		l.text(messageID, index, false, text.Value, at)
	}
}

// behind is the offset that stands so many characters behind another; false when
// the text ends before.
func behind(text string, from, characters int) (offset int, ok bool) {
	for i := range text[from:] {
		if characters == 0 {
			return from + i, true
		}
		characters--
	}
	return len(text), characters == 0
}
