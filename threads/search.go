package threads

import (
	"context"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"understudy/api/wire"
)

// Match is where a search found its words in a thread: in a message, or in the
// metadata, where MessageID is null.
type Match struct {
	MessageID *string `json:"message_id"`
	Snippet   string  `json:"snippet"`
}

// Found is a thread that a search found, with its best matches.
type Found struct {
	Thread  json.RawMessage
	Matches []Match
}

// maxQuery bounds what is searched for, in bytes.
const maxQuery = 512

// Search returns one page of the threads in which all words of a text occur,
// in one message or in the metadata, in the order of all threads: that one stays
// as it is while pages are read.
func (s *Service) Search(ctx context.Context, project, text string, q Query) (wire.List, error) {
	if len(text) > maxQuery {
		return wire.List{}, wire.InvalidValue("q", "Invalid 'q': it has more than %d bytes. Search for fewer words.", maxQuery)
	}
	ids, show, err := s.store.SearchThreads(ctx, project, text, q)
	if err != nil {
		return wire.List{}, err
	}
	return wire.PageOf(ids, q.Page, func(id string) (json.RawMessage, error) {
		found, err := show(id)
		if err != nil {
			return nil, err
		}
		matches, err := wire.Marshal(found.Matches)
		if err != nil {
			return nil, err
		}
		body := append([]byte{}, found.Thread[:len(found.Thread)-1]...)
		return append(append(append(body, `,"x_matches":`...), matches...), '}'), nil
	})
}

// How much of a text a snippet shows around the word, in bytes, about.
const (
	snippetBefore = 60
	snippetAfter  = 140
)

// Snippet is the part of a text around the first word that is wanted.
func Snippet(text string, wanted func(word string) bool) string {
	at := 0
	for begin := 0; begin < len(text); {
		rest := text[begin:]
		length := strings.IndexFunc(rest, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r) && r != '_'
		})
		if length < 0 {
			length = len(rest)
		}
		if length > 0 && wanted(rest[:length]) {
			at = begin
			break
		}
		_, size := utf8.DecodeRuneInString(rest[length:])
		begin += length + size
	}
	from, to := max(0, at-snippetBefore), min(len(text), at+snippetAfter)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to++
	}
	shown := strings.Join(strings.Fields(text[from:to]), " ")
	if from > 0 {
		shown = "…" + shown
	}
	if to < len(text) {
		shown += "…"
	}
	return shown
}
