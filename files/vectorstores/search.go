package vectorstores

import (
	"understudy/api/wire"
)

// The bounds of a search (spec section 13).
const (
	maxResults     = 50
	defaultResults = 10
	maxQueries     = 32
	maxQuery       = 4096 // characters of one query
)

// Search is the body of POST /vector_stores/{id}/search.
type Search struct {
	Queries    []string
	MaxResults int
	Threshold  float64
	Filter     Filter
}

// ReadSearch reads the body of POST /vector_stores/{id}/search. Every ranker is
// the server's own; rewrite_query is taken and the query searched as it is,
// for a rewriting is no better than the model it is asked of.
func ReadSearch(o *wire.Object, _ wire.Dialect) (Search, error) {
	s := Search{Queries: readQueries(o), MaxResults: defaultResults, Filter: readFilter(o)}
	o.Bool("rewrite_query")
	if n := o.Int("max_num_results", 1, maxResults); n != nil {
		s.MaxResults = *n
	}
	if ranking := o.Object("ranking_options"); ranking != nil {
		ranking.Enum("ranker", "none", "auto", "default-2024-11-15")
		if threshold := ranking.Float("score_threshold", 0, 1); threshold != nil {
			s.Threshold = float64(*threshold)
		}
		ranking.IgnoreNull("hybrid_search")
		_ = ranking.Err()
	}
	return s, o.Err()
}

func readQueries(o *wire.Object) []string {
	const name = "query"
	if !o.Require(name) {
		return nil
	}
	switch raw := o.Raw(name); raw[0] {
	case '"':
		return []string{o.RequiredString(name, maxQuery)}
	case '[':
		queries := o.Strings(name, maxQueries)
		if len(queries) == 0 {
			o.Fail(wire.EmptyArray(o.Path(name)))
		}
		for _, q := range queries {
			o.Fail(checkQuery(o.Path(name), q))
		}
		return queries
	default:
		o.Fail(wire.WrongType(o.Path(name), "one of a string or array of strings", wire.TypeName(raw)))
		return nil
	}
}

func checkQuery(path, query string) error {
	if query == "" {
		return wire.EmptyString(path)
	}
	return wire.CheckLength(path, query, maxQuery)
}

// Page is the page that a search answers, with one entry for each chunk.
type Page struct {
	Object      string   `json:"object"`
	SearchQuery []string `json:"search_query"`
	Data        []Result `json:"data"`
	HasMore     bool     `json:"has_more"`
	NextPage    *string  `json:"next_page"`
}

// Result is one chunk that was found. Score is between 0 and 1.
type Result struct {
	FileID     string     `json:"file_id"`
	Filename   string     `json:"filename"`
	Score      wire.Float `json:"score"`
	Attributes Attributes `json:"attributes"`
	Content    []Text     `json:"content"`
}

// Text is one piece of text of a search result or of a file's content.
type Text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// ContentPage is the page that the content of a file is answered in.
type ContentPage struct {
	Object   string  `json:"object"`
	Data     []Text  `json:"data"`
	HasMore  bool    `json:"has_more"`
	NextPage *string `json:"next_page"`
}

func newText(text string) Text { return Text{Type: "text", Text: text} }
